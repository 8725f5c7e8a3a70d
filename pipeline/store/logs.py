# ruff: noqa: S608 - the names put into SQL are constants of this package
"""Telephone logs into `contact`, `contact_leg` and `contact_event`, block by block.

Nothing of a line that could name a person is stored: numbers become keys, rejected lines leave
their kind, their place and their shape.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from pipeline.backends.logs_lines import digest, look, read_blocks
from pipeline.errors import ConfigError
from pipeline.ingest import AccessOptions, CdrLayout, QueuePlan
from pipeline.store.log_layout import find_columns
from pipeline.store.log_parsing import NUMBER_MACROS
from pipeline.store.log_reading import SAMPLES, LineReader, Reading, Rejection

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

Kind = Literal["cdr", "queue_log"]
#: called with a file's name and the lines read of it so far
Progress = Callable[[str, int], None]
#: the key of a line out of its halves
_LINE_KEY = "key_high::UHUGEINT * 18446744073709551616::UHUGEINT + key_low"


@dataclass(frozen=True, slots=True)
class LogSources:
    """What to load. `key` is the secret of caller keys; `zone` counts where `plan` names none.

    None for `plan` or `options`: what the database holds stays.
    """

    key: bytes = field(repr=False)
    cdr: tuple[Path, ...] = ()
    queue_log: tuple[Path, ...] = ()
    plan: QueuePlan | None = None
    options: AccessOptions | None = None
    zone: str = "Asia/Almaty"


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


class _Window:
    """A relation that shows one Arrow table after another.

    Each registration would keep its table until the transaction ends.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, name: str) -> None:
        self._db = connection
        self._name = name
        self._table: pa.Table | None = None

    def show(self, table: pa.Table) -> None:
        """Show a table; of one window all tables have the same columns."""
        first, self._table = self._table is None, table
        if first:
            self._db.register(self._name, self)

    def close(self) -> None:
        if self._table is not None:
            self._db.unregister(self._name)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        assert self._table is not None
        return self._table.__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> object:
        assert self._table is not None
        return self._table.schema.__arrow_c_schema__()


class _Loader:
    """One load: the ids that it touched are in log_touched."""

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

    def load(self) -> tuple[LoadedLog, ...]:
        from pipeline.store.contacts import derive, link, store_plan

        self._db.execute("CREATE OR REPLACE TEMP TABLE log_touched (contact_id VARCHAR)")
        for macro in NUMBER_MACROS:
            self._db.execute(macro)
        self._check_key()
        changed = store_plan(self._db, self._sources.plan, self._sources.options)
        files: list[tuple[Path, Kind]] = [
            *((path, "cdr") for path in self._sources.cdr),
            *((path, "queue_log") for path in self._sources.queue_log),
        ]
        with LineReader(self._reading()) as reader:
            done = tuple(self._file(path, kind, reader) for path, kind in files)
        self._watch("contacts", 0)
        derive(self._db, self._run, everything=changed)
        link(self._db)
        self._db.execute("DROP TABLE temp.log_touched")
        return done

    def _reading(self) -> Reading:
        plan = self._sources.plan
        dids = self._db.execute("SELECT did FROM queue_did").fetchall()
        return Reading(
            key=self._sources.key,
            layout=plan.cdr if plan else CdrLayout(),
            zone=ZoneInfo((plan.zone if plan else None) or self._sources.zone),
            dids=tuple(str(did) for (did,) in dids),
        )

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

    def _file(self, path: Path, kind: Kind, reader: LineReader) -> LoadedLog:
        sha256 = digest(path)
        if known := self._known(sha256, kind):
            return known
        layout = reader.layout
        columns = None
        if kind == "cdr":
            columns = find_columns(look(path, layout.delimiter), layout, path.name)
        total = crlf = accepted = duplicates = 0
        rejections: dict[str, Rejection] = {}
        windows = _Window(self._db, "log_rows"), _Window(self._db, "log_stored")
        try:
            for block in read_blocks(path):
                rows = reader.read(block, columns)
                new = self._store(rows.table, kind, sha256, windows)
                total, crlf = total + block.lines, crlf + block.crlf
                accepted, duplicates = accepted + new, duplicates + rows.valid - new
                _add(rejections, rows.rejections)
                self._watch(path.name, total)
        finally:
            for window in windows:
                window.close()
        loaded = LoadedLog(
            path.name, kind, total, accepted, tuple(rejections[k] for k in sorted(rejections)),
            duplicates, crlf,
        )  # fmt: skip
        self._record(sha256, loaded)
        return loaded

    def _store(
        self, rows: pa.Table, kind: Kind, sha256: str, windows: tuple[_Window, _Window]
    ) -> int:
        """Store the rows whose lines are not stored yet; returns how many."""
        target, ids = _TARGETS[kind]
        windows[0].show(rows)
        stored = self._db.execute(
            "SELECT key_high, key_low FROM log_rows SEMI JOIN "
            f"(SELECT line_key FROM {target} SEMI JOIN "
            f"(SELECT {_LINE_KEY} AS line_key FROM log_rows) USING (line_key)) AS kept "
            f"ON kept.line_key = {_LINE_KEY}"
        ).to_arrow_table()
        windows[1].show(stored)
        new = "FROM log_rows ANTI JOIN log_stored USING (key_high, key_low)"
        (count,) = self._db.execute(
            f"INSERT INTO {target} BY NAME SELECT * EXCLUDE (key_high, key_low), "
            f"{_LINE_KEY} AS line_key, ? AS sha256 {new}",
            [sha256],
        ).fetchone() or (0,)
        self._db.execute(f"INSERT INTO log_touched SELECT DISTINCT {ids} {new}")
        return int(count)

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


#: where the rows of a kind of log go, and the column of the contact's id
_TARGETS = {"cdr": ("contact_leg", "uniqueid"), "queue_log": ("contact_event", "contact_id")}


def _add(into: dict[str, Rejection], found: tuple[Rejection, ...]) -> None:
    for one in found:
        old = into.get(one.kind, Rejection(one.kind, 0, ()))
        samples = (*old.samples, *one.samples)[:SAMPLES]
        into[one.kind] = Rejection(one.kind, old.lines + one.lines, samples)
