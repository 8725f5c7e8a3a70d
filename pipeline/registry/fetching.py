"""Getting models: sources in order, digests checked, conversions checked, nothing done twice."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from pipeline.backends.sources import (
    Delivery,
    HubSource,
    LocalSource,
    PackageSource,
    Say,
    Source,
    SourceError,
)
from pipeline.errors import ModelError, ModelMissing
from pipeline.registry import inventory
from pipeline.registry.inventory import Provenance, model_path, read_provenance, write_provenance
from pipeline.registry.manifest import FileSpec, Manifest, ModelSpec

#: Age in seconds after which a forgotten temporary file is removed.
_STALE_SECONDS = 86_400

Step = Literal["present", "note", "source", "failed", "done"]


@dataclass(frozen=True, slots=True)
class FetchEvent:
    """Something that happened to one model, in words for the user."""

    model: str
    step: Step
    text: str


class Progress(Protocol):
    """Receives the events of `fetch`, in order."""

    def __call__(self, event: FetchEvent, /) -> None: ...


@dataclass(frozen=True, slots=True)
class FetchOutcome:
    """What became of a requested model; `error` says why in plain words when it failed."""

    model: str
    status: Literal["present", "fetched", "failed"]
    error: str | None = None


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """Choices of one `fetch`."""

    #: Restrict to this kind of source; None tries all in the order of the manifest.
    only: Literal["hub", "package"] | None = None
    #: Folder holding one folder per model id, tried before every other source.
    local: Path | None = None


def fetch(
    manifest: Manifest,
    ids: Iterable[str] | None,
    store: Path,
    progress: Progress,
    options: FetchOptions | None = None,
) -> tuple[FetchOutcome, ...]:
    """Bring models (the default set if `ids` is None) into the store, verified.

    What is there and sound is left alone, so a second call is quick and a broken one resumes. A
    failed model does not stop the others; its outcome says why. Raises ConfigError for an unknown
    id or an unsafe environment.
    """
    inventory.refuse_unsafe_loading()
    chosen = tuple(manifest.get(item) for item in (manifest.defaults() if ids is None else ids))
    cache = store / ".cache"
    cache.mkdir(parents=True, exist_ok=True)
    run = _Fetch(manifest, store, progress, options or FetchOptions(), Delivery(cache))
    outcomes = tuple(run.outcome(spec) for spec in chosen)
    if all(outcome.status != "failed" for outcome in outcomes):
        shutil.rmtree(cache, ignore_errors=True)
    return outcomes


@dataclass(frozen=True, slots=True)
class _Fetch:
    """One call of `fetch`."""

    manifest: Manifest
    store: Path
    progress: Progress
    options: FetchOptions
    delivery: Delivery
    told: set[str] = field(default_factory=set)

    def outcome(self, spec: ModelSpec) -> FetchOutcome:
        try:
            return FetchOutcome(spec.id, self.obtain(spec))
        except (ModelError, ModelMissing) as error:
            self.progress(FetchEvent(spec.id, "failed", str(error)))
            return FetchOutcome(spec.id, "failed", str(error))
        except OSError as error:
            text = f"{spec.id}: cannot write to {self.store}: {error.strerror or error}"
            self.progress(FetchEvent(spec.id, "failed", text))
            return FetchOutcome(spec.id, "failed", text)

    def obtain(self, spec: ModelSpec) -> Literal["present", "fetched"]:
        inventory.installed_version(spec)
        if all(
            item.state == "ok"
            for item in inventory.verify_model(self.store, self.manifest, spec.id)
        ):
            self.progress(FetchEvent(spec.id, "present", "present and verified"))
            return "present"
        folder = model_path(self.store, spec)
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        if spec.conversion is None:
            self.download(spec, folder)
        else:
            self.obtain(self.manifest.get(spec.conversion.source))
            self.convert(spec, folder)
        self.progress(FetchEvent(spec.id, "done", "complete and verified"))
        return "fetched"

    def download(self, spec: ModelSpec, folder: Path) -> None:
        before = read_provenance(folder)
        found: dict[str, str] = {}
        origins: dict[str, None] = {}
        for file in spec.files:
            known = file.sha256 or (before.files.get(file.name) if before else None)
            path = folder / file.name
            if known is not None and path.is_file() and inventory.sha256(path) == known:
                found[file.name] = known
                continue
            origin, found[file.name] = self.download_file(spec, file, path)
            origins[origin] = None
        source = ", ".join(origins) or (before.source if before else "present before")
        write_provenance(folder, Provenance(source, found))

    def download_file(self, spec: ModelSpec, file: FileSpec, path: Path) -> tuple[str, str]:
        """Try the sources in order; returns the source's name and the file's sha256."""
        problems: list[str] = []
        sources = self.sources(spec)
        for place, source in enumerate(sources, start=1):
            temporary = _temporary(path)
            try:
                self.delivery.deliver(source, file.name, temporary, self.say(spec.id))
                found = inventory.sha256(temporary)
                if found != (file.sha256 or found):
                    self.delivery.forget(source, file.name)
                    raise SourceError(
                        f"{source} delivered {file.name} with sha256 {found[:12]}…, "
                        f"expected {file.sha256}"
                    )
                inventory.keep(temporary, path)
            except SourceError as error:
                problems.append(str(error))
                if place < len(sources):
                    self.tell(spec.id, f"{error}; trying the {sources[place].kind} source")
            else:
                return str(source), found
            finally:
                temporary.unlink(missing_ok=True)
        tried = (
            "; ".join(dict.fromkeys(problems))
            or f"no source is allowed by only={self.options.only}"
        )
        raise ModelError(f"{spec.id}: no source delivered {file.name}: {tried}")

    def sources(self, spec: ModelSpec) -> tuple[Source, ...]:
        allowed: tuple[type[Source], ...] = (HubSource, PackageSource, LocalSource)
        if self.options.only == "hub":
            allowed = (HubSource, LocalSource)
        elif self.options.only == "package":
            allowed = (PackageSource, LocalSource)
        given = (
            () if self.options.local is None else (LocalSource(str(self.options.local / spec.id)),)
        )
        return given + tuple(item for item in spec.sources if isinstance(item, allowed))

    def convert(self, spec: ModelSpec, folder: Path) -> None:
        assert spec.conversion is not None
        converter = inventory.converter(spec.conversion.converter)
        sources = model_path(self.store, self.manifest.get(spec.conversion.source))
        with tempfile.TemporaryDirectory(dir=self.store / ".cache") as scratch:
            made = Path(scratch)
            target = made / spec.files[0].name if len(spec.files) == 1 else made
            self.say(spec.id)(f"converting from {spec.conversion.source}")
            try:
                converter.convert(sources, target)
                self.say(spec.id)("checking the conversion")
                checks = converter.self_check(sources, target)
            except (KeyError, ValueError, RuntimeError) as error:
                raise ModelError(
                    f"{spec.id}: {spec.conversion.source} could not be converted: {error}"
                ) from error
            (folder / inventory.PROVENANCE).unlink(missing_ok=True)
            found = {file.name: inventory.sha256(made / file.name) for file in spec.files}
            for file in spec.files:
                inventory.keep(made / file.name, folder / file.name)
        inputs = inventory.digest(self.store, self.manifest, spec.conversion.source)
        write_provenance(
            folder,
            Provenance(
                f"conversion of {spec.conversion.source}", found, inputs, converter.VERSION, checks
            ),
        )

    def tell(self, model: str, text: str) -> None:
        """Why a source failed, once: a hub out of reach fails for every file."""
        if text not in self.told:
            self.told.add(text)
            self.progress(FetchEvent(model, "source", text))

    def say(self, model: str) -> Say:
        return lambda text: self.progress(FetchEvent(model, "note", text))


def _temporary(path: Path) -> Path:
    """An empty file of its own beside `path`, for two fetches may run at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    return Path(name)


def _sweep(folder: Path) -> None:
    """Remove temporary files of fetches that were killed long ago."""
    for path in folder.rglob(".*.part"):
        if time.time() - path.stat().st_mtime > _STALE_SECONDS:
            path.unlink(missing_ok=True)
