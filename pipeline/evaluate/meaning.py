"""What the call was about and how it was handled: labels, criteria, redirects, promises, scores.

`CallResult | None`: None stands for a call that the database lacks or that failed; it is right
about nothing, never absent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from pipeline.evaluate.measures import Counts, Hits, best_pairs, mean_absolute_error, spearman
from pipeline.evaluate.truth import CLASSES, FLAGS, Truth, TruthLabels, TruthRedirect
from pipeline.text import normalise
from pipeline.timeline import overlap
from pipeline.types import DIMENSIONS, CallResult, Dimension, Promise, Redirect, Scorecard

#: A call with its labels and its result.
Labelled = tuple[Truth, TruthLabels, CallResult | None]

#: Whether two names stand for one body: the registry of bodies knows, in any language.
SameBody = Callable[[str, str], bool]

#: `rapidfuzz` token-set ratio (0–100) of stems from which two names of a body count as the same.
SAME_AGENCY = 70.0
#: Letters of a word that its declension leaves alone.
_STEM = 6


@dataclass(frozen=True, slots=True)
class ClassScore:
    """Accuracy of one label; confusions: (reference, found or None, calls), most frequent first."""

    name: str
    hits: Hits
    confusions: tuple[tuple[str, str | None, int], ...]


@dataclass(frozen=True, slots=True)
class FlagScore:
    name: str
    counts: Counts
    hits: Hits


@dataclass(frozen=True, slots=True)
class CriterionScore:
    """yes, no: detection of the value; hits: the same value of three; unknown: abstentions;
    na: agreement whether the criterion applies at all."""

    criterion: str
    yes: Counts
    no: Counts
    hits: Hits
    unknown: Hits
    na: Hits


@dataclass(frozen=True, slots=True)
class RedirectScore:
    """turns, calls: detection of cold redirects (with a number or without); kind: cold or warm
    told apart among matched redirects; number, agency: of those that the reference gives."""

    turns: Counts = field(default_factory=Counts)
    calls: Counts = field(default_factory=Counts)
    kind: Hits = field(default_factory=Hits)
    number: Hits = field(default_factory=Hits)
    agency: Hits = field(default_factory=Hits)

    def __add__(self, other: RedirectScore) -> RedirectScore:
        return RedirectScore(
            self.turns + other.turns,
            self.calls + other.calls,
            self.kind + other.kind,
            self.number + other.number,
            self.agency + other.agency,
        )


@dataclass(frozen=True, slots=True)
class ScoreAgreement:
    """A score against people's, both on 1–5; none: calls whose score is None or missing."""

    dimension: Dimension
    pairs: int
    none: int
    spearman: float | None
    mean_absolute_error: float | None


@dataclass(frozen=True, slots=True)
class MeaningScores:
    """All that is scored from labels; criteria and the rest leave out calls without a dialogue."""

    calls: int
    classes: tuple[ClassScore, ...]
    evaluability: Counts
    flags: tuple[FlagScore, ...]
    criteria: tuple[CriterionScore, ...]
    redirects: RedirectScore
    promises: Counts
    scores: tuple[ScoreAgreement, ...]


def score_meaning(calls: Sequence[Labelled], same_body: SameBody | None = None) -> MeaningScores:
    """Score the calls that have labels; without `same_body` names of bodies meet by stems alone."""
    talks = [call for call in calls if call[1].call_type != "no_dialogue"]
    ids = list(dict.fromkeys(name for _, labels, _ in talks for name in labels.criteria))
    return MeaningScores(
        calls=len(calls),
        classes=tuple(_class(name, calls if name == "call_type" else talks) for name in CLASSES),
        evaluability=sum((_evaluability(call) for call in calls), Counts()),
        flags=tuple(_flag(name, talks) for name in FLAGS),
        criteria=tuple(_criterion(name, talks) for name in ids),
        redirects=sum((_redirects(call, same_body) for call in talks), RedirectScore()),
        promises=sum((_promises(call) for call in talks), Counts()),
        scores=tuple(_score(dimension, talks) for dimension in DIMENSIONS),
    )


def macro_f1(counts: Iterable[Counts]) -> float | None:
    """Mean F1 over the classes that the reference has."""
    values = [item.f1 for item in counts if item.support and item.f1 is not None]
    return sum(values) / len(values) if values else None


def _label(result: CallResult | None, name: str) -> str | None:
    labels = result.labels if result is not None else ()
    return next((label.value for label in labels if label.name == name), None)


def _class(name: str, calls: Sequence[Labelled]) -> ClassScore:
    pairs = Counter(
        (labels.classes[name], _label(result, name))
        for _, labels, result in calls
        if name in labels.classes
    )
    wrong = [(real, found, n) for (real, found), n in pairs.most_common() if real != found]
    right = sum(n for (real, found), n in pairs.items() if real == found)
    return ClassScore(name, Hits(right, sum(pairs.values())), tuple(wrong))


def _evaluability(call: Labelled) -> Counts:
    """Detection of calls without a dialogue by the status not_evaluable.

    A wrong number may be either: not counted.
    """
    _, labels, result = call
    if labels.call_type in (None, "misdirected"):
        return Counts()
    real = labels.call_type == "no_dialogue"
    found = result is not None and result.status == "not_evaluable"
    return _detection(real, found)


def _flag(name: str, calls: Sequence[Labelled]) -> FlagScore:
    pairs = [
        (labels.flags[name], _label(result, name))
        for _, labels, result in calls
        if name in labels.flags
    ]
    counts = sum((_detection(real, found == "true") for real, found in pairs), Counts())
    right = sum(found == str(real).lower() for real, found in pairs)
    return FlagScore(name, counts, Hits(right, len(pairs)))


def _criterion(name: str, calls: Sequence[Labelled]) -> CriterionScore:
    pairs = [
        (labels.criteria[name], _answer(result, name))
        for _, labels, result in calls
        if name in labels.criteria
    ]
    return CriterionScore(
        criterion=name,
        yes=sum((_detection(real == "yes", found == "yes") for real, found in pairs), Counts()),
        no=sum((_detection(real == "no", found == "no") for real, found in pairs), Counts()),
        hits=Hits(sum(real == found for real, found in pairs), len(pairs)),
        unknown=Hits(sum(found == "unknown" for _, found in pairs), len(pairs)),
        na=Hits(
            sum(found is not None and (real == "na") == (found == "na") for real, found in pairs),
            len(pairs),
        ),
    )


def _answer(result: CallResult | None, criterion: str) -> str | None:
    """yes, no, na or unknown; None when there is no result at all."""
    if result is None:
        return None
    found = (answer.value for answer in result.answers if answer.criterion == criterion)
    return next(found, "unknown")


def _detection(real: bool, found: bool) -> Counts:
    return Counts(tp=real and found, fp=found and not real, fn=real and not found)


def _matches(
    truth: Truth, turns: Sequence[int], result: CallResult | None, found: Sequence[int]
) -> dict[int, int]:
    """Place in `turns` (reference) → place in `found`, one to one, by most shared time of turns."""
    if result is None or result.transcript is None:
        return {}
    spans = [(turn.start, turn.end) for turn in result.transcript.turns]
    shared = [
        [overlap((truth.turns[one].start, truth.turns[one].end), spans[two]) for two in found]
        for one in turns
    ]
    return {i: j for i, j in best_pairs(shared) if shared[i][j] > 0}


def _redirects(call: Labelled, same_body: SameBody | None) -> RedirectScore:
    truth, labels, result = call
    if labels.redirects is None:
        return RedirectScore()
    real, found = labels.redirects, result.redirects if result is not None else ()
    cold = [item for item in real if item.is_cold]
    cold_found = [item for item in found if item.kind != "warm"]
    hit = len(_matches(truth, _turns(cold), result, _turns(cold_found)))
    pairs = _matches(truth, _turns(real), result, _turns(found))
    matched = [(item, found[pairs[place]] if place in pairs else None)
               for place, item in enumerate(real)]  # fmt: skip
    return RedirectScore(
        turns=Counts(hit, len(cold_found) - hit, len(cold) - hit),
        calls=_detection(bool(cold), bool(cold_found)),
        kind=Hits(
            sum(two is not None and one.is_cold == (two.kind != "warm") for one, two in matched),
            len(pairs),
        ),
        number=_share(_same_number(one, two) for one, two in matched if one.number),
        agency=_share(_same_agency(one, two, same_body) for one, two in matched if one.agency),
    )


def _turns(items: Iterable[TruthRedirect | Redirect | Promise]) -> list[int]:
    return [item.turn for item in items]


def _share(outcomes: Iterable[bool]) -> Hits:
    known = list(outcomes)
    return Hits(sum(known), len(known))


def _same_number(real: TruthRedirect, found: Redirect | None) -> bool:
    if found is None or not found.to_number:
        return False
    return _subscriber(real.number or "") == _subscriber(found.to_number)


def _subscriber(number: str) -> str:
    """Digits without the national prefix: +7 7172 …, 8 7172 … and 7172 … are one number."""
    digits = "".join(filter(str.isdigit, number))
    return digits[1:] if len(digits) == 11 and digits[0] in "78" else digits


def _same_agency(real: TruthRedirect, found: Redirect | None, same_body: SameBody | None) -> bool:
    if found is None or not found.to_agency or not real.agency:
        return False
    if same_body is not None and same_body(real.agency, found.to_agency):
        return True
    return _alike(real.agency, found.to_agency)


def _alike(one: str, two: str) -> bool:
    """The same words whatever their endings: районный акимат, районного акимата."""
    from rapidfuzz.fuzz import token_set_ratio

    first, second = (
        " ".join(word[:_STEM] for word in normalise(name).split() if len(word) > 1)
        for name in (one, two)
    )
    return float(token_set_ratio(first, second)) >= SAME_AGENCY


def _promises(call: Labelled) -> Counts:
    truth, labels, result = call
    if labels.promises is None:
        return Counts()
    found = result.promises if result is not None else ()
    turns = [promise.turn for promise in labels.promises]
    hit = len(_matches(truth, turns, result, _turns(found)))
    return Counts(hit, len(found) - hit, len(turns) - hit)


def _score(dimension: Dimension, calls: Sequence[Labelled]) -> ScoreAgreement:
    known = [
        (labels.scores[dimension], _points(result, dimension))
        for _, labels, result in calls
        if dimension in labels.scores
    ]
    pairs = [(real, found) for real, found in known if found is not None]
    return ScoreAgreement(
        dimension, len(pairs), len(known) - len(pairs), spearman(pairs), mean_absolute_error(pairs)
    )


def _points(result: CallResult | None, dimension: Dimension) -> float | None:
    """The card's 0–100 on people's scale: 1 + 4·score/100."""
    if result is None:
        return None
    cards = (card for card in result.scorecards if card.dimension == dimension)
    score = sum(cards, Scorecard(dimension)).score(result.minimum_coverage)
    return None if score is None else 1 + 4 * score / 100
