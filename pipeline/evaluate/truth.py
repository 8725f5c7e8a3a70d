"""The reference of one call, as people labelled it, read from JSON.

Required: file, turns (each with start, end, speaker, role, text). Optional: duration, layout,
language, a turn's language, labels and every label: what is absent is None and is not scored.
Other keys are ignored. What is present must be right: every mistake is a `TruthError` that names
the file, the field, what was seen and what is allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from pipeline.text.tree import Node, parse_tree
from pipeline.types import (
    CALL_TYPES,
    DIMENSIONS,
    LANGUAGES,
    OUTCOMES,
    ROLES,
    TOPICS,
    Dimension,
    Language,
    Role,
)

FLAGS = ("repeat_contact", "unreachable_complaint", "caller_upset")
CLASSES: Mapping[str, tuple[str, ...]] = {
    "call_type": CALL_TYPES, "topic": TOPICS, "outcome": OUTCOMES,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TruthTurn:
    """Seconds from the start of the file; turns may overlap."""

    start: float
    end: float
    speaker: str
    role: Role
    text: str
    language: Language | None


@dataclass(frozen=True, slots=True)
class TruthRedirect:
    turn: int
    kind: str
    agency: str | None
    number: str | None

    @property
    def is_cold(self) -> bool:
        return self.kind != "warm"


@dataclass(frozen=True, slots=True)
class TruthPromise:
    turn: int
    what: str


@dataclass(frozen=True, slots=True)
class TruthLabels:
    """classes: call_type, topic, outcome; criteria: id → yes, no or na; scores: 1 to 5."""

    classes: Mapping[str, str]
    flags: Mapping[str, bool]
    redirects: tuple[TruthRedirect, ...] | None
    promises: tuple[TruthPromise, ...] | None
    criteria: Mapping[str, str]
    scores: Mapping[Dimension, float]

    @property
    def call_type(self) -> str | None:
        return self.classes.get("call_type")


@dataclass(frozen=True, slots=True)
class Truth:
    """The reference of one call; `file` is the path of the audio inside the archive."""

    file: str
    duration: float | None
    layout: str | None
    language: Language | None
    turns: tuple[TruthTurn, ...]
    labels: TruthLabels | None


def parse_truth(json_text: str, name: str) -> Truth:
    """The reference in `json_text`; `name` is what errors call it.

    >>> parse_truth('{"file": "a.wav", "turns": []}', "a.json").file
    'a.wav'

    Raises TruthError.
    """
    root = parse_tree(json_text, name, "a truth file")
    turns = tuple(_turn(node) for node in root.get("turns").items())
    return Truth(
        file=root.get("file").text(),
        duration=root.get("duration").number(0, 1e6) if root.has("duration") else None,
        layout=root.get("layout").one_of(("mono", "stereo")) if root.has("layout") else None,
        language=_language(root),
        turns=turns,
        labels=_labels(root.get("labels"), len(turns)) if root.has("labels") else None,
    )


def _language(node: Node) -> Language | None:
    if not node.has("language"):
        return None
    return cast(Language, node.get("language").one_of(LANGUAGES))


def _turn(node: Node) -> TruthTurn:
    start = node.get("start").number(0, 1e6)
    return TruthTurn(
        start=start,
        end=node.get("end").number(start, 1e6),
        speaker=node.get("speaker").text(),
        role=cast(Role, node.get("role").one_of(ROLES)),
        text=node.get("text").text(),
        language=_language(node),
    )


def _labels(node: Node, turns: int) -> TruthLabels:
    criteria, scores = node.get("criteria"), node.get("scores")
    return TruthLabels(
        classes={
            name: node.get(name).one_of(allowed)
            for name, allowed in CLASSES.items()
            if node.has(name)
        },
        flags={name: node.get(name).flag() for name in FLAGS if node.has(name)},
        redirects=tuple(_redirect(item, turns) for item in node.get("redirects").items())
        if node.has("redirects")
        else None,
        promises=tuple(_promise(item, turns) for item in node.get("promises").items())
        if node.has("promises")
        else None,
        criteria={
            key: criteria.get(key).get("value").one_of(("yes", "no", "na"))
            for key in (criteria.keys() if node.has("criteria") else ())
        },
        scores={
            name: scores.get(name).number(1, 5)
            for name in DIMENSIONS
            if node.has("scores") and scores.has(name)
        },
    )


def _redirect(node: Node, turns: int) -> TruthRedirect:
    return TruthRedirect(
        turn=node.get("turn").place(turns),
        kind=node.get("kind").one_of(("cold", "warm", "verbal_number")),
        agency=node.get("to").text() if node.has("to") else None,
        number=node.get("number").text() if node.has("number") else None,
    )


def _promise(node: Node, turns: int) -> TruthPromise:
    return TruthPromise(
        turn=node.get("turn").place(turns),
        what=node.get("what").one_of(("callback", "reply", "other")),
    )
