"""The manifest of models: parsed strictly, so that a typing error is found and not ignored."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.backends.sources import (
    DependencySource,
    HubSource,
    LocalSource,
    PackageSource,
    Part,
    Source,
)
from pipeline.errors import ConfigError

TASKS = ("vad", "segmentation", "speaker", "diarization", "asr", "encoder")
CONVERTERS = ("e5", "whisper")


@dataclass(frozen=True, slots=True)
class FileSpec:
    """A file of a model: path inside the model's folder, bytes and sha256 where known."""

    name: str
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Conversion:
    """The model is made from model `source` by `converter`."""

    source: str
    converter: str


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model of the manifest; `languages` is ('*',) where the language does not matter."""

    id: str
    task: str
    backend: str
    default: bool
    languages: tuple[str, ...]
    licence: str
    licence_url: str
    original: str
    summary: str
    files: tuple[FileSpec, ...]
    sources: tuple[Source, ...]
    conversion: Conversion | None

    @property
    def size(self) -> int | None:
        """Bytes of all files; None if one of them is not known."""
        sizes = [file.size for file in self.files]
        known = [size for size in sizes if size is not None]
        return sum(known) if sizes and len(known) == len(sizes) else None

    @property
    def dependency(self) -> DependencySource | None:
        """The package that the model is part of, if it is."""
        return next((item for item in self.sources if isinstance(item, DependencySource)), None)


@dataclass(frozen=True, slots=True)
class Manifest:
    """All models, in the order of the file."""

    models: tuple[ModelSpec, ...]

    def get(self, model_id: str) -> ModelSpec:
        """The model of that id. Raises ConfigError naming the known ids."""
        for spec in self.models:
            if spec.id == model_id:
                return spec
        known = ", ".join(spec.id for spec in self.models)
        raise ConfigError(f"model {model_id!r} is not in the manifest; known are: {known}")

    def defaults(self) -> tuple[str, ...]:
        """The ids of the default set."""
        return tuple(spec.id for spec in self.models if spec.default)


def load_manifest(path: Path) -> Manifest:
    """Read and check a manifest. Raises ConfigError saying where and what was expected."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"manifest {path} cannot be read: {error}") from error
    top = _Table(path.name, raw, "schema", "model")
    if top.values.get("schema") != 1:
        raise ConfigError(f"{path.name}: schema is {top.values.get('schema')!r}, known is 1")
    models = tuple(_model(path.name, item) for item in top.tables("model"))
    _check(path.name, models)
    return Manifest(models)


class _Table:
    """One TOML table: typed access, and an error for keys that nobody knows."""

    def __init__(self, where: str, values: Mapping[str, object], *known: str) -> None:
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ConfigError(
                f"{where}: unknown key {', '.join(unknown)}; known are: {', '.join(known)}"
            )
        self.where, self.values = where, values

    def _fail(self, key: str, expected: str) -> ConfigError:
        return ConfigError(f"{self.where}: {key} must be {expected}, got {self.values.get(key)!r}")

    def text(self, key: str, default: str | None = None) -> str:
        value = self.values.get(key, default)
        if not isinstance(value, str) or not value:
            raise self._fail(key, "a text")
        return value

    def flag(self, key: str, default: bool | None = None) -> bool:
        value = self.values.get(key, default)
        if not isinstance(value, bool):
            raise self._fail(key, "true or false")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._fail(key, "a list of texts")
        return tuple(value)

    def table(self, key: str) -> Mapping[str, object]:
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self._fail(key, "a table")
        return value

    def tables(self, key: str) -> tuple[Mapping[str, object], ...]:
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self._fail(key, "an array of tables")
        return tuple(value)


def _model(manifest: str, raw: Mapping[str, object]) -> ModelSpec:
    where = f"{manifest}: model {raw.get('id', '?')}"
    table = _Table(
        where, raw, "id", "task", "backend", "default", "languages", "licence", "licence_url",
        "original", "summary", "file", "source", "conversion",
    )  # fmt: skip
    task = table.text("task")
    if task not in TASKS:
        raise ConfigError(f"{where}: task {task!r}, known are: {', '.join(TASKS)}")
    identity = table.text("id")
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", identity):
        raise ConfigError(f"{where}: id must be lower-case letters, digits, dots and hyphens")
    return ModelSpec(
        id=identity,
        task=task,
        backend=table.text("backend"),
        default=table.flag("default"),
        languages=table.texts("languages"),
        licence=table.text("licence"),
        licence_url=table.text("licence_url"),
        original=table.text("original"),
        summary=table.text("summary"),
        files=tuple(_file(where, item) for item in table.tables("file")),
        sources=tuple(_source(where, item) for item in table.tables("source")),
        conversion=_conversion(where, table.table("conversion")),
    )


def _file(where: str, raw: Mapping[str, object]) -> FileSpec:
    table = _Table(f"{where}, file", raw, "name", "size", "sha256")
    name = table.text("name")
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ConfigError(f"{where}: file {name!r} must lie inside the model's folder")
    size = raw.get("size")
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 0):
        raise ConfigError(f"{where}: size of {name} must be a number of bytes, got {size!r}")
    sha256 = table.text("sha256") if "sha256" in raw else None
    if sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise ConfigError(f"{where}: sha256 of {name} must be 64 hex digits, got {sha256!r}")
    return FileSpec(name, size, sha256)


def _source(where: str, raw: Mapping[str, object]) -> Source:
    where = f"{where}, source"
    kind = raw.get("kind")
    if kind == "hub":
        table = _Table(where, raw, "kind", "repo", "revision", "gated", "names")
        names = _Table(where, table.table("names"), *table.table("names"))
        return HubSource(
            table.text("repo"),
            table.text("revision"),
            table.flag("gated", default=False),
            tuple((name, names.text(name)) for name in names.values),
        )
    if kind == "package":
        table = _Table(where, raw, "kind", "members", "python", "platforms")
        members = _Table(where, table.table("members"), *table.table("members"))
        return PackageSource(
            tuple((name, _parts(where, members.texts(name))) for name in members.values),
            table.text("python") if "python" in raw else None,
            table.texts("platforms"),
        )
    if kind == "local":
        return LocalSource(_Table(where, raw, "kind", "path").text("path"))
    if kind == "dependency":
        return DependencySource(_Table(where, raw, "kind", "package").text("package"))
    raise ConfigError(f"{where}: kind {kind!r}, known are: hub, package, local, dependency")


def _parts(where: str, values: Iterable[str]) -> tuple[Part, ...]:
    found = []
    for value in values:
        requirement, colon, member = value.partition(":")
        if not colon or not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9._+-]+", requirement):
            raise ConfigError(f"{where}: expected PACKAGE==VERSION:member, got {value!r}")
        found.append(Part(requirement, member))
    return tuple(found)


def _conversion(where: str, raw: Mapping[str, object]) -> Conversion | None:
    if not raw:
        return None
    table = _Table(f"{where}, conversion", raw, "from", "converter")
    converter = table.text("converter")
    if converter not in CONVERTERS:
        raise ConfigError(f"{where}: converter {converter!r}, known are: {', '.join(CONVERTERS)}")
    return Conversion(table.text("from"), converter)


def _check(where: str, models: tuple[ModelSpec, ...]) -> None:
    ids = [spec.id for spec in models]
    plain = {spec.id for spec in models if spec.conversion is None}
    for spec in models:
        if ids.count(spec.id) > 1:
            raise ConfigError(f"{where}: id {spec.id} is used {ids.count(spec.id)} times")
        if bool(spec.sources) == bool(spec.conversion):
            raise ConfigError(f"{where}: model {spec.id} needs either sources or a conversion")
        if not spec.files and spec.dependency is None:
            raise ConfigError(f"{where}: model {spec.id} lists no file")
        if spec.conversion is not None and spec.conversion.source not in plain:
            raise ConfigError(
                f"{where}: model {spec.id} is converted from {spec.conversion.source!r}, "
                "which must be another model of the manifest that is not itself converted"
            )
