"""What several test files share: the command line, and one real run over the samples."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "data" / "samples"
Ran = subprocess.CompletedProcess[str]


def sapa(*arguments: str | Path, home: Path) -> Ran:
    """Run the command in a process of its own, with a configuration folder of its own."""
    return subprocess.run(
        [sys.executable, "-c", "from pipeline.cli import main; main()", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "XDG_CONFIG_HOME": str(home / "config"), "COLUMNS": "200"},
    )


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def samples_run(home: Path) -> tuple[Path, Ran]:
    """`sapa run data/samples` into a fresh database."""
    database = home / "samples.duckdb"
    return database, sapa("run", SAMPLES, "--db", database, home=home)
