"""Measures that pool: each holds counts, `+` adds them, a rate is derived and None over nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.timeline import Interval, intersection, total, union


@dataclass(frozen=True, slots=True)
class Hits:
    """A share: right of total (calls, turns or seconds)."""

    right: float = 0
    total: float = 0

    @property
    def rate(self) -> float | None:
        return self.right / self.total if self.total else None

    def __add__(self, other: Hits) -> Hits:
        return Hits(self.right + other.right, self.total + other.total)


@dataclass(frozen=True, slots=True)
class Counts:
    """Detection of one class: true positives, false positives, false negatives."""

    tp: int = 0
    fp: int = 0
    fn: int = 0

    @property
    def support(self) -> int:
        """How often the reference has the class."""
        return self.tp + self.fn

    @property
    def precision(self) -> float | None:
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else None

    @property
    def recall(self) -> float | None:
        return self.tp / self.support if self.support else None

    @property
    def f1(self) -> float | None:
        """2·tp / (2·tp + fp + fn); None when neither side has the class."""
        size = 2 * self.tp + self.fp + self.fn
        return 2 * self.tp / size if size else None

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """Word errors: deletions, insertions, substitutions against `length` reference words."""

    length: int = 0
    insertions: int = 0
    deletions: int = 0
    substitutions: int = 0

    @property
    def errors(self) -> int:
        return self.insertions + self.deletions + self.substitutions

    @property
    def rate(self) -> float | None:
        return self.errors / self.length if self.length else None

    def __add__(self, other: ErrorRate) -> ErrorRate:
        return ErrorRate(
            self.length + other.length,
            self.insertions + other.insertions,
            self.deletions + other.deletions,
            self.substitutions + other.substitutions,
        )


@dataclass(frozen=True, slots=True)
class DiarizationErrors:
    """Seconds of missed speech, false alarm and confusion against reference speech."""

    speech: float = 0.0
    missed: float = 0.0
    false_alarm: float = 0.0
    confusion: float = 0.0

    @property
    def rate(self) -> float | None:
        wrong = self.missed + self.false_alarm + self.confusion
        return wrong / self.speech if self.speech else None

    def __add__(self, other: DiarizationErrors) -> DiarizationErrors:
        return DiarizationErrors(
            self.speech + other.speech,
            self.missed + other.missed,
            self.false_alarm + other.false_alarm,
            self.confusion + other.confusion,
        )


def word_errors(reference: Sequence[str], hypothesis: Sequence[str]) -> ErrorRate:
    """WER with unit costs (Levenshtein).

    >>> word_errors("a b c".split(), "a x c d".split())
    ErrorRate(length=3, insertions=1, deletions=0, substitutions=1)
    """
    from rapidfuzz.distance import Levenshtein

    operations = [step.tag for step in Levenshtein.editops(reference, hypothesis)]
    return ErrorRate(
        length=len(reference),
        insertions=operations.count("insert"),
        deletions=operations.count("delete"),
        substitutions=operations.count("replace"),
    )


def cp_word_errors(
    reference: Mapping[str, Sequence[str]], hypothesis: Mapping[str, Sequence[str]]
) -> ErrorRate:
    """cpWER: each speaker's words in one stream; streams are paired for the fewest errors.

    Where one side has more speakers the other is padded with empty streams (Watanabe et al. 2020,
    CHiME-6; the definition of the meeteval package).

    >>> cp_word_errors({"A": ["x", "y"], "B": ["z"]}, {"1": ["z"], "2": ["x", "y"]}).errors
    0
    """
    size = max(len(reference), len(hypothesis))
    left = [*reference.values(), *[()] * (size - len(reference))]
    right = [*hypothesis.values(), *[()] * (size - len(hypothesis))]
    table = [[word_errors(one, two) for two in right] for one in left]
    pairs = best_pairs([[-cell.errors for cell in row] for row in table])
    return sum((table[i][j] for i, j in pairs), ErrorRate())


def diarization_errors(
    reference: Mapping[str, Iterable[Interval]], hypothesis: Mapping[str, Iterable[Interval]]
) -> DiarizationErrors:
    """DER at collar 0, overlapped speech scored, speakers mapped for the most shared time.

    NIST definition as in pyannote.metrics: at each moment with R reference and H hypothesis
    speakers, max(0, R − H) is missed, max(0, H − R) false alarm, min(R, H) less the correctly
    mapped ones confusion.
    """
    left = [union(spans) for spans in reference.values()]
    right = [union(spans) for spans in hypothesis.values()]
    marks = [(time, 1 - 2 * side, 0) for spans in left for span in spans
             for side, time in enumerate(span)]  # fmt: skip
    marks += [(time, 0, 1 - 2 * side) for spans in right for span in spans
              for side, time in enumerate(span)]  # fmt: skip
    speech = missed = false_alarm = both = 0.0
    previous, real, found = 0.0, 0, 0
    for time, in_reference, in_hypothesis in sorted(marks):
        length = time - previous
        speech += length * real
        missed += length * max(0, real - found)
        false_alarm += length * max(0, found - real)
        both += length * min(real, found)
        previous, real, found = time, real + in_reference, found + in_hypothesis
    shared = [[total(intersection(one, two)) for two in right] for one in left]
    correct = sum(shared[i][j] for i, j in best_pairs(shared))
    confusion = both - correct if both - correct > 1e-9 else 0.0  # rounding of the two sums
    return DiarizationErrors(speech, missed, false_alarm, confusion)


def best_pairs(gain: Sequence[Sequence[float]]) -> list[tuple[int, int]]:
    """(row, column) pairs, each used once, with the largest sum of gains."""
    if not gain or not gain[0]:
        return []
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(gain, maximize=True)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True)]


def spearman(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Rank correlation, ties sharing their mean rank; None below two pairs or without variance.

    >>> spearman([(1, 10), (2, 20), (3, 15)])
    0.5
    """
    ones = _ranks([one for one, _ in pairs])
    twos = _ranks([two for _, two in pairs])
    middle = (len(pairs) + 1) / 2
    product = sum((a - middle) * (b - middle) for a, b in zip(ones, twos, strict=True))
    spread = sum((a - middle) ** 2 for a in ones) * sum((b - middle) ** 2 for b in twos)
    return float(product / spread**0.5) if spread else None


def mean_absolute_error(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Mean of |one − two|; None without pairs."""
    return sum(abs(one - two) for one, two in pairs) / len(pairs) if pairs else None


def _ranks(values: Sequence[float]) -> list[float]:
    return [
        sum(other < value for other in values) + (sum(other == value for other in values) + 1) / 2
        for value in values
    ]
