"""Ready transcripts through the stages that follow recognition."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace

from pipeline.ingest import Metadata, caller_key, find_zone, parse_timestamp
from pipeline.ingest.metadata import DIRECTIONS
from pipeline.run.batch import Watcher
from pipeline.run.plan import IMPORTED, Plan, fingerprints, first_stale
from pipeline.run.pool import results
from pipeline.run.work import Item
from pipeline.store import Store
from pipeline.transcripts import Imported
from pipeline.types import AudioQuality, Call, CallResult, StageResult

#: the stages whose result an imported transcript stands for
GIVEN = ("audio", "turns", "words")


@dataclass(frozen=True, slots=True)
class Arrival:
    """What became of imported transcripts."""

    found: int
    up_to_date: int
    processed: int
    statuses: tuple[tuple[str, int], ...]
    interrupted: bool


def arrival(found: Imported, content: bytes, key: bytes, zone: str) -> CallResult:
    """The call of a transcript with its words, before anything is made of them.

    Identity is the digest of the transcript's bytes and of the recording that it names.
    """
    digest = hashlib.sha256(content + b"\0" + found.file.encode()).hexdigest()
    started = parse_timestamp(found.started_at, find_zone(zone))
    named = Metadata(started_at=started, started_at_source="transcript" if started else None)
    call = Call(
        call_id=digest,
        path=found.file,
        sha256=digest,
        size=len(content),
        paths=(found.file,),
        started_at=named.started_at,
        started_at_source=named.started_at_source,
        duration=found.duration,
        codec="transcript",
        queue=found.queue,
        did=found.did,
        agent_id=found.agent_id,
        agent_name=found.agent_name,
        caller_key=caller_key(found.caller, key),
        direction=DIRECTIONS.get((found.direction or "").lower()),
        uniqueid=found.uniqueid,
    )
    stages = tuple(
        StageResult(stage, f"{IMPORTED}{digest[:16]}", "done", None, 0.0) for stage in GIVEN
    )
    apart = AudioQuality("stereo", (), (), (), (), None)
    return CallResult(
        call,
        "partial",
        None,
        quality=apart if found.overlapping else None,
        corrections=found.corrections,
        transcript=found.transcript,
        stages=stages,
    )


def import_calls(
    arrived: tuple[CallResult, ...],
    into: tuple[Store, str],
    how: tuple[Plan, int],
    watcher: Watcher,
) -> Arrival:
    """Tag, label and score transcripts and store every call; nothing twice.

    `into`: the store and the id of the run; `how`: the plan and the number of workers.
    A call that is stored keeps the roles that a person has corrected.
    """
    store, run_id = into
    plan, jobs = how
    known = store.outlines()
    waiting: dict[str, CallResult] = {}
    current = 0
    for result in arrived:
        stored = known.get(result.call.call_id)
        if stored is not None:
            result = replace(result, corrections=stored.corrections)  # noqa: PLW2901
            wanted = fingerprints(result.call, plan, result)
            if first_stale(stored.stages, wanted) is None:
                current += 1
                continue
        waiting[result.call.call_id] = result
    items = tuple(Item(result.call, "") for result in waiting.values())
    lengths = {item.call.call_id: item.call.duration or 0.0 for item in items}
    watcher.start(len(items), sum(lengths.values()))

    def load(call_id: str) -> CallResult | None:
        return store.load(call_id) or waiting[call_id]

    statuses: Counter[str] = Counter()
    interrupted = False
    for _, outcome in results(items, load, (plan, lengths, jobs)):
        if outcome is None:
            interrupted = True
            break
        store.commit(outcome, run_id)
        statuses[outcome.status] += 1
        watcher.done(outcome)
    return Arrival(
        found=len(arrived),
        up_to_date=current,
        processed=sum(statuses.values()),
        statuses=tuple(statuses.most_common()),
        interrupted=interrupted,
    )
