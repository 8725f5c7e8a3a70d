"""Answers to a quality card and the two scores, each with its evidence.

A yes or a no rests on words that stand verbatim in the transcript, or on the absence of such
words in turns that the reason names. Where who is who, or what was said, is too uncertain, the
answer is unknown: it lowers the coverage, never the score.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from pipeline.text import find_quote
from pipeline.types import (
    Answer,
    AnswerValue,
    CallFacts,
    Condition,
    Criterion,
    Interaction,
    QualityCard,
    Scorecard,
    Tag,
    Transcript,
    Turn,
    Window,
)

VERSION = "1"

Method = Literal["rule", "model", "metric"]


@dataclass(frozen=True, slots=True)
class ScoreOptions:
    """When evidence suffices. Probabilities and shares in [0, 1]."""

    #: probability from which an act counts
    minimum_probability: float = 0.5
    #: probability from which an act may be held against the operator
    accusation_probability: float = 0.6
    #: probability of a turn's role below which what is said in it decides nothing
    minimum_role_probability: float = 0.6
    #: share of the speech whose role must be that sure, else every answer is unknown
    minimum_role_share: float = 0.6
    #: mean word probability of the operator below which an absence proves nothing
    minimum_asr_confidence: float = 0.35
    #: share of the operator's speech without recognised words above which likewise
    maximum_wordless_share: float = 0.4
    #: words of a caller's turn that end the opening of a call
    opening_words: int = 4
    #: longest quote of a turn that is evidence as a whole, characters
    quote_characters: int = 200


@dataclass(frozen=True, slots=True)
class _Hit:
    """Words of the operator (or the caller) that show a signal."""

    what: str
    turn: int
    quote: str
    start: float
    probability: float
    method: Method


@dataclass(frozen=True, slots=True)
class _Case:
    """One call in front of the card; `moves`: the operator's turns without the caller between."""

    texts: tuple[str, ...]
    turns: tuple[Turn, ...]
    moves: tuple[tuple[int, ...], ...]
    opening: tuple[int, ...]
    tags: tuple[Tag, ...]
    facts: CallFacts
    interaction: Interaction
    confidence: float | None
    doubt: str | None
    options: ScoreOptions


def answer(  # noqa: PLR0913, PLR0917  one call has this many sides
    card: QualityCard,
    transcript: Transcript,
    tags: tuple[Tag, ...],
    facts: CallFacts,
    interaction: Interaction,
    options: ScoreOptions = ScoreOptions(),
) -> tuple[Answer, ...]:
    """One answer per criterion, in the card's order."""
    case = _case(transcript, tags, facts, interaction, options)
    return tuple(_answer(criterion, case) for criterion in card.criteria)


def scorecards(card: QualityCard, answers: tuple[Answer, ...]) -> tuple[Scorecard, Scorecard]:
    """The pooled points of both dimensions: consultation_quality, operator_competence.

    ValueError: an answer to a criterion that the card does not have.
    """
    by_id = {criterion.criterion_id: criterion for criterion in card.criteria}
    quality, competence = Scorecard("consultation_quality"), Scorecard("operator_competence")
    for item in answers:
        criterion = by_id.get(item.criterion)
        if criterion is None:
            raise ValueError(f"scorecards: card {card.card_id} has no criterion {item.criterion}")
        points = _points(criterion, item.value)
        if criterion.dimension == "consultation_quality":
            quality += points
        else:
            competence += points
    return quality, competence


def _points(criterion: Criterion, value: AnswerValue) -> Scorecard:
    weight = criterion.weight
    return Scorecard(
        criterion.dimension,
        earned=weight if value == "yes" else 0.0,
        possible=weight if value in {"yes", "no"} else 0.0,
        unknown=weight if value == "unknown" else 0.0,
        critical=int(value == "no" and criterion.severity == "critical"),
    )


def _case(
    transcript: Transcript,
    tags: tuple[Tag, ...],
    facts: CallFacts,
    interaction: Interaction,
    options: ScoreOptions,
) -> _Case:
    texts = transcript.texts()
    confidence, doubt = _reliability(transcript, texts, options)
    return _Case(
        texts,
        transcript.turns,
        _moves(transcript.turns, texts),
        _opening(transcript.turns, texts, options.opening_words),
        tags,
        facts,
        interaction,
        confidence,
        doubt,
        options,
    )


def _answer(criterion: Criterion, case: _Case) -> Answer:
    """Whether the criterion applies, then what its method says."""
    ruled_out = _ruled_out(criterion, case)
    if ruled_out is not None:
        return _plain(criterion, *ruled_out)
    if criterion.method == "tag":
        return _by_signals(criterion, case)
    return _by_conditions(criterion, case)


def _ruled_out(criterion: Criterion, case: _Case) -> tuple[AnswerValue, str] | None:
    """(value, reason) where the question does not arise or cannot be answered."""
    state = case.facts.state
    if state == "no_dialogue":
        return "na", "no_dialogue"
    if state == "misdirected" and criterion.content:
        return "na", "misdirected"
    doubt = _role_doubt(case)
    if doubt is not None:
        return "unknown", doubt
    for condition in criterion.na_if:
        if _holds(condition, case):
            return "na", f"ruled_out what={condition}"
    if criterion.applies_if:
        results = [_holds(condition, case) for condition in criterion.applies_if]
        what = ",".join(str(condition) for condition in criterion.applies_if)
        if not any(results):
            unknown = None in results
            return ("unknown", f"condition_unknown what={what}") if unknown else (
                "na", f"does_not_apply what={what}"
            )  # fmt: skip
    return None


def _by_signals(criterion: Criterion, case: _Case) -> Answer:
    window = _window(criterion.window, case)
    least = case.options.minimum_probability
    if criterion.evidence == "absence":
        least = case.options.accusation_probability
    hits = [
        hit
        for condition in criterion.signals
        for hit in _hits(condition, case)
        if hit.turn in window and hit.probability >= least
    ]
    hits = [hit for hit in hits if not _any_at(criterion.ignore_if, (hit.turn,), case)]
    counted = [hit for hit in hits if not _excused(criterion, hit, case)]
    what = ",".join(condition.name for condition in criterion.signals)
    if counted:
        value: AnswerValue = "yes" if criterion.evidence == "required" else "no"
        return _shown(criterion, value, counted, case)
    if criterion.evidence == "required" and criterion.at_end and case.facts.state == "dropped":
        return _plain(criterion, "na", "line_dropped")
    if case.doubt is not None:
        return _plain(criterion, "unknown", case.doubt)
    searched = ",".join(str(turn) for turn in sorted(window))
    if criterion.evidence == "required":
        return _absent(criterion, "no", f"absent what={what} searched={searched}", case)
    if hits:
        turns = ",".join(str(turn) for turn in sorted({hit.turn for hit in hits}))
        return _absent(criterion, "yes", f"excused what={what} turns={turns}", case)
    return _absent(criterion, "yes", f"clean what={what} searched={searched}", case)


def _by_conditions(criterion: Criterion, case: _Case) -> Answer:
    """Metrics and expressions: three-valued, unknown where a fact is missing."""
    judged = [(item, _holds(item, case)) for item in criterion.all_of]
    judged += [(item, _negated(_holds(item, case))) for item in criterion.none_of]
    options = [_holds(item, case) for item in criterion.any_of]
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


def _broken(criterion: Criterion, broken: list[Condition], case: _Case) -> Answer:
    """A condition fails: a no with the turns that show it, else unknown where words must show it."""
    what = ",".join(str(item) for item in broken)
    method: Method = "metric" if criterion.method == "metric" else "rule"
    hits = [hit for item in broken for hit in _hits(item, case)]
    if hits:
        return _shown(criterion, "no", hits, case, f"not_held what={what}", method)
    if case.doubt is not None and method == "rule":
        return _plain(criterion, "unknown", case.doubt)
    return _absent(criterion, "no", f"not_held what={what}", case, method)


def _negated(value: bool | None) -> bool | None:
    return None if value is None else not value


def _shown(  # noqa: PLR0913, PLR0917
    criterion: Criterion,
    value: AnswerValue,
    hits: list[_Hit],
    case: _Case,
    reason: str | None = None,
    method: Method | None = None,
) -> Answer:
    """An answer with its quote; unknown when the quote is not in the transcript, or the speaker
    of every hit is uncertain.
    """
    sure = [hit for hit in hits if _role_is_sure(case.turns[hit.turn], case.options)]
    if not sure:
        return _plain(criterion, "unknown", "role_uncertain share=0")
    quoted = [hit for hit in sure if find_quote(hit.quote, case.texts[hit.turn]) is not None]
    what = ",".join(sorted({hit.what for hit in sure}))
    if not quoted:
        return _plain(criterion, "unknown", f"quote_missing what={what}")
    best = max(quoted, key=lambda hit: (hit.probability, -hit.turn))
    turns = tuple(sorted({hit.turn for hit in quoted}))
    listed = ",".join(str(turn) for turn in turns)
    return Answer(
        criterion.criterion_id,
        value,
        best.probability,
        turns,
        best.quote,
        best.start,
        reason or f"found what={what} turns={listed}",
        method or best.method,
    )


def _plain(criterion: Criterion, value: AnswerValue, reason: str) -> Answer:
    name = criterion.criterion_id
    return Answer(name, value, None, (), None, None, reason, "rule")


def _absent(
    criterion: Criterion,
    value: AnswerValue,
    reason: str,
    case: _Case,
    method: Method = "rule",
) -> Answer:
    """As sure as the words are: what was not recognised cannot be found."""
    sure = 1.0 if method == "metric" or case.confidence is None else 0.5 + 0.5 * case.confidence
    return Answer(criterion.criterion_id, value, sure, (), None, None, reason, method)


# ------------------------------------------------------------------ conditions and signals


def _holds(condition: Condition, case: _Case) -> bool | None:
    """Three-valued truth of a condition; None: the call does not tell."""
    if condition.kind == "label":
        value = case.facts.value(condition.name)
        if value is None:
            return None
        return (value == condition.value) == (condition.operator == "=")
    if condition.kind == "metric":
        number = case.interaction.value(condition.name)
        return None if number is None else _COMPARE[condition.operator](number, condition.value)
    least = case.options.minimum_probability
    return any(hit.probability >= least for hit in _hits(condition, case))


_COMPARE: dict[str, Callable[[float, str], bool]] = {
    "<": lambda number, limit: number < float(limit),
    "<=": lambda number, limit: number <= float(limit),
    ">": lambda number, limit: number > float(limit),
    ">=": lambda number, limit: number >= float(limit),
}


def _hits(condition: Condition, case: _Case) -> Iterable[_Hit]:
    """The words that show an act, a redirect, or an interruption that was counted."""
    if condition.kind == "act":
        for tag in case.tags:
            if tag.name == condition.name:
                method: Method = "rule" if tag.source == "pattern" else "model"
                yield _Hit(tag.name, tag.turn, tag.quote, tag.start, tag.probability, method)
    elif condition.kind == "redirect":
        for item in case.facts.redirects:
            if item.kind == condition.name:
                start = case.turns[item.turn].start
                name = f"redirect:{item.kind}"
                yield _Hit(name, item.turn, item.quote, start, 0.8, "rule")
    elif condition.kind == "metric" and condition.name == "interruptions_operator":
        for place in case.interaction.interruptions or ():
            quote = _prefix(case.texts[place.turn], case.options.quote_characters)
            yield _Hit("interruption", place.turn, quote, place.start, 0.9, "metric")


def _any_at(conditions: tuple[Condition, ...], turns: tuple[int, ...], case: _Case) -> bool:
    least = case.options.minimum_probability
    return any(
        hit.turn in turns and hit.probability >= least
        for condition in conditions
        for hit in _hits(condition, case)
    )


def _excused(criterion: Criterion, hit: _Hit, case: _Case) -> bool:
    """A way onward in the same move or the next one."""
    place = next((at for at, move in enumerate(case.moves) if hit.turn in move), None)
    if place is None:
        return False
    following = case.moves[place + 1] if place + 1 < len(case.moves) else ()
    return _any_at(criterion.excused_by, case.moves[place], case) or _any_at(
        criterion.excused_next, following, case
    )


# ------------------------------------------------------------------ where to look, and how sure


def _moves(turns: tuple[Turn, ...], texts: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
    """The operator's turns, those without the caller's words between them together."""
    moves: list[list[int]] = []
    open_move = False
    for turn in turns:
        if turn.role == "operator" and texts[turn.index]:
            if not open_move:
                moves.append([])
            moves[-1].append(turn.index)
            open_move = True
        elif turn.role == "caller" and texts[turn.index]:
            open_move = False
    return tuple(tuple(move) for move in moves)


def _opening(turns: tuple[Turn, ...], texts: tuple[str, ...], words: int) -> tuple[int, ...]:
    """The operator's turns before the caller's first substantial one; at least the first move."""
    moves = _moves(turns, texts)
    if not moves:
        return ()
    start = next(
        (t.index for t in turns if t.role == "caller" and len(texts[t.index].split()) >= words),
        len(turns),
    )
    before = {index for move in moves for index in move if index < start}
    return tuple(sorted(before | set(moves[0])))


def _window(window: Window, case: _Case) -> frozenset[int]:
    if window.part == "opening":
        return frozenset(case.opening)
    moves = case.moves
    if window.part == "first":
        moves = moves[: window.turns]
    elif window.part == "last":
        moves = moves[-window.turns :]
    return frozenset(index for move in moves for index in move)


def _role_is_sure(turn: Turn, options: ScoreOptions) -> bool:
    probability = turn.role_probability
    return probability is None or probability >= options.minimum_role_probability


def _role_doubt(case: _Case) -> str | None:
    """The reason when too much of the speech has no sure role."""
    spoken = [turn for turn in case.turns if case.texts[turn.index] and turn.role != "ivr"]
    total = sum(turn.duration for turn in spoken)
    sure = sum(
        turn.duration
        for turn in spoken
        if turn.role != "unknown" and _role_is_sure(turn, case.options)
    )
    if not total or sure / total >= case.options.minimum_role_share:
        return None
    return f"role_uncertain share={sure / total:.2f}"


def _reliability(
    transcript: Transcript, texts: tuple[str, ...], options: ScoreOptions
) -> tuple[float | None, str | None]:
    """(mean word probability of the operator, the reason why an absence proves nothing)."""
    operator = [turn for turn in transcript.turns if turn.role == "operator"]
    indexes = {turn.index for turn in operator}
    known = [
        word.probability
        for word in transcript.words
        if word.turn in indexes and word.probability is not None
    ]
    confidence = fmean(known) if known else None
    total = sum(turn.duration for turn in operator)
    wordless = sum(turn.duration for turn in operator if not texts[turn.index])
    if confidence is not None and confidence < options.minimum_asr_confidence:
        return confidence, f"speech_unreliable share={confidence:.2f}"
    if total and wordless / total > options.maximum_wordless_share:
        return confidence, f"speech_unreliable share={1 - wordless / total:.2f}"
    return confidence, None


def _prefix(text: str, characters: int) -> str:
    """The text, or as many whole words as fit."""
    if len(text) <= characters:
        return text
    cut = text.rfind(" ", 0, characters + 1)
    return text[: cut if cut > 0 else characters]
