"""Who is responsible for what: bodies with their names, numbers and topics, as data."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.errors import ConfigError
from pipeline.text.patterns import compile_patterns, fold_text, spans
from pipeline.types import TOPICS, Texts

_AGENCY_KEYS = (
    "code", "name", "aliases", "fuzzy", "numbers", "hours", "place", "topics",
)  # fmt: skip
_TOP_KEYS = ("version", "topic", "agency", "unlisted")
_LEAST_SIMILARITY = 85.0  # rapidfuzz partial ratio, 0–100; below it different bodies meet


@dataclass(frozen=True, slots=True)
class Agency:
    """A body. `place`: a point of service, where steps are done; `topics`: what it answers for."""

    code: str
    name: Texts
    aliases: re.Pattern[str] | None
    fuzzy: tuple[str, ...]
    numbers: tuple[str, ...]
    hours: str | None
    place: bool
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mention:
    """text[start:end] names the body."""

    agency: Agency
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Topic:
    code: str
    stems: re.Pattern[str] | None


@dataclass(frozen=True, slots=True)
class Registry:
    """`any_body`: how bodies are called that have no entry of their own."""

    agencies: tuple[Agency, ...]
    topics: tuple[Topic, ...]
    any_body: re.Pattern[str] | None = None

    def by_number(self, digits: str) -> Agency | None:
        return next((item for item in self.agencies if digits in item.numbers), None)

    def mentions(self, text: str) -> tuple[Mention, ...]:
        """Bodies named in the text, in order; the longest name wins where two overlap.

        Spellings that a recogniser bent are found by similarity when no pattern matches.
        """
        folded = fold_text(text)
        found = [
            Mention(agency, *folded.original(start, end))
            for agency in self.agencies
            for start, end in spans(agency.aliases, folded.text)
        ]
        kept: list[Mention] = []
        for item in sorted(found, key=lambda item: item.start - item.end):
            if not any(item.start < other.end and other.start < item.end for other in kept):
                kept.append(item)
        if not kept and len(text) >= 12:
            kept = self._similar(text)
        return tuple(sorted(kept, key=lambda item: item.start))

    def unlisted(self, text: str) -> str | None:
        """The first body without an entry, in the words of the text."""
        folded = fold_text(text)
        found = spans(self.any_body, folded.text)
        if not found:
            return None
        start, end = folded.original(*found[0])
        return text[start:end]

    def same_body(self, one: str, two: str) -> bool:
        """Two names, in any of the languages, stand for one body or one of its departments."""
        first, second = ({item.agency.code for item in self.mentions(name)} for name in (one, two))
        return bool(first & second)

    def _similar(self, text: str) -> list[Mention]:
        from rapidfuzz import fuzz

        folded = fold_text(text)
        best: tuple[float, Mention] | None = None
        for agency in self.agencies:
            for spelling in agency.fuzzy:
                wanted = fold_text(spelling).text.strip()
                if len(wanted) > len(folded.text):
                    continue
                hit = fuzz.partial_ratio_alignment(wanted, folded.text)
                if hit is None or hit.score < _LEAST_SIMILARITY or hit.dest_end <= hit.dest_start:
                    continue
                place = folded.original(hit.dest_start, hit.dest_end)
                if best is None or hit.score > best[0]:
                    best = (hit.score, Mention(agency, *place))
        return [best[1]] if best else []

    def topic_counts(self, text: str) -> dict[str, int]:
        """How many words of the text point to each topic; topics without any are left out."""
        folded = fold_text(text).text
        counts = {topic.code: len(spans(topic.stems, folded)) for topic in self.topics}
        return {code: count for code, count in counts.items() if count}


def parse_registry(text: str, file: str = "agencies.toml") -> Registry:
    """The registry in a TOML text; ConfigError names the file, the entry and what is allowed."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: not valid TOML: {error}") from error
    data = dict(_table(data, _TOP_KEYS, file))
    tables = data.get("agency", [])
    if not isinstance(tables, list) or not tables:
        raise ConfigError(f"{file}: no [[agency]] table; at least one body is needed")
    topics = _table(data.get("topic", {}), TOPICS, f"{file}: [topic]")
    return Registry(
        tuple(_agency(table, file) for table in tables),
        tuple(
            Topic(code, _patterns(stems, f"{file}: topic {code}")) for code, stems in topics.items()
        ),
        _patterns(data.get("unlisted", []), f"{file}: unlisted"),
    )


def _table(value: object, known: tuple[str, ...], place: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ConfigError(f"{place} must be a table, got {value!r}")
    unknown = sorted(set(value) - set(known))
    if unknown:
        raise ConfigError(f"{place}: unknown key {unknown[0]}; known keys: {', '.join(known)}")
    return value


def _agency(value: object, file: str) -> Agency:
    code = value.get("code") if isinstance(value, dict) else None
    place = f"{file}: agency {code}"
    table = _table(value, _AGENCY_KEYS, place)
    topics = _texts(table.get("topics", []), f"{place}, topics")
    unknown = sorted(set(topics) - set(TOPICS))
    if not isinstance(code, str) or unknown:
        raise ConfigError(f"{place}: needs a code and topics of {', '.join(TOPICS)}; got {unknown}")
    hours = table.get("hours")
    return Agency(
        code,
        _name(table.get("name"), place),
        _patterns(table.get("aliases", []), f"{place}, aliases"),
        _texts(table.get("fuzzy", []), f"{place}, fuzzy"),
        _texts(table.get("numbers", []), f"{place}, numbers"),
        str(hours) if hours else None,
        table.get("place") is True,
        topics,
    )


def _name(value: object, place: str) -> Texts:
    table = _table(value, ("ru", "kk", "en"), f"{place}, name")
    if len(table) != 3 or not all(isinstance(item, str) for item in table.values()):
        raise ConfigError(f"{place}: name needs a text for each of ru, kk, en")
    return Texts(str(table["ru"]), str(table["kk"]), str(table["en"]))


def _texts(value: object, place: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ConfigError(f"{place} must be a list of texts, got {value!r}")
    return tuple(str(item) for item in value)


def _patterns(value: object, place: str) -> re.Pattern[str] | None:
    try:
        return compile_patterns(_texts(value, place))
    except ValueError as error:
        raise ConfigError(f"{place}: {error}") from error
