"""The command line. Heavy libraries are imported by the commands that need them."""

from __future__ import annotations

import os
import sys

import typer

from pipeline.cli import cards, importing, inspect, logs, models, roles, running
from pipeline.cli.console import fail

app = typer.Typer(
    name="sapa",
    help=(
        "Speech analytics for public contact centres: who spoke when, what was said, and a "
        "quality card with evidence, in DuckDB.\n\n"
        "Start with: sapa models fetch, then sapa run ARCHIVE, then sapa show."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(models.app, name="models")
app.add_typer(cards.app, name="cards")
app.add_typer(running.config_app, name="config")
app.command("run")(running.run)
app.command("import")(importing.import_transcripts)
app.command("logs")(logs.logs)
app.command("doctor")(models.doctor)
app.command("show")(inspect.show)
app.command("query")(inspect.query)
app.command("evaluate")(inspect.evaluate)
app.command("roles")(roles.roles)
app.command("train")(models.train)


def main() -> None:
    """Entry point: expected errors are one clear message and exit code 2."""
    from pipeline.errors import SapaError

    _stay_private()
    try:
        app()
    except SapaError as error:
        fail(str(error))
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)


def _stay_private() -> None:
    """Nothing leaves the machine: telemetry of libraries off, model hubs not asked."""
    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["DO_NOT_TRACK"] = "1"
    if sys.argv[1:3] != ["models", "fetch"]:
        os.environ["HF_HUB_OFFLINE"] = "1"
        os.environ["TRANSFORMERS_OFFLINE"] = "1"
