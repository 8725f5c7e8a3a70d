"""Linear heads over sentence embeddings: dialogue acts, topics, and who is speaking.

Inference needs numpy alone. Calibration is folded into the weights, so a head is one matrix,
one bias, and a sigmoid or softmax. Fitting (scikit-learn) is imported only when training.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.errors import ModelError, ModelMissing
from pipeline.types import Role

Floats = npt.NDArray[np.float32]
Vector = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

OPERATOR_ACTS = (
    "greeting", "organisation_named", "operator_named", "recording_notice", "identification",
    "clarifying_question", "restating", "answer", "next_steps", "deadline", "source_cited",
    "number_read_back", "hold_announced", "hold_thanked", "apology", "empathy", "refusal",
    "uncertainty", "rudeness", "redirect_cold", "redirect_warm", "callback_promised",
    "reply_promised", "registered", "status_given", "further_help_offered",
    "understanding_checked", "farewell",
)  # fmt: skip
CALLER_ACTS = (
    "request", "dictates_number", "upset", "repeat_contact", "cannot_get_through",
    "sent_by_other", "thanks", "confirms_understanding", "still_unresolved", "wrong_number",
    "files_appeal", "asks_about_appeal", "complains",
)  # fmt: skip
SPEAKING_ROLES: tuple[Role, ...] = ("operator", "caller", "ivr")
#: whose turns may carry the act; a machine may give the notice, and is told by its words alone
ACT_OWNERS: dict[str, tuple[Role, ...]] = {
    **dict.fromkeys(OPERATOR_ACTS, ("operator",)),
    **dict.fromkeys(CALLER_ACTS, ("caller",)),
    "recording_notice": ("operator", "ivr"),
    "ivr_prompt": SPEAKING_ROLES,
}


@dataclass(frozen=True, slots=True, eq=False)
class LinearHead:
    """names (k,), mean (d,), weights (k, d), bias (k,); logits = (x - mean) @ weights.T + bias."""

    names: tuple[str, ...]
    mean: Floats
    weights: Floats
    bias: Floats
    encoder_digest: str

    def __post_init__(self) -> None:
        k, d = len(self.names), self.mean.shape[0]
        if self.weights.shape != (k, d) or self.bias.shape != (k,):
            raise ModelError(
                f"head: {k} names and {d} dimensions need weights ({k}, {d}) and bias ({k},), "
                f"got {self.weights.shape} and {self.bias.shape}; train the heads again"
            )

    def logits(self, embeddings: Floats) -> Vector:
        """(n, d) -> (n, k)."""
        if embeddings.ndim != 2 or embeddings.shape[1] != self.mean.shape[0]:
            raise ModelError(
                f"head: embeddings must be (n, {self.mean.shape[0]}), got {embeddings.shape}; "
                f"the head was trained with another encoder"
            )
        centred = (embeddings - self.mean).astype(np.float64)
        return np.asarray(centred @ self.weights.T.astype(np.float64) + self.bias)


@dataclass(frozen=True, slots=True, eq=False)
class Heads:
    """The trained heads. `threshold` (k,) decides an act; between `low` and `high` abstain."""

    act: LinearHead
    subject: LinearHead
    speaker: LinearHead
    threshold: Floats
    low: Floats
    high: Floats

    @property
    def act_names(self) -> tuple[str, ...]:
        return self.act.names

    @property
    def topic_names(self) -> tuple[str, ...]:
        return self.subject.names

    def acts(self, embeddings: Floats, roles: Sequence[str]) -> Floats:
        """Probability of every act for every turn, (n, n_acts).

        An act of another party's role has probability 0; where the role is unknown the act is
        weighted by the probability that its party is the speaker.
        """
        if len(roles) != len(embeddings):
            raise ModelError(f"heads: {len(embeddings)} embeddings but {len(roles)} roles")
        gate = self.role(embeddings).astype(np.float64)  # (n, 3)
        for place, role in enumerate(roles):
            if role in SPEAKING_ROLES:
                gate[place] = [1.0 if role == known else 0.0 for known in SPEAKING_ROLES]
        owned = np.array(
            [[role in ACT_OWNERS[name] for name in self.act.names] for role in SPEAKING_ROLES],
            dtype=np.float64,
        )  # (3, n_acts)
        raw = sigmoid(self.act.logits(embeddings))
        return np.asarray(raw * np.minimum(gate @ owned, 1.0), dtype=np.float32)

    def topic(self, embeddings: Floats) -> Floats:
        """Probability of every topic, (n, 16), rows sum to 1."""
        return softmax(self.subject.logits(embeddings)).astype(np.float32)

    def role(self, embeddings: Floats) -> Floats:
        """Probability of operator, caller, ivr from the words alone, (n, 3)."""
        return softmax(self.speaker.logits(embeddings)).astype(np.float32)

    def decide(self, probabilities: Floats) -> npt.NDArray[np.bool_]:
        """(n, n_acts) probabilities -> present or not, by the thresholds of training."""
        return np.asarray(probabilities >= self.threshold)

    def unsure(self, probabilities: Floats) -> npt.NDArray[np.bool_]:
        """(n, n_acts): inside the band where a rule that needs certainty should abstain."""
        return np.asarray((probabilities >= self.low) & (probabilities < self.high))


def sigmoid(values: Vector) -> Vector:
    """Logistic function, safe for large magnitudes."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * values)))


def softmax(values: Vector) -> Vector:
    """Row-wise softmax, (n, k) -> (n, k)."""
    shifted = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def load_heads(directory: Path) -> Heads:
    """Read acts.npz, topics.npz and roles.npz. Raises ModelMissing or ModelError."""
    acts, extra = _read(directory / "acts.npz", ("threshold", "low", "high"))
    unknown = sorted(set(acts.names) - set(ACT_OWNERS))
    if unknown:
        raise ModelError(f"heads: acts.npz names unknown acts {', '.join(unknown)}; train again")
    topics, _ = _read(directory / "topics.npz", ())
    roles, _ = _read(directory / "roles.npz", ())
    if roles.names != SPEAKING_ROLES:
        raise ModelError(f"heads: roles.npz must name {SPEAKING_ROLES}, got {roles.names}")
    digests = {head.encoder_digest for head in (acts, topics, roles)}
    if len(digests) != 1:
        raise ModelError("heads: the three files come from different encoders; train again")
    return Heads(acts, topics, roles, extra["threshold"], extra["low"], extra["high"])


def _read(path: Path, more: tuple[str, ...]) -> tuple[LinearHead, dict[str, Floats]]:
    if not path.is_file():
        raise ModelMissing(f"heads: {path} is missing; run `sapa train`")
    try:
        with np.load(path, allow_pickle=False) as stored:
            head = LinearHead(
                tuple(str(name) for name in stored["names"]),
                stored["mean"], stored["weights"], stored["bias"],
                str(stored["encoder_digest"]),
            )  # fmt: skip
            extra = {name: np.asarray(stored[name], dtype=np.float32) for name in more}
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"heads: {path} is damaged ({error}); run `sapa train`") from error
    return head, extra


def save_head(path: Path, head: LinearHead, **extra: Floats) -> None:
    """Write a head; the same values give the same bytes (no dates, no pickles)."""
    arrays: dict[str, npt.NDArray[np.float32] | npt.NDArray[np.str_]] = {
        "names": np.array(head.names),
        "mean": head.mean,
        "weights": head.weights,
        "bias": head.bias,
        "encoder_digest": np.array(head.encoder_digest),
        **extra,
    }
    np.savez(path, allow_pickle=False, **arrays)


def one_thread() -> AbstractContextManager[object]:
    """Linear algebra on one thread: sums in one order, and no threads that wait for each other."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    limits: AbstractContextManager[object] = threadpool_limits(limits=1, user_api="blas")
    return limits


def fit_binaries(x: Floats, y: Labels, strength: float) -> tuple[Vector, Vector]:
    """k logistic regressions with balanced classes on shared rows.

    x (n, d), y (n, k) of 0 and 1 -> weights (k, d), bias (k,).
    Minimises |w|^2 / 2 + strength * sum of weighted losses for each, as scikit-learn's
    LogisticRegression(C=strength, class_weight="balanced") does, but in one pass over the rows.
    """
    from scipy.optimize import minimize

    rows = np.hstack([x.astype(np.float64), np.ones((len(x), 1))])  # (n, d + 1)
    truth = y.astype(np.float64)
    n, k = truth.shape
    positive = truth.sum(axis=0)
    if np.any(positive == 0) or np.any(positive == n):
        raise ValueError("fit_binaries: every column needs rows of both classes")
    weight = strength * np.where(truth > 0, n / (2 * positive), n / (2 * (n - positive)))

    def objective(flat: Vector) -> tuple[float, Vector]:
        w = flat.reshape(k, -1)
        z = rows @ w.T
        loss = float((weight * (np.logaddexp(0.0, z) - truth * z)).sum())
        penalised = np.hstack([w[:, :-1], np.zeros((k, 1))])
        gradient = (weight * (sigmoid(z) - truth)).T @ rows + penalised
        return loss + 0.5 * float((penalised**2).sum()), gradient.ravel()

    found = minimize(
        objective, np.zeros(k * rows.shape[1]), jac=True, method="L-BFGS-B",
        options={"maxiter": 1000, "maxfun": 1500, "gtol": 1e-3, "ftol": 1e-9},
    )  # fmt: skip
    solution = np.asarray(found.x).reshape(k, -1)
    return solution[:, :-1], solution[:, -1]


def fit_softmax(x: Floats, y: Labels, strength: float) -> tuple[Vector, Vector]:
    """Multinomial logistic regression over classes 0…k-1, balanced. -> (k, d), (k,)."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength, class_weight="balanced", max_iter=3000)
    model.fit(x.astype(np.float64), y)
    return np.asarray(model.coef_), np.asarray(model.intercept_)


def fit_platt(scores: Vector, y: Labels) -> tuple[float, float]:
    """Slope and offset so that sigmoid(slope * score + offset) is calibrated (Platt 1999)."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1e3, max_iter=3000)
    model.fit(scores.reshape(-1, 1), y)
    slope = float(model.coef_[0, 0])
    return (slope, float(model.intercept_[0])) if slope > 0 else (1.0, 0.0)


def fit_temperature(logits: Vector, y: Labels) -> float:
    """Factor on the logits that minimises log loss (Guo et al. 2017), on a fixed grid."""
    factors = np.geomspace(0.1, 10.0, 81)
    rows = np.arange(len(y))
    losses = [-np.log(softmax(logits * f)[rows, y] + 1e-12).mean() for f in factors]
    return float(factors[int(np.argmin(losses))])
