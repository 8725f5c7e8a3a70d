"""Answers to a quality card and the two scores, each with its evidence.

A yes or a no rests on words that stand verbatim in the transcript, or on the absence of such
words in turns that the reason names. Where who is who, or what was said, is too uncertain, the
answer is unknown: it lowers the coverage, never the score.
"""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.score.case import (
    Case,
    Hit,
    Method,
    ScoreOptions,
    any_at,
    case_of,
    hits,
    holds,
    is_excused,
    role_doubt,
    role_is_sure,
    searched,
)
from pipeline.text import find_quote
from pipeline.types import (
    Answer,
    AnswerValue,
    CallFacts,
    Condition,
    Criterion,
    Interaction,
    QualityCard,
    Tag,
    Transcript,
)

_DEFAULTS = ScoreOptions()
_ASSERTIONS = ("answer", "deadline")  # acts that are worth little when said with doubt
_DOUBT = Condition("act", "uncertainty")


def answer(  # noqa: PLR0913, PLR0917  one call has this many sides
    card: QualityCard,
    transcript: Transcript,
    tags: tuple[Tag, ...],
    facts: CallFacts,
    interaction: Interaction,
    options: ScoreOptions = _DEFAULTS,
) -> tuple[Answer, ...]:
    """One answer per criterion, in the card's order."""
    case = case_of(transcript, tags, facts, interaction, options)
    return tuple(_answer(criterion, case) for criterion in card.criteria)


def _answer(criterion: Criterion, case: Case) -> Answer:
    """Whether the criterion applies, then what its method says."""
    ruled_out = _ruled_out(criterion, case)
    if ruled_out is not None:
        return _plain(criterion, *ruled_out)
    if criterion.method == "tag":
        return _by_signals(criterion, case)
    return _by_conditions(criterion, case)


def _ruled_out(criterion: Criterion, case: Case) -> tuple[AnswerValue, str] | None:
    """(value, reason) where the question does not arise or cannot be answered."""
    state = case.facts.state
    if state == "no_dialogue":
        return "na", "no_dialogue"
    if state == "misdirected" and criterion.content:
        return "na", "misdirected"
    doubt = role_doubt(case)
    if doubt is not None:
        return "unknown", doubt
    for condition in criterion.na_if:
        if holds(condition, case):
            return "na", f"ruled_out what={condition}"
    if criterion.applies_if:
        results = [holds(condition, case) for condition in criterion.applies_if]
        what = ",".join(str(condition) for condition in criterion.applies_if)
        if not any(results):
            unknown = None in results
            return ("unknown", f"condition_unknown what={what}") if unknown else (
                "na", f"does_not_apply what={what}"
            )  # fmt: skip
    return None


def _by_signals(criterion: Criterion, case: Case) -> Answer:
    window = searched(criterion.window, case)
    said = _said(criterion, window, case)
    counted = [hit for hit in said if not is_excused(criterion, hit, case)]
    what = ",".join(condition.name for condition in criterion.signals)
    if counted and all(_is_weak(criterion, hit, case) for hit in counted):
        return _plain(criterion, "unknown", f"unsure what={what}")
    if counted:
        value: AnswerValue = "yes" if criterion.evidence == "required" else "no"
        return _shown(criterion, value, counted, case)
    if criterion.evidence == "required" and criterion.at_end and case.facts.state == "dropped":
        return _plain(criterion, "na", "line_dropped")
    if case.doubt is not None:
        return _plain(criterion, "unknown", case.doubt)
    return _unseen(criterion, what, window, said, case)


def _unseen(
    criterion: Criterion, what: str, window: frozenset[int], said: list[Hit], case: Case
) -> Answer:
    """No signal that counts: a no where one is required, a yes where none is wanted."""
    places = _listed(window)
    if criterion.evidence == "required":
        return _absent(criterion, "no", f"absent what={what} searched={places}", case)
    if said:
        turns = _listed({hit.turn for hit in said})
        return _absent(criterion, "yes", f"excused what={what} turns={turns}", case)
    return _absent(criterion, "yes", f"clean what={what} searched={places}", case)


def _said(criterion: Criterion, window: frozenset[int], case: Case) -> list[Hit]:
    """The signals in the window that are believed."""
    least = case.options.minimum_probability
    if criterion.evidence == "absence":
        least = case.options.accusation_probability
    return [
        hit
        for condition in criterion.signals
        for hit in hits(condition, case)
        if hit.turn in window
        and hit.probability >= least
        and not any_at(criterion.ignore_if, (hit.turn,), case)
    ]


def _is_weak(criterion: Criterion, hit: Hit, case: Case) -> bool:
    """Too little to decide alone: a head's guess, or an answer that is itself a guess."""
    options = case.options
    if criterion.evidence == "absence":
        return hit.guessed and hit.probability < options.guessed_accusation_probability
    if hit.guessed and hit.probability < options.guess_probability:
        return True
    doubts = [doubt for doubt in hits(_DOUBT, case) if doubt.turn == hit.turn]
    return hit.what in _ASSERTIONS and any(not doubt.guessed for doubt in doubts)


def _listed(turns: Iterable[int]) -> str:
    return ",".join(str(turn) for turn in sorted(turns))


def _by_conditions(criterion: Criterion, case: Case) -> Answer:
    """Metrics and expressions: three-valued, unknown where a fact is missing."""
    judged = [(item, holds(item, case)) for item in criterion.all_of]
    judged += [(item, _negated(holds(item, case))) for item in criterion.none_of]
    options = [holds(item, case) for item in criterion.any_of]
    broken = [item for item, result in judged if result is False]
    if criterion.any_of and all(result is False for result in options):
        broken += criterion.any_of
    if broken:
        return _broken(criterion, broken, case)
    missing = [item for item, result in judged if result is None]
    if criterion.any_of and not any(options):
        missing += criterion.any_of
    if missing:
        names = ",".join(item.name for item in missing)
        return _plain(criterion, "unknown", f"metric_unseen what={names}")
    what = ",".join(str(item) for item in (*criterion.all_of, *criterion.any_of))
    method: Method = "metric" if criterion.method == "metric" else "rule"
    return _absent(criterion, "yes", f"held what={what}", case, method)


def _broken(criterion: Criterion, broken: list[Condition], case: Case) -> Answer:
    """A condition fails: a no, with the turns that show it where there are any."""
    what = ",".join(str(item) for item in broken)
    method: Method = "metric" if criterion.method == "metric" else "rule"
    shown = [hit for item in broken for hit in hits(item, case)]
    if shown:
        return _shown(criterion, "no", shown, case, f"not_held what={what}", method)
    if case.doubt is not None and method == "rule":
        return _plain(criterion, "unknown", case.doubt)
    return _absent(criterion, "no", f"not_held what={what}", case, method)


def _negated(value: bool | None) -> bool | None:
    return None if value is None else not value


def _shown(  # noqa: PLR0913, PLR0917
    criterion: Criterion,
    value: AnswerValue,
    shown: list[Hit],
    case: Case,
    reason: str | None = None,
    method: Method | None = None,
) -> Answer:
    """An answer with its quote; unknown when no quote is in the transcript, or it is uncertain
    who said them all.
    """
    sure = [hit for hit in shown if role_is_sure(case.turns[hit.turn], case.options)]
    if not sure:
        return _plain(criterion, "unknown", "role_uncertain share=0")
    quoted = [hit for hit in sure if find_quote(hit.quote, case.texts[hit.turn]) is not None]
    what = ",".join(sorted({hit.what for hit in sure}))
    if not quoted:
        return _plain(criterion, "unknown", f"quote_missing what={what}")
    best = max(quoted, key=lambda hit: (hit.probability, -hit.turn))
    turns = tuple(sorted({hit.turn for hit in quoted}))
    return Answer(
        criterion.criterion_id,
        value,
        best.probability,
        turns,
        best.quote,
        best.start,
        reason or f"found what={what} turns={_listed(turns)}",
        method or best.method,
    )


def _plain(criterion: Criterion, value: AnswerValue, reason: str) -> Answer:
    name = criterion.criterion_id
    return Answer(name, value, None, (), None, None, reason, "rule")


def _absent(
    criterion: Criterion,
    value: AnswerValue,
    reason: str,
    case: Case,
    method: Method = "rule",
) -> Answer:
    """As sure as the words are: what was not recognised cannot be found."""
    sure = 1.0 if method == "metric" or case.confidence is None else 0.5 + 0.5 * case.confidence
    return Answer(criterion.criterion_id, value, sure, (), None, None, reason, method)
