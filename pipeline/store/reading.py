# ruff: noqa: S608 - the names put into SQL are constants of this package
"""Reading: a call back from its rows, calls by name, and analysts' SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar, cast

from pipeline.errors import StoreError
from pipeline.store import rows as mapped
from pipeline.store.rows import Mapped, Row, Rows
from pipeline.store.values import Table
from pipeline.types import (
    Answer,
    AudioQuality,
    CallResult,
    CallStatus,
    DroppedText,
    Label,
    Metric,
    Promise,
    QualityCard,
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

if TYPE_CHECKING:
    import duckdb

T = TypeVar("T")
Fetch = Callable[[str, Sequence[object]], list[tuple[object, ...]]]

_PATHS = "(SELECT call_id, path FROM call UNION SELECT call_id, path FROM call_path)"
_BASE = "parse_filename(path)"
#: Ways to name a call, the first that matches counts; $key is what the user typed.
KEYS = (
    "SELECT call_id FROM call WHERE call_id = $key",
    f"SELECT call_id FROM {_PATHS} WHERE path = $key",
    f"SELECT call_id FROM {_PATHS} WHERE {_BASE} = parse_filename($key)",
    f"SELECT call_id FROM {_PATHS} WHERE regexp_replace({_BASE}, '[.][^.]*$', '') = $key",
    "SELECT call_id FROM call WHERE length($key) >= 4 AND starts_with(call_id, lower($key))",
)
_OWN = (
    "status", "status_reason", "engine", "card_id", "card_version", "minimum_coverage",
    "started_at_utc", "started_at_local",
)  # fmt: skip


def load(fetch: Fetch, call_id: str) -> CallResult | None:
    """The committed value of a call, or None."""
    return load_many(fetch, [call_id]).get(call_id)


def load_many(fetch: Fetch, call_ids: Sequence[str]) -> dict[str, CallResult]:
    """The committed values of calls; a query a table, whatever their number.

    Rows of one call lie together in the order of commits: the range of their numbers keeps the
    other rows unread.
    """
    ids = list(call_ids)
    which = "WHERE call_id IN (SELECT unnest(?))" if len(ids) > 1 else "WHERE call_id = ?"
    key: object = ids if len(ids) > 1 else "".join(ids)
    columns = ", ".join((*mapped.CALLS.columns, *_OWN))
    rows = fetch(f"SELECT {columns}, commit_number FROM call {which}", [key])
    if not rows:
        return {}
    numbers = [int(str(row[-1])) for row in rows]
    which = f"{which} AND commit_number BETWEEN ? AND ?"
    given = [key, min(numbers), max(numbers)]
    current = {(str(row[0]), number) for row, number in zip(rows, numbers, strict=True)}

    def every(values: Mapped[T]) -> dict[str, tuple[T, ...]]:
        columns = ", ".join(values.columns)
        order = f" ORDER BY {values.order}" if values.order else ""
        grouped: dict[str, list[T]] = {}
        for call_id, number, *cells in fetch(
            f"SELECT call_id, commit_number, {columns} FROM {values.table} {which}{order}", given
        ):
            if (str(call_id), number) in current:
                grouped.setdefault(str(call_id), []).append(values.value(cells))
        return {call_id: tuple(found) for call_id, found in grouped.items()}

    paths: dict[str, list[str]] = {}
    for call_id, path in fetch(
        f"SELECT call_id, path FROM call_path {which} ORDER BY place", given
    ):
        paths.setdefault(str(call_id), []).append(str(path))
    parts = _Parts(
        paths={call_id: tuple(found) for call_id, found in paths.items()},
        qualities=every(mapped.QUALITIES),
        sounds=every(mapped.SOUNDS),
        voices=every(mapped.VOICES),
        corrections=every(mapped.CORRECTIONS),
        turns=every(mapped.TURNS),
        words=every(mapped.WORDS),
        languages=every(mapped.LANGUAGES),
        dropped=every(mapped.DROPPED),
        metrics=every(mapped.METRICS),
        tags=every(mapped.TAGS),
        labels=every(mapped.LABELS),
        redirects=every(mapped.REDIRECTS),
        promises=every(mapped.PROMISES),
        answers=every(mapped.ANSWERS),
        scorecards=every(mapped.SCORECARDS),
        stages=every(mapped.STAGES),
    )
    results = (_result(row[:-1], parts) for row in rows)
    return {result.call.call_id: result for result in results}


Grouped = dict[str, tuple[T, ...]]


@dataclass(frozen=True, slots=True)
class _Parts:
    """What belongs to calls, by call_id."""

    paths: Grouped[str]
    qualities: Grouped[AudioQuality]
    sounds: Grouped[SoundEvent]
    voices: Grouped[Voice]
    corrections: Grouped[RoleCorrection]
    turns: Grouped[Turn]
    words: Grouped[Word]
    languages: Grouped[TurnLanguage]
    dropped: Grouped[DroppedText]
    metrics: Grouped[Metric]
    tags: Grouped[Tag]
    labels: Grouped[Label]
    redirects: Grouped[Redirect]
    promises: Grouped[Promise]
    answers: Grouped[Answer]
    scorecards: Grouped[Scorecard]
    stages: Grouped[StageResult]


def _result(row: Sequence[object], parts: _Parts) -> CallResult:
    cells, own = row[: -len(_OWN)], row[-len(_OWN) :]
    status, reason, engine, card_id, card_version, coverage, utc, local = own
    call_id = str(cells[0])
    call = mapped.call_of(
        cells,
        parts.paths.get(call_id, ()),
        cast("datetime | None", utc),
        cast("datetime | None", local),
    )
    transcript = None
    if engine is not None:
        transcript = Transcript(
            parts.turns.get(call_id, ()),
            parts.words.get(call_id, ()),
            parts.languages.get(call_id, ()),
            parts.dropped.get(call_id, ()),
            str(engine),
        )
    return CallResult(
        call=call,
        status=cast("CallStatus", status),
        status_reason=cast("str | None", reason),
        quality=next(iter(parts.qualities.get(call_id, ())), None),
        sounds=parts.sounds.get(call_id, ()),
        voices=parts.voices.get(call_id, ()),
        corrections=parts.corrections.get(call_id, ()),
        transcript=transcript,
        metrics=parts.metrics.get(call_id, ()),
        tags=parts.tags.get(call_id, ()),
        labels=parts.labels.get(call_id, ()),
        redirects=parts.redirects.get(call_id, ()),
        promises=parts.promises.get(call_id, ()),
        card_id=cast("str | None", card_id),
        card_version=cast("str | None", card_version),
        answers=parts.answers.get(call_id, ()),
        scorecards=parts.scorecards.get(call_id, ()),
        minimum_coverage=cast("float", coverage),
        stages=parts.stages.get(call_id, ()),
    )


def outlines(fetch: Fetch) -> dict[str, CallResult]:
    """Every call without its contents: identity, status, corrections and stages."""
    stages: dict[str, list[tuple[object, ...]]] = {}
    order = mapped.STAGES.order or "stage"
    for call_id, *cells in fetch(
        f"SELECT s.call_id, {', '.join('s.' + name for name in mapped.STAGES.columns)} "
        f"FROM stage_result s JOIN call c USING (call_id, commit_number) ORDER BY s.{order}",
        [],
    ):
        stages.setdefault(str(call_id), []).append(tuple(cells))
    corrections: dict[str, list[tuple[object, ...]]] = {}
    for call_id, *cells in fetch(
        f"SELECT r.call_id, {', '.join('r.' + name for name in mapped.CORRECTIONS.columns)} "
        "FROM role_correction r JOIN call c USING (call_id, commit_number) ORDER BY r.place",
        [],
    ):
        corrections.setdefault(str(call_id), []).append(tuple(cells))
    paths: dict[str, list[str]] = {}
    for call_id, path in fetch(
        "SELECT p.call_id, p.path FROM call_path p JOIN call c USING (call_id, commit_number) "
        "ORDER BY p.place",
        [],
    ):
        paths.setdefault(str(call_id), []).append(str(path))
    columns = ", ".join(mapped.CALLS.columns)
    found = fetch(
        f"SELECT {columns}, call_id, status, status_reason, started_at_utc, started_at_local "
        "FROM call",
        [],
    )
    return {
        str(call_id): CallResult(
            call=mapped.call_of(
                cells,
                tuple(paths.get(str(call_id), ())),
                cast("datetime | None", utc),
                cast("datetime | None", local),
            ),
            status=cast("CallStatus", status),
            status_reason=cast("str | None", reason),
            corrections=tuple(
                mapped.CORRECTIONS.value(row) for row in corrections.get(str(call_id), ())
            ),
            stages=tuple(mapped.STAGES.value(stage) for stage in stages.get(str(call_id), ())),
        )
        for *cells, call_id, status, reason, utc, local in found
    }


_AGENT_VOICES = """
    SELECT call.agent_id, voice.embedding
    FROM voice JOIN call USING (call_id, commit_number)
    WHERE call.agent_id IS NOT NULL AND EXISTS (
        FROM turn WHERE turn.call_id = voice.call_id AND turn.commit_number = voice.commit_number
            AND turn.speaker = voice.speaker AND turn.role = 'operator'
            AND turn.role_probability >= 0.95)
    QUALIFY row_number() OVER (
        PARTITION BY call.agent_id ORDER BY call.started_at_utc NULLS LAST, call_id, place) <= ?
    ORDER BY call.agent_id
"""


def agent_voices(fetch: Fetch, calls: int) -> tuple[tuple[str, tuple[float, ...]], ...]:
    """Agent id and mean voice of unit norm."""
    sums: dict[str, list[float]] = {}
    for agent, cells in fetch(_AGENT_VOICES, [calls]):
        embedding = cast("list[float]", cells)
        before = sums.setdefault(str(agent), [0.0] * len(embedding))
        sums[str(agent)] = [a + b for a, b in zip(before, embedding, strict=True)]
    norms = {agent: sum(a * a for a in total) ** 0.5 for agent, total in sums.items()}
    return tuple(
        (agent, tuple(a / norms[agent] for a in total))
        for agent, total in sums.items()
        if norms[agent]
    )


def card_rows(card: QualityCard) -> Rows:
    """The rows of one version of a card: titles and criteria."""
    key: Row = {"card_id": card.card_id, "card_version": card.version}
    title = card.title
    criteria: list[Row] = [
        {
            **key,
            "place": place,
            "criterion_id": criterion.criterion_id,
            "dimension": criterion.dimension,
            "class": criterion.severity,
            "weight": criterion.weight,
            "text_ru": criterion.text.ru,
            "text_kk": criterion.text.kk,
            "text_en": criterion.text.en,
        }
        for place, criterion in enumerate(card.criteria)
    ]
    titles: Row = {"title_ru": title.ru, "title_kk": title.kk, "title_en": title.en}
    return {"card": [{**key, **titles}], "criterion": criteria}


def query(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[object] | None
) -> Table:
    """One SELECT inside a read-only transaction."""
    import duckdb

    allowed = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
    try:
        statements = connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type not in allowed:
            kinds = ", ".join(statement.type.name for statement in statements) or "nothing"
            raise StoreError(f"a query must be one SELECT, got {kinds}; results are read-only here")
        connection.execute("BEGIN TRANSACTION READ ONLY")
        try:
            connection.execute(statements[0], parameters)
            columns = tuple(str(column[0]) for column in connection.description or ())
            return Table(columns, tuple(connection.fetchall()))
        finally:
            connection.execute("ROLLBACK")
    except duckdb.Error as error:
        raise StoreError(f"the query cannot be answered: {error}") from error
