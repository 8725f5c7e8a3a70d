"""Side tables that tell what the recordings' names do not."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Literal
from zoneinfo import ZoneInfo

from pipeline.errors import ConfigError
from pipeline.ingest.metadata import DIRECTIONS, Metadata, from_digits, only_known, parse_timestamp
from pipeline.ingest.numbers import normalise_number

SIDECAR_COLUMNS = (
    "file", "started_at", "queue", "agent_id", "agent_name", "caller", "did", "direction",
    "uniqueid", "linkedid", "operator_channel",
)  # fmt: skip


def parse_sidecar(text: str, kind: Literal["csv", "json"], zone: ZoneInfo) -> dict[str, Metadata]:
    """A table with a column `file` (relative path or base name) and any of SIDECAR_COLUMNS.

    CSV with a header, separated by comma, semicolon or tab; or a JSON list of objects. Raises
    ConfigError, with the row, on unknown columns, bad values, or a file named twice.
    """
    table: dict[str, Metadata] = {}
    rows = _csv_rows(text) if kind == "csv" else _json_rows(text)
    for number, row in enumerate(rows, start=1):
        only_known("side table: columns", row, SIDECAR_COLUMNS)
        name = _file_key(row.get("file", ""))
        if not name or name in table:
            raise ConfigError(f"side table, row {number}: `file` is empty or named before")
        table[name] = _sidecar_row(row, number, zone)
    return table


def sidecar_for(relative_path: str, table: Mapping[str, Metadata]) -> Metadata | None:
    """The row of a file: by its relative path, else by its base name."""
    key = _file_key(relative_path)
    return table.get(key) or table.get(key.rsplit("/", 1)[-1])


def _file_key(path: str) -> str:
    plain = unicodedata.normalize("NFC", path.strip()).replace("\\", "/")
    return plain.removeprefix("./")


def _csv_rows(text: str) -> list[dict[str, str]]:
    text = text.removeprefix("\ufeff")
    header = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=header.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        rows = list(reader)
    except csv.Error as error:
        raise ConfigError(f"side table: not CSV: {error}") from error
    if any(None in row or None in row.values() for row in rows):
        raise ConfigError("side table: a row has more or fewer fields than the header")
    return [{key.strip(): value.strip() for key, value in row.items()} for row in rows]


def _json_rows(text: str) -> list[dict[str, str]]:
    try:
        document = json.loads(text.removeprefix("\ufeff"))
    except ValueError as error:
        raise ConfigError(f"side table: not JSON: {error}") from error
    if not isinstance(document, list) or not all(isinstance(row, dict) for row in document):
        raise ConfigError("side table: JSON must be a list of objects, one per file")
    rows: list[dict[str, str]] = []
    for number, row in enumerate(document, start=1):
        if any(isinstance(value, list | dict | bool | float) for value in row.values()):
            raise ConfigError(f"side table, row {number}: values must be text, integers or null")
        rows.append({key: "" if value is None else str(value) for key, value in row.items()})
    return rows


def _sidecar_row(row: Mapping[str, str], number: int, zone: ZoneInfo) -> Metadata:
    written, channel = row.get("started_at", ""), row.get("operator_channel", "")
    direction = row.get("direction", "").lower()
    started_at, source = parse_timestamp(written, zone), "sidecar"
    if started_at is None and re.fullmatch(r"\d{4}-\d\d-\d\d", written):
        started_at, source = from_digits(written, None, "%Y%m%d", zone)[0], "sidecar_day"
    if written and started_at is None:
        raise ConfigError(
            f"side table, row {number}: started_at is not a date such as 2026-09-08T10:14:22"
        )
    if channel not in ("", "0", "1"):
        raise ConfigError(f"side table, row {number}: operator_channel is 0, 1 or empty")
    if direction:
        only_known(f"side table, row {number}: direction", [direction], tuple(DIRECTIONS))
    return Metadata(
        started_at=started_at,
        started_at_source=source if started_at else None,
        queue=row.get("queue") or None,
        did=row.get("did") or None,
        agent_id=row.get("agent_id") or None,
        agent_name=row.get("agent_name") or None,
        caller=normalise_number(row.get("caller")),
        direction=DIRECTIONS.get(direction),
        uniqueid=row.get("uniqueid") or None,
        linkedid=row.get("linkedid") or None,
        operator_channel=int(channel) if channel else None,
        source="sidecar",
    )
