"""Walks an archive of recordings: finds, recognises by content, hashes, groups copies.

Reads only. What cannot be used is reported with a reason, never skipped silently; files that are
not audio and do not claim to be are counted. Reasons hold no names or numbers.
"""

from __future__ import annotations

import glob
import hashlib
import logging
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from io import BufferedReader
from pathlib import Path
from zoneinfo import ZoneInfo

from pipeline.backends.sniff import AUDIO_SUFFIXES, HEAD, sniff
from pipeline.errors import ConfigError
from pipeline.ingest import IngestOptions, Metadata, caller_key, parse_sidecar
from pipeline.types import Call

_log = logging.getLogger(__name__)
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A recording. `path` is below the archive and printable (see `printable`), `location` opens.

    `paths` are all paths with the same bytes, `path` first; `kind` is the demuxer of its content.
    """

    path: str
    location: Path
    sha256: str
    size: int
    kind: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that should be a recording and is none, or that cannot be read.

    `code`: not_audio, empty_file, too_large, permission_denied, changing, unreadable.
    """

    path: str
    code: str
    detail: str
    size: int | None = None


def printable(name: bytes) -> str:
    r"""A file name as text that any database stores; `raw` gives the bytes back.

    Bytes that are not UTF-8, control characters and the backslash itself are escaped as \xNN.

    >>> printable("Жазба".encode() + b"\xff.wav")
    'Жазба\\xff.wav'
    """
    text = name.replace(b"\\", rb"\x5c").decode("utf-8", "backslashreplace")
    return re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\x{ord(found[0]):02x}", text)


def raw(path: str) -> bytes:
    """The bytes of a printable file name."""
    return re.sub(
        rb"\\x([0-9a-f]{2})", lambda found: bytes([int(found[1], 16)]), path.encode("utf-8")
    )


class Search(Iterator[FoundFile | Unreadable]):
    """The files of an archive, in order of their names; counts what it passes over.

    ignored: not audio and not named so; links: symbolic links not followed; special: pipes,
    sockets, devices.
    """

    def __init__(self, root: Path | str, options: IngestOptions) -> None:
        self.ignored = 0
        self.links = 0
        self.special = 0
        self._options = options
        self._folders: set[tuple[int, int]] = set()
        self._root = Path(root).expanduser().absolute()
        self._base, starts = _starts(self._root)
        self._files = self._walk(starts)

    def __next__(self) -> FoundFile | Unreadable:
        return next(self._files)

    def _walk(self, starts: list[Path]) -> Iterator[FoundFile | Unreadable]:
        stack, seen = starts[::-1], set[Path]()
        while stack:
            path = stack.pop()
            if path in seen:
                continue
            seen.add(path)
            try:
                status = self._status(path)
                if status is not None and stat.S_ISDIR(status.st_mode):
                    stack.extend(self._children(path, status))
            except OSError as error:
                yield self._broken(path, error)
                continue
            if status is None or stat.S_ISDIR(status.st_mode):
                continue
            if not stat.S_ISREG(status.st_mode):
                self.special += 1
            elif (found := self._file(path)) is not None:
                yield found

    def _status(self, path: Path) -> os.stat_result | None:
        """What is at a path; None for a link that is not to be followed."""
        if path.is_symlink() and path != self._root and not self._options.follow_symlinks:
            self.links += 1
            return None
        return path.stat()

    def _children(self, folder: Path, status: os.stat_result) -> list[Path]:
        """What lies in a folder, last name first; nothing if the folder was seen before."""
        identity = (status.st_dev, status.st_ino)
        if identity in self._folders:
            return []
        self._folders.add(identity)
        return sorted(folder.iterdir(), key=os.fsencode, reverse=True)

    def _file(self, path: Path) -> FoundFile | Unreadable | None:
        suffix = path.suffix.lower()
        claims = suffix in AUDIO_SUFFIXES and not path.name.startswith(".")
        try:
            with _open(path) as file:
                size = os.fstat(file.fileno()).st_size
                kind = sniff(file.read(HEAD), suffix)
                if kind is not None:
                    return self._hashed(path, file, kind)
        except OSError as error:
            if claims:
                return self._broken(path, error)
        else:
            if claims:
                return _not_audio(self._name(path), size)
        self.ignored += 1
        return None

    def _hashed(self, path: Path, file: BufferedReader, kind: str) -> FoundFile | Unreadable:
        name, before = self._name(path), os.fstat(file.fileno())
        if before.st_size > self._options.max_bytes:
            detail = f"{before.st_size} bytes, allowed {self._options.max_bytes}"
            return Unreadable(name, "too_large", detail, before.st_size)
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        after = os.fstat(file.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            detail = "the file was being written; run again when the recording is complete"
            return Unreadable(name, "changing", detail, after.st_size)
        return FoundFile(name, path, digest, after.st_size, kind, (name,))

    def _name(self, path: Path) -> str:
        return printable(os.fsencode(path.relative_to(self._base).as_posix()))

    def _broken(self, path: Path, error: OSError) -> Unreadable:
        code = "permission_denied" if isinstance(error, PermissionError) else "unreadable"
        return Unreadable(self._name(path), code, error.strerror or type(error).__name__)


def find_files(root: Path | str, options: IngestOptions) -> Search:
    """Every recording below a folder, of a single file, or of a glob pattern, hashed.

    Raises ConfigError when nothing is there. Reads the files while it is iterated.
    """
    return Search(root, options)


def _starts(path: Path) -> tuple[Path, list[Path]]:
    """The folder that paths are relative to, and where to begin."""
    if path.is_dir():
        return path, [path]
    if path.exists():
        return path.parent, [path]
    depth = next((at for at, part in enumerate(path.parts) if glob.has_magic(part)), None)
    if depth is None:
        raise ConfigError(f"archive {path} does not exist; give a folder, a file or a pattern")
    base = Path(*path.parts[:depth])
    found = sorted(base.glob(str(Path(*path.parts[depth:]))), key=os.fsencode)
    if not found:
        raise ConfigError(f"no file matches {path}; quote patterns, ** descends into folders")
    return base, found


def _open(path: Path) -> BufferedReader:
    """Open a file; a pipe that took its place does not block."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags), "rb")


def _not_audio(name: str, size: int) -> Unreadable:
    if size == 0:
        return Unreadable(name, "empty_file", "0 bytes", 0)
    return Unreadable(name, "not_audio", "named like audio, the content is none", size)


def group_duplicates(files: Iterable[FoundFile]) -> tuple[FoundFile, ...]:
    """One file per content, in order of first sight, carrying every path that holds it."""
    by_content: dict[str, FoundFile] = {}
    for file in files:
        known = by_content.get(file.sha256)
        by_content[file.sha256] = (
            file if known is None else replace(known, paths=known.paths + file.paths)
        )
    return tuple(by_content.values())


def build_call(found: FoundFile, metadata: Metadata, key: bytes) -> Call:
    """The call of a recording; its number becomes a key, duration and channels come later."""
    return Call(
        call_id=found.sha256[:16],
        path=found.path,
        sha256=found.sha256,
        size=found.size,
        paths=found.paths,
        started_at=metadata.started_at,
        started_at_source=metadata.started_at_source,
        queue=metadata.queue,
        did=metadata.did,
        agent_id=metadata.agent_id,
        agent_name=metadata.agent_name,
        caller_key=caller_key(metadata.caller, key),
        direction=metadata.direction,
        uniqueid=metadata.uniqueid,
        linkedid=metadata.linkedid,
        operator_channel=metadata.operator_channel,
    )


def unreadable_call(item: Unreadable, metadata: Metadata, key: bytes) -> Call:
    """The row of a file that is no recording: identified by its path, since it has no content."""
    identity = hashlib.sha256(b"path\0" + item.path.encode()).hexdigest()
    found = FoundFile(item.path, Path(item.path), identity, item.size or 0, "", (item.path,))
    return replace(build_call(found, metadata, key), sha256="")


def read_sidecar(path: Path, zone: ZoneInfo) -> dict[str, Metadata]:
    """A side table from a .csv or .json file; ConfigError when it cannot be used."""
    kind = path.suffix.lower()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"side table {path}: cannot be read as UTF-8 text: {error}") from error
    if kind not in (".csv", ".tsv", ".json"):
        raise ConfigError(f"side table {path}: the name must end in .csv, .tsv or .json")
    return parse_sidecar(text, "json" if kind == ".json" else "csv", zone)


def load_or_create_key(path: Path) -> bytes:
    """The 32 secret bytes that caller keys are made with; created, readable by its owner only.

    Losing the file makes new calls incomparable with stored ones; destroying it on purpose makes
    the stored keys meaningless. Keep it apart from the database.
    """
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        key = _create_key(path)
    except OSError as error:
        raise ConfigError(f"key file {path} cannot be read: {error.strerror}") from error
    if len(key) != _KEY_BYTES:
        raise ConfigError(
            f"key file {path} holds {len(key)} bytes instead of {_KEY_BYTES}; restore it from a "
            f"copy, or delete it to begin with new caller keys"
        )
    if os.name == "posix" and path.stat().st_mode & 0o077:
        _log.warning("the key file can be read by other users; run: chmod 600 on it")
    return key


def _create_key(path: Path) -> bytes:
    """Write a fresh key whole or not at all; a key that another process wrote first wins."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"key file {path} cannot be written: {error.strerror}") from error
