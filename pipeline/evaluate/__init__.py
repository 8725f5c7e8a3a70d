"""Results against references: how right the pipeline is, in numbers that pool.

Definitions, formulas and sources: docs/evaluation.md. A call that the database lacks, or whose
status is failed, counts as wrong everywhere: all its words deleted, all its speech missed, every
label and criterion wrong.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from pipeline.errors import TruthError
from pipeline.evaluate.meaning import (
    Labelled,
    MeaningScores,
    SameBody,
    macro_f1,
    score_meaning,
)
from pipeline.evaluate.measures import Counts
from pipeline.evaluate.speech import SpeechScores, score_speech
from pipeline.evaluate.truth import Truth, parse_truth
from pipeline.types import CallResult, Transcript

__all__ = ["Report", "Row", "Truth", "evaluate", "parse_truth"]

#: section, name, value (None: nothing to measure), n (size of the denominator: reference words,
#: seconds, turns, calls or cases).
Row = tuple[str, str, float | None, int]

_NOTHING = Transcript(turns=(), words=())


@dataclass(frozen=True, slots=True)
class Report:
    """missing: files that the database lacks; failed: files whose status is failed.

    speech: (group, scores); groups are "all" and those of layout and of main language.
    """

    calls: int
    missing: tuple[str, ...]
    failed: tuple[str, ...]
    speech: tuple[tuple[str, SpeechScores], ...]
    meaning: MeaningScores

    def rows(self) -> tuple[Row, ...]:
        """Every number to print, in order; see `Row`."""
        calls: list[Row] = [
            ("calls", "evaluated", float(self.calls), self.calls),
            ("calls", "missing", float(len(self.missing)), self.calls),
            ("calls", "failed", float(len(self.failed)), self.calls),
        ]
        speech = (row for group, scores in self.speech for row in _speech_rows(group, scores))
        return (*calls, *speech, *_label_rows(self.meaning), *_criterion_rows(self.meaning),
                *_case_rows(self.meaning))  # fmt: skip

    def to_json(self) -> str:
        """The rows and, under "counts", every pooled count behind them."""
        rows = [
            {"section": section, "name": name, "value": value, "n": n}
            for section, name, value, n in self.rows()
        ]
        return json.dumps({"rows": rows, "counts": asdict(self)}, ensure_ascii=False, indent=1)


def evaluate(
    truths: Iterable[Truth],
    results: Mapping[str, CallResult | None],
    *,
    same_body: SameBody | None = None,
) -> Report:
    """Score results (by the truth's `file`) against references.

    `same_body` says whether two names stand for one body; without it their stems are compared.

    Results without a reference are ignored; a reference without a result counts as wrong.
    Raises TruthError when two references name the same file.
    """
    known: dict[str, CallResult | None] = {}
    pairs: list[tuple[Truth, CallResult | None]] = []
    failed: list[str] = []
    for truth in truths:
        if truth.file in known:
            raise TruthError(f"two references name the file {truth.file}; keep one")
        result = results.get(truth.file)
        if result is not None and result.status == "failed":
            failed.append(truth.file)
            result = None
        known[truth.file] = result
        pairs.append((truth, result))
    labelled: list[Labelled] = [
        (truth, truth.labels, result) for truth, result in pairs if truth.labels is not None
    ]
    return Report(
        calls=len(pairs),
        missing=tuple(t.file for t, found in pairs if found is None and t.file not in failed),
        failed=tuple(failed),
        speech=_speech(pairs),
        meaning=score_meaning(labelled, same_body),
    )


def _speech(
    pairs: Iterable[tuple[Truth, CallResult | None]],
) -> tuple[tuple[str, SpeechScores], ...]:
    groups: dict[str, SpeechScores] = {"all": SpeechScores()}
    for truth, result in pairs:
        transcript = result.transcript if result is not None else None
        scores = score_speech(truth, transcript or _NOTHING)
        for group in ("all", truth.layout, truth.language):
            if group is not None:
                groups[group] = groups.get(group, SpeechScores()) + scores
    order = ("all", "mono", "stereo", "ru", "kk", "en")
    return tuple((group, groups[group]) for group in order if group in groups)


def _speech_rows(group: str, scores: SpeechScores) -> Iterable[Row]:
    section = f"speech: {group}"
    length, seconds = scores.der.speech, round(scores.der.speech)
    yield section, "WER", scores.wer.rate, scores.wer.length
    yield section, "cpWER", scores.cpwer.rate, scores.cpwer.length
    yield section, "DER", scores.der.rate, seconds
    for name, part in (
        ("missed", scores.der.missed),
        ("false alarm", scores.der.false_alarm),
        ("confusion", scores.der.confusion),
    ):
        yield section, f"DER {name}", part / length if length else None, seconds
    yield section, "role, turns", scores.role_turns.rate, round(scores.role_turns.total)
    yield section, "role, time", scores.role_time.rate, round(scores.role_time.total)
    yield section, "language, turns", scores.language.rate, round(scores.language.total)


def _label_rows(meaning: MeaningScores) -> Iterable[Row]:
    for label in meaning.classes:
        yield "labels", f"{label.name} accuracy", label.hits.rate, round(label.hits.total)
    yield from _detection_rows("labels", "not evaluable", meaning.evaluability)
    for flag in meaning.flags:
        yield from _detection_rows("labels", flag.name, flag.counts)
        yield "labels", f"{flag.name} accuracy", flag.hits.rate, round(flag.hits.total)


def _criterion_rows(meaning: MeaningScores) -> Iterable[Row]:
    yes = [item.yes for item in meaning.criteria]
    no = [item.no for item in meaning.criteria]
    asked = sum(round(item.hits.total) for item in meaning.criteria)
    yield "criteria", "macro F1 yes", macro_f1(yes), sum(bool(item.support) for item in yes)
    yield "criteria", "macro F1 no", macro_f1(no), sum(bool(item.support) for item in no)
    yield from _detection_rows("criteria", "pooled yes", sum(yes, Counts()))
    yield from _detection_rows("criteria", "pooled no", sum(no, Counts()))
    for name, hits in (
        ("accuracy", [item.hits for item in meaning.criteria]),
        ("unknown share", [item.unknown for item in meaning.criteria]),
        ("na agreement", [item.na for item in meaning.criteria]),
    ):
        yield "criteria", name, sum(hit.right for hit in hits) / asked if asked else None, asked
    for item in meaning.criteria:
        section = f"criterion: {item.criterion}"
        yield from _detection_rows(section, "yes", item.yes)
        yield from _detection_rows(section, "no", item.no)
        yield section, "unknown share", item.unknown.rate, round(item.unknown.total)
        yield section, "na agreement", item.na.rate, round(item.na.total)


def _case_rows(meaning: MeaningScores) -> Iterable[Row]:
    redirects = meaning.redirects
    yield from _detection_rows("redirects", "cold, turns", redirects.turns)
    yield from _detection_rows("redirects", "cold, calls", redirects.calls)
    for name, hits in (
        ("cold or warm", redirects.kind),
        ("number", redirects.number),
        ("agency", redirects.agency),
    ):
        yield "redirects", f"{name} accuracy", hits.rate, round(hits.total)
    yield from _detection_rows("promises", "promise", meaning.promises)
    for score in meaning.scores:
        yield "scores", f"{score.dimension} Spearman", score.spearman, score.pairs
        yield "scores", f"{score.dimension} mean error", score.mean_absolute_error, score.pairs
        yield "scores", f"{score.dimension} no score", float(score.none), score.pairs + score.none


def _detection_rows(section: str, name: str, counts: Counts) -> Iterable[Row]:
    """Precision stands over what was found, recall and F1 over what the reference has."""
    yield section, f"{name} precision", counts.precision, counts.tp + counts.fp
    yield section, f"{name} recall", counts.recall, counts.support
    yield section, f"{name} F1", counts.f1, counts.support
