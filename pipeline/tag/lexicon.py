"""Patterns of dialogue acts as data: a strict loader, and a matcher that keeps its place.

`pipeline.text.patterns` describes the notation.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass

from pipeline.errors import ConfigError
from pipeline.text.patterns import FoldedText, compile_patterns, spans
from pipeline.types import ROLES, Role

_ACT_KEYS = ("roles", "probability", "lead", "every", "ru", "kk", "en", "weak", "unless")
_TOP_KEYS = ("version", "macro", "act")


@dataclass(frozen=True, slots=True)
class Match:
    """text[start:end] shows the act; `weak`: only together with other evidence."""

    start: int
    end: int
    weak: bool


@dataclass(frozen=True, slots=True)
class ActLexicon:
    """The patterns of one act.

    `lead` says which source decides when heads are there; `every`: each match of a turn counts.
    """

    name: str
    roles: tuple[Role, ...]
    probability: float
    lead: str
    every: bool
    strong: re.Pattern[str] | None
    weak: re.Pattern[str] | None
    unless: re.Pattern[str] | None

    def find(self, folded: FoldedText) -> Match | None:
        """The first match that no guard covers, strong ones first."""
        return next(iter(self.find_all(folded)), None)

    def find_all(self, folded: FoldedText) -> tuple[Match, ...]:
        """All matches that no guard covers, strong ones first."""
        guarded = spans(self.unless, folded.text)
        return tuple(
            Match(*folded.original(start, end), weak)
            for pattern, weak in ((self.strong, False), (self.weak, True))
            for start, end in spans(pattern, folded.text)
            if not any(start < stop and begin < end for begin, stop in guarded)
        )

    def is_guarded(self, folded: FoldedText) -> bool:
        """The text says something that looks like the act and is not."""
        return bool(spans(self.unless, folded.text))


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Every act's patterns."""

    version: int
    acts: tuple[ActLexicon, ...]

    def names(self) -> tuple[str, ...]:
        return tuple(act.name for act in self.acts)


def parse_lexicon(text: str, file: str = "lexicon.toml") -> Lexicon:
    """The lexicon in a TOML text; ConfigError names the file, the act and the pattern."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: not valid TOML: {error}") from error
    _known_keys(file, "the file", data, _TOP_KEYS)
    version = data.get("version")
    if not isinstance(version, int):
        raise ConfigError(f"{file}: version must be a whole number, got {version!r}")
    macros = _macros(file, data.get("macro", {}))
    acts = data.get("act", {})
    if not isinstance(acts, dict) or not acts:
        raise ConfigError(f"{file}: no [act.NAME] table; at least one act is needed")
    return Lexicon(version, tuple(_act(file, name, table, macros) for name, table in acts.items()))


def _known_keys(file: str, place: str, table: dict[str, object], known: tuple[str, ...]) -> None:
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise ConfigError(
            f"{file}: {place} has unknown key {', '.join(unknown)}; known keys: {', '.join(known)}"
        )


def _texts(file: str, place: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise ConfigError(f"{file}: {place} must be a list of texts, got {value!r}")
    return tuple(str(item) for item in value)


def _macros(file: str, tables: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(tables, dict):
        raise ConfigError(f"{file}: [macro] must be a table, got {tables!r}")
    return {name: _texts(file, f"macro {name}", value) for name, value in tables.items()}


def _act(file: str, name: str, table: object, macros: dict[str, tuple[str, ...]]) -> ActLexicon:
    if not isinstance(table, dict):
        raise ConfigError(f"{file}: act {name} must be a table, got {table!r}")
    _known_keys(file, f"act {name}", table, _ACT_KEYS)

    def patterns(*keys: str) -> re.Pattern[str] | None:
        items = [
            item for key in keys for item in _texts(file, f"act {name}, {key}", table.get(key, []))
        ]
        try:
            return compile_patterns(items, macros)
        except ValueError as error:
            raise ConfigError(f"{file}: act {name}: {error}") from error

    return ActLexicon(
        name,
        _roles(file, name, table.get("roles")),
        _probability(file, name, table.get("probability", 0.9)),
        _lead(file, name, table.get("lead", "pattern")),
        table.get("every", False) is True,
        patterns("ru", "kk", "en"),
        patterns("weak"),
        patterns("unless"),
    )


def _roles(file: str, name: str, value: object) -> tuple[Role, ...]:
    given = _texts(file, f"act {name}, roles", value)
    if not given or set(given) - set(ROLES):
        raise ConfigError(f"{file}: act {name}: roles must be of {', '.join(ROLES)}, got {value!r}")
    return tuple(role for role in ROLES if role in given)


def _probability(file: str, name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise ConfigError(f"{file}: act {name}: probability must lie in (0, 1], got {value!r}")
    return float(value)


def _lead(file: str, name: str, value: object) -> str:
    if value not in ("pattern", "model"):
        raise ConfigError(f"{file}: act {name}: lead must be pattern or model, got {value!r}")
    return str(value)
