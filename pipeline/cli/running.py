"""sapa run, sapa config."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from pipeline.cli.console import err, fail, out, warn

if TYPE_CHECKING:
    from rich.progress import Progress

    from pipeline.config import Config
    from pipeline.run import BatchOptions, Plan, Summary
    from pipeline.store import RunInfo, Store
    from pipeline.store.values import RunStatus
    from pipeline.types import CallResult, QualityCard

DEFAULT_DB = Path("data/processed/sapa.duckdb")
Database = Annotated[Path, typer.Option("--db", help="DuckDB file.")]
Profile = Annotated[
    str | None, typer.Option(help="cpu, gpu, or a TOML file over the defaults (sapa config show).")
]
config_app = typer.Typer(no_args_is_help=True, help="The configuration in force.")


@config_app.command("show")
def config_show(profile: Profile = None) -> None:
    """Print every option with its value; save it, change it, and pass it as --profile."""
    from pipeline.config import load_config, to_toml

    sys.stdout.write(to_toml(load_config(profile)))


def run(
    archive: Annotated[str, typer.Argument(help="A folder, a file, or a quoted pattern (**).")],
    db: Database = DEFAULT_DB,
    profile: Profile = None,
    card: Annotated[Path | None, typer.Option(help="Quality card; default: the 1414 card.")] = None,
    side_table: Annotated[
        Path | None,
        typer.Option(help="CSV or JSON: file, started_at, queue, agent_id, agent_name, caller …"),
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(help="Secret that caller numbers are hashed with; created when absent."),
    ] = None,
    jobs: Annotated[int, typer.Option(help="Worker processes; 0: by cores and memory.")] = 0,
    limit: Annotated[int | None, typer.Option(help="Process at most this many calls.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
) -> None:
    """Process an archive of recordings: who spoke, what was said, tags, quality card, DuckDB.

    A second run does only what is new or changed. Ctrl-C stops at once: finished calls are
    stored, the same command goes on with the others. Exit code: 0 all done, 1 some calls failed,
    2 usage or configuration, 130 interrupted.
    """
    from pipeline.backends.archive import load_or_create_key, read_sidecar
    from pipeline.config import load_config, resources
    from pipeline.ingest import find_zone, parse_patterns
    from pipeline.run import BatchOptions, build_plan

    config = load_config(profile)
    workers = workers_for(jobs or config.run.jobs, config)
    plan = build_plan(config, card=card, threads=max(1, (os.cpu_count() or 1) // workers))
    patterns = (resources() / "configs" / "filenames.toml").read_text(encoding="utf-8")
    zone = find_zone(config.ingest.zone)
    options = BatchOptions(
        jobs=workers,
        limit=limit,
        dry_run=dry_run,
        side_table={} if side_table is None else read_sidecar(side_table, zone),
        patterns=parse_patterns(patterns),
        key=load_or_create_key(key_file or default_key()),
    )
    summary = _run(archive, db, plan, options)
    _print_summary(summary, db, options)
    if summary.interrupted:
        raise typer.Exit(130)
    if summary.count("failed") or summary.count("partial"):
        raise typer.Exit(1)


def default_key() -> Path:
    """Outside every database and archive: in the user's configuration folder."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "sapa" / "caller.key"


def workers_for(jobs: int, config: Config) -> int:
    """As many as were asked for; 0: half the cores, if memory allows."""
    if jobs:
        return jobs
    from pipeline.doctor import memory_bytes

    memory = memory_bytes()
    by_memory = int(memory / 1e9 / config.run.worker_memory) if memory else 1
    return max(1, min((os.cpu_count() or 2) // 2, by_memory))


def _run(archive: str, db: Path, plan: Plan, options: BatchOptions) -> Summary:
    from pipeline.run import run_batch

    with started(db, plan, "sapa run") as begun, Watch() as watch:
        into = (begun.store, begun.run_id)
        summary = run_batch(archive, into, begun.plan, options, watch)
        begun.status = "interrupted" if summary.interrupted else "done"
        if summary.processed:
            begun.store.snapshot()
    return summary


@dataclass(slots=True)
class Begun:
    """A run that has begun: where it writes, and how it is to be closed."""

    store: Store
    run_id: str
    plan: Plan
    status: RunStatus = "done"


@contextmanager
def started(db: Path, plan: Plan, command: str) -> Iterator[Begun]:
    """A run in a database open for writing; closed as failed when an error passes through."""
    from pipeline.store import Store

    db.parent.mkdir(parents=True, exist_ok=True)
    with Store.open(db) as store:
        for message in store.warnings:
            warn(message)
        agents = store.agent_voices() if plan.config.roles.agent_voices else ()
        plan = replace(plan, card=_registered(store, plan), agent_voices=agents)
        begun = Begun(store, store.begin_run(run_info(plan.config, plan.digests, command)), plan)
        try:
            yield begun
        except BaseException:
            begun.status = "failed"
            raise
        finally:
            store.finish_run(begun.run_id, finished_at=datetime.now(UTC), status=begun.status)


def _registered(store: Store, plan: Plan) -> QualityCard:
    """The card under a version of its own: an edit without a new version gets its digest added."""
    from pipeline.errors import StoreError

    try:
        store.write_card(plan.card)
    except StoreError:
        digest = dict(plan.digests)["card"][:6]
        card = replace(plan.card, version=f"{plan.card.version}+{digest}")
        store.write_card(card)
        return card
    return plan.card


def run_info(config: Config, digests: tuple[tuple[str, str], ...], command: str) -> RunInfo:
    """What the rows of a run that starts now will lead to."""
    from pipeline import __version__
    from pipeline.config import to_toml
    from pipeline.store import RunInfo

    return RunInfo(
        run_id=uuid4().hex[:12],
        started_at=datetime.now(UTC),
        version=__version__,
        git_commit=_git_commit(),
        config_toml=to_toml(config),
        model_digests=digests,
        machine=f"{platform.machine()} {os.cpu_count()} cores, Python {platform.python_version()}",
        command=command,
        time_zone=config.ingest.zone,
    )


def _git_commit() -> str | None:
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None


class Watch:
    """A progress bar: files found, then calls done, times real time, and the time left."""

    def __init__(self) -> None:
        self._audio = 0.0
        self._progress = _bars()
        self._files = self._progress.add_task("looking at files", total=None, speed="")
        self._calls = self._progress.add_task("calls", total=None, speed="", visible=False)

    def __enter__(self) -> Watch:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def found(self, files: int) -> None:
        self._progress.update(self._files, completed=files)

    def start(self, calls: int, audio: float) -> None:
        self._progress.update(self._files, visible=False)
        title = f"calls ({audio / 60:.0f} min of audio)"
        self._progress.reset(
            self._calls, total=calls, description=title, visible=calls > 0, speed=""
        )

    def done(self, result: CallResult) -> None:
        self._audio += result.call.duration or 0.0
        elapsed = self._progress.tasks[self._calls].elapsed or 0.0
        speed = f"{self._audio / elapsed:.1f} × real time" if elapsed else ""
        self._progress.update(self._calls, advance=1, speed=speed)


def _bars() -> Progress:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=err(),
    )


def _print_summary(summary: Summary, db: Path, options: BatchOptions) -> None:
    console = out()
    console.print(
        f"{summary.found} recordings found ({summary.copies} copies, "
        f"{summary.ignored} other files ignored)"
    )
    if options.dry_run:
        console.print(f"would process {summary.found - summary.copies - summary.up_to_date}; "
                      f"{summary.up_to_date} are up to date")  # fmt: skip
        return
    if summary.processed == 0 and not summary.interrupted:
        console.print("nothing to do: every call is up to date")
    else:
        rate = summary.audio / summary.seconds if summary.seconds else 0.0
        console.print(
            f"processed {summary.processed} calls, {summary.audio / 60:.1f} min of audio in "
            f"{summary.seconds:.0f} s ({rate:.1f} × real time, {options.jobs} workers)"
        )
        stages = ", ".join(f"{name} {value:.0f} s" for name, value in summary.stage_seconds)
        console.print(f"  worker time by stage: {stages}")
    order = ("done", "partial", "not_evaluable", "failed")
    console.print("state: " + ", ".join(f"{summary.count(name)} {name}" for name in order))
    for reason, count in summary.reasons:
        console.print(f"  {count} × {reason}")
    if summary.waiting:
        console.print(f"{summary.waiting} calls wait (--limit)")
    if summary.interrupted:
        fail("interrupted; finished calls are stored, the same command goes on from here")
    console.print(f"database: {db}   look: sapa show --db {db}", soft_wrap=True)
