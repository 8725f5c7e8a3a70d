"""The values as rows and back: the only place that knows which field is which column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timezone
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo

from pipeline.types import (
    Answer,
    AudioQuality,
    Call,
    CallResult,
    DroppedText,
    Label,
    Metric,
    Promise,
    Redirect,
    RoleCorrection,
    Scorecard,
    SoundEvent,
    StageResult,
    Tag,
    Transcript,
    Turn,
    TurnLanguage,
    Voice,
    Word,
)

Cell = str | int | float | bool | date | datetime | Sequence[float | str | None] | None
Row = dict[str, Cell]
Rows = dict[str, list[Row]]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Mapped(Generic[T]):
    """A value type whose fields are the columns of a table; `renamed`: field -> column.

    Fields in `apart` are kept elsewhere. `order` is the column that gives the order of rows.
    """

    kind: Callable[..., T]
    table: str
    renamed: Mapping[str, str]
    apart: frozenset[str] = frozenset()
    order: str | None = "place"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f.name for f in fields(self.kind) if f.name not in self.apart)  # type: ignore[arg-type]

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.renamed.get(name, name) for name in self.names)

    def row(self, value: T) -> Row:
        return {
            column: getattr(value, name)
            for name, column in zip(self.names, self.columns, strict=True)
        }

    def rows(self, call_id: str, values: Iterable[T]) -> list[Row]:
        """Rows with the call and, where the table has one, the place."""
        place = "place" if self.order == "place" else None
        return [
            {"call_id": call_id, **({place: index} if place else {}), **self.row(value)}
            for index, value in enumerate(values)
        ]

    def value(self, cells: Sequence[object], **apart: object) -> T:
        """The value of one fetched row; lists come back as the tuples they were."""
        given = {
            name: tuple(cell) if isinstance(cell, list) else cell
            for name, cell in zip(self.names, cells, strict=True)
        }
        return self.kind(**given, **apart)


_TIMES = {"start": "start_s", "end": "end_s"}
_WHERE = {**_TIMES, "turn": "turn_index"}

CALLS = Mapped(
    Call,
    "call",
    {"duration": "duration_s"},
    frozenset({"paths", "started_at"}),
    order=None,
)
QUALITIES = Mapped(
    AudioQuality,
    "audio_quality",
    {
        "level": "level_dbfs",
        "snr": "snr_db",
        "clipping": "clipping_share",
        "bandwidth": "bandwidth_hz",
    },
    order=None,
)
SOUNDS = Mapped(SoundEvent, "sound", _TIMES)
VOICES = Mapped(Voice, "voice", {})
CORRECTIONS = Mapped(RoleCorrection, "role_correction", {})
TURNS = Mapped(Turn, "turn", {**_TIMES, "index": "turn_index"}, order="turn_index")
WORDS = Mapped(Word, "word", _WHERE)
LANGUAGES = Mapped(TurnLanguage, "turn_language", _WHERE)
DROPPED = Mapped(DroppedText, "dropped_text", _WHERE)
METRICS = Mapped(Metric, "metric", {})
TAGS = Mapped(Tag, "tag", _WHERE)
LABELS = Mapped(Label, "label", {"turns": "turn_indexes"})
REDIRECTS = Mapped(Redirect, "redirect", _WHERE)
PROMISES = Mapped(Promise, "promise", _WHERE)
ANSWERS = Mapped(
    Answer,
    "answer",
    {"criterion": "criterion_id", "turns": "turn_indexes", "quote_start": "quote_start_s"},
)
SCORECARDS = Mapped(Scorecard, "scorecard", {})
STAGES = Mapped(StageResult, "stage_result", {})

#: Every table whose rows belong to one call, and are replaced with it.
CALL_TABLES = (
    "call_path", "audio_quality", "sound", "voice", "role_correction", "turn", "turn_language",
    "word", "dropped_text", "metric", "tag", "label", "redirect", "promise", "answer",
    "scorecard", "stage_result", "call",
)  # fmt: skip

#: Those of them that scoring writes.
SCORE_TABLES = ("answer", "scorecard", "stage_result", "call")


@dataclass(frozen=True, slots=True)
class Commit:
    """Who writes: the run, its time zone, the number of the commit, earlier stages' runs."""

    run_id: str
    zone: ZoneInfo
    number: int
    stage_runs: Mapping[tuple[str, str], str]


def rows_of(result: CallResult, commit: Commit) -> Rows:
    """All rows of one call, by table; tables without rows are left out."""
    call_id = result.call.call_id
    card: Row = {"card_id": result.card_id, "card_version": result.card_version}
    rows: Rows = {
        "call": [_call_row(result, commit)],
        "call_path": [
            {"call_id": call_id, "place": place, "path": path}
            for place, path in enumerate(result.call.paths)
        ],
        "audio_quality": QUALITIES.rows(call_id, [result.quality] if result.quality else []),
        "sound": SOUNDS.rows(call_id, result.sounds),
        "voice": VOICES.rows(call_id, result.voices),
        "role_correction": CORRECTIONS.rows(call_id, result.corrections),
        "metric": METRICS.rows(call_id, result.metrics),
        "tag": TAGS.rows(call_id, result.tags),
        "label": LABELS.rows(call_id, result.labels),
        "redirect": REDIRECTS.rows(call_id, result.redirects),
        "promise": PROMISES.rows(call_id, result.promises),
        "answer": [{**row, **card} for row in ANSWERS.rows(call_id, result.answers)],
        "scorecard": [{**row, **card} for row in _scorecard_rows(result)],
        "stage_result": _stage_rows(result, commit),
        **(_transcript_rows(call_id, result.transcript) if result.transcript else {}),
    }
    return {
        table: [{**row, "commit_number": commit.number} for row in found]
        for table, found in rows.items()
        if found
    }


def _call_row(result: CallResult, commit: Commit) -> Row:
    started = result.call.started_at
    return {
        **CALLS.row(result.call),
        "started_at_utc": naive(started, UTC),
        "started_at_local": naive(started, commit.zone),
        "status": result.status,
        "status_reason": result.status_reason,
        "engine": result.transcript.engine if result.transcript else None,
        "card_id": result.card_id,
        "card_version": result.card_version,
        "minimum_coverage": result.minimum_coverage,
        "run_id": commit.run_id,
    }


def naive(moment: datetime | None, zone: ZoneInfo | timezone) -> datetime | None:
    """The wall clock of a zone, without the zone."""
    return moment.astimezone(zone).replace(tzinfo=None) if moment else None


def _transcript_rows(call_id: str, transcript: Transcript) -> Rows:
    languages = {item.turn: item.language for item in reversed(transcript.languages)}
    probabilities: dict[int, list[float]] = {}
    for word in transcript.words:
        if word.probability is not None:
            probabilities.setdefault(word.turn, []).append(word.probability)
    turns = TURNS.rows(call_id, transcript.turns)
    for turn, row, text in zip(transcript.turns, turns, transcript.texts(), strict=True):
        known = probabilities.get(turn.index)
        row["text"] = text
        row["language"] = languages.get(turn.index)
        row["asr_confidence"] = sum(known) / len(known) if known else None
    return {
        "turn": turns,
        "word": WORDS.rows(call_id, transcript.words),
        "turn_language": LANGUAGES.rows(call_id, transcript.languages),
        "dropped_text": DROPPED.rows(call_id, transcript.dropped),
    }


def _scorecard_rows(result: CallResult) -> list[Row]:
    rows = SCORECARDS.rows(result.call.call_id, result.scorecards)
    for card, row in zip(result.scorecards, rows, strict=True):
        row["coverage"] = card.coverage
        row["score"] = card.score(result.minimum_coverage)
    return rows


def _stage_rows(result: CallResult, commit: Commit) -> list[Row]:
    rows = STAGES.rows(result.call.call_id, result.stages)
    for stage, row in zip(result.stages, rows, strict=True):
        row["run_id"] = commit.stage_runs.get((stage.stage, stage.fingerprint), commit.run_id)
    return rows


def call_of(
    cells: Sequence[object], paths: tuple[str, ...], utc: datetime | None, local: datetime | None
) -> Call:
    """The call with its start in the offset that the zone had then."""
    started = None
    if utc is not None and local is not None:
        started = utc.replace(tzinfo=UTC).astimezone(timezone(local - utc))
    return CALLS.value(cells, paths=paths, started_at=started)
