"""Properties of the access figures: the SQL agrees with loops that follow the definitions."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.backends.logs_lines import read_blocks
from pipeline.ingest import OpenTime, Queue, caller_key, normalise_number
from pipeline.store.log_parsing import NUMBER_MACROS
from tests.logs_factory import Try, callbacks, episodes, local, nearest_rank

SQL = Path(__file__).parent.parent / "pipeline" / "sql"
T0 = 1_790_794_800
DAY = 86400


@pytest.fixture(scope="module")
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty schema in memory, with two described queues."""
    with duckdb.connect() as connection:
        for script in (*sorted(SQL.glob("[0-9]*.sql")), SQL / "views.sql", SQL / "access.sql"):
            connection.execute(script.read_text("utf-8"))
        for macro in NUMBER_MACROS:
            connection.execute(macro)
        connection.execute("INSERT INTO queue VALUES ('1', '', 0), ('2', '', 1)")
        yield connection


def fill(db: duckdb.DuckDBPyConnection, table: str, rows: list[dict[str, object]]) -> None:
    db.execute(f"DELETE FROM {table}")
    for row in rows:
        names = ", ".join(row)
        marks = ", ".join("?" * len(row))
        db.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(row.values()))


def contact(one: Try, number: int) -> dict[str, object]:
    moment = local(one.at)
    return {
        "contact_id": f"{one.at}.{one.sequence}.{number}", "source": "cdr", "attempt": True,
        "caller_key": one.number, "did_queue": one.queue, "sequence": one.sequence,
        "started_at_utc": moment, "started_at_local": moment, "disposition": "ANSWERED",
        "answered": one.answered, "abandoned": one.kind == "abandoned",
        "out_of_hours": one.kind == "out_of_hours", "in_queue": True, "run_id": "",
    }  # fmt: skip


#: gaps that fall on, just before and just behind the limits of a day and of two
gaps = st.sampled_from([0, 1, 60, 7200, DAY - 1, DAY, DAY + 1, 2 * DAY, 2 * DAY + 1, 40_000])


@st.composite
def attempts(draw: st.DrawFn, kinds: st.SearchStrategy[str | None]) -> list[Try]:
    """Attempts of few numbers, in order of time, every sequence once."""
    at, found = T0, []
    for sequence in range(draw(st.integers(0, 25))):
        at += draw(gaps) if draw(st.booleans()) else 0
        number, queue = draw(st.sampled_from("ab")), draw(st.sampled_from("12"))
        found.append(Try(at, sequence, number, queue, draw(st.booleans()), draw(kinds)))
    return found


@settings(max_examples=60, deadline=None)
@given(tries=attempts(st.none()))
def test_episodes_are_what_the_definition_opens_and_closes(
    db: duckdb.DuckDBPyConnection, tries: list[Try]
) -> None:
    fill(db, "contact", [contact(one, number) for number, one in enumerate(tries)])
    found = db.execute("SELECT queue, got_through, tries FROM v_episode ORDER BY ALL").fetchall()
    assert found == episodes(tries)
    assert sum(count for _, _, count in found) == len(tries)
    pooled = db.execute(
        "SELECT got_through, tries, episodes FROM v_access_tries WHERE queue = 'total'"
    ).fetchall()
    assert {(got, n): count for got, n, count in pooled} == Counter(
        (got, n) for _, got, n in episodes(tries)
    )


@settings(max_examples=60, deadline=None)
@given(
    missed=attempts(st.sampled_from(["abandoned", "out_of_hours"])),
    back=attempts(st.none()),
)
def test_call_backs_take_the_latest_open_attempt_once(
    db: duckdb.DuckDBPyConnection, missed: list[Try], back: list[Try]
) -> None:
    fill(db, "contact", [contact(one, number) for number, one in enumerate(missed)])
    fill(db, "contact_leg", [
        {"line_key": n, "uniqueid": f"{one.at}.{one.sequence}", "linkedid": "", "sequence":
         one.sequence, "direction": "outbound", "called_key": one.number, "sha256": "",
         "started_at_utc": local(one.at), "started_at_local": local(one.at),
         "ended_at_utc": local(one.at), "duration_s": 0,
         "disposition": "ANSWERED" if one.answered else "NO ANSWER"}
        for n, one in enumerate(back)
    ])  # fmt: skip
    expected = [
        (queue, kind, local(at), local(then), answered)
        for queue, kind, at, then, answered in callbacks(missed, back)
    ]
    found = db.execute("FROM v_callback").fetchall()
    assert sorted(found, key=repr) == sorted(expected, key=repr)
    assert db.execute("SELECT count(*) FROM v_missed").fetchone() == (len(missed),)


events = st.lists(
    st.tuples(
        st.sampled_from(["CONNECT", "ABANDON", "EXITWITHTIMEOUT"]), st.integers(0, 60),
        st.sampled_from("12"),
    ),
    max_size=40,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(stays=events, threshold=st.integers(0, 40), short=st.integers(0, 20))
def test_service_levels_are_shares_of_what_their_formula_names(
    db: duckdb.DuckDBPyConnection,
    stays: list[tuple[str, int, str]],
    threshold: int,
    short: int,
) -> None:
    fill(db, "contact", [])
    fill(db, "contact_event", [
        {"contact_id": str(n), "place": n, "at_utc": local(T0), "event": event, "queue": queue,
         "detail": [], "wait_s": wait}
        for n, (event, wait, queue) in enumerate(stays)
    ])  # fmt: skip
    db.execute("UPDATE access_option SET threshold_s = ?, short_abandon_s = ?", [threshold, short])
    for queue in ("1", "2", "total"):
        mine = [(event, wait) for event, wait, of in stays if queue in (of, "total")]
        answered = sorted(wait for event, wait in mine if event == "CONNECT")
        abandoned = [wait for event, wait in mine if event == "ABANDON"]
        in_time = sum(wait <= threshold for wait in answered)
        gave_up = sum(wait <= threshold for wait in abandoned)
        brief = sum(wait < short for wait in abandoned)
        both = len(answered) + len(abandoned)
        row = db.execute(
            "SELECT service_level_1, service_level_2, service_level_3, service_level_4, "
            "service_level_5, wait_answered_median_s, wait_answered_p90_s, wait_answered_max_s "
            "FROM v_access_queue WHERE queue = ?",
            [queue],
        ).fetchone()
        assert row == (
            in_time / len(answered) if answered else None,
            in_time / both if both else None,
            in_time / (both - brief) if both - brief else None,
            (in_time + gave_up) / both if both else None,
            None,
            nearest_rank(answered, 5),
            nearest_rank(answered, 9),
            answered[-1] if answered else None,
        )
        assert all(0 <= level <= 1 for level in row[:4] if level is not None)
        if row[1] is not None and row[0] is not None:
            assert row[1] <= row[0]


@settings(max_examples=200, deadline=None)
@given(
    raw=st.one_of(
        st.from_regex(r"\A[+]?(810|00|0|8|7|)[0-9]{0,13}\Z"),
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
    )
)
def test_numbers_are_normalised_alike_in_sql_and_in_python(
    db: duckdb.DuckDBPyConnection, raw: str
) -> None:
    found = db.execute("SELECT phone_number(?)", [raw]).fetchone()
    assert found == (normalise_number(raw),)
    # a key made of a normalised number is the key of the number
    assert caller_key(raw, b"k" * 16) == caller_key(normalise_number(raw), b"k" * 16)


@settings(max_examples=150, deadline=None)
@given(
    start=st.integers(0, DAY - 1), length=st.integers(1, DAY), weekday=st.integers(0, 6),
    second=st.integers(0, 14 * DAY - 1),
)  # fmt: skip
def test_opening_hours_are_half_open(start: int, length: int, weekday: int, second: int) -> None:
    end = min(DAY, start + length)
    queue = Queue("1", "", (), (OpenTime(weekday, start, end),))
    monday = datetime(2026, 10, 5)  # noqa: DTZ001
    moment = monday + timedelta(seconds=second)
    in_day = second % DAY
    assert queue.is_open(moment) == (second // DAY % 7 == weekday and start <= in_day < end)
    opening = monday + timedelta(days=weekday, seconds=start)
    assert queue.is_open(opening)
    assert not queue.is_open(opening + timedelta(seconds=end - start))


@settings(max_examples=150, deadline=None)
@given(
    lines=st.lists(st.binary(max_size=12).filter(lambda line: b"\n" not in line), max_size=30),
    size=st.integers(20, 200),
    ended=st.booleans(),
)
def test_lines_end_at_lf_alone_whatever_they_hold(
    lines: list[bytes], size: int, ended: bool
) -> None:
    data = b"\n".join(lines) + (b"\n" if ended else b"")
    expected = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if expected[-1] == b"":
        expected.pop()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        path.write_bytes(data)
        blocks = list(read_blocks(path, size=size, batch=7))
    found = [line for block in blocks for line in block.table["line"].to_pylist()]
    numbers = [number for block in blocks for number in block.table["number"].to_pylist()]
    assert numbers == list(range(1, len(expected) + 1))
    assert sum(block.crlf for block in blocks) == sum(line.endswith(b"\r") for line in expected)
    for line, raw in zip(found, expected, strict=True):
        bare = raw.removesuffix(b"\r")
        try:
            assert line == bare.decode("utf-8")
        except UnicodeDecodeError:
            assert "\x01" in line
