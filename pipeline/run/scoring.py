"""Calls whose card alone changed: scored again in this process, many in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pipeline.run.plan import Plan
from pipeline.run.work import Item, process
from pipeline.store import Store
from pipeline.types import CallResult

#: calls loaded and stored at once; bounds the memory
CHUNK = 250


def score_again(
    items: Sequence[Item],
    into: tuple[Store, str],
    plan: Plan,
    done: Callable[[Item, CallResult], None],
) -> None:
    """Answer the card for calls of which everything before it is stored and current.

    `into`: the store and the id of the run; `done` is told of every call once it is stored.
    """
    store, run_id = into
    for first in range(0, len(items), CHUNK):
        chunk = items[first : first + CHUNK]
        stored = store.load_many([item.call.call_id for item in chunk])
        known = [Item(item.call, item.location, stored[item.call.call_id]) for item in chunk]
        results = [process(item, plan) for item in known]
        store.commit_scores(results, run_id)
        for item, result in zip(known, results, strict=True):
            done(item, result)
