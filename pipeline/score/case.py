"""One call in front of a card: where to look, how sure the words are, and what conditions hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from pipeline.types import (
    CallFacts,
    Condition,
    Criterion,
    Interaction,
    Tag,
    Transcript,
    Turn,
    Window,
)

Method = Literal["rule", "model", "metric"]


@dataclass(frozen=True, slots=True)
class ScoreOptions:
    """When evidence suffices. Probabilities and shares in [0, 1]."""

    #: probability from which an act counts
    minimum_probability: float = 0.5
    #: probability from which an act may be held against the operator
    accusation_probability: float = 0.6
    #: probability from which an act that no pattern shows, only a head, decides an answer
    guess_probability: float = 0.75
    #: likewise where it is held against the operator
    guessed_accusation_probability: float = 0.95
    #: probability of a turn's role below which what is said in it decides nothing
    minimum_role_probability: float = 0.6
    #: share of the speech whose role must be that sure, else every answer is unknown
    minimum_role_share: float = 0.6
    #: mean word probability of a call below which nothing in it is judged
    minimum_asr_confidence: float = 0.5
    #: mean word probability of the operator below which an absence proves nothing
    absence_asr_confidence: float = 0.55
    #: share of the operator's speech without recognised words above which likewise
    maximum_wordless_share: float = 0.4
    #: words of a caller's turn that end the opening of a call
    opening_words: int = 4
    #: longest quote of a turn that is evidence as a whole, characters
    quote_characters: int = 200


@dataclass(frozen=True, slots=True)
class Hit:
    """Words of the operator (or the caller) that show a signal; `guessed`: by a head alone."""

    what: str
    turn: int
    quote: str
    start: float
    probability: float
    method: Method
    guessed: bool = False


@dataclass(frozen=True, slots=True)
class Case:
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


def case_of(
    transcript: Transcript,
    tags: tuple[Tag, ...],
    facts: CallFacts,
    interaction: Interaction,
    options: ScoreOptions,
) -> Case:
    """The call as the card sees it."""
    texts = transcript.texts()
    confidence, doubt = _reliability(transcript, texts, options)
    return Case(
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


def holds(condition: Condition, case: Case) -> bool | None:
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
    return any(hit.probability >= least for hit in hits(condition, case))


_COMPARE: dict[str, Callable[[float, str], bool]] = {
    "<": lambda number, limit: number < float(limit),
    "<=": lambda number, limit: number <= float(limit),
    ">": lambda number, limit: number > float(limit),
    ">=": lambda number, limit: number >= float(limit),
}


def hits(condition: Condition, case: Case) -> Iterable[Hit]:
    """The words that show an act, a redirect, or an interruption that was counted."""
    if condition.kind == "act":
        for tag in case.tags:
            if tag.name == condition.name:
                method: Method = "rule" if tag.source == "pattern" else "model"
                yield Hit(
                    tag.name, tag.turn, tag.quote, tag.start, tag.probability, method,
                    tag.source == "model",
                )  # fmt: skip
    elif condition.kind == "redirect":
        for item in case.facts.redirects:
            if item.kind == condition.name:
                start = case.turns[item.turn].start
                name = f"redirect:{item.kind}"
                yield Hit(name, item.turn, item.quote, start, 0.8, "rule")
    elif condition.kind == "metric" and condition.name == "interruptions_operator":
        for place in case.interaction.interruptions or ():
            quote = _prefix(case.texts[place.turn], case.options.quote_characters)
            yield Hit("interruption", place.turn, quote, place.start, 0.9, "metric")


def any_at(conditions: tuple[Condition, ...], turns: tuple[int, ...], case: Case) -> bool:
    """Whether one of the conditions shows in one of the turns."""
    least = case.options.minimum_probability
    return any(
        hit.turn in turns and hit.probability >= least
        for condition in conditions
        for hit in hits(condition, case)
    )


def is_excused(criterion: Criterion, hit: Hit, case: Case) -> bool:
    """A way onward in the same move or the next one."""
    place = next((at for at, move in enumerate(case.moves) if hit.turn in move), None)
    if place is None:
        return False
    following = case.moves[place + 1] if place + 1 < len(case.moves) else ()
    return any_at(criterion.excused_by, case.moves[place], case) or any_at(
        criterion.excused_next, following, case
    )


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


def searched(window: Window, case: Case) -> frozenset[int]:
    """The operator's turns of a window."""
    if window.part == "opening":
        return frozenset(case.opening)
    moves = case.moves
    if window.part == "first":
        moves = moves[: window.turns]
    elif window.part == "last":
        moves = moves[-window.turns :]
    return frozenset(index for move in moves for index in move)


def role_is_sure(turn: Turn, options: ScoreOptions) -> bool:
    """Whether what is said in the turn may decide an answer."""
    probability = turn.role_probability
    return probability is None or probability >= options.minimum_role_probability


def role_doubt(case: Case) -> str | None:
    """The reason when too much of the speech has no sure role."""
    spoken = [turn for turn in case.turns if case.texts[turn.index] and turn.role != "ivr"]
    total = sum(turn.duration for turn in spoken)
    sure = sum(
        turn.duration
        for turn in spoken
        if turn.role != "unknown" and role_is_sure(turn, case.options)
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
    if confidence is not None and confidence < options.absence_asr_confidence:
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
