"""Labels of a call from its acts: kind, topic, outcome, flags, and whether it was a dialogue."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from pipeline.label.evidence import Evidence, either, gather, turns_of
from pipeline.label.promises import Days, promises
from pipeline.label.redirects import redirects
from pipeline.label.registry import Registry
from pipeline.text import numbers_in
from pipeline.types import (
    ActScores,
    CallFacts,
    CallState,
    Label,
    Promise,
    Redirect,
    Tag,
    Transcript,
    Turn,
)

_SMALL_WORDS = frozenset((
    "алло", "алё", "ало", "да", "нет", "здравствуйте", "здравствуй", "здрасте", "добрый", "день",
    "вас", "не", "слышно", "слышите", "меня", "вы", "тут", "говорите", "слушаю", "иә", "бе",
    "сәлеметсіз", "hello", "hi", "yes",
))  # fmt: skip


_ALONE = 0.7  # of a head's trusted probability: below it a flag needs words that show it
_WRONG_NUMBER = 0.65  # combined probability from which a wrong number is believed
_NUMBER_DIGITS = 3
_OWN_BODY = 2.0  # as much as one word of the caller that points to a topic


@dataclass(frozen=True, slots=True)
class LabelOptions:
    """When signs suffice. Probabilities in [0, 1]."""

    #: probability from which an act is believed
    least: float = 0.5
    #: weight of an act that only a trained head found
    model_trust: float = 0.75
    #: recognised words of the caller, greetings aside, below which there was no dialogue
    caller_words: int = 3
    #: the same for both parties together where it is not known who is who
    least_words: int = 6
    #: turns with words up to which a wrong number is plausible
    misdirected_turns: int = 12
    #: combined probability from which the caller counts as upset
    upset: float = 0.8
    #: share of the evidence that a topic needs, else it stays unknown
    topic_share: float = 0.2
    #: mean word probability below which nothing follows from what was not recognised
    absence_asr_confidence: float = 0.45
    #: weight of the trained topic head beside the words
    head_weight: float = 0.4


def label(  # noqa: PLR0913
    transcript: Transcript,
    tags: tuple[Tag, ...],
    scores: ActScores | None,
    registry: Registry,
    options: LabelOptions = LabelOptions(),
    *,
    days: Days | None = None,
) -> CallFacts:
    """Labels, redirects and promises of one call.

    `scores` serves the topic alone and may be None, `days` the due dates of promises.
    A label that the signs do not decide has the value None.
    """
    evidence = gather(transcript, tags, options.model_trust)
    state, state_label = _state(evidence, options)
    if state in {"no_dialogue", "misdirected"}:
        return CallFacts(_empty_labels(state, state_label))
    topic = _topic(evidence, scores, registry, options)
    sent = redirects(evidence, registry, topic.value, options.least)
    owed = promises(evidence, options.least, days, frozenset(item.turn for item in sent))
    kind = _call_type(evidence)
    repeated = _repeat(evidence, kind, options)
    labels: tuple[Label, ...] = (
        kind,
        topic,
        _outcome(evidence, kind, sent, owed, state),
        repeated,
        _flag("unreachable_complaint", evidence.of("cannot_get_through"), options.least),
        _upset(evidence, options),
    )
    if _unreliable(transcript, options):
        labels = tuple(_withheld(item) for item in labels)
    return CallFacts(labels, sent, owed)


def _unreliable(transcript: Transcript, options: LabelOptions) -> bool:
    known = [word.probability for word in transcript.words if word.probability is not None]
    return bool(known) and fmean(known) < options.absence_asr_confidence


def _withheld(item: Label) -> Label:
    """What only follows from words that were not found is unknown where words are unreliable."""
    return replace(item, value=None) if item.reason.startswith("not_shown") else item


def _empty_labels(state: CallState, reason: Label) -> tuple[Label, ...]:
    turns, sure = reason.turns, reason.probability
    flags = ("repeat_contact", "unreachable_complaint", "caller_upset")
    return (
        Label("call_type", state, sure, turns, reason.reason),
        Label("topic", "other", sure, turns, reason.reason),
        Label("outcome", "not_applicable", sure, turns, reason.reason),
        *(Label(name, "false", sure, (), reason.reason) for name in flags),
    )


def _state(evidence: Evidence, options: LabelOptions) -> tuple[CallState, Label]:
    """Whether there was a dialogue, and why it is thought so."""
    operator, caller = evidence.spoken("operator"), evidence.spoken("caller")
    unknown = evidence.spoken("unknown")
    live = (*operator, *caller, *unknown)
    few = len({turn.speaker for turn in live}) < 2 or _content(evidence, live) < options.least_words
    if unknown and few:
        return "no_dialogue", Label("state", "no_dialogue", 0.9, (), "no_dialogue")
    wrong = evidence.of("wrong_number")
    if not unknown and (not operator or _content(evidence, caller) < options.caller_words):
        return "no_dialogue", Label("state", "no_dialogue", 0.9, (), "no_dialogue")
    short = len(operator) + len(caller) <= options.misdirected_turns
    sure = either(tuple(tag.probability for tag in wrong))
    served = evidence.of("registered", "status_given", "identification", "source_cited")
    if sure >= _WRONG_NUMBER and short and not served:
        return "misdirected", Label("state", "misdirected", sure, turns_of(wrong), "misdirected")
    if _dropped(evidence, (*operator, *caller)):
        return "dropped", Label("state", "dropped", 0.8, (), "line_dropped")
    return "dialogue", Label("state", "dialogue", 0.9, (), "shown_by what=dialogue")


def _content(evidence: Evidence, turns: tuple[Turn, ...]) -> int:
    words = [
        word.strip(".,!?…").casefold() for t in turns for word in evidence.texts[t.index].split()
    ]
    return sum(1 for word in words if word and word not in _SMALL_WORDS)


def _dropped(evidence: Evidence, turns: tuple[Turn, ...]) -> bool:
    """Trouble on the line at the end and no goodbye after it."""
    last = sorted(turns, key=lambda turn: turn.index)[-3:]
    trouble = [turn.index for turn in last if evidence.at(turn.index, "line_trouble")]
    goodbye = [tag.turn for tag in evidence.of("farewell")]
    return bool(trouble) and not any(turn >= trouble[0] - 1 for turn in goodbye)


def _call_type(evidence: Evidence) -> Label:
    """The kind of call with the strongest signs; a consultation when none is strong."""
    about = _early(evidence, "asks_about_appeal")
    status = evidence.best("status_given")
    checked = either((status, 0.6 * evidence.best("identification")))
    strength = {
        "previous_appeal": max(
            about * (0.7 + 0.35 * checked), 0.9 * status * evidence.best("appeal_sought")
        ),
        "new_appeal": max(_early(evidence, "files_appeal"), 0.75 * evidence.best("registered")),
        "complaint": _complaint(evidence),
        "consultation": 0.55,
    }
    if _early(evidence, "complains") and strength["complaint"] >= 0.6 * strength["new_appeal"]:
        strength["new_appeal"] *= 0.7  # a filed complaint is a complaint
    value = max(strength, key=lambda name: strength[name])
    names = {
        "previous_appeal": ("asks_about_appeal", "appeal_sought", "status_given"),
        "new_appeal": ("files_appeal", "registered"),
        "complaint": ("complains", "accuses"),
        "consultation": ("request",),
    }[value]
    share = strength[value] / sum(strength.values())
    turns = turns_of(evidence.of(*names))
    reason = f"{'shown_by' if turns else 'not_shown'} what={','.join(names)}"
    return Label("call_type", value, min(share, 1.0), turns, reason)


def _early(evidence: Evidence, *names: str, turns: int = 4) -> float:
    """The highest probability of the acts in the caller's first turns."""
    opening = {turn.index for turn in evidence.spoken("caller")[:turns]}
    return max((t.probability for t in evidence.of(*names) if t.turn in opening), default=0.0)


def _complaint(evidence: Evidence) -> float:
    """A complaint in so many words; or what someone does wrong, told by an upset caller.

    Blame alone is as often a question what to do about it; said after an earlier call it is a
    complaint that nothing was done. Late in the call the complaint is of the operator.
    """
    explicit = 0.95 * _early(evidence, "complains")
    explicit += 0.05 * _early(evidence, "upset", "cannot_get_through") * bool(explicit)
    angry = _early(evidence, "upset", turns=2)
    blame = _early(evidence, "accuses")
    again = _early(evidence, "repeat_contact", turns=2)
    late = 0.8 * evidence.best("complains") * bool(evidence.of("rudeness"))
    bounced = evidence.best("cannot_get_through") if angry else 0.0
    moved = 0.85 if max(angry, again) >= 0.6 else 0.6
    asks = 0.9 if _early(evidence, "request", turns=1) else 1.0
    return max(explicit, late, blame * moved * asks, 0.7 * bounced * angry)


def _topic(
    evidence: Evidence, scores: ActScores | None, registry: Registry, options: LabelOptions
) -> Label:
    """Words that point to a topic (the caller's twice) and the topic head, as shares."""
    counts: dict[str, float] = {}
    for turn in (*evidence.spoken("caller"), *evidence.spoken("operator")):
        weight = 2.0 if turn.role == "caller" else 1.0
        for code, count in registry.topic_counts(evidence.texts[turn.index]).items():
            counts[code] = counts.get(code, 0.0) + weight * count
    for code, weight in _own_topics(evidence, registry).items():
        counts[code] = counts.get(code, 0.0) + weight
    total = sum(counts.values())
    shares = {code: count / (total + 1.0) for code, count in counts.items()}
    heads = _head_topics(evidence, scores)
    weight = options.head_weight if heads else 0.0
    mixed = {
        code: (1 - weight) * shares.get(code, 0.0) + weight * heads.get(code, 0.0)
        for code in {*shares, *heads}
    }
    if not mixed:
        return Label("topic", None, None, (), "not_shown what=topic")
    value = max(sorted(mixed), key=lambda code: mixed[code])
    turns = tuple(
        turn.index
        for turn in evidence.spoken("caller")
        if value in registry.topic_counts(evidence.texts[turn.index])
    )
    if mixed[value] < options.topic_share:
        return Label("topic", None, mixed[value], turns, f"unsure what={value}")
    return Label("topic", value, mixed[value], turns, f"shown_by what={value}")


def _own_topics(evidence: Evidence, registry: Registry) -> dict[str, float]:
    """What the body that answers is there for, when its operator names it."""
    first = evidence.spoken("operator")[:1]
    if not first or not evidence.at(first[0].index, "organisation_named"):
        return {}
    mentions = registry.mentions(evidence.texts[first[0].index])
    topics = [code for item in mentions for code in item.agency.topics]
    return {code: _OWN_BODY / len(topics) for code in topics}


def _head_topics(evidence: Evidence, scores: ActScores | None) -> dict[str, float]:
    """Mean topic probabilities over turns of some length, the caller's counted twice."""
    if scores is None or scores.topic_probabilities is None:
        return {}
    long = [turn for turn in evidence.turns if len(evidence.texts[turn.index].split()) >= 5]
    long = [turn for turn in long if turn.role != "ivr"]
    if not long:
        return {}
    weights = np.array([2.0 if turn.role == "caller" else 1.0 for turn in long])
    rows = scores.topic_probabilities[[turn.index for turn in long]]
    mean = (weights[:, None] * rows).sum(axis=0) / weights.sum()
    named = {code: float(value) for code, value in zip(scores.topics, mean, strict=True)}
    named.pop("other", None)  # most turns of any call are about nothing in particular
    total = sum(named.values())
    return {code: value / total for code, value in named.items()} if total else {}


def _outcome(
    evidence: Evidence,
    kind: Label,
    sent: tuple[Redirect, ...],
    owed: tuple[Promise, ...],
    state: CallState,
) -> Label:
    """How the call ended: the first that holds, from what binds most to what binds least."""
    warm = tuple(item.turn for item in sent if item.kind == "warm")
    cold = tuple(item.turn for item in sent if item.kind != "warm")
    calls = tuple(item.turn for item in owed if item.what == "callback")
    replies = tuple(item.turn for item in owed if item.what == "reply")
    registered = turns_of(evidence.of("registered"))
    numbered = tuple(turn for turn in registered if _has_number(evidence.texts[turn]))
    status = turns_of(evidence.of("status_given"))
    previous = kind.value == "previous_appeal"
    steps: tuple[tuple[str, tuple[int, ...], float], ...] = (
        ("disconnected", (len(evidence.turns) - 1,) if state == "dropped" else (), 0.8),
        ("transferred_warm", warm, 0.85),
        ("registered", numbered if not previous else (), 0.85),
        ("callback_promised", calls, 0.85),
        ("registered", registered if not previous else (), 0.8),
        ("status_informed", status if previous else (), 0.8),
        ("redirected_cold", cold, 0.8),
        ("callback_promised", replies if not previous else (), 0.6),
        ("refused_with_reason", _lawful(evidence), 0.7),
        ("unresolved", _unresolved(evidence), 0.7),
        ("resolved", turns_of(evidence.of("answer", "next_steps", "source_cited")), 0.7),
    )
    for value, turns, sure in steps:
        if turns:
            return Label("outcome", value, sure, turns, f"shown_by what={value}")
    return Label("outcome", "unresolved", 0.5, (), "not_shown what=answer,next_steps")


def _has_number(text: str) -> bool:
    """A number such as an appeal gets, not a term or an hour."""
    return any(len(span.digits) >= _NUMBER_DIGITS for span in numbers_in(text))


def _lawful(evidence: Evidence) -> tuple[int, ...]:
    """Refusals of what the caller wants that name their basis near by.

    A general prohibition in the answer to a question is no refusal.
    """
    asked = bool(evidence.of("request"))
    spoken = [turn.index for turn in evidence.spoken("operator")]
    based: list[int] = []
    for tag in evidence.of("declines", *(() if asked else ("lawful_refusal",))):
        place = spoken.index(tag.turn) if tag.turn in spoken else 0
        near = spoken[max(0, place - 1) : place + 2]
        if any(evidence.at(turn, "source_cited") for turn in near):
            based.append(tag.turn)
    return tuple(sorted(set(based)))


def _unresolved(evidence: Evidence) -> tuple[int, ...]:
    """The caller says so near the end, or refusals stand without an answer."""
    caller = evidence.spoken("caller")
    ending = {turn.index for turn in caller[-3:]}
    left = tuple(tag for tag in evidence.of("still_unresolved") if tag.turn in ending)
    content = len({tag.turn for tag in evidence.of("answer", "source_cited")})
    refusals = evidence.of("refusal", "uncertainty")
    thanked = any(tag.turn in ending for tag in evidence.of("confirms_understanding"))
    if left and not thanked:
        return turns_of(left)
    if len(turns_of(refusals)) > content:
        return turns_of(refusals)
    return ()


def _repeat(evidence: Evidence, kind: Label, options: LabelOptions) -> Label:
    flag = _flag("repeat_contact", evidence.of("repeat_contact"), options.least)
    if flag.value == "false" and kind.value == "previous_appeal":
        reason = "shown_by what=asks_about_appeal"
        return Label("repeat_contact", "true", kind.probability, kind.turns, reason)
    return flag


def _flag(name: str, tags: tuple[Tag, ...], least: float) -> Label:
    tags = tuple(tag for tag in tags if tag.source != "model" or tag.probability >= _ALONE)
    sure = either(tuple(tag.probability for tag in tags))
    if sure >= least:
        return Label(name, "true", sure, turns_of(tags), f"shown_by what={tags[0].name}")
    return Label(name, "false", 1 - sure, (), f"not_shown what={name}")


def _upset(evidence: Evidence, options: LabelOptions) -> Label:
    """Words of anger or distress; what a head alone hears counts once, and with its grounds."""
    tags = evidence.of("upset")
    shown = tuple(tag.probability for tag in tags if tag.source != "model")
    heard = max((tag.probability for tag in tags if tag.source == "model"), default=0.0)
    grounds = tuple(
        0.45 * evidence.best(name) for name in ("accuses", "cannot_get_through", "repeat_contact")
    )
    sure = either((*shown, heard, *grounds)) if tags else 0.0
    if sure >= options.upset:
        return Label("caller_upset", "true", sure, turns_of(tags), "shown_by what=upset")
    return Label("caller_upset", "false", 1 - sure, (), "not_shown what=caller_upset")
