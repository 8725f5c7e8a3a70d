"""What a file's name and folders say, by configured patterns."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal
from zoneinfo import ZoneInfo

from pipeline.errors import ConfigError
from pipeline.ingest.metadata import (
    DIRECTIONS,
    Metadata,
    find_zone,
    from_digits,
    from_epoch,
    only_known,
    settled,
)
from pipeline.ingest.numbers import normalise_number

GROUPS = (
    "date", "time", "epoch", "caller", "queue", "did", "agent", "agent_name", "campaign",
    "direction", "uniqueid", "linkedid",
)  # fmt: skip

_PATTERN_KEYS = (
    "id", "regex", "on", "final", "date_format", "direction", "operator_channel", "zone",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class NamePattern:
    """One way in which recorders name files; `final` ends the search when it matches."""

    id: str
    regex: re.Pattern[str]
    on: Literal["name", "path"] = "name"
    final: bool = True
    date_format: str = "%Y%m%d"
    direction: str | None = None
    operator_channel: int | None = None
    zone: ZoneInfo | None = None


def parse_patterns(text: str) -> tuple[NamePattern, ...]:
    """The patterns of a TOML text (`[[pattern]]` tables, see configs/filenames.toml)."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"file name patterns: not TOML: {error}") from error
    only_known("file name patterns: keys", document, ("pattern",))
    patterns = tuple(_pattern(table) for table in document.get("pattern", []))
    ids = [pattern.id for pattern in patterns]
    if len(set(ids)) != len(ids):
        raise ConfigError(f"file name patterns: an id occurs twice in {ids}")
    return patterns


def _pattern(table: Mapping[str, str | int | bool]) -> NamePattern:
    name = str(table.get("id", ""))
    owner = f"file name pattern {name!r}"
    if not name or "regex" not in table:
        raise ConfigError(f"{owner}: id and regex are required")
    only_known(f"{owner}: keys", table, _PATTERN_KEYS)
    try:
        regex = re.compile(str(table["regex"]))
    except re.error as error:
        raise ConfigError(f"{owner}: bad regular expression: {error}") from error
    only_known(f"{owner}: groups", regex.groupindex, GROUPS)
    on, channel, direction = table.get("on", "name"), table.get("operator_channel"), None
    only_known(f"{owner}: on", [str(on)], ("name", "path"))
    if "direction" in table:
        direction = str(table["direction"])
        only_known(f"{owner}: direction", [direction], tuple(DIRECTIONS.values()))
    if channel not in (None, 0, 1):
        raise ConfigError(f"{owner}: operator_channel is 0 or 1, got {channel!r}")
    return NamePattern(
        id=name,
        regex=regex,
        on="path" if on == "path" else "name",
        final=bool(table.get("final", True)),
        date_format=str(table.get("date_format", "%Y%m%d")),
        direction=direction,
        operator_channel=None if channel is None else int(channel),
        zone=find_zone(str(table["zone"])) if "zone" in table else None,
    )


def parse_name(relative_path: str, patterns: Iterable[NamePattern], zone: ZoneInfo) -> Metadata:
    """What a file's name and folders say, by the first pattern that matches.

    Patterns that are not final only add to what later ones find. Nothing is guessed: an
    impossible date is None, a caller that is not a telephone number is None.
    """
    path = relative_path.replace("\\", "/")
    stem = re.sub(r"\.[A-Za-z]\w{0,5}$", "", path.rsplit("/", 1)[-1])
    found = Metadata()
    for pattern in patterns:
        match = pattern.regex.search(path if pattern.on == "path" else stem)
        if match is None:
            continue
        said = _read(match.groupdict(), pattern, zone)
        if said == Metadata(source=pattern.id):
            continue
        found = found.filled(said)
        if pattern.final:
            break
    return settled(found, zone)


def _read(said: Mapping[str, str | None], pattern: NamePattern, zone: ZoneInfo) -> Metadata:
    local = pattern.zone or zone
    moment, exact = from_digits(said.get("date"), said.get("time"), pattern.date_format, local)
    if moment is None:
        moment, exact = from_epoch(said.get("epoch"), local), True
    where = "file_name" if pattern.on == "name" else "folder"
    return Metadata(
        started_at=moment,
        started_at_source=None if moment is None else where if exact else f"{where}_day",
        queue=said.get("queue") or said.get("campaign") or None,
        did=said.get("did") or None,
        agent_id=said.get("agent") or None,
        agent_name=said.get("agent_name") or None,
        caller=normalise_number(said.get("caller")),
        direction=DIRECTIONS.get((said.get("direction") or "").lower(), pattern.direction),
        uniqueid=said.get("uniqueid") or None,
        linkedid=said.get("linkedid") or None,
        operator_channel=pattern.operator_channel,
        source=pattern.id,
    )
