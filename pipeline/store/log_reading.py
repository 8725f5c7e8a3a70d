# ruff: noqa: S608 - what is put into SQL are expressions built here and quoted texts
"""Blocks of lines into rows for the database, in a DuckDB of its own, one block at a time.

The numbers of callers stay in that DuckDB, in memory: rows leave it with keys in their place.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pipeline.backends.logs_lines import Block, split_fields
from pipeline.ingest import CdrLayout, caller_key
from pipeline.store.log_layout import Columns
from pipeline.store.log_parsing import (
    NUMBER_MACROS,
    cdr_sql,
    listed,
    queue_log_sql,
    quoted,
    whole_sql,
)

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLES = 3
_SHAPE_LENGTH = 120
_KNOWN_KEYS = 200_000
#: in memory alone: no file, no network, nothing written when memory runs short
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": "1GB",
    "temp_directory": "",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
}

_AGENT_MACRO = """CREATE OR REPLACE TEMP MACRO agent_of(raw) AS
    CASE WHEN raw IN ('', 'NONE') OR phone_number(raw) IS NOT NULL THEN NULL
    ELSE regexp_replace(raw, '^[A-Za-z0-9_]+/([^@/-]+).*$', '\\1') END"""
#: A digest of 128 bits in two halves, which Arrow can carry.
_KEY_HALVES = """(line_key >> 64)::UBIGINT AS key_high,
    (line_key & 18446744073709551615::UHUGEINT)::UBIGINT AS key_low"""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Lines rejected for one reason; `samples` are the first (line number, shape) of them."""

    kind: str
    lines: int
    samples: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """What a block holds: `table` has the distinct valid lines, `valid` counts them with copies."""

    table: pa.Table
    valid: int
    rejections: tuple[Rejection, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """How lines become rows: the secret of keys, the layout, the zone, the described numbers."""

    key: bytes = field(repr=False)
    layout: CdrLayout
    zone: ZoneInfo
    dids: tuple[str, ...]


class LineReader:
    """Turns blocks into rows; a context manager."""

    def __init__(self, reading: Reading) -> None:
        import duckdb

        self._reading = reading
        self._keys: dict[str, str | None] = {}
        self._db = duckdb.connect(config=_CONFIG)
        self._db.execute("SET enable_external_access = false")
        for macro in (*NUMBER_MACROS, _AGENT_MACRO):
            self._db.execute(macro)

    def __enter__(self) -> LineReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._db.close()

    @property
    def layout(self) -> CdrLayout:
        return self._reading.layout

    def read(self, block: Block, columns: Columns | None) -> Rows:
        """The rows of a block of call detail records, or of a queue log (columns None)."""
        self._parse(block, columns)
        secret = quoted(self._reading.key.hex())
        self._db.execute(f"""CREATE OR REPLACE TEMP TABLE log_keyed AS
            SELECT min(number) AS number, line_key
            FROM (SELECT number, md5_number({secret} || line) AS line_key
                FROM log_parsed WHERE kind IS NULL)
            GROUP BY line_key""")
        table = self._db.execute(_EVENTS).to_arrow_table() if columns is None else self._legs()
        valid = self._db.execute("SELECT count(*) FROM log_parsed WHERE kind IS NULL").fetchone()
        return Rows(table, int(valid[0]) if valid else 0, self._rejections())

    def _parse(self, block: Block, columns: Columns | None) -> None:
        """The lines of a block, judged, in log_parsed; columns None: of a queue log."""
        db = self._db
        db.register("log_lines", block.table)
        try:
            if columns is None:
                db.execute(f"CREATE OR REPLACE TEMP TABLE log_parsed AS {queue_log_sql()}")
                return
            layout = self._reading.layout
            db.execute(f"CREATE OR REPLACE TEMP TABLE log_whole AS {whole_sql(columns, layout)}")
        finally:
            db.unregister("log_lines")
        whole = db.execute(
            "SELECT number, line || chr(10) AS text FROM log_whole WHERE whole"
        ).to_arrow_table()
        fields = split_fields(whole, layout.delimiter, columns.width, columns.places)
        db.register("log_fields", fields)
        try:
            db.execute(f"CREATE OR REPLACE TEMP TABLE log_parsed AS {cdr_sql(columns, layout)}")
        finally:
            db.unregister("log_fields")

    def _legs(self) -> pa.Table:
        self._db.execute("""CREATE OR REPLACE TEMP TABLE log_new AS
            SELECT log_parsed.* EXCLUDE (line, kind), line_key,
                phone_number(src) AS src_phone, phone_number(dst) AS dst_phone
            FROM log_parsed JOIN log_keyed USING (number)""")
        self._register_keys()
        self._register_offsets()
        try:
            return self._db.execute(self._legs_sql()).to_arrow_table()
        finally:
            self._db.unregister("log_keys")
            self._db.unregister("log_offsets")

    def _register_keys(self) -> None:
        """A relation log_keys (phone, key): each number is hashed once, outside the database."""
        import pyarrow as pa

        found = self._db.execute(
            "SELECT src_phone FROM log_new UNION SELECT dst_phone FROM log_new"
        ).fetchall()
        phones = [str(phone) for (phone,) in found if phone is not None]
        if len(self._keys) > _KNOWN_KEYS:
            self._keys.clear()
        for phone in phones:
            if phone not in self._keys:
                self._keys[phone] = caller_key(phone, self._reading.key)
        keys = pa.table(
            {"phone": pa.array(phones, pa.string()),
             "key": pa.array([self._keys[phone] for phone in phones], pa.string())}
        )  # fmt: skip
        self._db.register("log_keys", keys)

    def _legs_sql(self) -> str:
        layout = self._reading.layout
        inbound = f"dcontext IN ({listed(layout.inbound_contexts)})"
        outbound = f"dcontext IN ({listed(layout.outbound_contexts)})"
        known = f"({listed(self._reading.dids)})"
        return f"""
WITH told AS (
    SELECT *, split_part(split_part(dstchannel, '/', 2), '-', 1) AS set_name,
        coalesce({inbound}, dst IN {known}) AS is_inbound,
        coalesce({outbound}, dst NOT IN {known}) AS is_outbound
    FROM log_new
)
SELECT
    {_KEY_HALVES},
    uniqueid, linkedid,
    try_cast(split_part(uniqueid, '.', -1) AS BIGINT) AS sequence,
    CASE WHEN is_inbound AND uniqueid = linkedid THEN 'inbound'
        WHEN is_outbound AND uniqueid = linkedid AND dst_phone IS NOT NULL THEN 'outbound'
        WHEN is_outbound THEN 'internal' ELSE 'transfer' END AS direction,
    CASE WHEN is_inbound OR dst_phone IS NULL THEN dst END AS dst,
    caller.key AS caller_key,
    CASE WHEN NOT is_inbound THEN called.key END AS called_key,
    CASE WHEN length(set_name) < 7 AND try_cast(set_name AS INTEGER) IS NOT NULL
        THEN set_name END AS extension,
    started_at - to_seconds(offset_s) AS started_at_utc,
    started_at AS started_at_local,
    started_at - to_seconds(offset_s) + to_seconds(duration_s) AS ended_at_utc,
    duration_s, talk_s, disposition
FROM told
JOIN log_offsets ON log_offsets.hour = date_trunc('hour', started_at)
LEFT JOIN log_keys AS caller ON caller.phone = src_phone
LEFT JOIN log_keys AS called ON called.phone = dst_phone
ORDER BY number"""

    def _register_offsets(self) -> None:
        """A relation log_offsets (hour, offset_s): what the zone's wall clock was ahead of UTC."""
        import pyarrow as pa

        found = self._db.execute(
            "SELECT DISTINCT date_trunc('hour', started_at) AS hour FROM log_new"
        ).fetchall()
        hours: list[datetime] = [hour for (hour,) in found]
        offsets = [hour.replace(tzinfo=self._reading.zone).utcoffset() for hour in hours]
        seconds = [0 if offset is None else int(offset.total_seconds()) for offset in offsets]
        table = {
            "hour": pa.array(hours, pa.timestamp("us")),
            "offset_s": pa.array(seconds, pa.int64()),
        }
        self._db.register("log_offsets", pa.table(table))

    def _rejections(self) -> tuple[Rejection, ...]:
        """Counts by kind, with the first lines of each: where, and their shape without contents."""
        found = self._db.execute(
            f"""SELECT kind, count(*), list(number ORDER BY number)[:{SAMPLES}],
                list(left(regexp_replace(regexp_replace(line, '[0-9]', '9', 'g'),
                    '[^\\x20-\\x7e]|[A-Za-z]', 'x', 'g'), {_SHAPE_LENGTH})
                    ORDER BY number)[:{SAMPLES}]
            FROM log_parsed WHERE kind IS NOT NULL GROUP BY kind ORDER BY kind"""
        ).fetchall()
        return tuple(
            Rejection(kind, lines, tuple(zip(numbers, shapes, strict=True)))
            for kind, lines, numbers, shapes in found
        )


_EVENTS = f"""
WITH member AS (
    SELECT agent, agent_of(agent) AS agent_id
    FROM (SELECT DISTINCT agent FROM log_parsed WHERE kind IS NULL)
)
SELECT
    {_KEY_HALVES},
    callid AS contact_id,
    number::INTEGER AS place,
    make_timestamp(epoch::BIGINT * 1000000) AS at_utc,
    event,
    CASE WHEN queue NOT IN ('', 'NONE') THEN queue END AS queue,
    agent_id,
    counts AS detail,
    wait_s, talk_s, ring_ms
FROM log_parsed JOIN log_keyed USING (number) JOIN member USING (agent)
ORDER BY number"""
