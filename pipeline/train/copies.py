"""Training copies: every row clean, noisy, and joined into longer turns, within its fold."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from heapq import nsmallest
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pipeline.backends.heads import ACT_OWNERS, SPEAKING_ROLES, Labels
from pipeline.train.exemplars import Exemplar, TopicExemplar
from pipeline.train.noise import NoiseOptions, spoil
from pipeline.types import TOPICS, Role

#: share of joined turns that are noisy too
_JOINED_NOISY = 0.5


class CopyOptions(Protocol):
    """The part of TrainingOptions that copies depend on."""

    @property
    def folds(self) -> int: ...
    @property
    def noisy_copies(self) -> int: ...
    @property
    def joined(self) -> float: ...
    @property
    def seed(self) -> int: ...
    @property
    def noise(self) -> NoiseOptions: ...


@dataclass(frozen=True, slots=True, eq=False)
class Copies:
    """Rows of training: texts, languages and kinds (n), folds (n,), roles (n,) as places in
    SPEAKING_ROLES, acts (n, k) of 0 and 1, topics (n,) as places in TOPICS (-1 none)."""

    texts: tuple[str, ...]
    languages: tuple[str, ...]
    kinds: tuple[str, ...]
    folds: Labels
    roles: Labels
    acts: Labels
    topics: Labels

    def where(self, mask: npt.NDArray[np.bool_]) -> Copies:
        places = np.flatnonzero(mask)
        return Copies(
            tuple(self.texts[place] for place in places),
            tuple(self.languages[place] for place in places),
            tuple(self.kinds[place] for place in places),
            self.folds[mask], self.roles[mask], self.acts[mask], self.topics[mask],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Row:
    text: str
    language: str
    kind: str
    fold: int
    role: Role
    acts: frozenset[str]
    topic: str | None


def fold_of(situation: str, folds: int) -> int:
    """The fold of a situation, by its digest: adding other rows does not move it."""
    return _number(situation) % folds


def act_copies(rows: Sequence[Exemplar], options: CopyOptions) -> Copies:
    """Clean rows, noisy copies, and turns joined from rows of one language, role and fold.

    Every copy depends on its own row and the seed, so that new rows leave old copies as they are.
    """
    clean = [
        _Row(row.text, row.language, "clean", fold_of(row.situation, options.folds), row.role,
             frozenset(row.acts), None)
        for row in rows
    ]  # fmt: skip
    groups: dict[tuple[str, str, int], list[_Row]] = {}
    for row in clean:
        groups.setdefault((row.language, row.role, row.fold), []).append(row)
    joined = [
        _joined(row, _partners(row, group, options.seed), options)
        for group in groups.values()
        for row in group
        if len(group) > 1 and _share(f"{options.seed} join {row.text}") < options.joined
    ]
    return _packed(clean + _noisy(clean, options) + joined)


def topic_copies(
    topics: Sequence[TopicExemplar], rows: Sequence[Exemplar], options: CopyOptions
) -> Copies:
    """Clean and noisy topic rows, and topic rows joined with a turn that names no matter."""
    clean = [
        _Row(row.text, row.language, "clean", fold_of(row.text, options.folds), "caller",
             frozenset(), row.topic)
        for row in topics
    ]  # fmt: skip
    fillers = [
        _Row(row.text, row.language, "clean", 0, "caller", frozenset(), None)
        for row in rows
        if not row.acts
    ]
    joined = []
    for row in clean:
        same = [o for o in clean if (o.topic, o.language, o.fold)
                == (row.topic, row.language, row.fold)]  # fmt: skip
        spoken = [filler for filler in fillers if filler.language == row.language]
        partners = [*_partners(row, spoken, options.seed)[:1],
                    *_partners(row, same, options.seed)[:1]]  # fmt: skip
        joined.append(_joined(row, partners, options))
    return _packed(clean + _noisy(clean, options) + joined)


def _noisy(rows: Sequence[_Row], options: CopyOptions) -> list[_Row]:
    return [
        replace(
            row,
            kind="noisy",
            text=spoil(row.text, _generator(f"{options.seed} {copy} {row.text}"), options.noise),
        )
        for row in rows
        for copy in range(options.noisy_copies)
    ]


def _partners(row: _Row, group: Sequence[_Row], seed: int) -> list[_Row]:
    """One or two other rows: the nearest by a digest of the pair."""
    near = nsmallest(
        2,
        (other for other in group if other.text != row.text),
        key=lambda other: zlib.crc32(f"{seed}{row.text}{other.text}".encode()),
    )
    return near[: 1 + _number(f"{seed} size {row.text}") % 2]


def _joined(row: _Row, partners: Sequence[_Row], options: CopyOptions) -> _Row:
    rng = _generator(f"{options.seed} order {row.text}")
    parts = [row, *partners]
    text = " ".join(parts[place].text for place in rng.permutation(len(parts)))
    if rng.random() < _JOINED_NOISY:
        text = spoil(text, rng, options.noise)
    acts = frozenset[str]().union(*(part.acts for part in parts))
    return replace(row, text=text, kind="joined", acts=acts)


def _number(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")


def _share(key: str) -> float:
    return _number(key) / 2**64


def _generator(key: str) -> np.random.Generator:
    return np.random.default_rng(_number(key))


def _packed(rows: Sequence[_Row]) -> Copies:
    return Copies(
        tuple(row.text for row in rows),
        tuple(row.language for row in rows),
        tuple(row.kind for row in rows),
        np.array([row.fold for row in rows], dtype=np.int64),
        np.array([SPEAKING_ROLES.index(row.role) for row in rows], dtype=np.int64),
        np.array([[name in row.acts for name in ACT_OWNERS] for row in rows], dtype=np.int64),
        np.array(
            [-1 if row.topic is None else TOPICS.index(row.topic) for row in rows], dtype=np.int64
        ),
    )
