"""The figures of a diarization benchmark: a recording's, pooled by group, as tables and JSON."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from pipeline.evaluate.measures import DiarizationErrors
from tests.diarization_truth import (
    FEMALE_FROM,
    Case,
    Span,
    errors_of,
    mono_audio,
    pitches,
    with_pauses_joined,
)

#: s on each side of every border of the reference
COLLARS = (0.0, 0.25)
#: s; turns of the reference include their pauses: the stock pipeline is also scored with turns
#: joined across pauses as long as those that ours joins
PAUSE = 1.0
JOINED = "stock, pauses joined"


@dataclass(frozen=True, slots=True)
class Found:
    """What a method said of a recording; seconds by the clock and of all processors."""

    name: str
    duration: float
    seconds: float
    cpu_seconds: float
    spans: tuple[Span, ...]

    @property
    def speakers(self) -> int:
        return len({span.speaker for span in self.spans})


@dataclass(frozen=True, slots=True)
class MethodRun:
    """threads: of torch; load_seconds: until the models are ready; peak_memory: bytes."""

    method: str
    threads: int
    load_seconds: float
    peak_memory: int
    found: tuple[Found, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """A method on a recording; errors: one per collar. cpu, seconds: None where not run anew."""

    found: int
    errors: tuple[DiarizationErrors, ...]
    seconds: float | None
    cpu_seconds: float | None


@dataclass(frozen=True, slots=True)
class Row:
    """A recording; pitch: speaker -> Hz, only where there is a voiced frame."""

    case: Case
    duration: float
    pitch: dict[str, float]
    scores: dict[str, Score]

    @property
    def same_gender(self) -> bool:
        """Operator and caller are guessed to be of one gender."""
        both = [self.pitch.get(name) for name in ("operator", "caller")]
        known = [hertz > FEMALE_FROM for hertz in both if hertz is not None]
        return len(known) == 2 and known[0] == known[1]


@dataclass(frozen=True, slots=True)
class Pooled:
    """A method over a group; times: real time over seconds."""

    group: str
    method: str
    calls: int
    speakers_right: int
    errors: tuple[DiarizationErrors, ...]
    times: float | None
    cpu_times: float | None


@dataclass(frozen=True, slots=True)
class Report:
    rows: tuple[Row, ...]
    pooled: tuple[Pooled, ...]
    runs: tuple[MethodRun, ...]
    silent: tuple[str, ...]


GROUPS: dict[str, Callable[[Row], bool]] = {
    "all calls": lambda row: row.case.kind != "pyannote sample",
    "mono": lambda row: row.case.kind == "mono",
    "stereo mixed": lambda row: row.case.kind == "stereo mixed",
    "same gender": lambda row: row.case.kind != "pyannote sample" and row.same_gender,
    "three voices": lambda row: row.case.speakers >= 3,
    "pyannote sample": lambda row: row.case.kind == "pyannote sample",
}


# ---------------------------------------------------------------- figures


def report_of(
    cases: Iterable[Case], runs: tuple[MethodRun, ...], silent: tuple[str, ...]
) -> Report:
    """Score what the methods found of the cases; `silent` names calls that were left out."""
    rows = tuple(_row(case, runs) for case in cases)
    methods = tuple(rows[0].scores)
    pooled = tuple(
        _pool(group, method, [row for row in rows if belongs(row)])
        for group, belongs in GROUPS.items()
        for method in methods
    )
    return Report(rows, tuple(item for item in pooled if item.calls), runs, silent)


def _row(case: Case, runs: tuple[MethodRun, ...]) -> Row:
    scores: dict[str, Score] = {}
    duration = 0.0
    for run in runs:
        found = next(item for item in run.found if item.name == case.name)
        duration = found.duration
        scores[run.method] = _score(case, found, found.spans, timed=True)
        if run.method == "stock":
            joined = with_pauses_joined(found.spans, PAUSE)
            scores[JOINED] = _score(case, found, joined, timed=False)
    return Row(case, duration, pitches(case, mono_audio(case)), scores)


def _score(case: Case, found: Found, spans: tuple[Span, ...], *, timed: bool) -> Score:
    errors = [errors_of(case.reference, spans, found.duration, collar=each) for each in COLLARS]
    return Score(
        found.speakers,
        tuple(errors),
        found.seconds if timed else None,
        found.cpu_seconds if timed else None,
    )


def _pool(group: str, method: str, rows: list[Row]) -> Pooled:
    scores = [row.scores[method] for row in rows]
    errors = tuple(
        sum((score.errors[place] for score in scores), DiarizationErrors())
        for place in range(len(COLLARS))
    )
    duration = sum(row.duration for row in rows)
    right = sum(row.scores[method].found == row.case.speakers for row in rows)
    return Pooled(
        group, method, len(rows), right, errors,
        _ratio(duration, [score.seconds for score in scores]),
        _ratio(duration, [score.cpu_seconds for score in scores]),
    )  # fmt: skip


def _ratio(duration: float, seconds: list[float | None]) -> float | None:
    known = [value for value in seconds if value is not None]
    return duration / sum(known) if known and len(known) == len(seconds) else None


# ---------------------------------------------------------------- tables


def print_report(report: Report, console: Console) -> None:
    """One table by recording, one pooled by group, and memory."""
    console.print(_by_recording(report))
    console.print(
        "m/f: voices of operator and caller, guessed from the median pitch (Hz) of their turns "
        f"with {FEMALE_FROM:.0f} Hz between; the references do not say it, and low voices of women "
        "are taken for men's.",
        soft_wrap=False,
    )
    if report.silent:
        console.print(f"left out, nobody speaks: {', '.join(report.silent)}")
    console.print(_by_group(report))
    console.print(
        "Percent of reference speech, overlapped speech scored; collar 0.25: a quarter of a second "
        "on each side of every border. The references keep the pauses inside a turn: in "
        f"“{JOINED}” turns are joined across {PAUSE:g} s, as ours are. "
        "Stock: 3.1's pipeline and published threshold on the models of ours; the threshold was "
        "found for another voice embedding, so that some of its confusion is due to that."
    )
    console.print(_by_method(report))
    ratio = _faster(report)
    if ratio is not None:
        console.print(
            f"ours is {ratio[0]:.1f} times as fast as stock ({ratio[1]:.1f} by processor time)"
        )


def _by_recording(report: Report) -> Table:
    table = Table(title="by recording: DER in %, voices found, times real time")
    for column in ("recording", "kind", "s", "voices", "operator", "caller"):
        table.add_column(column, justify="left" if column in ("recording", "kind") else "right")
    methods = [run.method for run in report.runs]
    for method in methods:
        for column in ("voices", "DER 0", "DER 0.25", "× rt"):
            table.add_column(f"{method}\n{column}", justify="right")
    for row in report.rows:
        cells = [row.case.name, row.case.kind, f"{row.duration:.0f}", str(row.case.speakers)]
        cells += [_voice(row.pitch.get(role)) for role in ("operator", "caller")]
        for method in methods:
            score = row.scores[method]
            cells += [str(score.found), *(_percent(each.rate) for each in score.errors)]
            cells.append(_one(row.duration / score.seconds if score.seconds else None))
        table.add_row(*cells)
    return table


def _by_group(report: Report) -> Table:
    table = Table(title="pooled: DER = missed + false alarm + confusion")
    for column in ("group", "method", "calls", "voices right"):
        left = column in ("group", "method")
        table.add_column(column, justify="left" if left else "right", no_wrap=left)
    for collar in COLLARS:
        for column in (f"DER {collar:g}", "missed", "false al.", "confus."):
            table.add_column(column, justify="right")
    table.add_column("× rt", justify="right")
    last = report.pooled[0].group
    for item in report.pooled:
        if item.group != last:
            table.add_section()
        name = item.group if item is report.pooled[0] or item.group != last else ""
        last = item.group
        cells = [name, item.method, str(item.calls), f"{item.speakers_right}/{item.calls}"]
        for errors in item.errors:
            parts = (errors.missed, errors.false_alarm, errors.confusion)
            cells += [_percent(errors.rate), *(_percent(_share(p, errors)) for p in parts)]
        table.add_row(*cells, _one(item.times))
    return table


def _by_method(report: Report) -> Table:
    table = Table(title="processes")
    table.add_column("method")
    for column in (
        "threads",
        "peak memory, MB",
        "loading, s",
        "× real time",
        "× real time, processor",
    ):
        table.add_column(column, justify="right")
    whole = {item.method: item for item in report.pooled if item.group == "all calls"}
    for run in report.runs:
        times = whole.get(run.method)
        table.add_row(
            run.method, str(run.threads), f"{run.peak_memory / 1e6:.0f}", f"{run.load_seconds:.1f}",
            _one(times.times if times else None), _one(times.cpu_times if times else None),
        )  # fmt: skip
    return table


def _faster(report: Report) -> tuple[float, float] | None:
    """How many times as fast ours is on all calls, by the clock and by processor time."""
    whole = {item.method: item for item in report.pooled if item.group == "all calls"}
    ours, stock = whole.get("ours"), whole.get("stock")
    if ours is None or stock is None:
        return None
    pairs = ((ours.times, stock.times), (ours.cpu_times, stock.cpu_times))
    clock, cpu = (mine / theirs if mine and theirs else 0.0 for mine, theirs in pairs)
    return clock, cpu


def _voice(hertz: float | None) -> str:
    if hertz is None:
        return "–"
    return f"{'f' if hertz > FEMALE_FROM else 'm'} {hertz:.0f}"


def _share(seconds: float, errors: DiarizationErrors) -> float | None:
    return seconds / errors.speech if errors.speech else None


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _one(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


# ---------------------------------------------------------------- JSON

Json = dict[str, object]


def to_json(report: Report) -> Json:
    """Every figure: seconds, Hz, shares of reference speech; null where unknown."""
    return {
        "processors": os.cpu_count(),
        "collars_s": list(COLLARS),
        "gender": f"estimated: median pitch above {FEMALE_FROM:g} Hz is a woman's",
        "left_out": list(report.silent),
        "methods": {
            run.method: {"peak_memory_bytes": run.peak_memory, "load_s": run.load_seconds,
                         "threads": run.threads}
            for run in report.runs
        },
        "speed_ratio": _faster(report),
        "groups": [
            {
                "group": item.group, "method": item.method, "calls": item.calls,
                "speakers_right": item.speakers_right, "times_real_time": item.times,
                "times_real_time_cpu": item.cpu_times, "errors": _errors(item.errors),
            }
            for item in report.pooled
        ],
        "recordings": [_recording(row) for row in report.rows],
    }  # fmt: skip


def _recording(row: Row) -> Json:
    return {
        "name": row.case.name, "kind": row.case.kind, "duration_s": row.duration,
        "speakers": row.case.speakers, "pitch_hz": row.pitch, "same_gender": row.same_gender,
        "methods": {
            method: {
                "speakers": score.found, "seconds": score.seconds,
                "cpu_seconds": score.cpu_seconds, "errors": _errors(score.errors),
            }
            for method, score in row.scores.items()
        },
    }  # fmt: skip


def _errors(errors: tuple[DiarizationErrors, ...]) -> Json:
    return {
        f"{collar:g}": {
            "der": each.rate, "speech_s": each.speech, "missed_s": each.missed,
            "false_alarm_s": each.false_alarm, "confusion_s": each.confusion,
        }
        for collar, each in zip(COLLARS, errors, strict=True)
    }  # fmt: skip
