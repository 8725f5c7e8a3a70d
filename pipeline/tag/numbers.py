"""Who dictates a number, and who says it again: counted from the digits, not guessed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from pipeline.text import NumberSpan, numbers_in
from pipeline.text.patterns import compile_patterns, fold_text, spans
from pipeline.types import Turn

COUNTED = ("dictates_number", "number_read_back")

_REACH = 5  # turns back in which a read-back answers a dictation
_STROKES = ("дробь", "тире", "слеш", "слэш", "дефис", "сызыкша", "slash", "dash", "stroke")
_SHORT = 4  # digits of the shortest number that is announced as one
_ANNOUNCED = compile_patterns(
    [
        "(номер|иин|талон|код|исходящий|входящий)\\w* .. ",
        "(нөмір|жсн|талон|код)\\w* .. ",
        "(number|iin|reference|code|ticket) .. ",
    ]
)


@dataclass(frozen=True, slots=True)
class NumberAct:
    name: str
    turn: int
    start: int
    end: int
    probability: float


def number_acts(
    turns: tuple[Turn, ...], texts: tuple[str, ...], least: int
) -> tuple[NumberAct, ...]:
    """dictates_number (caller) and number_read_back (operator) with their place in the text.

    A caller who repeats what the operator dictated does not dictate. `least`: digits of the
    shortest number that counts.
    """
    acts: list[NumberAct] = []
    dictated: list[tuple[int, str]] = []
    offered: list[str] = []
    for turn, text in zip(turns, texts, strict=True):
        if turn.role == "operator":
            heard = numbers_in(text)
            said = [item for at, item in dictated if turn.index - at <= _REACH]
            echo = next((s for s in heard if any(_same(s.digits, item) for item in said)), None)
            if echo:
                acts.append(NumberAct("number_read_back", turn.index, echo.start, echo.end, 0.9))
            offered += [span.digits for span in heard]
        elif turn.role == "caller":
            for span in _joined(numbers_in(text), text):
                announced = bool(spans(_ANNOUNCED, fold_text(text[: span.start]).text))
                enough = min(least, _SHORT) if announced else least
                if _is_dictation(span, enough) and not any(_same(span.digits, o) for o in offered):
                    acts.append(
                        NumberAct("dictates_number", turn.index, span.start, span.end, 0.85)
                    )
                    dictated.append((turn.index, span.digits))
                    break
    return tuple(acts)


def _is_dictation(span: NumberSpan, least: int) -> bool:
    """Digits in groups; an amount of money is one round number."""
    if len(span.digits) < least:
        return False
    return len(span.groups) >= 3 or not any(group.endswith("00") for group in span.groups)


def _joined(heard: tuple[NumberSpan, ...], text: str) -> list[NumberSpan]:
    """Numbers with a spoken stroke between them are one: nine hundred stroke six."""
    joined: list[NumberSpan] = []
    for span in heard:
        if joined and fold_text(text[joined[-1].end : span.start]).text.strip() in _STROKES:
            last = joined[-1]
            digits, groups = last.digits + span.digits, last.groups + span.groups
            joined[-1] = replace(last, digits=digits, end=span.end, groups=groups)
        else:
            joined.append(span)
    return joined


def _same(left: str, right: str) -> bool:
    """Four digits in a row in common, or most digits in order (recognition errs in some)."""
    matcher = SequenceMatcher(None, left, right, autojunk=False)
    longest = matcher.find_longest_match().size
    return longest >= 4 or (min(len(left), len(right)) >= 4 and matcher.ratio() >= 0.7)
