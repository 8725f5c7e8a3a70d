"""The reference of one call, as people labelled it, read from JSON.

Required: file, turns (each with start, end, speaker, role, text). Optional: duration, layout,
language, a turn's language, labels and every label: what is absent is None and is not scored.
Other keys are ignored. What is present must be right: every mistake is a `TruthError` that names
the file, the field, what was seen and what is allowed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar, cast

from pipeline.errors import TruthError
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


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Node:
    """A value of the JSON tree, the file's name and the path to the value."""

    value: object
    name: str
    path: str = ""

    def error(self, wanted: str) -> TruthError:
        seen = "nothing" if self.value is None else f"{self.value!r:.60}"
        return TruthError(f"{self.name}: {self.path or 'the whole'}: need {wanted}, got {seen}")

    def get(self, key: str) -> _Node:
        if not isinstance(self.value, dict):
            raise self.error("an object")
        return _Node(self.value.get(key), self.name, f"{self.path}.{key}" if self.path else key)

    def has(self, key: str) -> bool:
        return self.get(key).value is not None

    def items(self) -> list[_Node]:
        if not isinstance(self.value, list):
            raise self.error("a list")
        return [
            _Node(item, self.name, f"{self.path}[{place}]") for place, item in enumerate(self.value)
        ]

    def keys(self) -> list[str]:
        if not isinstance(self.value, dict):
            raise self.error("an object")
        return [str(key) for key in self.value]

    def text(self) -> str:
        return self._as(str, "a text")

    def flag(self) -> bool:
        return self._as(bool, "true or false")

    def number(self, low: float, high: float) -> float:
        value = self.value
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not low <= value <= high
        ):
            raise self.error(f"a number from {low:g} to {high:g}")
        return float(value)

    def one_of(self, allowed: tuple[str, ...]) -> str:
        if not isinstance(self.value, str) or self.value not in allowed:
            raise self.error(f"one of {', '.join(allowed)}")
        return self.value

    def place(self, count: int) -> int:
        """The index of one of `count` turns."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < count:
            raise self.error(f"the index of one of the {count} turns")
        return value

    def _as(self, kind: type[T], wanted: str) -> T:
        if not isinstance(self.value, kind):
            raise self.error(wanted)
        return self.value


def parse_truth(json_text: str, name: str) -> Truth:
    """The reference in `json_text`; `name` is what errors call it.

    >>> parse_truth('{"file": "a.wav", "turns": []}', "a.json").file
    'a.wav'

    Raises TruthError.
    """
    try:
        root = _Node(json.loads(json_text), name)
    except ValueError as error:
        raise TruthError(f"{name}: not JSON ({error}); a truth file is one JSON object") from None
    turns = tuple(_turn(node) for node in root.get("turns").items())
    return Truth(
        file=root.get("file").text(),
        duration=root.get("duration").number(0, 1e6) if root.has("duration") else None,
        layout=root.get("layout").one_of(("mono", "stereo")) if root.has("layout") else None,
        language=_language(root),
        turns=turns,
        labels=_labels(root.get("labels"), len(turns)) if root.has("labels") else None,
    )


def _language(node: _Node) -> Language | None:
    if not node.has("language"):
        return None
    return cast(Language, node.get("language").one_of(LANGUAGES))


def _turn(node: _Node) -> TruthTurn:
    start = node.get("start").number(0, 1e6)
    return TruthTurn(
        start=start,
        end=node.get("end").number(start, 1e6),
        speaker=node.get("speaker").text(),
        role=cast(Role, node.get("role").one_of(ROLES)),
        text=node.get("text").text(),
        language=_language(node),
    )


def _labels(node: _Node, turns: int) -> TruthLabels:
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


def _redirect(node: _Node, turns: int) -> TruthRedirect:
    return TruthRedirect(
        turn=node.get("turn").place(turns),
        kind=node.get("kind").one_of(("cold", "warm", "verbal_number")),
        agency=node.get("to").text() if node.has("to") else None,
        number=node.get("number").text() if node.has("number") else None,
    )


def _promise(node: _Node, turns: int) -> TruthPromise:
    return TruthPromise(
        turn=node.get("turn").place(turns),
        what=node.get("what").one_of(("callback", "reply", "other")),
    )
