"""How fast `sapa logs` loads, and with how much memory: `make bench-logs`, 1 and 10 million lines.

The lines are those of data/samples/logs over and over, every copy with its own ids and numbers.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from tests.conftest import sapa
from tests.logs_factory import SAMPLES

SIZES = (1_000_000, 10_000_000)


def multiply(source: Path, target: Path, copies: int) -> int:
    """Write `copies` copies of the lines of a log; returns the number of lines."""
    with duckdb.connect() as db:
        lines = source.read_text("utf-8").splitlines()
        db.execute("CREATE TABLE line AS SELECT unnest(?) AS line", [lines])
        name = str(target).replace("'", "''")
        db.execute(f"""
            COPY (
                SELECT regexp_replace(regexp_replace(line,
                    '([0-9]{{10}}[.][0-9]+)', '\\1' || lpad(copy::VARCHAR, 5, '0'), 'g'),
                    '(7[0457][0-9]{{4}})[0-9]{{4}}([">|])',
                    '\\1' || lpad((copy % 10000)::VARCHAR, 4, '0') || '\\2', 'g')
                FROM range({copies}) AS copies(copy) CROSS JOIN line
            ) TO '{name}' (FORMAT csv, HEADER false, DELIMITER '\x02', QUOTE '', ESCAPE '')""")
        return copies * len(lines)


def measure(size: int, folder: Path) -> None:
    """Load `size` lines into a fresh database, in a process of its own."""
    cdr, queue_log, db = folder / "cdr.csv", folder / "queue_log", folder / "sapa.duckdb"
    each = sum(
        len((SAMPLES / name.name).read_text("utf-8").splitlines()) for name in (cdr, queue_log)
    )
    copies = size // each + 1
    lines = sum(multiply(SAMPLES / path.name, path, copies) for path in (cdr, queue_log))
    megabytes = (cdr.stat().st_size + queue_log.stat().st_size) / 1e6
    begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    ran = sapa("logs", "--cdr", cdr, "--queue-log", queue_log, "--queues", SAMPLES / "queues.toml",
               "--db", db, home=folder)  # fmt: skip
    seconds = time.monotonic() - begun
    if ran.returncode:
        sys.exit(ran.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        f"{lines:>10,} lines, {megabytes:,.0f} MB: "
        f"{seconds:.1f} s, {lines / seconds:,.0f} lines/s, "
        f"{busy:.0f} s of processor, peak memory {after.ru_maxrss / 1024:,.0f} MB, "
        f"database {db.stat().st_size / 1e6:,.0f} MB"
    )


def main() -> None:
    sizes = tuple(int(size) for size in sys.argv[1:]) or SIZES
    print(f"{os.cpu_count()} cores; loading, deriving contacts, snapshot and figures")
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            measure(size, Path(folder))


if __name__ == "__main__":
    main()
