"""Days written out beside a calendar: 10 September 2026 is a Thursday."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.backends.working_days import days_of, is_working
from pipeline.label.due import due_date
from tests import factories

THURSDAY = date(2026, 9, 10)


def weekdays(day: date) -> bool:
    return day.weekday() < 5


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("сегодня до конца дня", (9, 10)),
        ("завтра до обеда", (9, 11)),
        ("послезавтра", (9, 12)),
        ("в течение трёх рабочих дней", (9, 15)),
        ("за пять дней", (9, 15)),
        ("через два-три дня", (9, 13)),
        ("в течение суток", (9, 11)),
        ("через неделю", (9, 17)),
        ("две недели", (9, 24)),
        ("в течение месяца", (10, 10)),
        ("через сорок минут", (9, 10)),
        ("до пятнадцатого числа", (9, 15)),
        ("до десятого", (10, 10)),
        ("до 15-го", (9, 15)),
        ("не позднее двадцатого сентября", (9, 20)),
        ("пятого октября", (10, 5)),
        ("до пятницы", (9, 11)),
        ("в понедельник", (9, 14)),
        ("в четверг", (9, 17)),
        ("до конца недели", (9, 11)),
        ("на следующей неделе", (9, 18)),
        ("до конца месяца", (9, 30)),
        ("бүгін", (9, 10)),
        ("ертең түске дейін", (9, 11)),
        ("үш жұмыс күні ішінде", (9, 15)),
        ("он бес күнтізбелік күн ішінде", (9, 25)),
        ("он бесіне дейін", (9, 15)),
        ("бір апта ішінде", (9, 17)),
        ("дүйсенбіде", (9, 14)),
        ("сенбіде", (9, 12)),
        ("айдың соңына дейін", (9, 30)),
        ("жиырма төрт сағат ішінде", (9, 11)),
        ("within three working days", (9, 15)),
        ("in two weeks", (9, 24)),
        ("by Friday", (9, 11)),
        ("by the fifteenth", (9, 15)),
    ],
)
def test_terms_as_they_are_spoken(text: str, day: tuple[int, int]) -> None:
    assert due_date(text, THURSDAY, weekdays) == date(2026, *day)


@pytest.mark.parametrize("text", ["", "в ближайшее время", "как только сможем", "жақын арада"])
def test_words_that_name_no_day_give_none(text: str) -> None:
    assert due_date(text, THURSDAY, weekdays) is None


def test_a_month_later_ends_where_the_month_does() -> None:
    assert due_date("через месяц", date(2026, 1, 31), weekdays) == date(2026, 2, 28)
    assert due_date("до тридцать первого", date(2026, 9, 10), weekdays) == date(2026, 10, 31)
    assert due_date("первого января", date(2026, 12, 30), weekdays) == date(2027, 1, 1)


def test_public_holidays_of_kazakhstan_are_no_working_days() -> None:
    # Nauryz: 21 to 23 March 2026, with days off moved to the 24th and 25th
    said = date(2026, 3, 19)
    assert due_date("в течение двух рабочих дней", said, weekdays) == date(2026, 3, 23)
    assert due_date("в течение двух рабочих дней", said, is_working) == date(2026, 3, 26)


def test_a_call_without_a_date_has_no_calendar() -> None:
    assert days_of(factories.call(started_at=None, started_at_source=None)) is None
    days = days_of(factories.call())
    assert days is not None
    assert days.said_on == date(2026, 9, 4)  # by the call's own clock


@given(
    st.integers(1, 60),
    st.dates(date(2020, 1, 1), date(2030, 1, 1)),
)
def test_working_days_are_counted_one_by_one(count: int, said_on: date) -> None:
    found = due_date(f"в течение {count} рабочих дней", said_on, weekdays)
    assert found is not None
    between = [said_on + timedelta(n) for n in range(1, (found - said_on).days + 1)]
    assert sum(map(weekdays, between)) == count
    assert weekdays(found)
