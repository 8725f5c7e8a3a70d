# ruff: noqa: S608 - the names put into SQL are constants of this package
"""The database of results: one writer, one transaction per call, everything reloadable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pipeline.errors import StoreError
from pipeline.store import ledger, logs, reading
from pipeline.store.database import connect, explained, migrate, publish, snapshot_path
from pipeline.store.logs import LoadedLog, LogSources, Progress
from pipeline.store.rows import CALL_TABLES, SCORE_TABLES, Commit, Row, Rows, naive, rows_of
from pipeline.store.values import Counts, RunInfo, RunStatus, Table
from pipeline.types import CallResult, QualityCard

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


class Store:
    """An open database; a context manager. Make it with `Store.open`.

    `path` is the file that is open, `warnings` what was wrong with it on opening.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, path: Path, *, read_only: bool
    ) -> None:
        self.path = path
        self.read_only = read_only
        self.warnings: tuple[str, ...] = ()
        self._connection = connection
        self._schemas: dict[str, pa.Schema] = {}
        self._zones: dict[str, ZoneInfo] = {}
        self._number = 0

    @classmethod
    def open(cls, path: Path | str, *, read_only: bool = False) -> Store:
        """Open a database, creating or upgrading it unless `read_only`.

        Raises StoreError: locked by another process, not a database of Sapa, newer schema,
        absent while read_only.
        """
        path = Path(path).absolute()
        connection = connect(path, read_only=read_only)
        store = cls(connection, path, read_only=read_only)
        try:
            migrate(connection, path, read_only=read_only)
            store._compare_with_ledger()
        except BaseException:
            store.close()
            raise
        return store

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def begin_run(self, run: RunInfo) -> str:
        """Store what the coming commits are produced by; returns the run's id."""
        row: Row = {
            "run_id": run.run_id,
            "started_at_utc": naive(run.started_at, UTC),
            "status": "running",
            "version": run.version,
            "git_commit": run.git_commit,
            "config_toml": run.config_toml,
            "machine": run.machine,
            "command": run.command,
            "time_zone": run.time_zone,
        }
        models: list[Row] = [
            {"run_id": run.run_id, "model": model, "sha256": sha256}
            for model, sha256 in run.model_digests
        ]
        if self._rows("SELECT 1 FROM run WHERE run_id = ?", [run.run_id]):
            raise StoreError(f"{self.path}: run {run.run_id} exists already; use a new run_id")
        self._write("begin the run", (), {"run": [row], "run_model": models})
        return run.run_id

    def finish_run(self, run_id: str, *, finished_at: datetime, status: RunStatus) -> None:
        """Close a run. A run that was killed stays "running" without an end."""
        self._zone_of(run_id)
        with explained("finish the run", self.path):
            self._connection.execute(
                "UPDATE run SET finished_at_utc = ?, status = ? WHERE run_id = ?",
                [naive(finished_at, UTC), status, run_id],
            )

    def write_card(self, card: QualityCard) -> None:
        """Store a version of a card; writing the same again changes nothing.

        Raises StoreError when answers already refer to this version with other criteria.
        """
        key = [card.card_id, card.version]
        where = "card_id = ? AND card_version = ?"
        old = self._rows(
            f"SELECT criterion_id, dimension, class, weight FROM criterion WHERE {where} "
            "ORDER BY place",
            key,
        )
        new = [(c.criterion_id, c.dimension, c.severity, c.weight) for c in card.criteria]
        if old and old != new and self._rows(f"SELECT 1 FROM answer WHERE {where} LIMIT 1", key):
            raise StoreError(
                f"{self.path}: card {card.card_id} {card.version} is stored with other "
                "criteria, and calls were judged by them; give the changed card a new version"
            )
        deletes = tuple((f"DELETE FROM {t} WHERE {where}", key) for t in ("criterion", "card"))
        self._write("store the card", deletes, reading.card_rows(card))

    def commit(self, result: CallResult, run_id: str) -> None:
        """Replace everything stored about a call, in one transaction; may be repeated.

        A stage whose fingerprint was stored before keeps the run that computed it.
        """
        call_id = result.call.call_id
        zone = self._zone_of(run_id)
        stages = self._rows(
            "SELECT stage, fingerprint, stage_result.run_id FROM call JOIN stage_result "
            "USING (call_id, commit_number) WHERE call_id = ?",
            [call_id],
        )
        runs = {(str(s), str(f)): str(r) for s, f, r in stages}
        rows = rows_of(result, Commit(run_id, zone, self._number + 1, runs))
        old = self._rows("SELECT commit_number FROM call WHERE call_id = ?", [call_id])
        deletes = tuple(
            (f"DELETE FROM {table} WHERE call_id = ? AND commit_number = ?", [call_id, number])
            for (number,) in old
            for table in CALL_TABLES
        )
        self._write(f"commit call {call_id[:12]}", deletes, rows)
        self._number += 1
        entry = ledger.Entry(self._number, call_id, result.status, run_id)
        try:
            ledger.append(ledger.path_of(self.path), entry)
        except OSError as error:
            raise StoreError(
                f"{ledger.path_of(self.path)}: could not write the ledger: {error.strerror}; "
                "free disk space, then start the same command again"
            ) from error

    def fingerprints(self) -> dict[str, dict[str, str]]:
        """call_id -> stage -> fingerprint of every stage that need not run again.

        Failed stages are left out, so that they are tried again.
        """
        found: dict[str, dict[str, str]] = {}
        for call_id, stage, fingerprint in self._rows(
            "SELECT call_id, stage, fingerprint FROM stage_result WHERE status <> 'failed'"
        ):
            found.setdefault(str(call_id), {})[str(stage)] = str(fingerprint)
        return found

    def load(self, call_id: str) -> CallResult | None:
        """Exactly the value that was committed, or None for an unknown call.

        `started_at` is the same instant, in the offset of the run's time zone.
        """
        return reading.load(self._rows, call_id)

    def load_many(self, call_ids: Sequence[str]) -> dict[str, CallResult]:
        """What `load` gives for each of the calls, read together; unknown ones are left out."""
        return reading.load_many(self._rows, call_ids)

    def commit_scores(self, results: Sequence[CallResult], run_id: str) -> None:
        """Replace status, answers, scores and stages of stored calls, in one transaction.

        Everything before the card must be as it is stored: those rows are not touched.
        """
        zone = self._zone_of(run_id)
        ids = [result.call.call_id for result in results]
        found = self._rows(
            "SELECT call_id, commit_number FROM call WHERE call_id IN (SELECT unnest(?))", [ids]
        )
        numbers = {str(call_id): int(str(number)) for call_id, number in found}
        stages = self._rows(
            "SELECT call_id, stage, fingerprint, stage_result.run_id FROM call JOIN stage_result "
            "USING (call_id, commit_number) WHERE call_id IN (SELECT unnest(?))",
            [ids],
        )
        runs: dict[str, dict[tuple[str, str], str]] = {}
        for call_id, stage, fingerprint, run in stages:
            runs.setdefault(str(call_id), {})[str(stage), str(fingerprint)] = str(run)
        rows: Rows = {}
        for result in results:
            call_id = result.call.call_id
            commit = Commit(run_id, zone, numbers[call_id], runs.get(call_id, {}))
            for table, own in rows_of(result, commit).items():
                if table in SCORE_TABLES:
                    rows.setdefault(table, []).extend(own)
        deletes = tuple(
            (f"DELETE FROM {table} WHERE call_id IN (SELECT unnest(?))", [ids])
            for table in SCORE_TABLES
        )
        self._write("store scores", deletes, rows)

    def outlines(self) -> dict[str, CallResult]:
        """call_id -> identity, status and stages of every call, without its contents."""
        return reading.outlines(self._rows)

    def results(self) -> Iterator[CallResult]:
        """Every stored call, in order of path, one at a time."""
        for call_id in self.call_ids():
            result = self.load(call_id)
            if result is not None:
                yield result

    def call_ids(self) -> tuple[str, ...]:
        return tuple(str(c) for (c,) in self._rows("SELECT call_id FROM call ORDER BY path"))

    def find(self, key: str) -> str:
        """The call meant by a path, base name (with or without extension), or id prefix.

        Raises StoreError when none or several calls match.
        """
        for condition in reading.KEYS:
            found = sorted({str(c) for (c,) in self._rows(condition, {"key": key})})
            if len(found) == 1:
                return found[0]
            if found:
                some = ", ".join(call_id[:12] for call_id in found[:5])
                raise StoreError(
                    f"{self.path}: {len(found)} calls match: {some}{', …' * (len(found) > 5)}; "
                    "name one by its call_id or its path in the archive"
                )
        raise StoreError(
            f"{self.path}: no call matches; name a path, a file name, or a call_id "
            '(`sapa query "SELECT call_id, file FROM v_call"` lists them)'
        )

    def agent_voices(self, calls: int = 20) -> tuple[tuple[str, tuple[float, ...]], ...]:
        """Each agent's mean voice, unit norm, in the earliest `calls` calls with sure roles.

        The earliest, so that it settles: a voice that changed with every call would make the
        roles of all calls stale again and again.
        """
        return reading.agent_voices(self._rows, calls)

    def counts(self) -> Counts:
        rows = self._rows("SELECT status, count(*) FROM call GROUP BY status")
        return Counts(**{str(status): int(str(n)) for status, n in rows})

    def query(self, sql: str, parameters: Sequence[object] | None = None) -> Table:
        """Answer one SELECT; nothing can be written, and no file or network reached.

        Raises StoreError with DuckDB's message for a statement that cannot be answered.
        """
        return reading.query(self._connection, sql, parameters)

    def load_logs(
        self, sources: LogSources, run_id: str, watch: Progress = lambda _file, _lines: None
    ) -> tuple[LoadedLog, ...]:
        """Load telephone logs and join them to recordings, in one transaction; may be repeated.

        Without files only the queues and options are stored and the joins made anew. Raises
        ConfigError for a file that cannot be read or understood; then nothing is changed.
        """
        if self.read_only:
            raise StoreError(f"{self.path}: opened for reading; open it for writing to load logs")
        self._zone_of(run_id)
        with explained("load the logs", self.path):
            self._connection.execute("BEGIN TRANSACTION")
            try:
                loaded = logs.load(self._connection, sources, run_id, watch)
                self._connection.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise
        return loaded

    def snapshot(self, path: Path | str | None = None) -> Path:
        """Publish a copy that others can read while this process holds the database.

        Default: <db>.snapshot.duckdb. Readers see the old copy or the new one, never a part.
        """
        target = Path(path).absolute() if path else snapshot_path(self.path)
        publish(self._connection, self.path, target)
        return target

    def _compare_with_ledger(self) -> None:
        row = self._rows("SELECT coalesce(max(commit_number), 0) FROM call")
        last = int(str(row[0][0]))
        entries = ledger.read(ledger.path_of(self.path))
        self._number = max([last, *(entry.number for entry in entries)])
        if entries or not self.read_only:  # copies have no ledger and are only read
            self.warnings = ledger.differences(entries, frozenset(self.call_ids()), last)

    def _zone_of(self, run_id: str) -> ZoneInfo:
        if run_id not in self._zones:
            rows = self._rows("SELECT time_zone FROM run WHERE run_id = ?", [run_id])
            if not rows:
                raise StoreError(f"{self.path}: unknown run {run_id}; call begin_run first")
            self._zones[run_id] = ZoneInfo(str(rows[0][0]))
        return self._zones[run_id]

    def _rows(
        self, sql: str, parameters: Sequence[object] | dict[str, str] | None = None
    ) -> list[tuple[object, ...]]:
        with explained("read", self.path):
            rows: list[tuple[object, ...]] = self._connection.execute(sql, parameters).fetchall()
        return rows

    def _write(
        self, doing: str, deletes: Sequence[tuple[str, Sequence[object]]], rows: Rows
    ) -> None:
        """Delete, then insert in bulk, in one transaction."""
        if self.read_only:
            raise StoreError(f"{self.path}: opened for reading; open it for writing to {doing}")
        with explained(doing, self.path):
            self._connection.execute("BEGIN TRANSACTION")
            try:
                for sql, parameters in deletes:
                    self._connection.execute(sql, parameters)
                for table, found in rows.items():
                    self._insert(table, found)
                self._connection.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise

    def _insert(self, table: str, rows: Sequence[Row]) -> None:
        import pyarrow as pa

        if not rows:
            return
        if table not in self._schemas:
            empty = self._connection.execute(f"SELECT * FROM {table} LIMIT 0").to_arrow_table()
            self._schemas[table] = empty.schema
        schema = pa.schema([self._schemas[table].field(column) for column in rows[0]])
        self._connection.register("incoming", pa.Table.from_pylist(list(rows), schema=schema))
        try:
            self._connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM incoming")
        finally:
            self._connection.unregister("incoming")

    def _roll_back(self) -> None:
        import duckdb

        try:
            self._connection.execute("ROLLBACK")
        except duckdb.Error:
            return  # a fatal error has ended the transaction already


def open_for_reading(path: Path | str) -> Store:
    """The database itself when it can be opened, else its snapshot: see `Store.path`.

    The live file stays blocked for the batch while this store is open: close it soon.
    """
    path = Path(path).absolute()
    try:
        return Store.open(path, read_only=True)
    except StoreError:
        copy = snapshot_path(path)
        if not copy.is_file():
            raise
        return Store.open(copy, read_only=True)
