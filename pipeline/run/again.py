"""A stored call gone through again from its words, without its audio."""

from __future__ import annotations

from dataclasses import replace

from pipeline.errors import ConfigError
from pipeline.run.plan import Plan, fingerprints, first_stale
from pipeline.run.work import Item, process
from pipeline.store import Store
from pipeline.types import CallResult, RoleCorrection


def correct_roles(
    into: tuple[Store, str], call_id: str, plan: Plan, corrections: tuple[RoleCorrection, ...]
) -> CallResult:
    """Store who the speakers are and everything that follows from it; () takes corrections back.

    `into`: the store and the id of the run. Nothing is heard again. Raises ConfigError when the
    call has no words, has no such speaker, or its words were made under other settings.
    """
    store, run_id = into
    stored = store.load(call_id)
    if stored is None or stored.transcript is None:
        raise ConfigError(
            f"call {call_id[:12]} has no transcript, so there are no roles to correct"
        )
    speakers = sorted({turn.speaker for turn in stored.transcript.turns})
    strange = [item.speaker for item in corrections if item.speaker not in speakers]
    if strange:
        raise ConfigError(f"no speaker {strange[0]}; this call has {', '.join(speakers)}")
    changed = replace(stored, corrections=corrections)
    stale = first_stale(changed.stages, fingerprints(changed.call, plan, changed))
    if stale in ("audio", "turns", "words"):
        raise ConfigError(
            f"the {stale} of call {call_id[:12]} were made by other settings or another version: "
            "name the profile that it was run with, or run its archive again first"
        )
    result = process(Item(changed.call, "", changed), plan)
    store.commit(result, run_id)
    return result
