"""Numerals of Russian, Kazakh and English, in every form that speech uses, and their grammar.

`LEXICON` maps a folded word to its value and to the way it joins its neighbours; `Compound` is
the grammar: it takes numerals one by one for as long as they make one number. The tables are
built from stems and endings once, at import. No form belongs to two languages with two values
except the Kazakh «он» (ten; Russian "he"), which the package admits by context.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

#: zero stands alone; unit 1–9; teen 10–19 in one word; ten 10–90; hundred 100–900 in one word;
#: times_hundred multiplies a unit before it (екі жүз), teen_hundred a teen too (fourteen hundred);
#: scale is a thousand and more.
Kind = Literal["zero", "unit", "teen", "ten", "hundred", "times_hundred", "teen_hundred", "scale"]


@dataclass(frozen=True, slots=True)
class Numeral:
    """One numeral word. `ordinal` ends a number; `bound` counts only inside a compound."""

    value: int
    kind: Kind
    ordinal: bool = False
    bound: bool = False


def _kind(value: int) -> Kind:
    if value == 0:
        return "zero"
    if value >= 1000:
        return "scale"
    if value >= 100:
        return "hundred"
    if value >= 20:
        return "ten"
    return "unit" if value < 10 else "teen"


# ---------------------------------------------------------------- Russian
# Left out, since the other meaning is the usual one: «семью» (family), «одни, одних, одними»
# (some, alone), «первых, вторых, …, пятых» («во-первых»).
_RU_CARDINAL: Mapping[int, str] = {
    0: "ноль ноля нолю нолем ноле ноли нолей нуль нуля нулю нулем нуле нули нулей",
    1: "один одна одно одного одной одному одним одном одну одною",
    2: "два две двух двум двумя",
    3: "три трех трем тремя",
    4: "четыре четырех четырем четырьмя",
    7: "семь семи",
    8: "восемь восьми восемью восьмью",
    40: "сорок сорока",
    90: "девяносто девяноста",
    100: "сто ста",
    200: "двести двухсот двумстам двумястами двухстах",
    300: "триста трехсот тремстам тремястами трехстах",
    400: "четыреста четырехсот четыремстам четырьмястами четырехстах",
    1000: "тысяча тысячи тысяч тысяче тысячу тысячей тысячью тысячам тысячами тысячах"
    " тыща тыщи тыщ тыще тыщу тыщей",
    10**6: "миллион миллиона миллионов миллиону миллионом миллионе миллионы миллионам"
    " миллионами миллионах",
    10**9: "миллиард миллиарда миллиардов миллиарду миллиардом миллиарде миллиарды миллиардам"
    " миллиардами миллиардах",
}
# Stems that take -ь, -и, -ью (five to twenty and thirty).
_RU_SOFT: Mapping[int, str] = {
    5: "пят", 6: "шест", 9: "девят", 10: "десят", 11: "одиннадцат", 12: "двенадцат",
    13: "тринадцат", 14: "четырнадцат", 15: "пятнадцат", 16: "шестнадцат", 17: "семнадцат",
    18: "восемнадцат", 19: "девятнадцат", 20: "двадцат", 30: "тридцат",
}  # fmt: skip
# (nominative, genitive, instrumental) of the first half of 50–80 and 500–900.
_RU_HALVES: Mapping[int, tuple[str, str, str]] = {
    5: ("пять", "пяти", "пятью"), 6: ("шесть", "шести", "шестью"), 7: ("семь", "семи", "семью"),
    8: ("восемь", "восьми", "восемью"), 9: ("девять", "девяти", "девятью"),
}  # fmt: skip
_RU_ORDINAL: Mapping[int, str] = {
    0: "нулев", 1: "перв", 2: "втор", 4: "четверт", 5: "пят", 6: "шест", 7: "седьм", 8: "восьм",
    9: "девят", 40: "сороков", 50: "пятидесят", 60: "шестидесят", 70: "семидесят",
    80: "восьмидесят", 90: "девяност", 100: "сот", 200: "двухсот", 300: "трехсот",
    400: "четырехсот", 500: "пятисот", 600: "шестисот", 700: "семисот", 800: "восьмисот",
    900: "девятисот", 1000: "тысячн", 2000: "двухтысячн", 3000: "трехтысячн",
    10**6: "миллионн", 10**9: "миллиардн",
}  # fmt: skip
_RU_ORDINAL_ENDINGS = "ый ой ого ому ым ом ая ую ою ое ые ых ыми"
_RU_THIRD = "третий третьего третьему третьим третьем третья третьей третью третье третьи третьими"
_RU_EXCLUDED = {"первых", "вторых", "четвертых", "пятых"}


def _russian() -> Iterable[tuple[str, Numeral]]:
    for value, forms in _RU_CARDINAL.items():
        for form in forms.split():
            yield form, Numeral(value, _kind(value))
    for value, stem in _RU_SOFT.items():
        for ending in ("ь", "и", "ью"):
            yield stem + ending, Numeral(value, _kind(value))
    for half, (nominative, genitive, instrumental) in _RU_HALVES.items():
        if half != 9:
            for form in (
                f"{nominative}десят", f"{genitive}десяти",
                f"{instrumental}десятью", f"{genitive}десятью",
            ):  # fmt: skip
                yield form, Numeral(10 * half, "ten")
        for form in (
            f"{nominative}сот", f"{genitive}сот", f"{genitive}стам",
            f"{instrumental}стами", f"{genitive}стах",
        ):  # fmt: skip
            yield form, Numeral(100 * half, "hundred")
    soft = {value: stem for value, stem in _RU_SOFT.items() if value >= 10}
    for value, stem in {**_RU_ORDINAL, **soft}.items():
        for ending in _RU_ORDINAL_ENDINGS.split():
            if stem + ending not in _RU_EXCLUDED:
                yield stem + ending, Numeral(value, _kind(value), ordinal=True)
    for form in _RU_THIRD.split():
        yield form, Numeral(3, "unit", ordinal=True)


# ---------------------------------------------------------------- Kazakh
_KK_STEMS: Mapping[int, str] = {
    0: "нөл", 1: "бір", 2: "екі", 3: "үш", 4: "төрт", 5: "бес", 6: "алты", 7: "жеті", 8: "сегіз",
    9: "тоғыз", 10: "он", 20: "жиырма", 30: "отыз", 40: "қырық", 50: "елу", 60: "алпыс",
    70: "жетпіс", 80: "сексен", 90: "тоқсан", 100: "жүз", 1000: "мың", 10**6: "миллион",
    10**9: "миллиард",
}  # fmt: skip
_KK_CASES = (
    "ға ге қа ке да де та те дан ден тан тен нан нен ның нің дың дің тың тің ны ні ды ді ты ті"
    " мен бен пен"
)
_KK_POSSESSIVE_CASES = [
    vowel + ending
    for vowel in ("ы", "і", "сы", "сі")
    for ending in ("на", "не", "нда", "нде", "нан", "нен", "ның", "нің")
]
_KK_ORDINALS = "ншы нші ыншы інші сыншы"
# «бірге» together, «бірде» once, «бірден» at once …: a number only after tens («он бірде»).
_KK_BOUND = {"бірге", "бірде", "бірден", "бірінде", "біріне", "бірінен", "бірінің"}
# «онда» then, there; «онды» good; «жүзінде» on the face of, in fact, and its cases.
_KK_EXCLUDED = {"онда", "онды", "жүзіне", "жүзінде", "жүзінен", "жүзінің"}


def _kazakh_kind(value: int) -> Kind:
    return "ten" if value == 10 else "times_hundred" if value == 100 else _kind(value)


def _kazakh() -> Iterable[tuple[str, Numeral]]:
    for value, stem in _KK_STEMS.items():
        kind = _kazakh_kind(value)
        for ending in ("", *_KK_CASES.split(), *_KK_POSSESSIVE_CASES):
            if (form := stem + ending) not in _KK_EXCLUDED:
                yield form, Numeral(value, kind, bound=form in _KK_BOUND)
        for root in (stem, "қырқ") if value == 40 else (stem,):
            for ordinal in _KK_ORDINALS.split():
                for ending in ("", *_KK_CASES.split(), *_KK_POSSESSIVE_CASES):
                    yield root + ordinal + ending, Numeral(value, kind, ordinal=True)


# ---------------------------------------------------------------- English
_EN_CARDINAL: Mapping[int, str] = {
    0: "zero nought", 1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six",
    7: "seven", 8: "eight", 9: "nine", 10: "ten", 11: "eleven", 12: "twelve", 13: "thirteen",
    14: "fourteen", 15: "fifteen", 16: "sixteen", 17: "seventeen", 18: "eighteen",
    19: "nineteen", 20: "twenty", 30: "thirty", 40: "forty fourty", 50: "fifty", 60: "sixty",
    70: "seventy", 80: "eighty", 90: "ninety", 100: "hundred", 1000: "thousand",
    10**6: "million", 10**9: "billion",
}  # fmt: skip
_EN_IRREGULAR = {1: "first", 2: "second", 3: "third", 5: "fifth", 8: "eighth", 9: "ninth",
                 12: "twelfth"}  # fmt: skip


def _english() -> Iterable[tuple[str, Numeral]]:
    for value, forms in _EN_CARDINAL.items():
        kind: Kind = "teen_hundred" if value == 100 else _kind(value)
        for form in forms.split():
            yield form, Numeral(value, kind)
            stem = form[:-1] + "ie" if form.endswith("y") else form
            yield _EN_IRREGULAR.get(value, stem + "th"), Numeral(value, kind, ordinal=True)
    # "second" is a unit of time at least as often: a number only after tens ("twenty second").
    yield "second", Numeral(2, "unit", ordinal=True, bound=True)
    # "one oh nine": a digit between digits, an exclamation elsewhere.
    yield "oh", Numeral(0, "zero", bound=True)


#: Folded word (`fold`) → numeral. Earlier languages win where a form is shared («миллион»).
LEXICON: Mapping[str, Numeral] = {
    **dict(_english()), **dict(_kazakh()), **dict(_russian())
}  # fmt: skip


class Compound:
    """One number as far as it has been heard; `take` grows it or refuses.

    A numeral joins when it fits below what was said last (двести → двадцать → пять), a scale
    multiplies what was said since the last larger scale, an ordinal and a zero close the number.

    >>> number = Compound()
    >>> [number.take(LEXICON[word]) for word in "тысяча четыреста четырнадцать восемь".split()]
    [True, True, True, False]
    >>> number.digits
    '1414'
    """

    def __init__(self) -> None:
        self._total = 0
        self._group = 0
        self._scale = 10**12
        self._floor = 1000  # what joins the group next must be smaller than this
        self._empty = True
        self._closed = False
        self._literal: str | None = None

    @property
    def digits(self) -> str:
        return self._literal if self._literal is not None else str(self._total + self._group)

    @property
    def is_round(self) -> bool:
        """After tens, hundreds or thousands: the place for a bound form («он бірде»)."""
        return not self._empty and not self._closed and self._floor in (10, 100, 1000)

    @property
    def takes_and(self) -> bool:
        """After hundreds or thousands: the place for the English "and"."""
        return not self._empty and not self._closed and self._floor in (100, 1000)

    def take(self, numeral: Numeral) -> bool:
        """Join one more word; False leaves the number as it was."""
        if self._closed or not self._join(numeral):
            return False
        self._empty = False
        self._closed = numeral.ordinal or numeral.kind == "zero"
        return True

    def take_digits(self, digits: str) -> bool:
        """Join a number written in digits: first of all, or right after a scale («2 тысячи 24»)."""
        if self._closed:
            return False
        is_amount = digits[0] != "0" and len(digits) <= 12
        if self._empty:
            self._literal, self._floor, self._closed = digits, 1, not is_amount
            self._group = int(digits) if is_amount else 0
        elif is_amount and self._floor == 1000 and len(digits) <= 3:
            self._group, self._floor = int(digits), 1
        else:
            return False
        self._empty = False
        return True

    def _join(self, numeral: Numeral) -> bool:
        if numeral.kind == "zero":
            return self._empty
        if numeral.kind == "scale":
            return self._join_scale(numeral.value)
        if numeral.kind in ("times_hundred", "teen_hundred"):
            return self._join_hundred(10 if numeral.kind == "times_hundred" else 20)
        size = {"unit": 10, "teen": 100, "ten": 100, "hundred": 1000}[numeral.kind]
        if size > self._floor:
            return False
        self._group += numeral.value
        self._floor = {"unit": 1, "teen": 1, "ten": 10, "hundred": 100}[numeral.kind]
        return True

    def _join_scale(self, value: int) -> bool:
        if value >= self._scale:
            return False
        if value % 1000 or value not in (1000, 10**6, 10**9):  # «двухтысячный»
            if not self._empty:
                return False
            self._total = value
        else:
            self._total += (self._group or 1) * value
        self._literal = None
        self._group, self._floor, self._scale = 0, 1000, value
        return True

    def _join_hundred(self, limit: int) -> bool:
        if self._group == 0 and self._floor == 1000:
            self._group = 100
        elif self._literal is None and self._floor == 1 and 1 <= self._group < limit:
            self._group *= 100
        else:
            return False
        self._floor = 100
        return True
