"""Promises: what the operator owes the caller after the call, and when."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Literal

from pipeline.label.due import Working, due_date
from pipeline.label.evidence import Evidence
from pipeline.types import Promise, Tag

What = Literal["callback", "reply", "other"]
#: what binds most comes first: a turn that promises both a call and an answer owes a call
_OWED: tuple[tuple[str, What], ...] = (
    ("callback_promised", "callback"),
    ("reply_promised", "reply"),
)
_DEED = "action_promised"
_ALONE = 0.7  # of a head's trusted probability: below it a promise needs words that show it


@dataclass(frozen=True, slots=True)
class Days:
    """The day of the call, and which days are worked."""

    said_on: date
    working: Working


def promises(
    evidence: Evidence, least: float, days: Days | None, sent: frozenset[int] = frozenset()
) -> tuple[Promise, ...]:
    """Promised calls, answers and deeds (someone comes, the matter is reported) with the words
    that say when, and the day where `days` is known.

    A turn that promises both a call and an answer owes a call. Said again without a term, a
    promise is the same one. `sent`: turns that send the caller elsewhere: an answer that another
    body will give is not promised there.
    """
    found: list[Promise] = []
    for turn in evidence.spoken("operator"):
        phrases = evidence.at(turn.index, "due_phrase")
        for tag, what in _owed(evidence, turn.index, least):
            due = _due(tag, phrases)
            again = due is None and any(item.what == what for item in found)
            if again or (what == "reply" and turn.index in sent):
                continue
            day = due_date(due, days.said_on, days.working) if due and days else None
            found.append(Promise(turn.index, what, due, day, tag.quote))
    return tuple(found)


def _owed(evidence: Evidence, turn: int, least: float) -> list[tuple[Tag, What]]:
    """At most one call or answer, and one deed."""
    owed: list[tuple[Tag, What]] = []
    for name, what in _OWED:
        believed = [
            tag
            for tag in evidence.at(turn, name)
            if tag.probability >= (_ALONE if tag.source == "model" else least)
        ]
        if believed and not owed:
            owed.append((believed[0], what))
    deeds = [tag for tag in evidence.at(turn, _DEED) if tag.probability >= least]
    called = bool(owed) and owed[0][1] == "callback"
    return owed if called else [*((tag, "other") for tag in deeds[:1]), *owed]


def _due(promise: Tag, phrases: tuple[Tag, ...]) -> str | None:
    """The term that stands nearest to the promise, up to the end of its sentence."""
    if not phrases:
        return None
    nearest = min(phrases, key=lambda tag: _distance(promise, tag))
    return re.split(r"[.!?;,](?:\s|$)", nearest.quote)[0]


def _distance(promise: Tag, due: Tag) -> float:
    """Seconds between the two; a term is more often said after the promise than before."""
    if due.start >= promise.start:
        return max(0.0, due.start - promise.end)
    return 2 * max(0.0, promise.start - due.end)
