"""An archive through the workers into the store: what is new is processed, everything is counted.

The parent alone writes.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Protocol

from pipeline.backends.archive import (
    FoundFile,
    Unreadable,
    build_call,
    find_files,
    group_duplicates,
    unreadable_call,
)
from pipeline.backends.decode import probe
from pipeline.config import Config
from pipeline.errors import CallError
from pipeline.ingest import Metadata, NamePattern, combine, find_zone, parse_name, sidecar_for
from pipeline.run.plan import Plan, fingerprints, first_stale
from pipeline.run.pool import results
from pipeline.run.scoring import score_again
from pipeline.run.work import Item
from pipeline.store import Store
from pipeline.types import Call, CallResult, StageResult


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """What to do with the archive; nothing here changes the result of a call."""

    jobs: int = 1
    limit: int | None = None
    dry_run: bool = False
    side_table: dict[str, Metadata] = field(default_factory=dict)
    patterns: tuple[NamePattern, ...] = ()
    key: bytes = b""


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of every file. `seconds` wall clock; `audio` seconds of audio processed now."""

    found: int
    copies: int
    ignored: int
    up_to_date: int
    processed: int
    waiting: int
    statuses: tuple[tuple[str, int], ...]
    reasons: tuple[tuple[str, int], ...]
    audio: float
    seconds: float
    stage_seconds: tuple[tuple[str, float], ...]
    interrupted: bool

    def count(self, status: str) -> int:
        return dict(self.statuses).get(status, 0)


class Watcher(Protocol):
    """Follows a batch: how much there is, and each call as it is stored."""

    def found(self, files: int) -> None: ...

    def start(self, calls: int, audio: float) -> None: ...

    def done(self, result: CallResult) -> None: ...


@dataclass(frozen=True, slots=True)
class _Work:
    items: tuple[Item, ...]
    to_score: tuple[Item, ...]
    lengths: dict[str, float]
    unreadable: tuple[CallResult, ...]
    found: int
    copies: int
    ignored: int
    up_to_date: tuple[str, ...]
    waiting: int


def run_batch(
    archive: str, into: tuple[Store, str], plan: Plan, options: BatchOptions, watcher: Watcher
) -> Summary:
    """Process what is new or stale in an archive and store every call in its own transaction.

    `into`: the store and the id of the run that its rows will lead to.

    On an interrupt no new call begins, calls that are finished are stored, and the summary says
    `interrupted`. Calls that failed are rows; they are tried again when something changed.
    """
    store, run_id = into
    started = time.monotonic()
    work = _survey(archive, store, plan, options, watcher)
    lengths = work.lengths
    every = (*work.to_score, *work.items)
    watcher.start(len(every), sum(lengths[item.call.call_id] for item in every))
    tally = _Tally()
    if not options.dry_run:
        for result in work.unreadable:
            store.commit(result, run_id)
            tally.add(result)
        _score(work.to_score, into, plan, (tally, watcher))
        tally.interrupted = _process_all(
            work.items, store, run_id, (plan, lengths, options.jobs), (tally, watcher)
        )
    return _summary(work, store, tally, time.monotonic() - started)


class _Tally:
    """Counts of what was processed in this run."""

    def __init__(self) -> None:
        self.processed = 0
        self.audio = 0.0
        self.stages: dict[str, float] = {}
        self.interrupted = False

    def add(self, result: CallResult, before: frozenset[tuple[str, str]] = frozenset()) -> None:
        self.processed += 1
        self.audio += result.call.duration or 0.0
        for stage in result.stages:
            if (stage.stage, stage.fingerprint) not in before:
                before_now = self.stages.get(stage.stage, 0.0)
                self.stages[stage.stage] = before_now + stage.seconds


def _survey(
    archive: str, store: Store, plan: Plan, options: BatchOptions, watcher: Watcher
) -> _Work:
    """What is in the archive, and what of it is to be done."""
    zone = find_zone(plan.config.ingest.zone)
    search = find_files(archive, plan.config.ingest)
    readable: list[FoundFile] = []
    broken: list[Unreadable] = []
    for entry in search:
        if isinstance(entry, FoundFile):
            readable.append(entry)
        else:
            broken.append(entry)
        watcher.found(len(readable) + len(broken))

    def metadata(path: str, tags_date: str | None) -> Metadata:
        named = parse_name(path, options.patterns, zone)
        row = sidecar_for(path, options.side_table)
        return combine(named, sidecar=row, tags_date=tags_date, options=plan.config.ingest)

    distinct = group_duplicates(readable)
    items: list[Item] = []
    lengths: dict[str, float] = {}
    up_to_date: list[str] = []
    known = store.outlines()
    for found in distinct:
        length, tags_date = _header(found, plan.config)
        call = build_call(found, metadata(found.path, tags_date), options.key)
        stored = known.get(call.call_id)
        if stored is not None and _is_current(stored, call, plan):
            up_to_date.append(call.call_id)
        else:
            items.append(Item(call, str(found.location), stored))
            lengths[call.call_id] = length
    limited = items if options.limit is None else items[: options.limit]
    to_score, whole = _parted(limited, plan)
    return _Work(
        items=whole,
        to_score=to_score,
        lengths=lengths,
        unreadable=tuple(
            _unreadable(item, metadata(item.path, None), options.key) for item in broken
        ),
        found=len(readable) + len(broken),
        copies=len(readable) - len(distinct),
        ignored=search.ignored,
        up_to_date=tuple(up_to_date),
        waiting=len(items) - len(limited),
    )


def _parted(items: list[Item], plan: Plan) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """Calls to score again, and calls to process."""
    to_score: list[Item] = []
    whole: list[Item] = []
    for item in items:
        part = to_score if _only_card(item, plan) else whole
        part.append(replace(item, stored=None))
    return tuple(to_score), tuple(whole)


def _only_card(item: Item, plan: Plan) -> bool:
    """Everything before the card is stored, and the archive says the same of the call."""
    if item.stored is None:
        return False
    wanted = fingerprints(item.call, plan, item.stored)
    if first_stale(item.stored.stages, wanted) != "card":
        return False
    before = tuple(stage for stage in item.stored.stages if stage.stage != "card")
    marked = StageResult("card", wanted["card"], "done", None, 0.0)
    return _is_current(replace(item.stored, stages=(*before, marked)), item.call, plan)


def _is_current(stored: CallResult, call: Call, plan: Plan) -> bool:
    """Nothing to compute, and the archive says the same of the call as before."""
    if any(stage.stage == "worker" for stage in stored.stages):
        return False
    if first_stale(stored.stages, fingerprints(call, plan, stored)) is not None:
        return False
    old = stored.call
    return set(old.paths) == set(call.paths) and old == replace(
        call, path=old.path, paths=old.paths,
        duration=old.duration, channels=old.channels, codec=old.codec,
    )  # fmt: skip


def _unreadable(item: Unreadable, metadata: Metadata, key: bytes) -> CallResult:
    call = unreadable_call(item, metadata, key)
    status = "not_evaluable" if item.code == "too_large" else "failed"
    return CallResult(call, status, item.code)  # type: ignore[arg-type]


def _header(found: FoundFile, config: Config) -> tuple[float, str | None]:
    """Seconds that the header promises, 0 where it says nothing, and its date tag."""
    try:
        header = probe(found.location, config.decode)
    except CallError:
        return 0.0, None
    return header.duration or 0.0, header.tags_date


def _score(
    items: tuple[Item, ...],
    into: tuple[Store, str],
    plan: Plan,
    follow: tuple[_Tally, Watcher],
) -> None:
    tally, watcher = follow

    def done(item: Item, result: CallResult) -> None:
        old = item.stored.stages if item.stored else ()
        tally.add(result, frozenset((stage.stage, stage.fingerprint) for stage in old))
        watcher.done(result)

    score_again(items, into, plan, done)


def _process_all(
    items: tuple[Item, ...],
    store: Store,
    run_id: str,
    how: tuple[Plan, dict[str, float], int],
    follow: tuple[_Tally, Watcher],
) -> bool:
    """True when interrupted. Finished calls are stored as they come."""
    plan = how[0]
    tally, watcher = follow
    last_snapshot = time.monotonic()
    for item, result in results(items, store.load, how):
        if result is None:
            return True
        store.commit(result, run_id)
        old = item.stored.stages if item.stored else ()
        tally.add(result, frozenset((stage.stage, stage.fingerprint) for stage in old))
        watcher.done(result)
        period = 60 * plan.config.run.snapshot_every
        if period and time.monotonic() - last_snapshot >= period:
            store.snapshot()
            last_snapshot = time.monotonic()
    return False


def _summary(work: _Work, store: Store, tally: _Tally, seconds: float) -> Summary:
    ids = [*work.up_to_date, *(item.call.call_id for item in (*work.to_score, *work.items))]
    ids += [result.call.call_id for result in work.unreadable]
    table = store.query(
        "SELECT status, status_reason, count(*) FROM call "
        "WHERE call_id IN (SELECT unnest($1)) GROUP BY ALL",
        [ids],
    )
    statuses: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for status, reason, count in table.rows:
        statuses[str(status)] += int(str(count))
        if reason is not None:
            reasons[f"{status}: {reason}"] += int(str(count))
    return Summary(
        found=work.found,
        copies=work.copies,
        ignored=work.ignored,
        up_to_date=len(work.up_to_date),
        processed=tally.processed,
        waiting=work.waiting,
        statuses=tuple(statuses.most_common()),
        reasons=tuple(reasons.most_common()),
        audio=tally.audio,
        seconds=seconds,
        stage_seconds=tuple((name, round(value, 2)) for name, value in tally.stages.items()),
        interrupted=tally.interrupted,
    )
