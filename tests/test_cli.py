"""The command line: help, messages, exit codes, and what it prints of a real run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from pipeline.backends.decode import DecodeOptions, decode
from tests.conftest import ROOT, SAMPLES, Ran, sapa

COMMANDS = ("run", "logs", "models", "doctor", "show", "query", "evaluate", "train", "config")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_and_stands_in_the_readme(command: str, home: Path) -> None:
    ran = sapa(command, "--help", home=home)
    assert ran.returncode == 0
    assert len(ran.stdout.split()) > 20
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search(rf"sapa {command}\b", readme), f"README.md does not mention sapa {command}"


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys; sys.argv = ['sapa', '--help']\n"
        "from pipeline.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'duckdb', 'numpy', 'whisper', 'transformers', 'scipy', 'av'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert ran.stdout.strip().endswith("[]")


def test_usage_errors_are_one_clear_message(home: Path, tmp_path: Path) -> None:
    missing = tmp_path / "none.duckdb"
    for arguments in (
        ("query", "SELECT 1", "--db", missing),
        ("show", "--db", missing),
        ("evaluate", tmp_path, "--db", missing),
        ("config", "show", "--profile", "turbo"),
    ):
        ran = sapa(*arguments, home=home)
        assert ran.returncode == 2, arguments
        assert ran.stderr.startswith("error:")
        assert "Traceback" not in ran.stderr


def test_config_show_is_a_profile_that_changes_nothing(home: Path, tmp_path: Path) -> None:
    first = sapa("config", "show", home=home)
    profile = tmp_path / "mine.toml"
    profile.write_text(first.stdout, encoding="utf-8")
    assert sapa("config", "show", "--profile", profile, home=home).stdout == first.stdout


@pytest.mark.slow
def test_models_are_listed_and_verified(home: Path) -> None:
    listed = sapa("models", "list", home=home)
    assert "whisper-base-ct2" in listed.stdout
    assert "MIT" in listed.stdout
    verified = sapa("models", "verify", home=home)
    assert verified.returncode == 0, verified.stdout


@pytest.mark.slow
def test_show_prints_a_reviewers_sheet(samples_run: tuple[Path, Ran], home: Path) -> None:
    database, _ = samples_run
    file = json.loads((SAMPLES / "truth" / "d03.json").read_text())["file"]
    for language, word in (("ru", "Оператор"), ("kk", "Өтініш беруші"), ("en", "Caller")):
        shown = sapa("show", file, "--db", database, "-l", language, home=home)
        assert shown.returncode == 0, shown.stderr
        assert word in shown.stdout
        assert "«" in shown.stdout
    overview = sapa("show", "--db", database, home=home)
    assert file in overview.stdout


@pytest.mark.slow
def test_clips_hold_the_evidence(samples_run: tuple[Path, Ran], home: Path, tmp_path: Path) -> None:
    database, _ = samples_run
    file = json.loads((SAMPLES / "truth" / "d03.json").read_text())["file"]
    arguments = ("show", file, "--db", database, "--clips", tmp_path / "clips")
    assert sapa(*arguments, home=home).returncode == 2
    shown = sapa(*arguments, "--archive", SAMPLES, home=home)
    assert shown.returncode == 0, shown.stderr
    clips = sorted((tmp_path / "clips").glob("*.wav"))
    assert clips
    for clip in clips:
        sound = decode(clip, DecodeOptions()).audio
        assert 1.0 < sound.duration < 60.0
        assert np.abs(sound.samples).max() > 0.01


@pytest.mark.slow
def test_query_answers_in_three_formats(samples_run: tuple[Path, Ran], home: Path) -> None:
    database, _ = samples_run
    sql = "SELECT count(*) AS n FROM v_call"
    assert json.loads(
        sapa("query", sql, "--format", "json", "--db", database, home=home).stdout
    ) == [{"n": 8}]
    assert sapa("query", sql, "--format", "csv", "--db", database, home=home).stdout.split() == [
        "n",
        "8",
    ]
    refused = sapa("query", "DELETE FROM call", "--db", database, home=home)
    assert refused.returncode == 2
    assert "8" in sapa("query", sql, "--db", database, home=home).stdout


@pytest.mark.slow
def test_the_log_of_a_run_holds_no_words_names_or_numbers(
    samples_run: tuple[Path, Ran],
) -> None:
    printed = samples_run[1].stdout + samples_run[1].stderr
    for path in sorted((SAMPLES / "truth").glob("*.json")):
        truth = json.loads(path.read_text())
        assert truth["meta"]["caller_phone"].lstrip("+") not in printed
        name = truth["meta"]["agent_name"]
        assert not name or name not in printed
        for turn in truth["turns"]:
            assert turn["text"] not in printed


@pytest.mark.slow
@pytest.mark.parametrize(
    "notebook", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda p: p.stem
)
def test_notebooks_run_and_are_committed_without_outputs(
    notebook: Path, samples_run: tuple[Path, Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAPA_DB", str(samples_run[0]))
    document = nbformat.read(notebook, as_version=4)
    assert all(not cell.get("outputs") for cell in document.cells)
    NotebookClient(document, timeout=300, resources={"metadata": {"path": str(ROOT)}}).execute()
    pictures = [
        output
        for cell in document.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) >= 2
