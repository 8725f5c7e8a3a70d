"""Text as it is compared: folded words, numbers in one form whether spoken or written.

Numbers. Recognisers write «109», people say «сто девять» or «один ноль девять», and the same
eleven digits of a telephone are said in three, four or five groups. A run of numerals is cut into
the numbers that the grammar of the language allows (`pipeline.text.numerals`), each number
becomes its digits, and numbers next to each other are written together: grouping leaves no trace.
For error rates `tokens` takes a number digit by digit. So

- the token sequence does not depend on how a speaker or a writer groups digits,
- one wrong digit in a telephone number costs one error, not the whole number,
- different amounts always differ: the digits of an amount are unique.

What this cannot tell apart is what the ear cannot either: «двадцать, пять» (20 and 5) and «двести
пять» both give 205. A comma or full stop between numerals ends a number, white space and a hyphen
do not: «двадцать, пять» is 205, «двадцать пять» is 25. Fractions («полтора», «3,5»), collective
numerals («двое») and signs (%, №) are outside.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from pipeline.text.numerals import LEXICON, Compound, Numeral
from pipeline.types import Language

__all__ = ["NumberSpan", "find_quote", "fold", "normalise", "numbers_in", "tokens"]

_LETTER = r"[^\W\d_][\u0300-\u036f]*"
_PIECE = re.compile(rf"[0-9]+|{_LETTER}(?:['’ʼ]?{_LETTER})*")
_JOINS_COMPOUND = re.compile(r"[\s\u00ad‐‑–-]*")  # white space and hyphens
_ENDS_DICTATION = re.compile(r"[!?…]")
_KAZAKH = re.compile("[әғқңөұүһі]")
_CYRILLIC = re.compile("[а-яә-ӹіѐ-џҐ-ӿ]")
_TO_CYRILLIC = str.maketrans("aeopcxyihkmtbəɵ", "аеорсхуіһкмтвәө")
# Endings written after digits: 25-го, 15-ші, 109-ға, 5th.
_AFTER_HYPHEN = re.compile(
    r"й|го|му|м|е|я|ю|х|ми|ти|[ыо]й|[ое]го|[ое]му|[ыои]м|ая|ую|ое|ые|[ыи]х|[ыи]ми|ью|"
    r"[ыі]?н?(?:шы|ші)|[гқк][аеі]|ға|[дт][ае]н?|н[ае]н|[ндт][ыі]ң?|[мбп]ен|с?[ыі]н?[дн]?[ае]?н?|"
    r"st|nd|rd|th|s"
)
_AFTER_DIGIT = re.compile(r"го|му|ый|ой|ти|[ыі]?н?(?:шы|ші)|st|nd|rd|th")


@dataclass(frozen=True, slots=True)
class NumberSpan:
    """Numbers said or written one after another: text[start:end].

    digits: all digits in order; groups: the numbers as they were said («шестьдесят шесть, ноль
    семь» → "66", "0", "7"; digits "6607").
    """

    digits: str
    start: int
    end: int
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    start: int
    end: int

    @property
    def is_digits(self) -> bool:
        return "0" <= self.text[0] <= "9"


def fold(word: str) -> str:
    """One word for comparison: lower case, ё as е, no stress marks, apostrophes, Latin lookalikes.

    >>> fold("Ёлка"), fold("Don't"), fold("за\\u0301мок")
    ('елка', 'dont', 'замок')
    """
    word = unicodedata.normalize("NFC", word.casefold()).replace("ё", "е")
    word = re.sub(r"[\u0300-\u036f'’ʼ]", "", word)
    return word.translate(_TO_CYRILLIC) if _CYRILLIC.search(word) else word


def normalise(text: str, language: Language | None = None) -> str:
    """Folded words and numbers, one space between them; punctuation and hyphens are gone.

    `language` decides only whether «он» is the Kazakh ten; None: judged from the text.

    >>> normalise("Звоните на один ноль девять, ещё раз: сто девять!")
    'звоните на 109 еще раз 109'
    >>> normalise("тел. 8 (702) 666-41-20")
    'тел 87026664120'
    >>> normalise("жиырма бесінші қыркүйек"), normalise("25-ші қыркүйек")
    ('25 қыркүйек', '25 қыркүйек')
    """
    pieces = _pieces(text)
    parts: list[str] = []
    after_number = False
    done = 0
    for number, first, last in _numbers(text, pieces, language):
        words = [piece.text for piece in pieces[done:first]]
        if words or not after_number:
            parts += [*words, number]
        else:
            parts[-1] += number
        done, after_number = last, True
    parts += [piece.text for piece in pieces[done:]]
    return " ".join(parts)


def tokens(text: str, language: Language | None = None) -> tuple[str, ...]:
    """What error rates count: folded words, and every digit by itself.

    >>> tokens("На 109, пожалуйста")
    ('на', '1', '0', '9', 'пожалуйста')
    """
    return tuple(
        token
        for word in normalise(text, language).split()
        for token in (word if "0" <= word[0] <= "9" else (word,))
    )


def numbers_in(text: str, language: Language | None = None) -> tuple[NumberSpan, ...]:
    """Every number of the text; neighbours without a word, «!», «?» or «…» between them are one.

    A dictated number thus comes out whole; `groups` still shows a short number that stood beside
    another one. Single words such as «один» are numbers too: the caller judges by length.

    >>> [span.digits for span in numbers_in("семь, один. Сто девять? Два")]
    ['71109', '2']
    """
    pieces = _pieces(text)
    spans: list[NumberSpan] = []
    previous = -1
    for number, first, last in _numbers(text, pieces, language):
        start, end = pieces[first].start, pieces[last - 1].end
        if previous == first and not _ENDS_DICTATION.search(text[spans[-1].end : start]):
            head = spans[-1]
            spans[-1] = NumberSpan(head.digits + number, head.start, end, (*head.groups, number))
        else:
            spans.append(NumberSpan(number, start, end, (number,)))
        previous = last
    return tuple(spans)


def find_quote(quote: str, text: str) -> tuple[int, int] | None:
    """Where the quote stands in the text, word for word; only case and white space may differ.

    The quote must begin and end where words do. None: it is not there, or it is blank.

    >>> find_quote("не к  НАМ", "Нет, это не к нам.")
    (9, 17)
    >>> find_quote("на", "Она сама") is None
    True
    """
    words = quote.split()
    if not words:
        return None
    pattern = r"\s+".join(re.escape(word) for word in words)
    before = r"(?<!\w)" if re.match(r"\w", words[0]) else ""
    after = r"(?!\w)" if re.search(r"\w$", words[-1]) else ""
    found = re.search(before + pattern + after, text, re.IGNORECASE)
    return found.span() if found else None


def _pieces(text: str) -> list[_Piece]:
    found = (_Piece(fold(m.group()), m.start(), m.end()) for m in _PIECE.finditer(text))
    return [piece for piece in found if piece.text]


def _numbers(
    text: str, pieces: list[_Piece], language: Language | None
) -> list[tuple[str, int, int]]:
    """(digits, first piece, piece after the last) of each number, in order."""
    words = _known(pieces, language)
    found: list[tuple[str, int, int]] = []
    at = 0
    while at < len(pieces):
        number = Compound()
        end = _grow(text, pieces, words, at, number)
        if end > at:
            found.append((number.digits, at, end))
        at = max(end, at + 1)
    return found


def _known(pieces: list[_Piece], language: Language | None) -> list[Numeral | None]:
    """The numeral that each piece is; «он» counts in Kazakh text or before a Kazakh unit."""
    words = [LEXICON.get(piece.text) for piece in pieces]
    special = sum(bool(_KAZAKH.search(piece.text)) for piece in pieces)
    kazakh = language == "kk" or (language is None and 4 * special >= len(pieces))
    for at, piece in enumerate(pieces):
        after = pieces[at + 1].text if at + 1 < len(pieces) else ""
        if piece.text == "он" and not kazakh and after not in _KAZAKH_UNITS:
            words[at] = None
    return words


_KAZAKH_UNITS = {"бір", "екі", "үш", "төрт", "бес", "алты", "жеті", "сегіз", "тоғыз"}


def _grow(
    text: str, pieces: list[_Piece], words: list[Numeral | None], at: int, number: Compound
) -> int:
    """Take pieces from `at` on into `number`; returns the place after the last one taken."""
    end, cursor = at, at + _is_article(text, pieces, words, at)
    while cursor < len(pieces) and (cursor == at or _joined(text, pieces, cursor)):
        piece, numeral = pieces[cursor], words[cursor]
        if piece.is_digits:
            if not number.take_digits(piece.text):
                break
            cursor += 1 + _has_ending(text, pieces, cursor)
            end = cursor
        elif numeral is not None:
            if numeral.bound and not _is_bound(pieces, words, cursor, number):
                break
            if not number.take(numeral):
                break
            cursor += 1
            end = cursor
        elif piece.text == "and" and number.takes_and and _is_small(words, cursor + 1):
            cursor += 1
        else:
            break
    return end


def _joined(text: str, pieces: list[_Piece], at: int) -> bool:
    """No punctuation between this piece and the one before."""
    return bool(_JOINS_COMPOUND.fullmatch(text, pieces[at - 1].end, pieces[at].start))


def _is_article(text: str, pieces: list[_Piece], words: list[Numeral | None], at: int) -> bool:
    """«a» in "a hundred": part of the number."""
    if pieces[at].text != "a" or at + 1 >= len(pieces) or not _joined(text, pieces, at + 1):
        return False
    after = words[at + 1]
    return after is not None and after.kind in ("teen_hundred", "scale") and not after.ordinal


def _is_small(words: list[Numeral | None], at: int) -> bool:
    """A number below a hundred: what may follow "two hundred and"."""
    numeral = words[at] if at < len(words) else None
    return numeral is not None and numeral.kind in ("unit", "teen", "ten") and not numeral.bound


def _is_bound(pieces: list[_Piece], words: list[Numeral | None], at: int, number: Compound) -> bool:
    """A bound form counts after tens («он бірде»), "oh" between two numbers ("one oh nine")."""
    if words[at] != LEXICON["oh"]:
        return number.is_round
    return 0 < at < len(pieces) - 1 and all(
        words[place] is not None or pieces[place].is_digits for place in (at - 1, at + 1)
    )


def _has_ending(text: str, pieces: list[_Piece], at: int) -> bool:
    """The next piece is a grammatical ending of this number in digits (25-го, 15-ші, 5th)."""
    if at + 1 >= len(pieces):
        return False
    gap = text[pieces[at].end : pieces[at + 1].start]
    endings = {"": _AFTER_DIGIT, "-": _AFTER_HYPHEN, "‐": _AFTER_HYPHEN, "‑": _AFTER_HYPHEN}
    return gap in endings and bool(endings[gap].fullmatch(pieces[at + 1].text))
