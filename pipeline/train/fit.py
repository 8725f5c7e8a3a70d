"""Cross-validated fitting of the heads: strength, calibration, thresholds, measured scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.backends.heads import (
    Floats,
    Labels,
    Vector,
    fit_binaries,
    fit_platt,
    fit_softmax,
    fit_temperature,
    sigmoid,
    softmax,
)

Mask = npt.NDArray[np.bool_]
Shares = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class BinaryFit:
    """Calibrated weights of one act with its out-of-fold probabilities (n,), NaN where unused."""

    weights: Vector
    bias: float
    strength: float
    held_out: Vector
    threshold: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class SoftmaxFit:
    """Calibrated weights (k, d), bias (k,), and out-of-fold probabilities (n, k)."""

    weights: Vector
    bias: Vector
    strength: float
    held_out: Vector


@dataclass(frozen=True, slots=True)
class Counts:
    """Hits of a binary decision; `+` pools. A ratio is None when nothing was there to count."""

    found: int = 0
    missed: int = 0
    false: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.found + other.found, self.missed + other.missed, self.false + other.false
        )

    @property
    def precision(self) -> float | None:
        claimed = self.found + self.false
        return self.found / claimed if claimed else None

    @property
    def recall(self) -> float | None:
        present = self.found + self.missed
        return self.found / present if present else None

    @property
    def f1(self) -> float | None:
        total = 2 * self.found + self.missed + self.false
        return 2 * self.found / total if total else None


def count(decided: Mask, truth: Mask) -> Counts:
    """Decisions against the truth, both (n,)."""
    return Counts(
        int(np.sum(decided & truth)), int(np.sum(~decided & truth)), int(np.sum(decided & ~truth))
    )


def fit_acts(x: Floats, y: Labels, folds: Labels, strengths: Sequence[float]) -> list[BinaryFit]:
    """Logistic regressions on shared rows: x (n, d), y (n, k) of 0 and 1, folds (n,) -> k fits.

    Each takes the strength of the best average precision across folds. The scores held out by
    the folds give the calibration, the threshold (best F1) and the band around it: below `low`
    lie at most 5 % of the positives, above `high` precision is 90 %.
    """
    held_out = [_held_out(x, y, folds, strength) for strength in strengths]
    whole = [fit_binaries(x, y, strength) for strength in strengths]
    fits = []
    for act in range(y.shape[1]):
        ranks = [_average_precision(scores[:, act], y[:, act]) for scores in held_out]
        best = int(np.argmax(ranks))
        slope, offset = fit_platt(held_out[best][:, act], y[:, act])
        probabilities = sigmoid(slope * held_out[best][:, act] + offset)
        weights, bias = whole[best]
        fits.append(
            BinaryFit(
                slope * weights[act], slope * float(bias[act]) + offset, strengths[best],
                probabilities, *thresholds(probabilities, y[:, act]),
            )
        )  # fmt: skip
    return fits


def fit_classes(x: Floats, y: Labels, folds: Labels, strengths: Sequence[float]) -> SoftmaxFit:
    """Multinomial regression; strength by held-out log loss after temperature scaling."""
    best: tuple[float, float, float, Vector] | None = None
    rows = np.arange(len(y))
    for strength in strengths:
        logits = np.zeros((len(y), int(y.max()) + 1))
        for fold in np.unique(folds):
            weights, bias = fit_softmax(x[folds != fold], y[folds != fold], strength)
            logits[folds == fold] = x[folds == fold] @ weights.T + bias
        factor = fit_temperature(logits, y)
        held_out = softmax(factor * logits)
        loss = float(-np.log(held_out[rows, y] + 1e-12).mean())
        if best is None or loss < best[0]:
            best = (loss, strength, factor, held_out)
    if best is None:
        raise ValueError("fit_classes: strengths must name at least one value")
    _, strength, factor, held_out = best
    weights, bias = fit_softmax(x, y, strength)
    return SoftmaxFit(factor * weights, factor * bias, strength, held_out)


def thresholds(probabilities: Vector, y: Labels) -> tuple[float, float, float]:
    """(threshold of best F1, low, high) from held-out probabilities; low <= threshold <= high."""
    order = np.argsort(-probabilities, kind="stable")
    found = np.cumsum(y[order])
    claimed = np.arange(1, len(y) + 1)
    total = max(int(y.sum()), 1)
    f1 = 2 * found / (claimed + total)
    ranked = probabilities[order]
    best = int(np.argmax(f1))
    following = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    threshold = float((ranked[best] + following) / 2)
    low = float(ranked[int(np.argmax(found / total >= 0.95))])
    precise = np.flatnonzero(found / claimed >= 0.9)
    high = float(ranked[precise[-1]]) if len(precise) else 1.0
    return threshold, min(low, threshold), max(high, threshold)


def _held_out(x: Floats, y: Labels, folds: Labels, strength: float) -> Vector:
    scores = np.zeros(y.shape)
    for fold in np.unique(folds):
        weights, bias = fit_binaries(x[folds != fold], y[folds != fold], strength)
        scores[folds == fold] = x[folds == fold] @ weights.T + bias
    return scores


def _average_precision(scores: Vector, y: Labels) -> float:
    hits = y[np.argsort(-scores, kind="stable")]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float((precision * hits).sum() / max(int(hits.sum()), 1))
