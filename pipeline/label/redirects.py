"""Redirects: the operator sends the caller elsewhere.

Naming the place where a step is done, inside an answer on the substance, is no redirect. So a
body or number must come with a sending-away (call, go, "you need the …"), with the words that the
matter is not the operator's, or alone: as the answer to "where to?", or in a short turn that does
nothing else. A point of service (public service centre, portal, clinic) counts only when the
operator declines the matter or says that it is decided there. A number dictated after the body
was named belongs to that body.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import Literal

from pipeline.label.evidence import Evidence
from pipeline.label.registry import Agency, Registry
from pipeline.text import NumberSpan, numbers_in
from pipeline.types import Redirect, Tag, Turn

_SURE = 0.75  # a head alone sends the caller away only when it is this sure
_NAMED = 0.6  # the same where the turn or the one before names a body
_SHORT = 14  # words of a turn that only names a body, after "where to?" or another redirect
_BARE = 12  # the same when nothing before it leads there
_RECENT = 4  # turns for which a transfer is still going on
#: the operator deals with the matter, so a body that is named is no place to be sent to
_HANDLED = ("answer", "deadline", "reply_promised", "source_cited")
#: the turn does something else than name a body
_BUSY = (
    *_HANDLED, "next_steps", "registered", "status_given", "greeting", "operator_named",
    "clarifying_question", "callback_promised", "action_promised", "hold_announced", "restating",
    "identification", "wrong_number", "number_read_back", "handles",
)  # fmt: skip
_CODE = re.compile(r"\b(?:код\w*|code)\W*$", re.IGNORECASE)
Kind = Literal["warm", "cold", "verbal_number"]


@dataclass(frozen=True, slots=True)
class _Target:
    """`words`: a body without an entry in the registry, as the operator calls it."""

    agency: Agency | None
    number: str | None
    words: str | None = None


def redirects(
    evidence: Evidence, registry: Registry, topic: str | None, least: float
) -> tuple[Redirect, ...]:
    """Redirects in order. `least`: probability from which an act is believed."""
    own = _own_agencies(evidence, registry)
    taken_over = _taken_over(evidence, registry, own)
    found: list[Redirect] = []
    for turn in evidence.spoken("operator"):
        target = _target(evidence, turn, registry, own)
        warm = bool(_believed(evidence, turn, least, "redirect_warm"))
        going_on = (
            bool(found) and found[-1].kind == "warm" and turn.index - found[-1].turn <= _RECENT
        )
        if turn.index in taken_over or (warm and _connected(evidence, turn)):
            agency = target.agency or taken_over.get(turn.index)
            target = _Target(agency, target.number, target.words)
            if not going_on:
                found.append(_redirect(evidence, turn, target, topic, "warm"))
        elif not warm and not going_on:
            dictated = _is_dictated(evidence, turn, target)
            if dictated or _sends_away(evidence, turn, target, least, found):
                target = _completed(evidence, turn, target, registry, own)
                kind: Kind = "verbal_number" if target.number else "cold"
                if not _said_before(target, found):
                    found.append(_redirect(evidence, turn, target, topic, kind))
    return tuple(item for item in found if not _leads_up(evidence, item, found))


def _said_before(target: _Target, found: list[Redirect]) -> bool:
    """The number, or its end, has been dictated already."""
    said = [item.to_number for item in found if item.to_number]
    return target.number is not None and any(
        number.endswith(target.number) or target.number.endswith(number) for number in said
    )


def _leads_up(evidence: Evidence, item: Redirect, found: list[Redirect]) -> bool:
    """Only explains a redirect that the operator's next turn makes."""
    if item.kind == "warm" or evidence.at(item.turn, "sent_away"):
        return False
    following = evidence.next_operator(item.turn)
    later = [other for other in found if following and other.turn == following.index]
    if not later or item.to_number:
        return False
    asks = evidence.texts[item.turn].endswith("?") or bool(
        evidence.at(item.turn, "clarifying_question", "phone_given")
    )
    told = bool(evidence.at(item.turn, "call_elsewhere"))
    return bool(asks and later[0].to_number) or (
        not told and later[0].to_agency in (item.to_agency, None)
    )


def _own_agencies(evidence: Evidence, registry: Registry) -> tuple[str, ...]:
    """The body that answers the call, as its operator names it in the first turn."""
    spoken = evidence.spoken("operator")
    if not spoken or not evidence.at(spoken[0].index, "organisation_named"):
        return ("unified_contact_centre",)
    mentions = registry.mentions(evidence.texts[spoken[0].index])
    return ("unified_contact_centre", *(item.agency.code for item in mentions))


def _target(evidence: Evidence, turn: Turn, registry: Registry, own: tuple[str, ...]) -> _Target:
    """Whom the turn names, and the number it dictates."""
    text = evidence.texts[turn.index]
    mentions = [item for item in registry.mentions(text) if item.agency.code not in own]
    bodies = sorted(mentions, key=lambda item: item.agency.place)
    agency = bodies[0].agency if bodies else None
    given = evidence.at(turn.index, "phone_given")
    number = _number(text, registry, agency, text.find(given[0].quote) if given else None)
    if agency is None and number is not None:
        agency = registry.by_number(number)
    if agency is not None and agency.code in own:
        return _Target(None, None)
    return _Target(agency, number, registry.unlisted(text))


def _number(text: str, registry: Registry, agency: Agency | None, cue: int | None) -> str | None:
    """The dictated number: known to the registry, long enough for a telephone, or called one.

    `cue`: where the text says that a telephone number follows. A town's code goes before it.
    """
    spans = numbers_in(text)
    codes = [span for span in spans if _CODE.search(text[: span.start]) and len(span.digits) <= 5]
    for span in spans:
        for digits in (span.digits, *span.groups):
            known = registry.by_number(digits)
            if known is not None and (agency is None or known.code == agency.code):
                return digits
        called = cue is not None and span.end > cue and 3 <= len(span.digits) <= 12
        if span not in codes and (_is_telephone(span) or (called and len(span.digits) != 4)):
            return (codes[0].digits if codes else "") + span.digits
    return None


def _is_telephone(span: NumberSpan) -> bool:
    return len(span.digits) >= 6 and len(span.groups) >= 3


def _is_dictated(evidence: Evidence, turn: Turn, target: _Target) -> bool:
    """A telephone number that the caller asked for, or that follows the name of a body."""
    others = ("registered", "identification", "callback_promised", "status_given", "hold_announced")
    read_back = [
        tag for tag in evidence.at(turn.index, "number_read_back") if tag.source == "pattern"
    ]
    if target.number is None or read_back or evidence.at(turn.index, *others):
        return False
    named = bool(evidence.at(turn.index, "phone_given")) and target.agency is not None
    return named or bool(evidence.at(turn.index - 1, "asks_where"))


def _completed(
    evidence: Evidence, turn: Turn, target: _Target, registry: Registry, own: tuple[str, ...]
) -> _Target:
    """With the body that "there" or a bare number means: one of two operator turns named it."""
    body, earlier = target, evidence.previous_operator(turn.index)
    for _ in range(2):
        if body.agency is None and earlier is not None:
            before = _target(evidence, earlier, registry, own)
            body = _Target(before.agency, None, body.words or before.words)
            earlier = evidence.previous_operator(earlier.index)
    return _Target(body.agency, target.number, body.words)


def _sends_away(
    evidence: Evidence, turn: Turn, target: _Target, least: float, found: list[Redirect]
) -> bool:
    near = (turn, evidence.previous_operator(turn.index))
    indexes = [item.index for item in near if item is not None]
    refused = any(evidence.at(index, "refusal") for index in indexes)
    declined = refused or any(evidence.at(index, "redirect_reason") for index in indexes)
    handled = evidence.at(turn.index, *_HANDLED)
    sending = _believed(evidence, turn, least, "call_elsewhere")
    cold = _believed(evidence, turn, least, "redirect_cold")
    model = [tag for tag in cold if tag.source != "pattern"]
    if target.agency is None and target.number is None:
        nowhere = _believed(evidence, turn, least, "sent_away")
        sure = [tag for tag in model if tag.probability >= _SURE]
        words = sending if declined and target.words else ()
        return bool(nowhere or sure or words) and not handled
    if target.number is not None:
        return bool(sending or cold)
    if target.agency is not None and target.agency.place:
        there = refused or evidence.at(turn.index, "redirect_reason")
        return bool(sending) and bool(there) and not evidence.at(turn.index, "answer")
    serves = bool(evidence.at(turn.index, "handles")) and not refused
    if bool(sending) and not serves and (declined or not handled):
        return True
    return (bool(model) and declined and not handled) or _only_names(evidence, turn, found)


def _only_names(evidence: Evidence, turn: Turn, found: list[Redirect]) -> bool:
    """A short turn that names another body and does nothing else: "Then the ministry."."""
    before = evidence.previous_operator(turn.index)
    if before is None or evidence.at(turn.index, *_BUSY):
        return False
    led = (
        bool(evidence.at(turn.index - 1, "asks_where"))
        or bool(found and found[-1].turn == before.index)
        or any(tag.probability >= _NAMED for tag in evidence.at(turn.index, "redirect_cold"))
    )
    words = len(evidence.texts[turn.index].split())
    return words <= (_SHORT if led else _BARE)


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


def _taken_over(
    evidence: Evidence, registry: Registry, own: tuple[str, ...]
) -> dict[int, Agency | None]:
    """Turns after which another operator presents oneself, with that operator's body."""
    found: dict[int, Agency | None] = {}
    spoken = evidence.spoken("operator")
    for before, turn in itertools.pairwise(spoken):
        named = bool(evidence.at(turn.index, "operator_named", "greeting"))
        body = next(
            (m.agency for m in registry.mentions(evidence.texts[turn.index])
             if m.agency.code not in own), None,
        )  # fmt: skip
        presented = bool(evidence.at(turn.index, "organisation_named")) or body is not None
        waiting = bool(evidence.at(before.index, "hold_announced", "redirect_warm"))
        other = turn.speaker != before.speaker
        if named and ((other and (waiting or presented)) or (waiting and presented)):
            found[before.index] = body
    return found


def _redirect(
    evidence: Evidence, turn: Turn, target: _Target, topic: str | None, kind: Kind
) -> Redirect:
    near = (turn.index, turn.index - 1, turn.index - 2)
    reason = any(evidence.at(item, "redirect_reason", "lawful_refusal") for item in near)
    tags = evidence.at(turn.index, "call_elsewhere", "sent_away", "redirect_cold", "redirect_warm")
    quotes = sorted((tag.quote for tag in tags), key=len)
    text = evidence.texts[turn.index]
    return Redirect(
        turn.index,
        kind,
        target.agency.name.ru if target.agency else target.words,
        target.number,
        reason,
        _justified(target.agency, topic),
        quotes[0] if quotes else text,
    )


def _justified(agency: Agency | None, topic: str | None) -> bool | None:
    """Whether the body answers for the topic; None when either is not known."""
    if agency is None or topic is None or topic == "other" or not agency.topics:
        return None
    return topic in agency.topics
