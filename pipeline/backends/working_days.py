"""The working calendar of Kazakhstan, from the `holidays` package."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

from pipeline.label import Days
from pipeline.types import Call


@lru_cache(maxsize=4096)
def is_working(day: date) -> bool:
    """Monday to Friday without public holidays; days off that are moved count as holidays."""
    return day.weekday() < 5 and day not in _public(day.year)


@lru_cache(maxsize=16)
def _public(year: int) -> frozenset[date]:
    import holidays

    return frozenset(holidays.country_holidays("KZ", years=year))


def days_of(call: Call) -> Days | None:
    """The day of a call by its own clock with the working calendar; None where it has no date."""
    if call.started_at is None:
        return None
    return Days(call.started_at.date(), is_working)
