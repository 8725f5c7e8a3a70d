"""A JSON file as a tree whose every mistake can be named."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TypeVar

from pipeline.errors import TruthError

T = TypeVar("T")


def parse_tree(json_text: str, name: str, wanted: str) -> Node:
    """The root of the tree; `name` is what errors call the file, `wanted` what it should be."""
    try:
        return Node(json.loads(json_text), name)
    except ValueError as error:
        raise TruthError(f"{name}: not JSON ({error}); {wanted} is one JSON object") from None


@dataclass(frozen=True, slots=True)
class Node:
    """A value of the tree, the name of the file, and the path to the value.

    Each reading method raises TruthError, naming all three and what is wanted.
    """

    value: object
    name: str
    path: str = ""

    def error(self, wanted: str) -> TruthError:
        seen = "nothing" if self.value is None else f"{self.value!r:.60}"
        return TruthError(f"{self.name}: {self.path or 'the whole'}: need {wanted}, got {seen}")

    def get(self, key: str) -> Node:
        if not isinstance(self.value, dict):
            raise self.error("an object")
        return Node(self.value.get(key), self.name, f"{self.path}.{key}" if self.path else key)

    def has(self, key: str) -> bool:
        return self.get(key).value is not None

    def items(self) -> list[Node]:
        if not isinstance(self.value, list):
            raise self.error("a list")
        return [
            Node(item, self.name, f"{self.path}[{place}]") for place, item in enumerate(self.value)
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

    def known(self, key: str) -> Node | None:
        """The value of a key; None where it is absent or null."""
        found = self.get(key)
        return None if found.value is None else found

    def _as(self, kind: type[T], wanted: str) -> T:
        if not isinstance(self.value, kind):
            raise self.error(wanted)
        return self.value
