# ruff: noqa: S608 - the names put into SQL are constants of this package
"""Telephone logs into `contact`, `contact_leg` and `contact_event`, block by block.

Nothing of a line that could name a person is stored: numbers become keys, rejected lines leave
their kind, their place and their shape.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from pipeline.backends.logs_lines import Block, digest, look, read_blocks, split_fields
from pipeline.errors import ConfigError
from pipeline.ingest import AccessOptions, CdrLayout, QueuePlan, caller_key
from pipeline.store.log_layout import Columns, find_columns
from pipeline.store.log_parsing import (
    NUMBER_MACROS,
    cdr_sql,
    listed,
    queue_log_sql,
    quoted,
    whole_sql,
)

if TYPE_CHECKING:
    import duckdb

Kind = Literal["cdr", "queue_log"]
#: called with a file's name and the lines read of it so far
Progress = Callable[[str, int], None]
_SAMPLES = 3
_SHAPE_LENGTH = 120
_KNOWN_KEYS = 200_000

_AGENT_MACRO = """CREATE OR REPLACE TEMP MACRO agent_of(raw) AS
    CASE WHEN raw IN ('', 'NONE') OR phone_number(raw) IS NOT NULL THEN NULL
    ELSE regexp_replace(raw, '^[A-Za-z0-9_]+/([^@/-]+).*$', '\\1') END"""


@dataclass(frozen=True, slots=True)
class LogSources:
    """What to load. `key` is the secret of caller keys; `zone` counts where `plan` names none."""

    key: bytes = field(repr=False)
    cdr: tuple[Path, ...] = ()
    queue_log: tuple[Path, ...] = ()
    plan: QueuePlan | None = None
    options: AccessOptions = field(default_factory=AccessOptions)
    zone: str = "Asia/Almaty"


@dataclass(frozen=True, slots=True)
class Rejection:
    """Lines rejected for one reason; `samples` are the first (line number, shape) of them."""

    kind: str
    lines: int
    samples: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class LoadedLog:
    """What became of the lines of a file: accepted + rejected + duplicates = total.

    `known`: the same bytes were loaded before, and nothing was done.
    """

    file: str
    kind: Kind
    total: int
    accepted: int
    rejections: tuple[Rejection, ...]
    duplicates: int
    crlf: int
    known: bool = False

    @property
    def rejected(self) -> int:
        return sum(rejection.lines for rejection in self.rejections)


def load(
    connection: duckdb.DuckDBPyConnection, sources: LogSources, run_id: str, watch: Progress
) -> tuple[LoadedLog, ...]:
    """Load the files inside an open transaction; lines that are stored already change nothing.

    Raises ConfigError for a file that cannot be read or whose columns cannot be told.
    """
    loader = _Loader(connection, sources, run_id, watch)
    return loader.load()


class _Loader:
    """One load: its scratch tables, its cache of keys, the ids that it touched."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        sources: LogSources,
        run_id: str,
        watch: Progress,
    ) -> None:
        self._db = connection
        self._sources = sources
        self._run = run_id
        self._watch = watch
        plan = sources.plan
        self._layout = plan.cdr if plan else CdrLayout()
        self._zone = ZoneInfo((plan.zone if plan else None) or sources.zone)
        self._keys: dict[str, str | None] = {}
        self._dids: tuple[str, ...] = ()

    def load(self) -> tuple[LoadedLog, ...]:
        from pipeline.store.contacts import derive, link, store_plan

        for macro in (*NUMBER_MACROS, _AGENT_MACRO):
            self._db.execute(macro)
        self._db.execute("CREATE OR REPLACE TEMP TABLE log_touched (contact_id VARCHAR)")
        self._check_key()
        changed = store_plan(self._db, self._sources.plan, self._sources.options)
        dids = self._db.execute("SELECT did FROM queue_did").fetchall()
        self._dids = tuple(str(did) for (did,) in dids)
        files: list[tuple[Path, Kind]] = [
            *((path, "cdr") for path in self._sources.cdr),
            *((path, "queue_log") for path in self._sources.queue_log),
        ]
        done = tuple(self._file(path, kind) for path, kind in files)
        self._drop("log_whole", "log_parsed", "log_keyed", "log_old", "log_new")
        self._watch("contacts", 0)
        derive(self._db, self._run, everything=changed)
        link(self._db)
        self._drop("log_touched")
        return done

    def _check_key(self) -> None:
        """Another secret would give every line and number another key: all would count twice."""
        check = hashlib.blake2b(b"sapa logs", key=self._sources.key, digest_size=16).hexdigest()
        (stored,) = self._db.execute("SELECT key_check FROM access_option").fetchone() or (None,)
        if stored not in (None, check):
            raise ConfigError(
                "the logs in this database were loaded with another secret (--key-file): the same "
                "lines would count twice; give that secret, or start a new database with --db"
            )
        self._db.execute("UPDATE access_option SET key_check = ?", [check])

    def _drop(self, *tables: str) -> None:
        for relation in ("log_keys", "log_offsets"):
            self._db.unregister(relation)
        for table in tables:
            self._db.execute(f"DROP TABLE IF EXISTS temp.{table}")

    def _file(self, path: Path, kind: Kind) -> LoadedLog:
        sha256 = digest(path)
        if known := self._known(sha256, kind):
            return known
        columns = self._columns(path) if kind == "cdr" else None
        total = crlf = accepted = duplicates = 0
        rejections: dict[str, Rejection] = {}
        for block in read_blocks(path):
            new, same = self._block(block, columns, sha256)
            total, crlf = total + block.lines, crlf + block.crlf
            accepted, duplicates = accepted + new, duplicates + same
            self._collect_rejections(rejections)
            self._watch(path.name, total)
        loaded = LoadedLog(
            path.name, kind, total, accepted, tuple(rejections[k] for k in sorted(rejections)),
            duplicates, crlf,
        )  # fmt: skip
        self._record(sha256, loaded)
        return loaded

    def _columns(self, path: Path) -> Columns:
        return find_columns(look(path, self._layout.delimiter), self._layout, path.name)

    def _known(self, sha256: str, kind: Kind) -> LoadedLog | None:
        row = self._db.execute(
            "SELECT file, kind, total_lines, accepted_lines, duplicate_lines, crlf_lines "
            "FROM log_file WHERE sha256 = ?",
            [sha256],
        ).fetchone()
        if row is None:
            return None
        if row[1] != kind and row[3] + row[4] == 0:  # given with the wrong option before
            for table in ("log_file", "log_rejection"):
                self._db.execute(f"DELETE FROM {table} WHERE sha256 = ?", [sha256])
            return None
        if row[1] != kind:
            raise ConfigError(
                f"log file {row[0]} was loaded as {row[1]} and is now given as {kind}; "
                "give call detail records with --cdr, queue events with --queue-log"
            )
        found = self._db.execute(
            "SELECT kind, lines, sample_lines, sample_shapes FROM log_rejection "
            "WHERE sha256 = ? ORDER BY kind",
            [sha256],
        ).fetchall()
        rejections = tuple(
            Rejection(why, lines, tuple(zip(numbers, shapes, strict=True)))
            for why, lines, numbers, shapes in found
        )
        return LoadedLog(row[0], kind, row[2], row[3], rejections, row[4], row[5], known=True)

    def _parse(self, block: Block, columns: Columns | None) -> None:
        """The lines of a block, judged, in log_parsed; columns None: of a queue log."""
        db = self._db
        db.register("log_lines", block.table)
        try:
            if columns is None:
                db.execute(f"CREATE OR REPLACE TEMP TABLE log_parsed AS {queue_log_sql()}")
                return
            layout = self._layout
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

    def _block(self, block: Block, columns: Columns | None, sha256: str) -> tuple[int, int]:
        """Accepted and duplicate lines of a block; the accepted ones are stored."""
        self._parse(block, columns)
        is_cdr, db = columns is not None, self._db
        target = "contact_leg" if is_cdr else "contact_event"
        secret = quoted(self._sources.key.hex())
        db.execute(f"""CREATE OR REPLACE TEMP TABLE log_keyed AS
            SELECT min(number) AS number, line_key
            FROM (SELECT number, md5_number({secret} || line) AS line_key
                FROM log_parsed WHERE kind IS NULL)
            GROUP BY line_key""")
        db.execute(f"""CREATE OR REPLACE TEMP TABLE log_old AS
            SELECT line_key FROM {target} SEMI JOIN log_keyed USING (line_key)""")
        phones = ", phone_number(src) AS src_phone, phone_number(dst) AS dst_phone"
        db.execute(f"""CREATE OR REPLACE TEMP TABLE log_new AS
            SELECT log_parsed.* EXCLUDE (line, kind), line_key{phones if is_cdr else ""}
            FROM log_parsed JOIN log_keyed USING (number) ANTI JOIN log_old USING (line_key)""")
        if is_cdr:
            self._register_keys()
            self._register_offsets()
        db.execute(self._insert_legs(sha256) if is_cdr else _insert_events(sha256))
        ids = "uniqueid" if is_cdr else "callid"
        db.execute(f"INSERT INTO log_touched SELECT DISTINCT {ids} FROM log_new")
        (accepted,) = db.execute("SELECT count(*) FROM log_new").fetchone() or (0,)
        valid = "SELECT count(*) FROM log_parsed WHERE kind IS NULL"
        (good,) = db.execute(valid).fetchone() or (0,)
        return int(accepted), int(good) - int(accepted)

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
                self._keys[phone] = caller_key(phone, self._sources.key)
        keys = pa.table(
            {"phone": pa.array(phones, pa.string()),
             "key": pa.array([self._keys[phone] for phone in phones], pa.string())}
        )  # fmt: skip
        self._db.register("log_keys", keys)

    def _insert_legs(self, sha256: str) -> str:
        layout = self._layout
        inbound = f"dcontext IN ({listed(layout.inbound_contexts)})"
        outbound = f"dcontext IN ({listed(layout.outbound_contexts)})"
        known = f"({listed(self._dids)})"
        return f"""
INSERT INTO contact_leg BY NAME
WITH told AS (
    SELECT *, split_part(split_part(dstchannel, '/', 2), '-', 1) AS set_name,
        coalesce({inbound}, dst IN {known}) AS is_inbound,
        coalesce({outbound}, dst NOT IN {known}) AS is_outbound
    FROM log_new
)
SELECT
    line_key, uniqueid, linkedid,
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
    duration_s, talk_s, disposition, {quoted(sha256)} AS sha256
FROM told
JOIN log_offsets ON log_offsets.hour = date_trunc('hour', started_at)
LEFT JOIN log_keys AS caller ON caller.phone = src_phone
LEFT JOIN log_keys AS called ON called.phone = dst_phone"""

    def _register_offsets(self) -> None:
        """A relation log_offsets (hour, offset_s): what the zone's wall clock was ahead of UTC."""
        import pyarrow as pa

        found = self._db.execute(
            "SELECT DISTINCT date_trunc('hour', started_at) AS hour FROM log_new"
        ).fetchall()
        hours: list[datetime] = [hour for (hour,) in found]
        offsets = [hour.replace(tzinfo=self._zone).utcoffset() for hour in hours]
        seconds = [0 if offset is None else int(offset.total_seconds()) for offset in offsets]
        table = {
            "hour": pa.array(hours, pa.timestamp("us")),
            "offset_s": pa.array(seconds, pa.int64()),
        }
        self._db.register("log_offsets", pa.table(table))

    def _collect_rejections(self, into: dict[str, Rejection]) -> None:
        """Counts by kind, with the first lines of each: where, and their shape without contents."""
        found = self._db.execute(
            f"""SELECT kind, count(*), list(number ORDER BY number)[:{_SAMPLES}],
                list(left(regexp_replace(regexp_replace(line, '[0-9]', '9', 'g'),
                    '[^\\x20-\\x7e]|[A-Za-z]', 'x', 'g'), {_SHAPE_LENGTH})
                    ORDER BY number)[:{_SAMPLES}]
            FROM log_parsed WHERE kind IS NOT NULL GROUP BY kind"""
        ).fetchall()
        for kind, lines, numbers, shapes in found:
            old = into.get(kind, Rejection(kind, 0, ()))
            samples = (*old.samples, *zip(numbers, shapes, strict=True))[:_SAMPLES]
            into[kind] = Rejection(kind, old.lines + lines, samples)

    def _record(self, sha256: str, loaded: LoadedLog) -> None:
        self._db.execute(
            "INSERT INTO log_file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [sha256, loaded.file, loaded.kind, loaded.total, loaded.accepted, loaded.rejected,
             loaded.duplicates, loaded.crlf, self._run],
        )  # fmt: skip
        for rejection in loaded.rejections:
            numbers, shapes = zip(*rejection.samples, strict=True)
            self._db.execute(
                "INSERT INTO log_rejection VALUES (?, ?, ?, ?, ?)",
                [sha256, rejection.kind, rejection.lines, list(numbers), list(shapes)],
            )


def _insert_events(sha256: str) -> str:
    return f"""
INSERT INTO contact_event BY NAME
WITH member AS (
    SELECT agent, agent_of(agent) AS agent_id FROM (SELECT DISTINCT agent FROM log_new)
)
SELECT
    callid AS contact_id,
    number::INTEGER AS place,
    make_timestamp(epoch::BIGINT * 1000000) AS at_utc,
    event,
    CASE WHEN queue NOT IN ('', 'NONE') THEN queue END AS queue,
    agent_id,
    counts AS detail,
    wait_s, talk_s, ring_ms, line_key, {quoted(sha256)} AS sha256
FROM log_new JOIN member USING (agent)"""
