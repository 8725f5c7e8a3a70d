"""sapa import: transcripts that another recogniser made."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.console import fail, out, warn
from pipeline.cli.running import (
    DEFAULT_DB,
    Database,
    Profile,
    Watch,
    default_key,
    started,
    workers_for,
)

if TYPE_CHECKING:
    from pipeline.transcripts import Imported
    from pipeline.types import CallResult

SUFFIXES = {"json": ".json", "vcon": ".json", "stm": ".stm"}


def import_transcripts(
    kind: Annotated[str, typer.Argument(help="json, vcon or stm.", metavar="FORMAT")],
    paths: Annotated[list[Path], typer.Argument(help="Files, or folders of them.")],
    db: Database = DEFAULT_DB,
    profile: Profile = None,
    card: Annotated[Path | None, typer.Option(help="Quality card; default: the 1414 card.")] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="Secret that caller numbers are hashed with.")
    ] = None,
    jobs: Annotated[int, typer.Option(help="Worker processes; 0: by cores and memory.")] = 0,
) -> None:
    """Tag and score ready transcripts: no recording is heard, no model for speech is needed.

    json: one object a call with turns of start, end, speaker, text. vcon: a vCon with text dialog
    or a transcript analysis. stm: NIST lines "recording channel speaker start end words".
    docs/transcripts.md describes them. Roles are taken from speakers' names (operator, caller,
    agent, customer …) or found from the words.
    """
    from pipeline.backends.archive import load_or_create_key
    from pipeline.config import load_config
    from pipeline.errors import ConfigError
    from pipeline.run import build_plan, import_calls

    if kind not in SUFFIXES:
        raise ConfigError(f"format {kind!r}: allowed are {', '.join(SUFFIXES)}")
    config = load_config(profile)
    workers = workers_for(jobs or config.run.jobs, config)
    threads = max(1, (os.cpu_count() or 1) // workers)
    plan = build_plan(config, card=card, threads=threads, listening=False)
    key = load_or_create_key(key_file or default_key())
    arrived, broken = _read(paths, kind, key, config.ingest.zone)
    with started(db, plan, "sapa import") as begun, Watch() as watch:
        into = (begun.store, begun.run_id)
        done = import_calls(arrived, into, (begun.plan, workers), watch)
        begun.status = "interrupted" if done.interrupted else "done"
        if done.processed:
            begun.store.snapshot()
    out().print(
        f"{done.found} transcripts: {done.processed} processed, {done.up_to_date} up to date, "
        f"{broken} unreadable"
    )
    out().print("state: " + ", ".join(f"{n} {status}" for status, n in done.statuses))
    if done.interrupted:
        fail("interrupted; finished calls are stored, the same command goes on from here")
        raise typer.Exit(130)
    if broken:
        raise typer.Exit(1)


def _read(
    paths: list[Path], kind: str, key: bytes, zone: str
) -> tuple[tuple[CallResult, ...], int]:
    """The calls of all files; a file that cannot be read is named and counted."""
    from pipeline.errors import ConfigError, TruthError
    from pipeline.run import arrival

    files = [file for path in paths for file in _files(path, SUFFIXES[kind])]
    if not files:
        raise ConfigError(f"no *{SUFFIXES[kind]} in {', '.join(map(str, paths))}")
    parse = _parser(kind)
    found: dict[str, CallResult] = {}
    broken = 0
    for file in files:
        try:
            content = file.read_bytes()
            for call in parse(content.decode("utf-8-sig"), file.name):
                result = arrival(call, content, key, zone)
                found[result.call.call_id] = result
        except (OSError, UnicodeDecodeError) as error:
            warn(f"{file}: cannot be read as UTF-8 text: {type(error).__name__}")
            broken += 1
        except TruthError as error:
            warn(str(error))
            broken += 1
    return tuple(found.values()), broken


def _files(path: Path, suffix: str) -> list[Path]:
    if path.is_dir():
        return sorted(path.rglob(f"*{suffix}"))
    return [path]


def _parser(kind: str) -> Callable[[str, str], tuple[Imported, ...]]:
    from pipeline import transcripts

    return {
        "json": transcripts.parse_json,
        "vcon": transcripts.parse_vcon,
        "stm": transcripts.parse_stm,
    }[kind]
