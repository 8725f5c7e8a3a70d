"""Queues of a call centre as its administrators describe them: numbers, hours, closed dates.

Two spellings of the same description are read: TOML, and JSON with the keys `queues`,
`closed_dates`, `other_dids`. docs/access.md describes both.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from pipeline.errors import ConfigError
from pipeline.ingest.metadata import find_zone, only_known
from pipeline.ingest.numbers import normalise_number

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = 86400
_QUEUE_KEYS = ("name", "did", "dids", "hours")
_KEYS = (
    "timezone", "period_end", "queues", "closed_dates", "other_dids", "cdr",
    "utc_offset_hours", "month_start_local", "month_end_local_exclusive", "interval_rule",
)  # fmt: skip
#: Fields of a call detail record that are used; the others may stand in a layout and are passed by.
CDR_FIELDS = (
    "src", "dst", "did", "dcontext", "channel", "dstchannel", "start", "answer", "end",
    "duration", "billsec", "disposition", "uniqueid", "linkedid",
)  # fmt: skip
NEEDED_FIELDS = ("src", "dst", "start", "duration", "disposition", "uniqueid")


@dataclass(frozen=True, slots=True)
class AccessOptions:
    """Limits behind the access figures; they are printed with them."""

    #: s: a call is answered (or given up) in time when it waited at most this long
    threshold: int = 20
    #: s: who gives up earlier than this is a short abandon
    short_abandon: int = 5
    #: share, 0 to 1, of the out-of-hours attempts on weekdays that longer hours should cover
    coverage_target: float = 0.5
    #: attempts from which on a number that never answers counts as dead
    dead_attempts: int = 20

    def __post_init__(self) -> None:
        for name in ("threshold", "short_abandon", "dead_attempts"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must not be negative, got {getattr(self, name)}")
        if not 0 < self.coverage_target <= 1:
            raise ConfigError(f"coverage_target must lie in (0, 1], got {self.coverage_target}")


@dataclass(frozen=True, slots=True)
class OpenTime:
    """[start, end) in seconds after local midnight; `weekday` 0 is Monday."""

    weekday: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue, the numbers that lead to it, and when it is open."""

    queue: str
    name: str
    dids: tuple[str, ...]
    hours: tuple[OpenTime, ...]
    closed: tuple[date, ...] = ()

    def is_open(self, moment: datetime) -> bool:
        """Whether a local moment is in the opening hours: the opening second is, the closing not.

        >>> queue = Queue("7", "", (), (OpenTime(0, 9 * 3600, 17 * 3600),))
        >>> [queue.is_open(datetime(2026, 9, 7, h)) for h in (8, 9, 17)]
        [False, True, False]
        """
        second = moment.hour * 3600 + moment.minute * 60 + moment.second
        return moment.date() not in self.closed and any(
            time.weekday == moment.weekday() and time.start <= second < time.end
            for time in self.hours
        )


@dataclass(frozen=True, slots=True)
class CdrLayout:
    """How an exchange writes call detail records; empty `columns`: found from the file.

    `names` maps a field of ours to the name that a header gives it.
    """

    columns: tuple[str, ...] = ()
    names: tuple[tuple[str, str], ...] = ()
    delimiter: str = ","
    time_format: str = "%Y-%m-%d %H:%M:%S"
    id_pattern: str = "[0-9]{10}[.][0-9]+"
    inbound_contexts: tuple[str, ...] = ("from-trunk",)
    outbound_contexts: tuple[str, ...] = ("from-internal",)


@dataclass(frozen=True, slots=True)
class QueuePlan:
    """Everything that a queues file says. `period_end` is the local end of the logged period."""

    queues: tuple[Queue, ...]
    other_dids: tuple[tuple[str, str], ...] = ()
    zone: str | None = None
    period_end: datetime | None = None
    cdr: CdrLayout = field(default_factory=CdrLayout)


def parse_queues(text: str, name: str) -> QueuePlan:
    """A queues file, TOML or JSON by its content.

    Raises ConfigError that says what was found and what is allowed.
    """
    try:
        found = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        raise ConfigError(f"{name}: neither valid TOML nor JSON: {error}") from error
    root = _table(found, name)
    only_known(name, root, _KEYS)
    closed = _closed_dates(root, name)
    queues = tuple(
        _queue(str(key), _table(value, f"{name}: queue {key}"), closed, name)
        for key, value in _table(root.get("queues", {}), f"{name}: queues").items()
    )
    if not queues:
        raise ConfigError(f"{name}: describes no queue; a table [queues.ID] is expected for each")
    for day, which in closed:
        only_known(f"{name}: closed date {day}", which, [queue.queue for queue in queues])
    zone = root.get("timezone")
    plan = QueuePlan(
        queues=queues,
        other_dids=_other_dids(root.get("other_dids", {}), name),
        zone=None if zone is None else find_zone(str(zone)).key,
        period_end=_moment(root.get("period_end", root.get("month_end_local_exclusive")), name),
        cdr=_layout(_table(root.get("cdr", {}), f"{name}: cdr"), f"{name}: cdr"),
    )
    _check_dids(plan, name)
    return plan


def _table(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where}: a table is expected, got {type(value).__name__}")
    return value


def _texts(value: object, where: str) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise ConfigError(f"{where}: a text or a list of texts is expected, got {value!r}")


def _queue(
    key: str,
    table: Mapping[str, object],
    closed: tuple[tuple[date, tuple[str, ...]], ...],
    name: str,
) -> Queue:
    where = f"{name}: queue {key}"
    only_known(where, table, _QUEUE_KEYS)
    if key == "total":
        raise ConfigError(f"{where}: the name is taken by the row that pools all queues")
    hours = _table(table.get("hours", {}), f"{where}, hours")
    only_known(f"{where}, hours", hours, (*WEEKDAYS, "daily", "weekdays"))
    return Queue(
        queue=key,
        name=str(table.get("name", "")),
        dids=(
            *_texts(table.get("did", []), f"{where}, did"),
            *_texts(table.get("dids", []), f"{where}, dids"),
        ),
        hours=tuple(_hours(hours, where)),
        closed=tuple(day for day, which in closed if not which or key in which),
    )


def _hours(hours: Mapping[str, object], where: str) -> Iterable[OpenTime]:
    for weekday, day in enumerate(WEEKDAYS):
        common = hours.get("weekdays") if weekday < 5 else None
        given = hours.get(day, common if common is not None else hours.get("daily", []))
        if not isinstance(given, list):
            raise ConfigError(f"{where}, {day}: a list of intervals is expected, got {given!r}")
        before = 0
        for start, end in sorted(_interval(item, f"{where}, {day}") for item in given):
            if start < before:
                raise ConfigError(f"{where}, {day}: intervals overlap: {given!r}")
            yield OpenTime(weekday, start, end)
            before = end


def _interval(value: object, where: str) -> tuple[int, int]:
    """`["09:00", "13:00"]` or `"09:00-13:00"` in seconds."""
    parts = value.split("-") if isinstance(value, str) else value
    if not isinstance(parts, list) or len(parts) != 2:
        raise ConfigError(f'{where}: an interval is ["09:00", "18:00"], got {value!r}')
    start, end = (_clock(part, where) for part in parts)
    if start >= end:
        raise ConfigError(f"{where}: {value!r} ends before it begins; split it at 24:00")
    return start, end


def _clock(value: object, where: str) -> int:
    found = re.fullmatch(r"(\d\d?):(\d\d)", str(value).strip())
    second = int(found[1]) * 3600 + int(found[2]) * 60 if found else _DAY + 1
    if found is None or int(found[2]) > 59 or second > _DAY:
        raise ConfigError(f"{where}: a time is HH:MM from 00:00 to 24:00, got {value!r}")
    return second


def _closed_dates(
    root: Mapping[str, object], name: str
) -> tuple[tuple[date, tuple[str, ...]], ...]:
    """Each date with its queues; none named: all."""
    entries = root.get("closed_dates", [])
    if not isinstance(entries, list):
        raise ConfigError(f"{name}: closed_dates is a list of dates or tables, got {entries!r}")
    closed = []
    for entry in entries:
        table = entry if isinstance(entry, Mapping) else {"date": entry}
        only_known(f"{name}: closed_dates", table, ("date", "queues"))
        closed.append((_date(table.get("date"), name), _texts(table.get("queues", []), name)))
    return tuple(closed)


def _date(value: object, name: str) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError as error:
        raise ConfigError(f"{name}: a closed date is YYYY-MM-DD, got {value!r}") from error


def _moment(value: object, name: str) -> datetime | None:
    if value is None:
        return None
    try:
        return datetime.fromisoformat(str(value)).replace(tzinfo=None)
    except ValueError as error:
        raise ConfigError(f"{name}: period_end is a local date and time, got {value!r}") from error


def _other_dids(value: object, name: str) -> tuple[tuple[str, str], ...]:
    if isinstance(value, list):
        return tuple((did, "") for did in _texts(value, f"{name}: other_dids"))
    return tuple((did, str(what)) for did, what in _table(value, f"{name}: other_dids").items())


def _layout(table: Mapping[str, object], where: str) -> CdrLayout:
    keys = tuple(CdrLayout.__dataclass_fields__)
    only_known(where, table, keys)
    default = CdrLayout()
    names = _table(table.get("names", {}), f"{where}, names")
    only_known(f"{where}, names", names, CDR_FIELDS)
    columns = _texts(table.get("columns", []), f"{where}, columns")
    if columns and (lacking := sorted(set(NEEDED_FIELDS) - set(columns))):
        raise ConfigError(f"{where}, columns: {', '.join(lacking)} lacking; list every column")

    def contexts(key: str, usual: tuple[str, ...]) -> tuple[str, ...]:
        return _texts(table[key], f"{where}, {key}") if key in table else usual

    delimiter = str(table.get("delimiter", default.delimiter))
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise ConfigError(f"{where}: delimiter is one character, got {delimiter!r}")
    return CdrLayout(
        columns=columns,
        names=tuple((ours, str(theirs)) for ours, theirs in names.items()),
        delimiter=delimiter,
        time_format=str(table.get("time_format", default.time_format)),
        id_pattern=str(table.get("id_pattern", default.id_pattern)),
        inbound_contexts=contexts("inbound_contexts", default.inbound_contexts),
        outbound_contexts=contexts("outbound_contexts", default.outbound_contexts),
    )


def _check_dids(plan: QueuePlan, name: str) -> None:
    seen: set[str] = set()
    dids = [did for queue in plan.queues for did in queue.dids]
    for did in (*dids, *(did for did, _ in plan.other_dids)):
        spelled = normalise_number(did) or did
        if spelled in seen:
            raise ConfigError(f"{name}: number {did} stands twice; a number leads to one place")
        seen.add(spelled)
