"""Redirects and promises: the operator sends the caller elsewhere, or owes an answer.

Naming the place where a step is done, inside an answer on the substance, is no redirect. So a
body or number must come with a sending-away (call, go, "you need the …"), or with the words that
the matter is not the operator's; and a point of service (public service centre, portal, clinic)
counts only when the operator declines the matter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Literal

from pipeline.label.due import Working, due_date
from pipeline.label.evidence import Evidence
from pipeline.label.registry import Agency, Registry
from pipeline.text import NumberSpan, numbers_in
from pipeline.types import Promise, Redirect, Tag, Turn

_OWED: dict[str, Literal["callback", "reply"]] = {
    "callback_promised": "callback",
    "reply_promised": "reply",
}
_SURE = 0.75  # a head alone sends the caller away only when it is this sure
Kind = Literal["warm", "cold", "verbal_number"]


@dataclass(frozen=True, slots=True)
class Days:
    """The day of the call, and which days are worked."""

    said_on: date
    working: Working


@dataclass(frozen=True, slots=True)
class _Target:
    agency: Agency | None
    number: str | None


def redirects(
    evidence: Evidence, registry: Registry, topic: str | None, least: float
) -> tuple[Redirect, ...]:
    """Redirects in order. `least`: probability from which an act is believed."""
    own = _own_agencies(evidence, registry)
    found: list[Redirect] = []
    for turn in evidence.spoken("operator"):
        target = _target(evidence.texts[turn.index], registry, own)
        warm = any(tag.probability >= least for tag in evidence.at(turn.index, "redirect_warm"))
        if warm and _connected(evidence, turn):
            if not (found and found[-1].kind == "warm" and turn.index - found[-1].turn <= 4):
                found.append(_redirect(evidence, turn, target, topic, "warm"))
        elif not warm and _sends_away(evidence, turn, target, least):
            kind: Kind = "verbal_number" if target.number else "cold"
            found.append(_redirect(evidence, turn, target, topic, kind))
    return tuple(item for item in found if not _leads_up(evidence, item, found))


def _leads_up(evidence: Evidence, item: Redirect, found: list[Redirect]) -> bool:
    """Only explains a redirect that the operator's next turn makes."""
    if item.kind == "warm" or evidence.at(item.turn, "call_elsewhere", "sent_away"):
        return False
    following = evidence.next_operator(item.turn)
    return following is not None and any(other.turn == following.index for other in found)


def promises(evidence: Evidence, least: float, days: Days | None) -> tuple[Promise, ...]:
    """Promised calls and replies with the words that say when, and the day where `days` is known.

    A turn that promises both owes a call. Said again without a term, a promise is the same one.
    """
    found: list[Promise] = []
    for turn in evidence.spoken("operator"):
        believed = [tag for tag in evidence.at(turn.index, *_OWED) if tag.probability >= least]
        for tag in sorted(believed, key=lambda tag: tag.name)[:1]:
            due = _due(tag, evidence.at(turn.index, "due_phrase"))
            what = _OWED[tag.name]
            if due is None and any(item.what == what for item in found):
                continue
            day = due_date(due, days.said_on, days.working) if due and days else None
            found.append(Promise(turn.index, what, due, day, tag.quote))
    return tuple(found)


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


def _own_agencies(evidence: Evidence, registry: Registry) -> tuple[str, ...]:
    """The body that answers the call, as its operator names it in the first turn."""
    spoken = evidence.spoken("operator")
    if not spoken or not evidence.at(spoken[0].index, "organisation_named"):
        return ()
    mentions = registry.mentions(evidence.texts[spoken[0].index])
    return ("unified_contact_centre", *(item.agency.code for item in mentions))


def _target(text: str, registry: Registry, own: tuple[str, ...]) -> _Target:
    """Whom the turn names, and the number it dictates."""
    mentions = [item for item in registry.mentions(text) if item.agency.code not in own]
    bodies = sorted(mentions, key=lambda item: item.agency.place)
    agency = bodies[0].agency if bodies else None
    number = _number(text, registry, agency)
    if agency is None and number is not None:
        agency = registry.by_number(number)
    if agency is not None and agency.code in own:
        return _Target(None, None)
    return _Target(agency, number)


def _number(text: str, registry: Registry, agency: Agency | None) -> str | None:
    """The dictated number: known to the registry, or long enough for a telephone."""
    for span in numbers_in(text):
        for digits in (span.digits, *span.groups):
            known = registry.by_number(digits)
            if known is not None and (agency is None or known.code == agency.code):
                return digits
        if _is_telephone(span):
            return span.digits
    return None


def _is_telephone(span: NumberSpan) -> bool:
    return len(span.digits) >= 6 and len(span.groups) >= 3


def _sends_away(evidence: Evidence, turn: Turn, target: _Target, least: float) -> bool:
    near = (turn, evidence.previous_operator(turn.index))
    indexes = [item.index for item in near if item is not None]
    refused = any(evidence.at(index, "refusal") for index in indexes)
    declined = refused or any(evidence.at(index, "redirect_reason") for index in indexes)
    handled = evidence.at(turn.index, "answer", "deadline", "reply_promised", "source_cited")
    sending = _believed(evidence, turn, least, "call_elsewhere")
    cold = _believed(evidence, turn, least, "redirect_cold")
    model = [tag for tag in cold if tag.source != "pattern"]
    if target.agency is None and target.number is None:
        nowhere = _believed(evidence, turn, least, "sent_away")
        sure = [tag for tag in model if tag.probability >= _SURE]
        return bool(nowhere or sure) and not handled
    if target.number is not None:
        return bool(sending or cold)
    if target.agency is not None and target.agency.place:
        return bool(sending) and refused and not evidence.at(turn.index, "answer")
    return (bool(sending) and (declined or not handled)) or (
        bool(model) and declined and not handled
    )


def _believed(evidence: Evidence, turn: Turn, least: float, name: str) -> list[Tag]:
    return [tag for tag in evidence.at(turn.index, name) if tag.probability >= least]


def _connected(evidence: Evidence, turn: Turn) -> bool:
    """Someone answers after the announcement, or the recording ends with the transfer."""
    later = [item for item in evidence.spoken("operator") if item.index > turn.index]
    if len(later) <= 1:
        return True
    return any(
        item.speaker != turn.speaker
        or evidence.at(item.index, "greeting", "organisation_named", "operator_named")
        for item in later
    )


def _redirect(
    evidence: Evidence, turn: Turn, target: _Target, topic: str | None, kind: Kind
) -> Redirect:
    near = (turn.index, turn.index - 1, turn.index - 2)
    reason = any(evidence.at(item, "redirect_reason", "lawful_refusal") for item in near)
    tags = evidence.at(turn.index, "call_elsewhere", "sent_away", "redirect_cold", "redirect_warm")
    quotes = sorted((tag.quote for tag in tags), key=len)
    return Redirect(
        turn.index,
        kind,
        target.agency.name.ru if target.agency else None,
        target.number,
        reason,
        _justified(target.agency, topic),
        quotes[0] if quotes else evidence.texts[turn.index],
    )


def _justified(agency: Agency | None, topic: str | None) -> bool | None:
    """Whether the body answers for the topic; None when either is not known."""
    if agency is None or topic is None or topic == "other" or not agency.topics:
        return None
    return topic in agency.topics
