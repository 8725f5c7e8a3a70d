# ruff: noqa: S608 - the names put into SQL are constants of this package
"""Reading: a call back from its rows, calls by name, and analysts' SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar, cast

from pipeline.errors import StoreError
from pipeline.store import rows as mapped
from pipeline.store.rows import Mapped, Row, Rows
from pipeline.store.values import Table
from pipeline.types import AudioQuality, CallResult, CallStatus, QualityCard, Transcript

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
    "started_at_utc", "started_at_local", "commit_number",
)  # fmt: skip


def load(fetch: Fetch, call_id: str) -> CallResult | None:
    """The committed value of a call, or None."""
    which = "WHERE call_id = ? AND commit_number = ?"

    def every(values: Mapped[T]) -> tuple[T, ...]:
        order = f" ORDER BY {values.order}" if values.order else ""
        sql = f"SELECT {', '.join(values.columns)} FROM {values.table} {which}{order}"
        return tuple(values.value(cells) for cells in fetch(sql, [call_id, number]))

    columns = ", ".join((*mapped.CALLS.columns, *_OWN))
    found = fetch(f"SELECT {columns} FROM call WHERE call_id = ?", [call_id])
    if not found:
        return None
    cells, own = found[0][: -len(_OWN)], found[0][-len(_OWN) :]
    status, reason, engine, card_id, card_version, coverage, utc, local, number = own
    paths = fetch(f"SELECT path FROM call_path {which} ORDER BY place", [call_id, number])
    transcript = None
    if engine is not None:
        transcript = Transcript(
            every(mapped.TURNS),
            every(mapped.WORDS),
            every(mapped.LANGUAGES),
            every(mapped.DROPPED),
            str(engine),
        )
    quality: tuple[AudioQuality, ...] = every(mapped.QUALITIES)
    return CallResult(
        call=mapped.call_of(
            cells,
            tuple(str(path) for (path,) in paths),
            cast("datetime | None", utc),
            cast("datetime | None", local),
        ),
        status=cast("CallStatus", status),
        status_reason=cast("str | None", reason),
        quality=quality[0] if quality else None,
        sounds=every(mapped.SOUNDS),
        voices=every(mapped.VOICES),
        corrections=every(mapped.CORRECTIONS),
        transcript=transcript,
        metrics=every(mapped.METRICS),
        tags=every(mapped.TAGS),
        labels=every(mapped.LABELS),
        redirects=every(mapped.REDIRECTS),
        promises=every(mapped.PROMISES),
        card_id=cast("str | None", card_id),
        card_version=cast("str | None", card_version),
        answers=every(mapped.ANSWERS),
        scorecards=every(mapped.SCORECARDS),
        minimum_coverage=cast("float", coverage),
        stages=every(mapped.STAGES),
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
