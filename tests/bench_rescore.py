"""How long it takes to score many stored calls again after an edit of a card.

`make bench-rescore` runs two sample calls, stores so many copies of them under other identities,
and scores all of them by a changed card: no audio is touched.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pipeline.config import load_config
from pipeline.run import build_plan
from pipeline.run.scoring import score_again
from pipeline.run.work import Item
from pipeline.store import RunInfo, Store
from pipeline.types import CallResult
from tests.conftest import SAMPLES, sapa


def main() -> int:
    """Print the seconds and the peak memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000)
    count = parser.parse_args().calls
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "sapa.duckdb"
        truth = SAMPLES / "truth"
        ran = sapa("import", "json", truth, "--db", database, home=Path(folder))
        if ran.returncode:
            raise SystemExit(ran.stderr)
        with Store.open(database) as store:
            originals = tuple(store.results())
            fill(store, originals, count)
            seconds = rescored(store, originals, count)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{count} calls scored again in {seconds:.1f} s ({1000 * seconds / count:.1f} ms a call)")
    print(f"peak memory {memory:.0f} MB")
    return 0


def copy(original: CallResult, number: int) -> CallResult:
    """The same call under another identity."""
    digest = hashlib.sha256(f"copy {number}".encode()).hexdigest()
    path = f"copies/{number:06}.wav"
    call = replace(original.call, call_id=digest, sha256=digest, path=path, paths=(path,))
    return replace(original, call=call)


def fill(store: Store, originals: Sequence[CallResult], count: int) -> None:
    """So many copies in the store, under a run of their own."""
    store.begin_run(RunInfo(
        run_id="copies", started_at=datetime.now(UTC), version="0", git_commit=None,
        config_toml="", model_digests=(), machine="", command="bench", time_zone="Asia/Almaty",
    ))  # fmt: skip
    for number in range(count):
        store.commit(copy(originals[number % len(originals)], number), "copies")
        if number % 1000 == 999:
            print(f"{number + 1} calls stored", flush=True)


def rescored(store: Store, originals: Sequence[CallResult], count: int) -> float:
    """Seconds of loading, scoring and storing all copies by another card."""
    plan = build_plan(load_config(), card=Path("blocks"), threads=1, listening=False)
    store.write_card(plan.card)
    items = [
        Item(copy(originals[number % len(originals)], number).call, "") for number in range(count)
    ]
    started = time.perf_counter()
    score_again(items, (store, "copies"), plan, lambda *_: None)
    return time.perf_counter() - started


if __name__ == "__main__":
    raise SystemExit(main())
