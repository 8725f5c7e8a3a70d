"""Patterns over folded text: how stems are written as data, and where they match.

Folded text is lower case, with ё as е and Kazakh letters as their Russian look-alikes (recognisers
mix them), without punctuation but a stand-alone "?", and with a space at both ends. A pattern is
a regular expression with three shorthands: `stem*` any ending, `a .. b` up to three words
between, `{name}` a list of alternatives. It begins and ends at a word's edge.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_LOOKALIKES = str.maketrans("ёәғқңөұүһі", "еагкноуухи")
_DROPPED = "'’ʼ`\u0301"  # apostrophes and the stress mark leave no gap
_GAP = r"(?: \\w+){0,3} "


@dataclass(frozen=True, slots=True)
class FoldedText:
    """Folded text and, for each of its characters, the place in the original."""

    text: str
    places: tuple[int, ...]

    def original(self, start: int, end: int) -> tuple[int, int]:
        return self.places[start], self.places[end - 1] + 1


def fold_text(text: str) -> FoldedText:
    """Fold for matching.

    >>> fold_text("Всё ясно? Сәлем!").text
    ' все ясно ? салем '
    """
    letters: list[str] = [" "]
    places: list[int] = [0]
    for place, character in enumerate(text):
        if character in _DROPPED:
            continue
        for letter in _shape(character):
            if letter != " " or letters[-1] != " ":
                letters.append(letter)
                places.append(place)
    if letters[-1] != " ":
        letters.append(" ")
        places.append(max(len(text) - 1, 0))
    return FoldedText("".join(letters), tuple(places))


def compile_patterns(
    patterns: Iterable[str], macros: Mapping[str, tuple[str, ...]] | None = None
) -> re.Pattern[str] | None:
    """One expression for all patterns, None without any. ValueError names the bad pattern."""
    bodies = {name: f"(?:{'|'.join(items)})" for name, items in (macros or {}).items()}
    expressions = [_checked(pattern, bodies) for pattern in patterns]
    return re.compile(rf"(?<!\w)(?:{'|'.join(expressions)})(?!\w)") if expressions else None


def spans(pattern: re.Pattern[str] | None, text: str) -> tuple[tuple[int, int], ...]:
    """Every match in folded text, without the spaces around it."""
    found: list[tuple[int, int]] = []
    for match in pattern.finditer(text) if pattern else ():
        start, end = match.span()
        while end > start and text[end - 1] == " ":
            end -= 1
        while start < end and text[start] == " ":
            start += 1
        if end > start:
            found.append((start, end))
    return tuple(found)


def _shape(character: str) -> str:
    if character == "?":
        return " ? "
    folded = character.casefold().translate(_LOOKALIKES)
    return folded if folded.isalnum() else " "


def _checked(pattern: str, bodies: Mapping[str, str]) -> str:
    """The regular expression behind the notation; ValueError says what is wrong with it."""
    expression = pattern
    for macro, body in bodies.items():
        expression = expression.replace("{" + macro + "}", body)
    expression = expression.translate(_LOOKALIKES)
    expression = re.sub(r"(?<!\\)([^\W\d_])\*", r"\1\\w*", expression)
    expression = re.sub(r" \.\. ", _GAP, expression)
    unknown = re.search(r"\{([a-z_]+)\}", expression)
    if unknown:
        known = ", ".join(bodies) or "none"
        raise ValueError(f"pattern {pattern!r}: no macro {unknown[1]}; known: {known}")
    if ".." in expression:
        raise ValueError(f"pattern {pattern!r}: a gap is ' .. ' with a space on both sides")
    if re.search(r"(?<!\\)[A-ZА-ЯЁ]", pattern):
        raise ValueError(f"pattern {pattern!r}: the text is lower case, so must patterns be")
    try:
        compiled = re.compile(expression)
    except re.error as error:
        raise ValueError(f"pattern {pattern!r} is not a regular expression: {error}") from error
    if compiled.match(""):
        raise ValueError(f"pattern {pattern!r} matches the empty text")
    return expression
