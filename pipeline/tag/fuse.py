"""Tags of a call: patterns (precise) and trained heads (broad) brought together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.tag.lexicon import ActLexicon, Lexicon, Match
from pipeline.tag.numbers import COUNTED, NumberAct, number_acts
from pipeline.text.patterns import FoldedText, fold_text
from pipeline.types import ActScores, Role, Tag, Transcript, Turn, Word

Source = Literal["pattern", "model", "fused"]


@dataclass(frozen=True, slots=True)
class TagOptions:
    """How sure a tag must be, and how sources combine. Probabilities in [0, 1]."""

    #: tags below this probability are not reported
    minimum_probability: float = 0.5
    #: probability of a weak pattern when no head can confirm it
    weak_probability: float = 0.55
    #: probability from which a head is believed without a pattern, where the scores do not say
    #: from where it is certain (a threshold of best F1 is too low: a call has hundreds of chances)
    alone: float = 0.8
    #: share of a head's threshold that confirms a weak pattern, or one that the model leads
    support: float = 0.5
    #: a strong pattern that the head plainly denies (below `denial` × threshold) keeps this share
    denied_share: float = 0.8
    #: share of a head's threshold below which it denies
    denial: float = 0.1
    #: factor for turns whose role is unknown: such a tag is shown, rarely believed
    unknown_role_factor: float = 0.8
    #: longest quote when the whole turn is the evidence, characters
    quote_characters: int = 200
    #: shortest dictated number, digits (a postcode or a year is shorter)
    dictated_digits: int = 5


@dataclass(frozen=True, slots=True)
class _Evidence:
    probability: float
    start: int
    end: int
    source: Source


@dataclass(frozen=True, slots=True)
class _Spoken:
    """One turn as the patterns and the heads see it."""

    turn: Turn
    text: str
    folded: FoldedText


def tag(
    transcript: Transcript,
    lexicon: Lexicon,
    scores: ActScores | None,
    options: TagOptions = TagOptions(),
) -> tuple[Tag, ...]:
    """Acts of every turn, ordered by turn, then place; one tag per act and turn (acts that
    the lexicon marks `every`: one per match).

    An operator's act is looked for in the operator's turns only, a caller's in the caller's;
    turns of unknown role may hold either at a reduced probability. Each quote is a verbatim part
    of the turn's text. ValueError: the scores are of another number of turns.
    """
    if scores is not None and len(scores.probabilities) != len(transcript.turns):
        raise ValueError(
            f"tag: scores of {len(scores.probabilities)} turns, transcript has "
            f"{len(transcript.turns)}"
        )
    texts = transcript.texts()
    words = _words_by_turn(transcript)
    counted = number_acts(transcript.turns, texts, options.dictated_digits)
    tags: list[Tag] = []
    for turn, text in zip(transcript.turns, texts, strict=True):
        if text:
            spoken = _Spoken(turn, text, fold_text(text))
            named = _named(spoken, lexicon, scores, options)
            named = _with_numbers(named, [item for item in counted if item.turn == turn.index])
            tags += [_tag(name, item, spoken, words[turn.index]) for name, item in named]
    return tuple(
        sorted(
            (item for item in tags if item.probability >= options.minimum_probability),
            key=lambda item: (item.turn, item.start, item.name),
        )
    )


def _named(
    spoken: _Spoken, lexicon: Lexicon, scores: ActScores | None, options: TagOptions
) -> list[tuple[str, _Evidence]]:
    """What patterns and heads find in one turn, by act."""
    named: list[tuple[str, _Evidence]] = []
    for act in lexicon.acts:
        factor = _role_factor(act.roles, spoken.turn.role, options)
        if not factor:
            continue
        found = act.find_all(spoken.folded)
        head = _head(act.name, spoken.turn.index, scores, options)
        if not found and act.is_guarded(spoken.folded):
            continue
        for match in (found if act.every else found[:1]) or (None,):
            evidence = _evidence(act, match, head, options)
            if evidence is None:
                continue
            place = (match.start, match.end) if match else _prefix(spoken.text, options)
            named.append((act.name, _Evidence(factor * evidence[0], *place, evidence[1])))
    return named


def _role_factor(roles: tuple[Role, ...], role: Role, options: TagOptions) -> float:
    if role in roles:
        return 1.0
    return options.unknown_role_factor if role == "unknown" else 0.0


@dataclass(frozen=True, slots=True)
class _Head:
    """What the head of one act says of one turn; `certain`: believed without a pattern."""

    probability: float
    threshold: float
    certain: float


def _head(name: str, turn: int, scores: ActScores | None, options: TagOptions) -> _Head | None:
    if scores is None or name not in scores.acts:
        return None
    column = scores.acts.index(name)
    threshold = scores.thresholds[column]
    certain = scores.certain[column] if scores.certain else options.alone
    return _Head(float(scores.probabilities[turn, column]), threshold, max(threshold, certain))


def _evidence(
    act: ActLexicon, match: Match | None, head: _Head | None, options: TagOptions
) -> tuple[float, Source] | None:
    """(probability, source) of one act in one turn, None when neither shows it."""
    if match is None:
        if head is None or head.probability < head.certain:
            return None
        return _rescaled(head.probability, head.certain), "model"
    if head is None:
        return options.weak_probability if match.weak else act.probability, "pattern"
    return _both(act, match, head, options)


def _both(
    act: ActLexicon, match: Match, head: _Head, options: TagOptions
) -> tuple[float, Source] | None:
    """A pattern matched and there is a head: independent evidence (noisy or), or a denial."""
    led = match.weak or act.lead == "model"
    alone = options.weak_probability if led else act.probability
    if led and head.probability < options.support * head.threshold:
        return None
    if led or head.probability >= head.threshold:
        return 1 - (1 - alone) * (1 - _rescaled(head.probability, head.threshold)), "fused"
    denied = head.probability < options.denial * head.threshold
    return alone * (options.denied_share if denied else 1.0), "pattern"


def _rescaled(probability: float, threshold: float) -> float:
    """A head's probability with its threshold moved to 0.5, so that acts compare."""
    if probability < threshold:
        return 0.5 * probability / threshold
    return 1.0 if threshold >= 1 else 0.5 + 0.5 * (probability - threshold) / (1 - threshold)


def _prefix(text: str, options: TagOptions) -> tuple[int, int]:
    """The whole text, or as many whole words as fit."""
    characters = options.quote_characters
    if len(text) <= characters:
        return 0, len(text)
    cut = text.rfind(" ", 0, characters + 1)
    return 0, cut if cut > 0 else characters


def _with_numbers(
    named: list[tuple[str, _Evidence]], spoken: list[NumberAct]
) -> list[tuple[str, _Evidence]]:
    """Counted number acts replace guessed ones: digits are a fact, and a caller who says again
    what the operator dictated sounds to a head like one who dictates.
    """
    kept = [(name, item) for name, item in named if name not in COUNTED]
    return kept + [
        (item.name, _Evidence(item.probability, item.start, item.end, "pattern")) for item in spoken
    ]


def _words_by_turn(transcript: Transcript) -> list[list[Word]]:
    words: list[list[Word]] = [[] for _ in transcript.turns]
    for word in transcript.words:
        words[word.turn].append(word)
    return words


def _tag(name: str, evidence: _Evidence, spoken: _Spoken, words: list[Word]) -> Tag:
    start, end = _whole_words(spoken.text, evidence.start, evidence.end)
    covered = _covered(words, start, end)
    first = covered[0].start if covered else spoken.turn.start
    last = covered[-1].end if covered else spoken.turn.end
    return Tag(
        name,
        evidence.probability,
        spoken.turn.index,
        first,
        max(first, last),
        spoken.text[start:end],
        evidence.source,
    )


def _whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    while start > 0 and text[start - 1] != " ":
        start -= 1
    while end < len(text) and text[end] != " ":
        end += 1
    return start, end


def _covered(words: list[Word], start: int, end: int) -> list[Word]:
    """The words within [start, end) of the turn's text (words joined by one space)."""
    place, covered = 0, []
    for word in words:
        if place < end and place + len(word.text) > start:
            covered.append(word)
        place += len(word.text) + 1
    return covered
