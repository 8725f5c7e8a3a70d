"""Which column of a file of call detail records holds what."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.backends.logs_lines import Look
from pipeline.errors import ConfigError
from pipeline.ingest import CDR_FIELDS, NEEDED_FIELDS, CdrLayout

#: Order of Asterisk's cdr_csv; unique id, user field and the newer columns follow as configured.
ASTERISK = (
    "accountcode", "src", "dst", "dcontext", "clid", "channel", "dstchannel", "lastapp",
    "lastdata", "start", "answer", "end", "duration", "billsec", "disposition", "amaflags",
)  # fmt: skip
TITLES = frozenset(
    {*ASTERISK, "uniqueid", "userfield", "linkedid", "peeraccount", "sequence", "calldate", "did",
     "recordingfile", "cnum", "cnam", "outbound_cnum", "outbound_cnam", "dst_cnam"}
)  # fmt: skip
_ALIASES = {"calldate": "start"}


@dataclass(frozen=True, slots=True)
class Columns:
    """Number of columns, and the 1-based place of each field that is there."""

    width: int
    places: tuple[tuple[str, int], ...]
    titles: tuple[str, ...] = ()

    def place(self, name: str) -> int | None:
        return dict(self.places).get(name)


def find_columns(look: Look, layout: CdrLayout, name: str) -> Columns:
    """From the configured list, else the header, else the order of Asterisk.

    Raises ConfigError when what is needed is not there.
    """
    if layout.columns:
        columns = _placed(layout.columns, (), layout)
    elif titles := _header(look.first, layout):
        columns = _placed(titles, look.first, layout)
    else:
        columns = _placed(_by_content(look, layout, name), (), layout)
    lacking = [field for field in NEEDED_FIELDS if columns.place(field) is None]
    if lacking:
        raise ConfigError(
            f"{name}: no column for {', '.join(lacking)} among {columns.width}; list the columns "
            "in the queues file: [cdr] columns = [...], or rename them: [cdr.names]"
        )
    return columns


def _placed(fields: Iterable[str], titles: tuple[str, ...], layout: CdrLayout) -> Columns:
    own = {theirs.lower(): ours for ours, theirs in layout.names}
    listed = tuple(fields)
    places: dict[str, int] = {}
    for place, title in enumerate(listed, start=1):
        low = title.strip().lower()
        found = own.get(low, _ALIASES.get(low, low))
        if found in CDR_FIELDS:
            places.setdefault(found, place)
    return Columns(len(listed), tuple(places.items()), tuple(t.strip().lower() for t in titles))


def _header(first: tuple[str, ...], layout: CdrLayout) -> tuple[str, ...]:
    known = TITLES | {theirs.lower() for _, theirs in layout.names}
    hits = sum(title.strip().lower() in known for title in first)
    return first if hits >= 3 and 2 * hits >= len(first) else ()


def _by_content(look: Look, layout: CdrLayout, name: str) -> list[str]:
    """Asterisk's order; the columns after the 16th are told by what they hold."""
    fields = [*ASTERISK, *[""] * (look.width - len(ASTERISK))]
    pattern = re.compile(layout.id_pattern)
    ids = [
        place
        for place in range(len(ASTERISK), look.width)
        if sum(bool(pattern.fullmatch(row[place])) for row in look.rows) * 2 > len(look.rows)
    ]
    if look.width < len(ASTERISK) or not ids:
        raise ConfigError(
            f"{name}: {look.width} columns without a header and no column of unique ids such as "
            "1788202848.1551 after the 16th; switch loguniqueid on, or list the columns in the "
            "queues file: [cdr] columns = [...]"
        )
    fields[ids[0]] = "uniqueid"
    if len(ids) > 1:
        fields[ids[-1]] = "linkedid"
    return fields
