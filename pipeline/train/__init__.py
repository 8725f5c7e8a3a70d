"""Training of the heads from exemplar sentences: `train`, then `save_training`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from pipeline.backends.heads import (
    ACT_OWNERS,
    SPEAKING_ROLES,
    Floats,
    Heads,
    Labels,
    LinearHead,
    Vector,
    one_thread,
    save_head,
)
from pipeline.errors import TruthError
from pipeline.train.copies import Copies, act_copies, topic_copies
from pipeline.train.exemplars import Exemplar, TopicExemplar, digest, read_exemplars, read_topics
from pipeline.train.fit import BinaryFit, Counts, count, fit_acts, fit_classes
from pipeline.train.noise import NoiseOptions
from pipeline.types import LANGUAGES, TOPICS

__all__ = [
    "ActScore", "Exemplar", "SentenceEncoder", "TopicExemplar", "TrainingOptions",
    "TrainingReport", "read_exemplars", "read_topics", "save_training", "train",
]  # fmt: skip

Kind = Literal["clean", "noisy", "joined"]


class SentenceEncoder(Protocol):
    """What training needs of an encoder; `pipeline.backends.encoder.Encoder` is one."""

    name: str

    def digest(self) -> str: ...
    def encode(self, texts: Sequence[str]) -> Floats: ...


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    #: CSV of human-corrected turns with the columns of data/exemplars, or None
    corrections: Path | None = None
    #: folds of the cross-validation; rows of one situation share a fold
    folds: int = 5
    #: inverse penalties (sklearn's C) tried for every head
    strengths: tuple[float, ...] = (0.06, 0.25, 1.0)
    #: noisy copies of every row
    noisy_copies: int = 1
    #: share of rows that are also joined with one or two others into a longer turn
    joined: float = 1.0
    #: seed of the copies
    seed: int = 20
    noise: NoiseOptions = field(default_factory=NoiseOptions)

    def __post_init__(self) -> None:
        if self.folds < 2 or not self.strengths or self.noisy_copies < 0 or self.joined < 0:
            raise ValueError(
                "TrainingOptions: need folds >= 2, at least one strength, and copies >= 0; got "
                f"{self.folds}, {self.strengths}, {self.noisy_copies}, {self.joined}"
            )


@dataclass(frozen=True, slots=True)
class ActScore:
    """Held-out scores of one act or topic in one language ("all": pooled) and kind of copy."""

    name: str
    language: str
    kind: Kind
    n: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True, slots=True, eq=False)
class TrainingReport:
    """The heads with what was measured while training them; nothing is dated."""

    heads: Heads
    encoder: str
    encoder_digest: str
    data_digest: str
    rows: int
    topic_rows: int
    options: TrainingOptions
    strengths: dict[str, float]
    acts: tuple[ActScore, ...]
    topics: tuple[ActScore, ...]
    roles: tuple[ActScore, ...]

    def macro_f1(self, language: str, kind: Kind = "noisy") -> float | None:
        """Mean F1 over the acts that occur in the language."""
        return _mean_f1([s for s in self.acts if (s.language, s.kind) == (language, kind)])

    def macro_topic_f1(self, language: str, kind: Kind = "noisy") -> float | None:
        return _mean_f1([s for s in self.topics if (s.language, s.kind) == (language, kind)])


def train(
    exemplar_dir: Path, encoder: SentenceEncoder, options: TrainingOptions | None = None
) -> TrainingReport:
    """Fit the act, topic and role heads; the same data and encoder give the same heads.

    Raises TruthError when the data cannot be used, or an act or topic has too few situations.
    """
    options = options or TrainingOptions()
    rows = read_exemplars(exemplar_dir, options.corrections)
    topics = read_topics(exemplar_dir)
    _check_support(rows, topics, options.folds)
    identity = encoder.digest()
    turns = act_copies(rows, options)
    matters = topic_copies(topics, rows, options)
    features = encoder.encode(turns.texts)
    matter_features = encoder.encode(matters.texts)
    with one_thread():
        act, bounds, strengths, act_scores = _fit_acts(features, turns, identity, options)
        speaker, role_scores = _fit_classes(
            features, turns, turns.roles, SPEAKING_ROLES, (identity, options)
        )
        subject, topic_scores = _fit_classes(
            matter_features, matters, matters.topics, TOPICS, (identity, options)
        )
    return TrainingReport(
        Heads(act, subject, speaker, *bounds),
        encoder.name, identity, digest(rows, topics), len(rows), len(topics), options, strengths,
        act_scores, topic_scores, role_scores,
    )  # fmt: skip


def save_training(report: TrainingReport, directory: Path) -> tuple[Path, ...]:
    """Write acts, topics and roles, each as .npz with a .json card; returns the paths."""
    directory.mkdir(parents=True, exist_ok=True)
    heads = report.heads
    bounds = {"threshold": heads.threshold, "low": heads.low, "high": heads.high}
    save_head(directory / "acts.npz", heads.act, **bounds)
    save_head(directory / "topics.npz", heads.subject)
    save_head(directory / "roles.npz", heads.speaker)
    written = []
    for name, scores in (
        ("acts", report.acts), ("topics", report.topics), ("roles", report.roles)
    ):  # fmt: skip
        path = directory / f"{name}.npz"
        card = directory / f"{name}.json"
        card.write_text(_card(report, scores, path), encoding="utf-8")
        written += [path, card]
    return tuple(written)


def _card(report: TrainingReport, scores: tuple[ActScore, ...], path: Path) -> str:
    head = {"acts": report.heads.act, "topics": report.heads.subject}.get(
        path.stem, report.heads.speaker
    )
    options = report.options
    macro = {
        f"{language}, {kind}": _mean_f1(
            [s for s in scores if (s.language, s.kind) == (language, kind)]
        )
        for language in ("all", *LANGUAGES)
        for kind in ("clean", "noisy")
    }
    card = {
        "head": path.stem,
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "names": list(head.names),
        "encoder": {"name": report.encoder, "sha256": report.encoder_digest},
        "data": {
            "sha256": report.data_digest,
            "act_rows": report.rows,
            "topic_rows": report.topic_rows,
            "corrections": options.corrections is not None,
        },
        "method": "logistic regression on centred embeddings, cross-validated by situation",
        "options": {
            "folds": options.folds, "noisy_copies": options.noisy_copies,
            "joined": options.joined, "seed": options.seed, "noise": asdict(options.noise),
        },
        "strengths": report.strengths if path.stem == "acts" else None,
        "macro_f1": macro,
        "scores": [asdict(score) for score in scores],
        "limits": "written sentences with simulated recogniser noise, not real calls",
    }  # fmt: skip
    return json.dumps(card, ensure_ascii=False, indent=1, default=float) + "\n"


def _fit_acts(
    features: Floats, turns: Copies, identity: str, options: TrainingOptions
) -> tuple[LinearHead, tuple[Floats, Floats, Floats], dict[str, float], tuple[ActScore, ...]]:
    names = tuple(ACT_OWNERS)
    mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    rows, matrix = _whitened(features - mean)
    fits: dict[str, BinaryFit] = {}
    scores: list[ActScore] = []
    for owners in dict.fromkeys(ACT_OWNERS.values()):
        group = [name for name in names if ACT_OWNERS[name] == owners]
        own = np.isin(turns.roles, [SPEAKING_ROLES.index(role) for role in owners])
        truth = turns.acts[own][:, [names.index(name) for name in group]]
        fitted = fit_acts(rows[own], truth, turns.folds[own], options.strengths)
        fits.update(zip(group, fitted, strict=True))
        part = turns.where(own)
        for place, name in enumerate(group):
            decided = fits[name].held_out >= fits[name].threshold
            scores += _scores(name, decided, truth[:, place] == 1, part)
    ordered = [fits[name] for name in names]
    weights = np.stack([fit.weights for fit in ordered]) @ matrix
    bias = np.array([fit.bias for fit in ordered])
    bounds = (
        _stored(np.array([fit.threshold for fit in ordered])),
        _stored(np.array([fit.low for fit in ordered])),
        _stored(np.array([fit.high for fit in ordered])),
    )
    strengths = {name: fits[name].strength for name in names}
    head = LinearHead(names, mean, _stored(weights), _stored(bias), identity)
    return head, bounds, strengths, tuple(scores)


def _fit_classes(
    features: Floats,
    copies: Copies,
    y: Labels,
    names: Sequence[str],
    made_with: tuple[str, TrainingOptions],
) -> tuple[LinearHead, tuple[ActScore, ...]]:
    identity, options = made_with
    mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    rows, matrix = _whitened(features - mean)
    fit = fit_classes(rows, y, copies.folds, options.strengths)
    decided = fit.held_out.argmax(axis=1)
    scores: list[ActScore] = []
    for place, name in enumerate(names):
        scores += _scores(name, decided == place, y == place, copies)
    head = LinearHead(
        tuple(names), mean, _stored(fit.weights @ matrix), _stored(fit.bias), identity
    )
    return head, tuple(scores)


def _scores(name: str, decided: object, truth: object, copies: Copies) -> list[ActScore]:
    hits, there = np.asarray(decided, dtype=bool), np.asarray(truth, dtype=bool)
    kinds: tuple[Kind, ...] = ("clean", "noisy", "joined")
    out = []
    for kind in kinds:
        pooled = Counts()
        for language in LANGUAGES:
            part = np.array(
                [k == kind and o == language
                 for k, o in zip(copies.kinds, copies.languages, strict=True)]
            )  # fmt: skip
            counts = count(hits[part], there[part])
            pooled += counts
            out.append(_score(name, language, kind, counts))
        out.append(_score(name, "all", kind, pooled))
    return out


def _score(name: str, language: str, kind: Kind, counts: Counts) -> ActScore:
    return ActScore(
        name, language, kind, counts.found + counts.missed,
        _rounded(counts.precision), _rounded(counts.recall), _rounded(counts.f1),
    )  # fmt: skip


def _mean_f1(scores: Sequence[ActScore]) -> float | None:
    known = [score.f1 for score in scores if score.n and score.f1 is not None]
    return round(sum(known) / len(known), 3) if known else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _whitened(centred: Floats) -> tuple[Floats, Vector]:
    """Rows with their directions brought nearer to one length, (n, d), and the matrix (d, d).

    E5 leaves most of the variance to a few directions; evened out halfway (each eigenvalue plus
    their mean, before the inverse root) the fits converge ten times sooner and score the same.
    The root mean square norm is 1, so that strengths mean the same for any encoder.
    """
    rows = centred.astype(np.float64)
    values, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
    matrix = vectors @ np.diag((values + values.mean()) ** -0.5) @ vectors.T
    matrix /= np.sqrt(((rows @ matrix) ** 2).sum(axis=1).mean())
    return (rows @ matrix).astype(np.float32), np.asarray(matrix)


def _stored(values: object) -> Floats:
    """Rounded, so that the last bits of a summation order do not change the file."""
    return np.asarray(np.round(np.asarray(values, dtype=np.float64), 5), dtype=np.float32)


def _check_support(rows: Sequence[Exemplar], topics: Sequence[TopicExemplar], folds: int) -> None:
    for act in ACT_OWNERS:
        found = len({row.situation for row in rows if act in row.acts})
        if found < folds:
            raise TruthError(
                f"training: {act} occurs in {found} situations, needs at least {folds}"
            )
    for topic in TOPICS:
        found = sum(row.topic == topic for row in topics)
        if found < folds:
            raise TruthError(f"training: topic {topic} has {found} rows, needs at least {folds}")
