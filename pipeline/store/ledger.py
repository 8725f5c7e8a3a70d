"""An append-only list of acknowledged commits beside the database.

DuckDB opens a truncated or missing write-ahead log without an error and with fewer rows;
this list, written after each commit, is what the rows are compared with.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Entry:
    """One acknowledged commit; `number` grows by one per commit."""

    number: int
    call_id: str
    status: str
    run: str


def path_of(database: Path) -> Path:
    """<db>.ledger.jsonl, beside the database."""
    return database.with_name(database.name + ".ledger.jsonl")


def append(path: Path, entry: Entry) -> None:
    """Write one line and wait until the disk has it.

    A line torn by a crash is closed first, so that it cannot swallow the new one.
    """
    line = json.dumps(
        {"n": entry.number, "call_id": entry.call_id, "status": entry.status, "run": entry.run}
    )
    with path.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                line = "\n" + line
        file.write(f"{line}\n".encode())
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> tuple[Entry, ...]:
    """The readable entries in order; torn lines are passed over, a missing file is empty."""
    if not path.exists():
        return ()
    lines = path.read_bytes().splitlines()
    return tuple(entry for entry in map(_parse, lines) if entry is not None)


def _parse(line: bytes) -> Entry | None:
    try:
        fields = json.loads(line)
        return Entry(
            int(fields["n"]), str(fields["call_id"]), str(fields["status"]), str(fields["run"])
        )
    except (ValueError, KeyError, TypeError):
        return None


def differences(
    entries: tuple[Entry, ...], stored: frozenset[str], last_number: int
) -> tuple[str, ...]:
    """Warnings when acknowledged commits are missing from the database.

    `stored` are the call ids in the database and `last_number` its highest commit number.
    """
    if not entries:
        return ("the ledger is missing: lost rows would go unnoticed",) if stored else ()
    missing = {entry.call_id for entry in entries} - stored
    behind = max(entry.number for entry in entries) - last_number
    if not missing and behind <= 0:
        return ()
    warning = (
        f"the ledger lists {max(behind, 0)} commits and {len(missing)} calls that the database "
        "lacks: its .wal file was lost or damaged, or the database was replaced; "
        "run the archive again to restore them, or delete the ledger to start anew"
    )
    return (warning,)
