"""sapa show, sapa query, sapa evaluate: looking at what is stored."""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.console import err, out, warn
from pipeline.cli.running import DEFAULT_DB, Database

if TYPE_CHECKING:
    from pipeline.evaluate import Report, Truth
    from pipeline.store import Store, Table
    from pipeline.types import CallResult

Tongue = Annotated[str, typer.Option("--language", "-l", help="ru, kk or en: texts of the card.")]


def show(
    call: Annotated[
        str | None, typer.Argument(help="File name, path or id of a call; without it: overview.")
    ] = None,
    db: Database = DEFAULT_DB,
    language: Tongue = "ru",
    transcript: Annotated[bool, typer.Option(help="Print the transcript too.")] = True,
    clips: Annotated[
        Path | None, typer.Option(help="Folder for audio clips of the quotes; needs --archive.")
    ] = None,
    archive: Annotated[
        Path | None, typer.Option(help="The archive that was run, to cut clips from.")
    ] = None,
) -> None:
    """Print one call like a reviewer's sheet (transcript, card, evidence), or an overview."""
    from pipeline.cli.sheet import overview, sheet
    from pipeline.errors import ConfigError

    if language not in ("ru", "kk", "en"):
        raise ConfigError(f"--language {language}: allowed are ru, kk and en")
    with _reading(db) as store:
        if call is None:
            overview(store, db)
            return
        result = store.load(store.find(call))
        assert result is not None
        sheet(result, store, language, with_transcript=transcript)
    if clips is not None:
        if archive is None:
            raise ConfigError("--clips needs --archive: the folder that sapa run was given")
        for clip in cut_evidence(result, archive, clips):
            out().print(f"clip: {clip}", soft_wrap=True, markup=False)


def cut_evidence(result: CallResult, archive: Path, folder: Path) -> tuple[Path, ...]:
    """A WAV file for each missed criterion with a quote: its turn, with a second around it."""
    from pipeline.backends.archive import raw
    from pipeline.backends.clips import cut_clip
    from pipeline.errors import CallError, ConfigError

    if result.transcript is None:
        return ()
    source = Path(os.fsdecode(os.fsencode(archive) + b"/" + raw(result.call.path)))
    folder.mkdir(parents=True, exist_ok=True)
    cut = []
    for answer in result.answers:
        if answer.value != "no" or answer.quote_start is None:
            continue
        begin = answer.quote_start
        turns = [result.transcript.turns[index] for index in answer.turns]
        end = next((turn.end for turn in turns if turn.start <= begin <= turn.end), begin + 5)
        target = folder / f"{result.call.call_id}-{answer.criterion}.wav"
        try:
            cut.append(cut_clip(source, max(0.0, begin - 1), end + 1, target))
        except CallError as error:
            raise ConfigError(f"{source}: no clip can be cut: {error}") from error
    return tuple(cut)


def query(
    sql: Annotated[str, typer.Argument(help='One SELECT, e.g. "SELECT * FROM v_outcome".')],
    db: Database = DEFAULT_DB,
    output: Annotated[str, typer.Option("--format", help="table, csv or json.")] = "table",
) -> None:
    """Answer one SQL question, read-only; views and columns are described in docs/sql.md."""
    from pipeline.errors import ConfigError

    with _reading(db) as store:
        table = store.query(sql)
    if output == "csv":
        writer = csv.writer(sys.stdout)
        writer.writerow(table.columns)
        writer.writerows(table.rows)
    elif output == "json":
        rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
        sys.stdout.write(json.dumps(rows, ensure_ascii=False, indent=1, default=str) + "\n")
    elif output == "table":
        print_table(table)
    else:
        raise ConfigError(f"--format {output}: allowed are table, csv and json")


def evaluate(
    truth_dir: Annotated[Path, typer.Argument(help="Folder with one truth JSON per call.")],
    db: Database = DEFAULT_DB,
    as_json: Annotated[
        bool, typer.Option("--json", help="Every number, machine-readable.")
    ] = False,
) -> None:
    """Compare the database with reference labels: words, speakers, roles, criteria, scores.

    A call that the database lacks counts as wrong. docs/evaluation.md defines every number.
    """
    truths = read_truths(truth_dir)
    with _reading(db) as store:
        report = evaluation(truths, store)
    if as_json:
        sys.stdout.write(report.to_json() + "\n")
        return
    section = ""
    for name, label, value, n in report.rows():
        if name != section:
            out().print(f"\n[bold]{name}[/]")
            section = name
        shown = "–" if value is None else f"{value:.3f}".rstrip("0").rstrip(".")
        out().print(f"  {label:<48} {shown:>8}   n = {n}")


def read_truths(folder: Path) -> tuple[Truth, ...]:
    """Every truth file of a folder, or of its `truth` folder; TruthError when there is none."""
    from pipeline.errors import TruthError
    from pipeline.evaluate import parse_truth

    home = folder / "truth" if (folder / "truth").is_dir() else folder
    paths = sorted(home.glob("*.json"))
    if not paths:
        raise TruthError(f"{folder}: no *.json with reference labels; see docs/evaluation.md")
    return tuple(parse_truth(path.read_text(encoding="utf-8"), path.name) for path in paths)


def evaluation(truths: tuple[Truth, ...], store: Store) -> Report:
    """Results are found by the file that a truth names, relative to the archive that was run."""
    from pipeline.config import resources
    from pipeline.errors import StoreError
    from pipeline.evaluate import evaluate as compare
    from pipeline.label import parse_registry

    bodies = parse_registry((resources() / "configs" / "agencies.toml").read_text(encoding="utf-8"))
    results = {}
    for truth in truths:
        try:
            results[truth.file] = store.load(store.find(truth.file))
        except StoreError:
            results[truth.file] = None
    return compare(truths, results, same_body=bodies.same_body)


def _reading(db: Path) -> Store:
    from pipeline.store import open_for_reading

    store = open_for_reading(db)
    if store.path != db.absolute():
        warn(f"a batch is writing {db.name}; this is its last snapshot, {store.path.name}")
    for message in store.warnings:
        err().print(message)
    return store


def print_table(table: Table) -> None:
    """A query's answer as a table; numbers to three places."""
    from rich.table import Table as RichTable

    drawn = RichTable(*table.columns, box=None, header_style="bold")
    for row in table.rows:
        drawn.add_row(*(_cell(value) for value in row))
    out().print(drawn)
    if not table.rows:
        out().print("(no rows)")


def _cell(value: object) -> str:
    from rich.markup import escape

    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    return escape(str(value))
