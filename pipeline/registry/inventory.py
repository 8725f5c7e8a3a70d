"""The model store on disk: where models lie, what is known of each file, whether it is sound."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal, Protocol

from pipeline.errors import ConfigError, ModelMissing
from pipeline.registry.manifest import FileSpec, Manifest, ModelSpec

PROVENANCE = "provenance.json"
_UNSAFE = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"

State = Literal["ok", "missing", "damaged", "outdated", "unverified"]


@dataclass(frozen=True, slots=True)
class FileStatus:
    """One file of one model; `file` is '' when the model is an installed package."""

    model: str
    file: str
    state: State
    detail: str = ""


class Converter(Protocol):
    """A module that makes one model from another; `target` is the file, or a folder for several."""

    VERSION: int

    def convert(self, sources: Path, target: Path) -> None: ...

    def self_check(self, sources: Path, target: Path) -> dict[str, float]: ...


@dataclass(frozen=True, slots=True)
class Provenance:
    """How the files of a model came about; kept beside them as JSON."""

    source: str
    files: Mapping[str, str]
    inputs: str = ""
    converter_version: int | None = None
    checks: Mapping[str, float] | None = None


def _checkout() -> Path | None:
    root = Path(__file__).resolve().parents[2]
    return root if (root / "models" / "manifest.toml").is_file() else None


def default_manifest() -> Path:
    """The manifest of the checkout, or the one inside the installed package."""
    root = _checkout()
    if root is not None:
        return root / "models" / "manifest.toml"
    return Path(__file__).resolve().parents[1] / "resources" / "models" / "manifest.toml"


def default_store() -> Path:
    """models/store of a checkout; for an installed package the user's cache folder."""
    root = _checkout()
    if root is not None:
        return root / "models" / "store"
    if os.environ.get("XDG_CACHE_HOME"):
        cache = Path(os.environ["XDG_CACHE_HOME"])
    elif sys.platform == "darwin":
        cache = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        cache = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    else:
        cache = Path.home() / ".cache"
    return cache / "sapa" / "models"


def refuse_unsafe_loading(variables: Mapping[str, str] = os.environ) -> None:
    """Raise ConfigError if the environment makes torch run code from weight files."""
    if variables.get(_UNSAFE, "0").lower() in {"1", "y", "yes", "true"}:
        raise ConfigError(
            f"{_UNSAFE} is set: loading a weight file could then run code hidden in it. "
            f"Unset it (`unset {_UNSAFE}`) and start again"
        )


def model_path(store: Path, spec: ModelSpec) -> Path:
    """The folder of a model; its files lie in it under the names of the manifest."""
    return store / spec.id


def require(store: Path, manifest: Manifest, model_id: str) -> Path:
    """The folder of a model whose files are all there with the right size.

    Contents are not hashed: `verify` does. Raises ModelMissing naming the command that fetches,
    ConfigError for an unknown id or an unsafe environment.
    """
    refuse_unsafe_loading()
    spec = manifest.get(model_id)
    installed_version(spec)
    folder = model_path(store, spec)
    for file in spec.files:
        path = folder / file.name
        if not path.is_file() or file.size not in {None, path.stat().st_size}:
            seen = f"{path.stat().st_size} bytes" if path.is_file() else "nothing"
            wanted = f" of {file.size} bytes" if file.size else ""
            raise ModelMissing(
                f"{model_id}: expected {file.name}{wanted}, found {seen} in {folder}; "
                f"run `sapa models fetch {model_id}`"
            )
    return folder


def digest(store: Path, manifest: Manifest, model_id: str) -> str:
    """16 hex digits that change when the model does: file digests, converter version, package.

    Raises ModelMissing when a file without a known digest was never fetched.
    """
    spec = manifest.get(model_id)
    parts = [spec.id]
    if spec.conversion is not None:
        version = converter(spec.conversion.converter).VERSION
        parts += [f"{spec.conversion.converter} {version}"]
        parts += [digest(store, manifest, spec.conversion.source)]
    parts += [f"{spec.id} {version}" for version in installed_version(spec)]
    if spec.conversion is None and spec.files:
        recorded = read_provenance(model_path(store, spec))
        for file in spec.files:
            known = file.sha256 or (recorded.files.get(file.name) if recorded else None)
            if known is None:
                raise ModelMissing(f"{model_id} is not fetched; run `sapa models fetch {model_id}`")
            parts.append(f"{file.name} {known}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def verify(
    store: Path, manifest: Manifest, ids: Iterable[str] | None = None
) -> tuple[FileStatus, ...]:
    """Hash every file of the models (default set if `ids` is None) against what is known of it.

    ok: digest as in the manifest, or as recorded when fetched; unverified: nothing is known;
    outdated: converted by another version or from another input; damaged; missing.
    """
    chosen = manifest.defaults() if ids is None else tuple(ids)
    return tuple(
        status for model_id in chosen for status in verify_model(store, manifest, model_id)
    )


def verify_model(store: Path, manifest: Manifest, model_id: str) -> tuple[FileStatus, ...]:
    """`verify` of one model."""
    spec = manifest.get(model_id)
    if spec.dependency is not None:
        try:
            (version,) = installed_version(spec)
        except ModelMissing as error:
            return (FileStatus(spec.id, "", "missing", str(error)),)
        return (FileStatus(spec.id, "", "ok", f"{spec.dependency.package} {version}"),)
    folder = model_path(store, spec)
    recorded = read_provenance(folder)
    outdated = _outdated(store, manifest, spec, recorded)
    return tuple(_verify_file(spec.id, file, folder, recorded, outdated) for file in spec.files)


def _verify_file(
    model: str, file: FileSpec, folder: Path, recorded: Provenance | None, outdated: str
) -> FileStatus:
    path = folder / file.name
    if not path.is_file():
        return FileStatus(model, file.name, "missing", f"run `sapa models fetch {model}`")
    known = file.sha256 or (recorded.files.get(file.name) if recorded else None)
    if known is None:
        return FileStatus(model, file.name, "unverified", "no digest was recorded for it")
    found = sha256(path)
    if found != known:
        return FileStatus(
            model, file.name, "damaged", f"sha256 {found[:12]}…, expected {known[:12]}…"
        )
    return FileStatus(model, file.name, "outdated" if outdated else "ok", outdated)


def _outdated(store: Path, manifest: Manifest, spec: ModelSpec, recorded: Provenance | None) -> str:
    """Why a converted model must be made again, or ''."""
    if spec.conversion is None or recorded is None:
        return ""
    version = converter(spec.conversion.converter).VERSION
    if recorded.converter_version != version:
        return f"converted by version {recorded.converter_version}, now {version}"
    if recorded.inputs != digest(store, manifest, spec.conversion.source):
        return f"converted from another {spec.conversion.source}"
    return ""


def converter(name: str) -> Converter:
    """The module that a manifest calls `name`."""
    from pipeline.backends import convert_e5, convert_whisper

    known: dict[str, Converter] = {"e5": convert_e5, "whisper": convert_whisper}
    return known[name]


def installed_version(spec: ModelSpec) -> tuple[str, ...]:
    """The version of the package that a model is part of, () for a model of files.

    Raises ModelMissing if the package is not installed.
    """
    if spec.dependency is None:
        return ()
    try:
        return (metadata.version(spec.dependency.package),)
    except metadata.PackageNotFoundError as error:
        name = spec.dependency.package
        raise ModelMissing(
            f"{spec.id} is part of the package {name}, which is not installed; "
            f"run `pip install {name}`"
        ) from error


def sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_provenance(folder: Path) -> Provenance | None:
    """What was recorded when the model was fetched; None if nothing readable is there."""
    try:
        raw = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
        return Provenance(**raw)
    except (OSError, ValueError, TypeError):
        return None


def write_provenance(folder: Path, provenance: Provenance) -> None:
    """Record beside the files how they came about."""
    text = json.dumps(asdict(provenance), indent=2, sort_keys=True) + "\n"
    temporary = folder / f".{PROVENANCE}.part"
    temporary.write_text(text, encoding="utf-8")
    keep(temporary, folder / PROVENANCE)


def keep(temporary: Path, path: Path) -> None:
    """Move a finished file into place: flushed to the disk first, then renamed in one step."""
    with temporary.open("rb") as stream:
        os.fsync(stream.fileno())
    temporary.chmod(0o644)
    temporary.replace(path)
