"""Configuration: TOML files laid over the options of every stage, strictly.

`configs/default.toml` lists every key with its default; a profile changes what it names.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from pipeline.audio import AudioOptions
from pipeline.backends.decode import DecodeOptions
from pipeline.diarize import DiarizeOptions
from pipeline.errors import ConfigError
from pipeline.ingest import IngestOptions
from pipeline.interaction import InteractionOptions
from pipeline.label import LabelOptions
from pipeline.roles import RoleOptions
from pipeline.score import ScoreOptions
from pipeline.sounds import SoundOptions
from pipeline.speech import SpeechOptions
from pipeline.tag import TagOptions
from pipeline.transcribe import TranscribeOptions

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How the batch runs; nothing here changes a result."""

    #: worker processes; 0: as many as cores and memory allow
    jobs: int = 0
    #: GB of memory that one worker needs
    worker_memory: float = 3.0
    #: calls handed to a worker at once
    batch: int = 1
    #: s a worker may take for a call, per s of audio; beyond it the call fails
    timeout_per_second: float = 20.0
    #: s that every call is granted, however short
    timeout_minimum: float = 600.0
    #: minutes between read-only snapshots for analysts; 0: only at the end
    snapshot_every: float = 5.0


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Models of the manifest, by task, and where they run."""

    #: id in the manifest of the model that tells voices apart within 10 s
    segmentation: str = "pyannote-segmentation-3.0"
    #: id of the voice embedding
    speaker: str = "campplus-zh-en"
    #: id of the sentence encoder; the trained heads belong to it
    encoder: str = "multilingual-e5-small"
    #: "cpu" or "cuda"
    device: str = "cpu"
    #: arithmetic of CTranslate2: int8, float16, float32 …
    compute_type: str = "int8"
    #: "" : beside the manifest, or the user's cache
    store: str = ""


@dataclass(frozen=True, slots=True)
class Config:
    """The options of every stage; one TOML table each."""

    run: RunOptions = field(default_factory=RunOptions)
    models: ModelOptions = field(default_factory=ModelOptions)
    ingest: IngestOptions = field(default_factory=IngestOptions)
    decode: DecodeOptions = field(default_factory=DecodeOptions)
    audio: AudioOptions = field(default_factory=AudioOptions)
    speech: SpeechOptions = field(default_factory=SpeechOptions)
    sounds: SoundOptions = field(default_factory=SoundOptions)
    diarize: DiarizeOptions = field(default_factory=DiarizeOptions)
    transcribe: TranscribeOptions = field(default_factory=TranscribeOptions)
    roles: RoleOptions = field(default_factory=RoleOptions)
    interaction: InteractionOptions = field(default_factory=InteractionOptions)
    tag: TagOptions = field(default_factory=TagOptions)
    label: LabelOptions = field(default_factory=LabelOptions)
    score: ScoreOptions = field(default_factory=ScoreOptions)


def resources() -> Path:
    """The folder that holds configs/ and models/: the checkout, or inside the installed package."""
    packaged = Path(__file__).parent / "resources"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent


def load_config(profile: str | Path | None = None) -> Config:
    """The defaults with a profile over them: a name of configs/ or a TOML file.

    Raises ConfigError for an unknown profile, an unknown key (naming the known ones), or a value
    of the wrong type.
    """
    config = _overlaid(Config(), _read(resources() / "configs" / "default.toml"), "default.toml")
    if profile is None:
        return config
    path = _profile_path(profile)
    return _overlaid(config, _read(path), path.name)


def _profile_path(profile: str | Path) -> Path:
    folder = resources() / "configs"
    for path in (folder / f"{profile}.toml", Path(profile)):
        if path.is_file():
            return path
    known = sorted(path.stem for path in folder.glob("*.toml") if path.stem in ("cpu", "gpu"))
    raise ConfigError(f"profile {profile}: no such file; known profiles: {', '.join(known)}")


def _read(path: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path.name}: not valid TOML: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name}: cannot be read: {error}") from error


def _overlaid(value: T, table: Mapping[str, object], where: str) -> T:
    """`value`, a dataclass, with the keys of a table replaced, each checked."""
    hints = get_type_hints(type(value))
    known = [item.name for item in fields(cast(Any, value))]
    changes: dict[str, object] = {}
    for key, given in table.items():
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key!r}; known: {', '.join(known)}")
        current = getattr(value, key)
        place = f"{where}: {key}"
        if is_dataclass(current):
            if not isinstance(given, Mapping):
                raise ConfigError(f"{place}: a table [{key}] is expected, got {given!r}")
            changes[key] = _overlaid(current, given, f"{where}: [{key}]")
        else:
            changes[key] = _converted(given, hints[key], place)
    try:
        return cast(T, replace(cast(Any, value), **changes))
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def _converted(given: object, hint: object, place: str) -> object:
    """A TOML value as the type of the option."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        if given in arguments:
            return given
        raise ConfigError(f"{place}: {given!r} is none of {', '.join(map(repr, arguments))}")
    if origin in (Union, UnionType):
        options = [item for item in arguments if item is not NoneType]
        if NoneType in arguments and given == "none":
            return None
        for option in options:
            try:
                return _converted(given, option, place)
            except ConfigError:
                continue
        raise ConfigError(f"{place}: {given!r} does not fit {hint}")
    if origin is tuple:
        if not isinstance(given, list):
            raise ConfigError(f"{place}: a list is expected, got {given!r}")
        return tuple(_converted(item, arguments[0], place) for item in given)
    if hint is float and isinstance(given, int) and not isinstance(given, bool):
        return float(given)
    if isinstance(hint, type) and type(given) is hint:
        return given
    raise ConfigError(f"{place}: {getattr(hint, '__name__', hint)} expected, got {given!r}")


def to_toml(value: Any, prefix: str = "") -> str:
    """A dataclass of options as TOML; the same text is stored with every run."""
    lines: list[str] = []
    tables: list[str] = []
    for item in fields(value):
        current = getattr(value, item.name)
        if is_dataclass(current):
            name = f"{prefix}{item.name}"
            tables.append(f"\n[{name}]\n{to_toml(current, name + '.')}")
        else:
            lines.append(f"{item.name} = {_toml(current)}")
    return "\n".join(lines) + ("\n" if lines else "") + "".join(tables)


def _toml(value: object) -> str:
    if value is None:
        return '"none"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value)
