"""sapa logs: telephone logs into the database, and how callers got through."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.console import err, out, warn
from pipeline.cli.running import DEFAULT_DB, Database, Profile, default_key, run_info

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.config import Config
    from pipeline.ingest import AccessOptions
    from pipeline.store import LoadedLog, LogSources, Store
    from pipeline.store.values import RunStatus

Cdr = Annotated[
    list[Path] | None, typer.Option("--cdr", help="Asterisk CDR (Master.csv); may be repeated.")
]
QueueLog = Annotated[
    list[Path] | None, typer.Option("--queue-log", help="Asterisk queue_log; may be repeated.")
]
Queues = Annotated[
    Path | None,
    typer.Option("--queues", help="TOML or JSON: queues, numbers, opening hours, closed dates."),
]
_SHAPE = 72


def logs(
    cdr: Cdr = None,
    queue_log: QueueLog = None,
    queues: Queues = None,
    db: Database = DEFAULT_DB,
    threshold: Annotated[
        int | None, typer.Option(help="Longest wait, seconds, that is in time.")
    ] = None,
    short_abandon: Annotated[
        int | None, typer.Option(help="Who gives up earlier, seconds, is a short abandon.")
    ] = None,
    coverage_target: Annotated[
        float | None, typer.Option(help="Share that longer opening hours should cover.")
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(help="Secret that caller numbers are hashed with, as of sapa run."),
    ] = None,
    profile: Profile = None,
) -> None:
    """Load call detail records and queue logs, and print how callers got through.

    Loading a file again, or a file that overlaps another, changes nothing. The queues file is kept:
    give it once, and again when it changed. Lines that cannot be read are counted, never fatal.
    docs/access.md defines every figure. Without files: print the figures of what is loaded.
    """
    from pipeline.config import load_config
    from pipeline.store import Store

    config = load_config(profile)
    sources = log_sources(cdr, queue_log, queues, key_file=key_file, zone=config.ingest.zone)
    db.parent.mkdir(parents=True, exist_ok=True)
    with Store.open(db) as store:
        for message in store.warnings:
            warn(message)
        options = _options(store, threshold, short_abandon, coverage_target)
        load_logs(store, replace(sources, options=options), config)
        store.snapshot()
        print_access(store)
    out().print(
        f'database: {db}   more: sapa query "FROM v_access_queue" --db {db}', soft_wrap=True
    )


def log_sources(
    cdr: list[Path] | None,
    queue_log: list[Path] | None,
    queues: Path | None,
    *,
    key_file: Path | None,
    zone: str,
) -> LogSources:
    """The files of the options, the queues read, the same secret as `sapa run` takes.

    Raises ConfigError for a file that is not there or says nothing usable.
    """
    from pipeline.backends.archive import load_or_create_key
    from pipeline.errors import ConfigError
    from pipeline.ingest import parse_queues
    from pipeline.store import LogSources

    for path in (*(cdr or ()), *(queue_log or ()), *((queues,) if queues else ())):
        if not path.is_file():
            raise ConfigError(f"{path}: no such file")
    try:
        text = queues.read_text(encoding="utf-8-sig") if queues else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{queues}: cannot be read as UTF-8 text") from error
    return LogSources(
        key=load_or_create_key(key_file or default_key()),
        cdr=tuple(cdr or ()),
        queue_log=tuple(queue_log or ()),
        plan=parse_queues(text, queues.name) if queues else None,
        zone=zone,
    )


def _options(
    store: Store, threshold: int | None, short_abandon: int | None, target: float | None
) -> AccessOptions:
    """What is given, else what the database holds."""
    from pipeline.ingest import AccessOptions

    ((kept, short, share, dead),) = store.query(
        "SELECT threshold_s, short_abandon_s, coverage_target::DOUBLE, dead_attempts "
        "FROM access_option"
    ).rows
    return AccessOptions(
        threshold=int(str(kept)) if threshold is None else threshold,
        short_abandon=int(str(short)) if short_abandon is None else short_abandon,
        coverage_target=float(str(share)) if target is None else target,
        dead_attempts=int(str(dead)),
    )


def load_logs(store: Store, sources: LogSources, config: Config) -> None:
    """Load under a run of its own, with progress, and say what became of every file."""
    run_id = store.begin_run(run_info(config, (), "sapa logs"))
    status: RunStatus = "failed"
    try:
        with err().status("logs") as shown:
            loaded = store.load_logs(
                sources,
                run_id,
                lambda name, lines: shown.update(f"{name}: {lines:,} lines" if lines else name),
            )
        status = "done"
    finally:
        store.finish_run(run_id, finished_at=datetime.now(UTC), status=status)
    for log in loaded:
        _print_log(log)


def _print_log(log: LoadedLog) -> None:
    known = "   (loaded before: nothing changed)" if log.known else ""
    out().print(
        f"{log.file}: {log.total:,} lines, {log.accepted:,} accepted, {log.rejected:,} rejected, "
        f"{log.duplicates:,} duplicates{known}",
        markup=False,
    )
    if log.total and not log.accepted + log.duplicates:
        warn(
            f"no line of {log.file} could be understood; call detail records go with --cdr, queue "
            "events with --queue-log, other columns into the queues file ([cdr] columns)"
        )
    for rejection in log.rejections:
        out().print(f"  {rejection.lines:,} × {rejection.kind}, such as", markup=False)
        for number, shape in rejection.samples:
            out().print(f"    line {number}: {shape[:_SHAPE]}", markup=False)


def print_access(store: Store) -> None:
    """The figures of every queue, the strictest service level first, with its threshold."""
    ((threshold, short),) = store.query(
        "SELECT threshold_s, short_abandon_s FROM access_option"
    ).rows
    table = store.query(_FIGURES)
    if not table.rows:
        warn("no queue is described: give --queues FILE (docs/access.md) to see the figures")
        return
    from pipeline.cli.inspect import print_table

    for message in _undescribed(store):
        warn(message)
    out().print(
        f"\n[bold]Access[/]   in time: answered within {threshold} s;   "
        f"short abandon: gave up before {short} s"
    )
    out().print(
        "SL of answered + abandoned: in time / (answered + abandoned);   "
        "of attempts: in time / attempts;   of answered: in time / answered"
    )
    print_table(table)


_FIGURES = """
SELECT
    queue,
    round(100 * service_level_2, 1) AS "SL of answered + abandoned, %",
    round(100 * service_level_5_original, 1) AS "of attempts, %",
    round(100 * service_level_1, 1) AS "of answered, %",
    attempts,
    out_of_hours AS "out of hours",
    busy_congestion AS busy,
    answered,
    abandoned,
    short_abandons AS "of these short",
    wait_answered_median_s AS "median wait, s",
    wait_answered_p90_s AS "p90, s",
    round(100 * share_never, 1) AS "never got through, %"
FROM v_access_queue JOIN v_access_more USING (queue)"""


def _undescribed(store: Store) -> Iterator[str]:
    """Queues of the log that no figure counts."""
    rows = store.query(
        "SELECT event.queue, count(*) FROM contact_event AS event "
        "ANTI JOIN queue ON queue.queue = event.queue "
        "WHERE event.queue IS NOT NULL AND event.event IN ('ENTERQUEUE', 'JOINEMPTY') "
        "GROUP BY ALL ORDER BY ALL"
    ).rows
    for queue, entered in rows:
        yield (
            f"queue {queue} has {entered} calls in the log and is in no figure: "
            "the queues file does not describe it"
        )
