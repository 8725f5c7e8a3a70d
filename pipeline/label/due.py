"""When a promise falls due: spoken terms in Russian, Kazakh and English against the call's date."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from datetime import date, timedelta

from pipeline.text import NumberSpan, fold, numbers_in

Working = Callable[[date], bool]

_DAY = timedelta(days=1)
_WEEKDAYS = (
    r"понедельник|дүйсенбі|monday", r"вторник|сейсенбі|tuesday", r"сред[уыае]|сәрсенбі|wednesday",
    r"четверг|бейсенбі|thursday", r"пятниц|жұма|friday",
    r"суббот|(?<!дүй)(?<!сей)(?<!сәр)(?<!бей)(?<!жек)сенбі|saturday",
    r"воскресень|жексенбі|sunday",
)  # fmt: skip
_MONTHS = (
    r"январ|қаңтар|january", r"феврал|ақпан|february", r"март|наурыз|march", r"апрел|сәуір|april",
    r"ма[йяе]\b|мамыр|\bmay\b", r"июн|маусым|june", r"июл|шілде|july", r"август|тамыз|august",
    r"сентябр|қыркүйек|september", r"октябр|қазан|october", r"ноябр|қараша|november",
    r"декабр|желтоқсан|december",
)  # fmt: skip
_WORKING = r"рабоч|жұмыс|working|business"
_MINUTES = r"минут|час|сағат|hour|minute"
_DAYS = r"дн[яеюей]|день|сут[ок]|\bкүн|\bday"
_WEEKS = r"недел|апта|week"
_MONTH = r"месяц|\bай(?:дың|ға|да|дан)?\b|month"
_YEAR = r"\bгод|\bжыл|year"
_END = r"кон[еце]+[цу]?|соң|аяғы|\bend\b"
_UNITS = "|".join((_MINUTES, _DAYS, _WEEKS, _MONTH, _YEAR))
_NEXT = r"следующ|келесі|\bnext\b"


def due_date(text: str, said_on: date, working: Working) -> date | None:
    """The last day on which the promise is kept, or None where the words name no day.

    "within three working days" counts days on which `working` is true, from the day after the
    call; "by the fifteenth" and "by Friday" are the next such day after the call; of a range
    (two or three weeks) the later end counts. Hours up to midnight fall due on the day of the
    call.
    """
    plain = _plain(text)
    for rule in (_named, _end_of, _calendar_day, _weekday, _after_units):
        found = rule(plain, said_on, working)
        if found is not None:
            return found
    return None


def _plain(text: str) -> str:
    """Folded words with numbers in digits; of a range the later number."""
    parts, at = [], 0
    for span in numbers_in(text):
        parts += [text[at : span.start], f" {_later(span)} "]
        at = span.end
    parts.append(text[at:])
    return " ".join(fold(word) for word in re.findall(r"[\w]+", " ".join(parts)))


def _later(span: NumberSpan) -> str:
    groups = span.groups
    if len(groups) == 2 and len(groups[0]) <= 2 and int(groups[0]) < int(groups[1]):
        return groups[1]
    return span.digits


def _named(plain: str, said_on: date, working: Working) -> date | None:
    del working
    days = (
        (r"послезавтра|бүрсігүн", 2),
        (r"\bзавтра|ертең|tomorrow", 1),
        (r"сегодня|бүгін|today", 0),
    )
    return next((said_on + n * _DAY for words, n in days if re.search(words, plain)), None)


def _end_of(plain: str, said_on: date, working: Working) -> date | None:
    """The end of this day, week (its last working day), month or year; or of the next one."""
    following = bool(re.search(_NEXT, plain))
    if not following and not re.search(_END, plain):
        return None
    if re.search(_WEEKS, plain):
        sunday = said_on + (6 - said_on.weekday() + 7 * following) * _DAY
        week = [sunday - n * _DAY for n in range(7)]
        return next((day for day in week if working(day) and day >= said_on), sunday)
    if re.search(_MONTH, plain):
        first = _months_later(said_on.replace(day=1), int(following))
        return first.replace(day=calendar.monthrange(first.year, first.month)[1])
    if re.search(_YEAR, plain):
        return date(said_on.year + following, 12, 31)
    if re.search(_DAYS, plain):
        return said_on + int(following) * _DAY
    return None


def _calendar_day(plain: str, said_on: date, working: Working) -> date | None:
    """«до 15 числа», «5 октября», "by the 15th": the next such day."""
    del working
    for month, words in enumerate(_MONTHS, start=1):
        found = re.search(
            rf"\b(\d{{1,2}}) (?:\w+ )?(?:{words})|(?:{words})\w* (?:the )?(\d{{1,2}})\b", plain
        )
        if found:
            return _next_date(said_on, int(found[1] or found[2]), month)
    found = re.search(
        r"\b(?:до|к|не позднее|by|until|before) (?:the )?(\d{1,2})"
        r"(?: числ\w*| го| th| st| rd| nd)?$"
        r"|\b(\d{1,2}) числ\w*|\b(\d{1,2})(?: сіне| іне| на| не)? (?:дейін|күніне)",
        plain,
    )
    if not found:
        return None
    day = int(found[1] or found[2] or found[3])
    for ahead in range(13):
        first = _months_later(said_on.replace(day=1), ahead)
        last = calendar.monthrange(first.year, first.month)[1]
        if 1 <= day <= last and first.replace(day=day) > said_on:
            return first.replace(day=day)
    return None


def _next_date(said_on: date, day: int, month: int) -> date | None:
    for year in (said_on.year, said_on.year + 1):
        if 1 <= day <= calendar.monthrange(year, month)[1]:
            found = date(year, month, day)
            if found >= said_on:
                return found
    return None


def _weekday(plain: str, said_on: date, working: Working) -> date | None:
    del working
    for weekday, words in enumerate(_WEEKDAYS):
        if re.search(words, plain):
            return said_on + ((weekday - said_on.weekday() - 1) % 7 + 1) * _DAY
    return None


def _after_units(plain: str, said_on: date, working: Working) -> date | None:
    """«в течение трёх рабочих дней», «через неделю», «үш күн ішінде», "in two weeks"."""
    found = re.search(
        rf"\b(\d{{1,4}}) (?=(?:\w+ ){{0,2}}?(?:{_UNITS}))",
        plain,
    )
    count = int(found[1]) if found else 1
    rest = plain[found.end() :] if found else plain
    places = [
        (match.start(), unit)
        for unit, words in (
            ("minutes", _MINUTES), ("days", _DAYS), ("weeks", _WEEKS), ("months", _MONTH),
            ("years", _YEAR),
        )
        if (match := re.search(words, rest))
    ]  # fmt: skip
    if not places:
        return None
    unit = min(places)[1]
    if unit == "minutes":
        hours = count if re.search(r"час|сағат|hour", rest) else count / 60
        return said_on + int(hours // 24) * _DAY
    if unit == "days":
        return (
            _working_days(said_on, count, working)
            if re.search(_WORKING, rest)
            else said_on + count * _DAY
        )
    if unit == "weeks":
        return said_on + 7 * count * _DAY
    return _months_later(said_on, count if unit == "months" else 12 * count)


def _working_days(said_on: date, count: int, working: Working) -> date:
    day = said_on
    while count:
        day += _DAY
        count -= working(day)
    return day


def _months_later(day: date, count: int) -> date:
    month = day.month - 1 + count
    year, month = day.year + month // 12, month % 12 + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))
