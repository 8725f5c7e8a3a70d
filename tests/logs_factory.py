"""A month of an invented contact centre: calls, the logs Asterisk would write of them, the truth.

`python -m tests.logs_factory` writes data/samples/logs anew. The truth is counted from the list of
calls, in loops that follow docs/access.md word by word, and never reads a log.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

from pipeline.ingest import Queue, QueuePlan, parse_queues

ZONE = timezone(timedelta(hours=5))
SAMPLES = Path(__file__).parent.parent / "data" / "samples" / "logs"
DAY = timedelta(days=1)

QUEUES_TOML = """\
# Queues of an invented contact centre; docs/access.md describes the keys.
timezone = "Asia/Almaty"
period_end = "2026-11-01 00:00:00"

[queues.501]
name = "reception of the ministry"
did = "7172440501"
[queues.501.hours]
weekdays = [["09:00", "13:00"], ["14:30", "18:30"]]

[queues.502]
name = "benefits and pensions"
dids = ["7172440502", "1450"]
[queues.502.hours]
weekdays = [["08:30", "17:30"]]
sat = [["10:00", "14:00"]]

[queues.503]
name = "emergency line of the utilities"
did = "7172440503"
[queues.503.hours]
daily = [["00:00", "24:00"]]

[[closed_dates]]
date = 2026-10-26
queues = ["501", "502"]

[other_dids]
7172440599 = "fax that nobody answers"
7172440500 = "front desk"
"""


@dataclass(frozen=True, slots=True)
class Stay:
    """A stay in a queue: `wait` s until `end`; talk and its ending when answered."""

    queue: str
    uniqueid: str
    entered: datetime
    end: str  # CONNECT, ABANDON, EXITWITHTIMEOUT, EXITEMPTY, JOINEMPTY
    wait: int = 0
    talk: int = 0
    talk_end: str = ""  # COMPLETEAGENT, COMPLETECALLER, BLINDTRANSFER, ATTENDEDTRANSFER
    rings: int = 0


@dataclass(frozen=True, slots=True)
class SimCall:
    """A call from outside, or an outbound one (`called`); `number` is normalised, None withheld."""

    start: datetime
    sequence: int
    number: str | None
    spelled: str
    did: str = ""
    called: bool = False
    disposition: str = "ANSWERED"
    duration: int = 10
    stays: tuple[Stay, ...] = ()

    @property
    def uniqueid(self) -> str:
        return f"{int(self.start.timestamp())}.{self.sequence}"


@dataclass(frozen=True, slots=True)
class Month:
    plan: QueuePlan
    calls: tuple[SimCall, ...] = field(repr=False)

    def queue_of(self, did: str) -> Queue | None:
        return next((queue for queue in self.plan.queues if did in queue.dids), None)


def month(seed: int = 1, calls: int = 1100, first: date = date(2026, 10, 1)) -> Month:
    """A month of about `calls` calls from `first` on; the same seed gives the same month."""
    made = _Simulation(random.Random(seed), parse_queues(QUEUES_TOML, "queues.toml"), first)
    return made.month(calls)


class _Simulation:
    def __init__(self, dice: random.Random, plan: QueuePlan, first: date) -> None:
        self.dice, self.plan, self.first = dice, plan, first
        self.sequence = 100
        self.calls: list[SimCall] = []
        self.people = [f"+77{dice.choice('0457')}{dice.randrange(10**8):08}" for _ in range(160)]
        self.people += [f"+9989{dice.randrange(10**8):08}" for _ in range(6)]

    def month(self, count: int) -> Month:
        while len(self.calls) < count:
            self._person()
        self._edges()
        calls = sorted(self.calls, key=lambda call: (call.start, call.sequence))
        return Month(self.plan, tuple(calls))

    def _next(self) -> int:
        self.sequence += self.dice.randrange(1, 4)
        return self.sequence

    def _moment(self) -> datetime:
        hour = self.dice.choice([*range(7, 20), *range(9, 18), 12, 13, 13, 23, 2])
        day = (
            datetime.combine(self.first, datetime.min.time(), ZONE) + self.dice.randrange(31) * DAY
        )
        return day + timedelta(seconds=hour * 3600 + self.dice.randrange(3600))

    def _did(self) -> str:
        dids = [did for queue in self.plan.queues for did in queue.dids]
        others = [did for did, _ in self.plan.other_dids]
        return self.dice.choice(dids * 4 + others)

    def _person(self) -> None:
        """Tries of one person in a row, perhaps called back."""
        number = self.dice.choice(self.people) if self.dice.random() > 0.04 else None
        did, start = self._did(), self._moment()
        for _ in range(self.dice.choice([1, 1, 1, 2, 3, 5])):
            call = self._call(start, number, did)
            self.calls.append(call)
            if any(stay.end == "CONNECT" for stay in call.stays) and self.dice.random() < 0.8:
                break
            wait = self.dice.choice([120, 900, 7200, 40000, 86399, 86400, 86401])
            start += timedelta(seconds=wait)
            if (start - timedelta(days=31)).date() >= self.first:
                break
        if number and self.dice.random() < 0.3:
            self._call_back(number, start)

    def _call_back(self, number: str, start: datetime) -> None:
        later = start + timedelta(seconds=self.dice.choice([0, 60, 5000, 90000, 172800, 172801]))
        answered = self.dice.random() < 0.6
        state = "ANSWERED" if answered else "NO ANSWER"
        self.calls.append(
            SimCall(later, self._next(), number, _spell(self.dice, number), called=True,
                    disposition=state, duration=self.dice.randrange(5, 200))
        )  # fmt: skip

    def _edges(self) -> None:
        """Openings, closings and midnights, to the second."""
        for queue in self.plan.queues:
            for time in queue.hours:
                for second in (time.start - 1, time.start, time.end - 1, time.end):
                    day = self.first + (time.weekday - self.first.weekday()) % 7 * DAY
                    start = datetime.combine(day, datetime.min.time(), ZONE)
                    number = self.dice.choice(self.people)
                    moment = start + timedelta(seconds=max(0, second))
                    self.calls.append(self._call(moment, number, queue.dids[0]))

    def _call(self, start: datetime, number: str | None, did: str) -> SimCall:
        dice = self.dice
        spelled = dice.choice(["anonymous", "", "Restricted"])
        spelled = _spell(dice, number) if number else spelled
        bare = SimCall(start, self._next(), number, spelled, did)
        queue = next((queue for queue in self.plan.queues if did in queue.dids), None)
        if queue is None:
            picked = did.endswith("00") and dice.random() < 0.4
            return replace(bare, disposition="ANSWERED" if picked else "NO ANSWER")
        if not queue.is_open(start.replace(tzinfo=None)):
            return bare
        what = dice.random()
        if what < 0.05:
            return replace(bare, disposition=dice.choice(["BUSY", "CONGESTION"]), duration=3)
        if what < 0.10:
            return bare  # left in the greeting
        return self._queued(bare, queue)

    def _queued(self, call: SimCall, queue: Queue) -> SimCall:
        dice = self.dice
        entered = call.start + timedelta(seconds=dice.randrange(1, 9))
        first = self._stay(queue.queue, call.uniqueid, entered)
        stays = [first]
        if first.talk_end == "BLINDTRANSFER" and dice.random() < 0.8:
            others = [other.queue for other in self.plan.queues if other != queue]
            left = entered + timedelta(seconds=first.wait + first.talk)
            own = f"{int(left.timestamp())}.{self._next()}"
            uniqueid = dice.choice([call.uniqueid, own])
            stays.append(self._stay(dice.choice(others), uniqueid, left, last=True))
        end = max(stay.entered + timedelta(seconds=stay.wait + stay.talk) for stay in stays)
        return replace(
            call, stays=tuple(stays), duration=int((end - call.start).total_seconds()) + 1
        )

    def _stay(self, queue: str, uniqueid: str, entered: datetime, *, last: bool = False) -> Stay:
        dice = self.dice
        end = dice.choice(
            ["CONNECT"] * 14 + ["ABANDON"] * 5 + ["EXITWITHTIMEOUT", "EXITEMPTY", "JOINEMPTY"]
        )
        if end == "JOINEMPTY":
            return Stay(queue, uniqueid, entered, end)
        wait = dice.choice([1, 2, 4, 5, 6, 12, 19, 20, 21, 35, 80, 200])
        if end != "CONNECT":
            return Stay(queue, uniqueid, entered, end, wait)
        ends = ["COMPLETEAGENT", "COMPLETECALLER", "COMPLETECALLER"]
        ends += [] if last else ["BLINDTRANSFER", "ATTENDEDTRANSFER"]
        return Stay(queue, uniqueid, entered, end, wait, dice.randrange(10, 400), dice.choice(ends),
                    rings=dice.choice([0, 0, 0, 1]) if wait >= 19 else 0)  # fmt: skip


def _spell(dice: random.Random, number: str) -> str:
    digits = number[1:]
    if not digits.startswith("7"):
        return dice.choice(["+", "", "00", "810"]) + digits
    ten = digits[1:]
    return dice.choice(["8", "+7", "7", "0", "08", "", "007"]) + ten


# --- the logs ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Leg:
    """A call detail record before it is written."""

    src: str
    dst: str
    context: str
    app: str
    uniqueid: str
    start: datetime
    duration: int
    disposition: str = "ANSWERED"

    @property
    def end(self) -> datetime:
        return self.start + timedelta(seconds=self.duration)


def cdr_lines(made: Month) -> list[str]:
    """Asterisk's cdr_csv with unique id, user field and linkedid, in order of the ends."""
    legs = [(leg, call) for call in made.calls for leg in _legs(call)]
    return [_cdr(leg, call) for leg, call in sorted(legs, key=lambda item: item[0].end)]


def _legs(call: SimCall) -> Iterator[Leg]:
    if call.called:
        yield Leg("501", call.spelled, "from-internal", "Dial", call.uniqueid, call.start,
                  call.duration, call.disposition)  # fmt: skip
        return
    app = "Queue" if call.stays else "Playback" if call.disposition == "ANSWERED" else "Busy"
    first = Leg(call.spelled, call.did, "from-trunk", app, call.uniqueid, call.start,
                call.duration, call.disposition)  # fmt: skip
    yield first
    for stay in call.stays:
        if stay.rings:
            yield replace(first, start=stay.entered, duration=15, disposition="NO ANSWER")
    for stay in call.stays[1:]:
        yield Leg(call.spelled, stay.queue, "from-internal-xfer", "Queue", stay.uniqueid,
                  stay.entered, stay.wait + stay.talk)  # fmt: skip


def _cdr(leg: Leg, call: SimCall) -> str:
    start, end = _clock(leg.start), _clock(leg.end)
    answer = start if leg.disposition == "ANSWERED" else ""
    named = f'""Әсел ""К."", ""оператор"""" <{leg.src}>' if call.sequence % 9 == 0 else ""
    head = ("", leg.src, leg.dst, leg.context, named or f"<{leg.src}>", "PJSIP/trunk-1-0001",
            "PJSIP/5011-0002", leg.app, "", start, answer, end)  # fmt: skip
    tail = (leg.disposition, "DOCUMENTATION", leg.uniqueid, "", call.uniqueid)
    billed = leg.duration if answer else 0
    return f"{_quoted(head)},{leg.duration},{billed},{_quoted(tail)}"


def _quoted(texts: Sequence[str]) -> str:
    return ",".join(f'"{text}"' for text in texts)


def _clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def queue_lines(made: Month) -> list[str]:
    """queue_log, in order of the epochs, with the noise of members that log in and pause."""
    events: list[tuple[int, str]] = [
        (int(made.calls[0].start.timestamp()), "NONE|NONE|NONE|QUEUESTART|")
    ]
    for call in made.calls:
        for stay in call.stays:
            head, then = f"{stay.uniqueid}|{stay.queue}", int(stay.entered.timestamp())
            events += [
                (then + at, f"{head}|{text}") for at, text in _stay_events(stay, call.spelled)
            ]
        if call.sequence % 11 == 0:
            events.append((int(call.start.timestamp()), "NONE|501|PJSIP/5011|PAUSE|Lunch"))
    return [f"{at}|{text}" for at, text in sorted(events, key=lambda event: event[0])]


def _stay_events(stay: Stay, caller: str) -> list[tuple[int, str]]:
    if stay.end == "JOINEMPTY":
        return [(0, "NONE|JOINEMPTY|")]
    agent, wait, talk = "PJSIP/5011", stay.wait, stay.talk
    events = [(0, f"NONE|ENTERQUEUE||{caller}|1")]
    events += [(min(15, wait), f"{agent}|RINGNOANSWER|15000")] * stay.rings
    if stay.end != "CONNECT":
        return [*events, (wait, f"NONE|{stay.end}|1|1|{wait}")]
    events.append((wait, f"{agent}|CONNECT|{wait}|1790000000.9|3"))
    last = {
        "BLINDTRANSFER": f"BLINDTRANSFER|502|from-internal-xfer|{wait}|{talk}|1",
        "ATTENDEDTRANSFER": f"ATTENDEDTRANSFER|BRIDGE|a1b2|{wait}|{talk}|1",
    }.get(stay.talk_end, f"{stay.talk_end}|{wait}|{talk}|1")
    return [*events, (wait + talk, f"{agent}|{last}")]


# --- the truth --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Try:
    """An attempt as the definitions of episodes and call backs see it."""

    at: int
    sequence: int
    number: str
    queue: str
    answered: bool = False
    kind: str | None = None


def episodes(tries: Sequence[Try]) -> list[tuple[str, bool, int]]:
    """(queue, got through, tries) of every episode, attempt by attempt."""
    found: list[tuple[str, bool, int]] = []
    for key in sorted({(one.queue, one.number) for one in tries}):
        opened, count = None, 0
        mine = [one for one in tries if (one.queue, one.number) == key]
        for one in sorted(mine, key=lambda one: (one.at, one.sequence)):
            if opened is not None and one.at >= opened + 86400:
                found.append((key[0], False, count))
                opened = None
            if opened is None:
                opened, count = one.at, 0
            count += 1
            if one.answered:
                found.append((key[0], True, count))
                opened = None
        if opened is not None:
            found.append((key[0], False, count))
    return sorted(found)


def callbacks(
    missed: Sequence[Try], outbound: Sequence[Try]
) -> list[tuple[str, str | None, int, int, bool]]:
    """(queue, kind, missed at, called back at, answered): each outbound call looks for its own."""
    free, found = list(missed), []
    for call in sorted(outbound, key=lambda call: (call.at, call.sequence)):
        fitting = [
            one for one in free
            if one.number == call.number and one.at < call.at <= one.at + 172800
        ]  # fmt: skip
        if fitting:
            latest = max(fitting, key=lambda one: (one.at, one.sequence))
            free.remove(latest)
            found.append((latest.queue, latest.kind, latest.at, call.at, call.answered))
    return sorted(found, key=repr)


def nearest_rank(values: Sequence[int], tenths: int) -> int | None:
    """The value at 1-based place ceil(tenths / 10 * n) in ascending order."""
    return sorted(values)[-(-tenths * len(values) // 10) - 1] if values else None


def queue_truth(
    made: Month, queue: Queue | None, threshold: int = 20, short: int = 5
) -> dict[str, int | None]:
    """The counts of v_access_queue for a queue, or for all pooled (None)."""
    queues = [queue] if queue else list(made.plan.queues)
    names = {one.queue for one in queues}
    calls = [c for c in made.calls if not c.called and made.queue_of(c.did) in queues]
    closed = {c.uniqueid for c in calls if not _open(made, c)}
    busy = {c.uniqueid for c in calls if c.disposition in ("BUSY", "CONGESTION")} - closed
    stays = [(s, _original(made, c, s)) for c in made.calls for s in c.stays if s.queue in names]
    waits = [s.wait for s, _ in stays if s.end == "CONNECT"]

    def ended(end: str, *, original: bool = False, within: int = 10**9) -> int:
        return sum(s.end == end and s.wait <= within and (own or not original) for s, own in stays)

    def talked(end: str) -> int:
        return sum(s.talk_end == end for s, _ in stays)

    return {
        "attempts": len(calls),
        "out_of_hours": len(closed),
        "busy_congestion": len(busy),
        "hung_up_before_queue": sum(
            not c.stays and c.uniqueid not in closed | busy for c in calls
        ),
        "anonymous_attempts": sum(c.number is None for c in calls),
        "entered_queue": sum(s.end != "JOINEMPTY" for s, _ in stays),
        "entered_queue_original": sum(s.end != "JOINEMPTY" and own for s, own in stays),
        "joinempty_original": ended("JOINEMPTY", original=True),
        "transferred_in": sum(not own for _, own in stays),
        "answered": len(waits),
        "answered_original": ended("CONNECT", original=True),
        "abandoned": ended("ABANDON"),
        "abandoned_original": ended("ABANDON", original=True),
        "short_abandons": ended("ABANDON", within=short - 1),
        "timeouts": ended("EXITWITHTIMEOUT"),
        "exitempty": ended("EXITEMPTY"),
        "joinempty": ended("JOINEMPTY"),
        "wait_answered_median_s": nearest_rank(waits, 5),
        "wait_answered_p90_s": nearest_rank(waits, 9),
        "wait_answered_max_s": max(waits, default=None),
        "answered_within_20": ended("CONNECT", within=threshold),
        "abandoned_within_20": ended("ABANDON", within=threshold),
        "blind_transfers": talked("BLINDTRANSFER"),
        "attended_transfers": talked("ATTENDEDTRANSFER"),
        "completed_by_agent": talked("COMPLETEAGENT"),
        "completed_by_caller": talked("COMPLETECALLER"),
        "talk_s": sum(s.talk for s, _ in stays),
        "ringnoanswer": sum(s.rings for s, _ in stays),
    }  # fmt: skip


def _open(made: Month, call: SimCall) -> bool:
    queue = made.queue_of(call.did)
    return queue is not None and queue.is_open(call.start.replace(tzinfo=None))


def _original(made: Month, call: SimCall, stay: Stay) -> bool:
    queue = made.queue_of(call.did)
    return stay.uniqueid == call.uniqueid and queue is not None and queue.queue == stay.queue


def tries(made: Month) -> list[Try]:
    """Every attempt with a number to a queue."""
    found = []
    for call in made.calls:
        queue = made.queue_of(call.did)
        if call.called or queue is None or call.number is None:
            continue
        ends = {stay.end for stay in call.stays if _original(made, call, stay)}
        kind = (
            "out_of_hours" if not _open(made, call) else "abandoned" if "ABANDON" in ends else None
        )
        found.append(Try(int(call.start.timestamp()), call.sequence, call.number, queue.queue,
                         "CONNECT" in ends, kind))  # fmt: skip
    return found


def outbound(made: Month) -> list[Try]:
    return [
        Try(int(c.start.timestamp()), c.sequence, str(c.number), "", c.disposition == "ANSWERED")
        for c in made.calls if c.called
    ]  # fmt: skip


def local(at: int) -> datetime:
    """The wall clock of the exchange at an epoch."""
    return datetime.fromtimestamp(at, UTC).astimezone(ZONE).replace(tzinfo=None)


def write(made: Month, folder: Path) -> tuple[Path, Path, Path]:
    """cdr.csv, queue_log and queues.toml in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    files = folder / "cdr.csv", folder / "queue_log", folder / "queues.toml"
    files[0].write_text("\n".join(cdr_lines(made)) + "\n", "utf-8")
    files[1].write_text("\n".join(queue_lines(made)) + "\n", "utf-8")
    files[2].write_text(QUEUES_TOML, "utf-8")
    return files


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLES
    for path in write(month(), folder):
        print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
