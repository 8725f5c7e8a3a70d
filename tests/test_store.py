from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pipeline.errors import StoreError
from pipeline.store import Counts, Store, open_for_reading, snapshot_path
from pipeline.types import (
    AudioQuality,
    CallResult,
    Label,
    Metric,
    Promise,
    Scorecard,
    StageResult,
    Transcript,
    Voice,
)
from tests import factories

ROOT = Path(__file__).parent.parent

#: The public columns and their order. Analysts depend on them: add at the end, never rename.
PUBLIC = {
    "v_call": """call_id file started_at duration channels queue agent_id agent_name caller_key
        direction language language_share_kk status status_reason call_type topic outcome
        repeat_contact unreachable_complaint caller_upset consultation_quality operator_competence
        coverage critical_errors talk_share_operator silence_share longest_silence overlap_share
        hold_seconds interruptions_operator words_per_minute_operator asr_confidence
        role_confidence""",
    "v_turn": """call_id file turn_index role speaker channel start_s end_s text language
        overlapped asr_confidence""",
    "v_answer": """call_id file card_id card_version criterion_id dimension class value
        probability turn_indexes quote quote_start_s reason method""",
    "v_redirect": """call_id file turn_index kind to_agency to_number reason_given justified""",
    "v_promise": "call_id file turn_index what due_text due_date status kept_at",
    "v_operator": """agent_id agent_name n consultation_quality_n consultation_quality
        consultation_quality_low consultation_quality_high operator_competence_n
        operator_competence operator_competence_low operator_competence_high critical_free_n
        critical_free_share critical_free_low critical_free_high coverage""",
    "v_topic": """topic n share share_low share_high cold_redirect_share cold_redirect_low
        cold_redirect_high outcome_n unresolved_share unresolved_low unresolved_high
        consultation_quality_n consultation_quality consultation_quality_low
        consultation_quality_high""",
    "v_outcome": """outcome n share share_low share_high consultation_quality_n
        consultation_quality consultation_quality_low consultation_quality_high""",
    "v_contact": """contact_id queue did caller_key started_at disposition out_of_hours
        busy_congestion hung_up_before_queue in_queue answered abandoned wait_s talk_s agent_id
        call_id""",
    "v_access_queue": """queue attempts out_of_hours busy_congestion hung_up_before_queue
        anonymous_attempts entered_queue entered_queue_original joinempty_original transferred_in
        answered answered_original abandoned abandoned_original short_abandons timeouts exitempty
        joinempty wait_answered_median_s wait_answered_p90_s wait_answered_max_s
        answered_within_20 abandoned_within_20 service_level_1 service_level_2 service_level_3
        service_level_4 service_level_5 service_level_5_original blind_transfers
        attended_transfers completed_by_agent completed_by_caller talk_s ringnoanswer""",
    "v_access_more": """queue threshold_s short_abandon_s coverage_target talk_completed_s
        talk_transferred_s ringnoanswer_ring_ms episodes got_through never_got_through share_never
        never_censored missed_with_number callbacks callbacks_answered""",
    "v_access_day": "queue date attempts answered abandoned out_of_hours",
    "v_access_half_hour": "queue half_hour_of_week attempts answered out_of_hours",
    "v_access_did": "did queue attempts answered dead",
    "v_episode": "queue caller_key started_at got_through tries",
    "v_access_tries": "queue got_through tries episodes",
    "v_access_extension": """queue open close break_dropped added_half_hours covered
        out_of_hours_weekday share""",
    "v_missed": "queue missed_kind missed_at called_back_at answered caller_key",
    "v_callback": "queue missed_kind missed_at called_back_at answered",
    "v_log_quality": "file total_lines accepted_lines rejected_lines duplicate_lines",
    "v_log_rejection": "file kind lines sample_lines sample_shapes",
}
TABLES = {
    "call", "turn", "word", "metric", "tag", "answer", "scorecard", "redirect", "promise",
    "contact", "contact_event", "run", "stage_result", "card", "criterion", "schema_version",
    "call_path", "label", "dropped_text", "audio_quality", "turn_language", "run_model",
    "sound", "role_correction", "voice",
    "contact_leg", "log_file", "log_rejection", "queue", "queue_did", "queue_hours",
    "queue_closed", "access_option",
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a run and a card, made once and copied for each test."""
    path = tmp_path_factory.mktemp("made") / "sapa.duckdb"
    with Store.open(path) as opened:
        opened.begin_run(factories.run())
        opened.write_card(factories.card())
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sapa.duckdb"


@pytest.fixture
def store(path: Path, made: Path) -> Iterator[Store]:
    shutil.copyfile(made, path)
    with Store.open(path) as opened:
        yield opened


def first(store: Store, sql: str, *parameters: object) -> dict[str, object]:
    table = store.query(sql, parameters)
    return dict(zip(table.columns, table.rows[0], strict=True))


def raw(path: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(path)) as connection:
        return connection.execute(sql).fetchall()


# --- values come back as they were written --------------------------------------------------


def test_a_call_comes_back_as_it_was_written(store: Store) -> None:
    written = factories.result(1)
    store.commit(written, "run-1")
    assert store.load(written.call.call_id) == written
    assert store.load("0" * 64) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"transcript": None, "quality": None, "scorecards": (), "answers": ()},
        {"transcript": Transcript((), (), engine="")},
        {"card_id": None, "card_version": None, "promises": (), "redirects": ()},
        {"status": "failed", "status_reason": "decode", "stages": ()},
        {"quality": AudioQuality("mono", (-30.0,), (None,), (0.0,), (3000.0,), None)},
    ],
)
def test_missing_parts_stay_missing(store: Store, fields: dict[str, object]) -> None:
    written = factories.result(1, **fields)
    store.commit(written, "run-1")
    assert store.load(written.call.call_id) == written


def test_a_call_about_which_nothing_is_known(store: Store) -> None:
    bare = CallResult(
        replace(
            factories.call(paths=(), started_at=None, started_at_source=None),
            duration=None, channels=None, codec=None, queue=None, agent_id=None, agent_name=None,
            caller_key=None, direction=None, uniqueid=None, operator_channel=None,
        ),
        "failed",
        "decode",
    )  # fmt: skip
    store.commit(bare, "run-1")
    assert store.load(bare.call.call_id) == bare
    row = first(store, "SELECT * FROM v_call")
    known = {"call_id", "file", "status", "status_reason"}
    assert {name for name, cell in row.items() if cell is not None} == known


shares = st.floats(0, 1)
numbers = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
moments = st.datetimes(
    datetime(1990, 1, 1), datetime(2100, 1, 1),  # noqa: DTZ001 - the zones follow
    timezones=st.sampled_from([UTC, factories.ALMATY, timezone(timedelta(hours=-3, minutes=-30))]),
)  # fmt: skip


@st.composite
def call_results(draw: st.DrawFn) -> CallResult:
    made = factories.result(draw(st.integers(0, 3)))
    count = draw(st.integers(0, 4))
    return replace(
        made,
        call=replace(
            made.call,
            started_at=draw(moments),
            path=draw(texts),
            paths=tuple(draw(st.lists(texts, max_size=3))),
            agent_name=draw(st.none() | texts),
            duration=draw(st.none() | numbers),
        ),
        transcript=factories.transcript(tuple(("caller", "kk", draw(texts)) for _ in range(count))),
        metrics=tuple(
            Metric(draw(texts), draw(st.none() | numbers), "measured", draw(st.none() | numbers))
            for _ in range(count)
        ),
        labels=(Label("topic", draw(st.none() | texts), draw(st.none() | shares), (), ""),),
        promises=(Promise(0, "reply", draw(st.none() | texts), draw(st.none() | st.dates()), "q"),),
        answers=tuple(
            factories.answer(draw(texts), turns=tuple(draw(st.lists(st.integers(0, 99)))))
            for _ in range(count)
        ),
        scorecards=(Scorecard("operator_competence", unknown=draw(st.floats(0, 9))),),
        minimum_coverage=draw(shares),
        stages=(StageResult(draw(texts), draw(texts), "done", None, draw(st.floats(0, 9))),),
    )


@settings(max_examples=40, deadline=None)
@given(written=call_results())
def test_any_values_come_back(shared: Store, written: CallResult) -> None:
    shared.commit(written, "run-1")
    assert shared.load(written.call.call_id) == written


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(tmp_path_factory.mktemp("store") / "sapa.duckdb") as opened:
        opened.begin_run(factories.run())
        yield opened


# --- commits --------------------------------------------------------------------------------


def rows_by_table(store: Store) -> dict[str, int]:
    return {
        table: int(str(store.query(f"SELECT count(*) FROM {table}").rows[0][0]))
        for table in sorted(TABLES)
    }


def test_committing_again_changes_nothing(store: Store) -> None:
    for number in (1, 2):
        store.commit(factories.result(number), "run-1")
    before = rows_by_table(store)
    store.commit(factories.result(1), "run-1")
    assert rows_by_table(store) == before
    assert store.load(factories.call_id(1)) == factories.result(1)
    assert store.load(factories.call_id(2)) == factories.result(2)


def test_a_smaller_result_leaves_no_rows_of_the_larger_one(store: Store) -> None:
    store.commit(factories.result(1), "run-1")
    store.commit(factories.not_evaluable(1), "run-1")
    assert store.load(factories.call_id(1)) == factories.not_evaluable(1)
    kept = {name for name, count in rows_by_table(store).items() if count}
    assert kept == {"call", "call_path", "run", "run_model", "card", "criterion", "schema_version",
                    "access_option"}  # fmt: skip


def test_a_stage_keeps_the_run_that_computed_it(store: Store) -> None:
    store.commit(factories.result(1), "run-1")
    store.begin_run(factories.run("run-2"))
    again = (StageResult("speech", "f-speech", "done", None, 0.25),
             StageResult("score", "f-new", "done", None, 0.5))  # fmt: skip
    store.commit(factories.result(1, stages=again), "run-2")
    table = store.query("SELECT stage, run_id FROM stage_result ORDER BY place")
    assert table.rows == (("speech", "run-1"), ("score", "run-2"))


def test_failed_stages_have_no_fingerprint_to_skip(store: Store) -> None:
    store.commit(factories.result(1), "run-1")
    assert store.fingerprints() == {
        factories.call_id(1): {"speech": "f-speech", "transcribe": "f-transcribe"}
    }


def test_a_commit_needs_its_run(store: Store) -> None:
    with pytest.raises(StoreError, match="begin_run"):
        store.commit(factories.result(1), "run-9")
    assert store.counts() == Counts()


def test_an_error_inside_a_commit_leaves_the_old_call_and_names_no_text(store: Store) -> None:
    store.commit(factories.result(1), "run-1")
    broken = factories.result(1, status=None, status_reason="секрет")
    with pytest.raises(StoreError) as caught:
        store.commit(broken, "run-1")
    assert "секрет" not in str(caught.value)
    assert store.load(factories.call_id(1)) == factories.result(1)


def test_runs_lead_to_version_configuration_and_models(store: Store) -> None:
    store.finish_run("run-1", finished_at=datetime(2026, 11, 24, 9, tzinfo=UTC), status="done")
    row = first(store, "SELECT * FROM run")
    assert row["started_at_utc"] == datetime(2026, 11, 24, 8)  # noqa: DTZ001
    assert row["finished_at_utc"] == datetime(2026, 11, 24, 9)  # noqa: DTZ001
    assert (row["status"], row["git_commit"]) == ("done", "0123abc")
    models = store.query("SELECT model, sha256 FROM run_model ORDER BY model").rows
    assert models == (("asr", "b" * 64), ("vad", "a" * 64))
    with pytest.raises(StoreError, match="exists already"):
        store.begin_run(factories.run())


def test_a_judged_card_cannot_change_under_its_version(store: Store) -> None:
    store.write_card(factories.card())
    assert first(store, "SELECT count(*) AS n FROM criterion")["n"] == 4
    fewer = factories.card(criteria=factories.card().criteria[:2])
    store.write_card(fewer)
    assert first(store, "SELECT count(*) AS n FROM criterion")["n"] == 2
    store.commit(factories.result(1), "run-1")
    with pytest.raises(StoreError, match="new version"):
        store.write_card(factories.card())
    store.write_card(replace(factories.card(), version="2"))
    assert first(store, "SELECT count(*) AS n FROM card")["n"] == 2


# --- finding --------------------------------------------------------------------------------


def test_calls_are_found_by_path_name_stem_copy_and_id(store: Store) -> None:
    for number in (1, 2):
        store.commit(factories.result(number), "run-1")
    wanted = factories.call_id(2)
    for key in (
        wanted, wanted[:8], wanted[:8].upper(), "2026/09/call-00002.wav", "call-00002.wav",
        "call-00002", "inbox/copy 2.wav", "elsewhere/call-00002.wav",
    ):  # fmt: skip
        assert store.find(key) == wanted
    assert store.call_ids() == (factories.call_id(1), wanted)
    assert [result.call.call_id for result in store.results()] == list(store.call_ids())


def test_a_name_of_several_calls_or_none_is_an_error(store: Store) -> None:
    for number, folder in ((1, "a"), (2, "b")):
        call = factories.call(number, path=f"{folder}/same.wav", paths=())
        store.commit(factories.result(number, call=call), "run-1")
    with pytest.raises(StoreError, match="2 calls match"):
        store.find("same.wav")
    assert store.find("b/same.wav") == factories.call_id(2)
    for key in ("other.wav", "", factories.call_id(1)[:3], "%"):
        with pytest.raises(StoreError, match="no call matches"):
            store.find(key)


# --- what analysts see ----------------------------------------------------------------------


def test_public_columns_are_a_contract(store: Store) -> None:
    tables = store.query("SELECT table_name FROM duckdb_tables() WHERE NOT internal").rows
    assert {name for (name,) in tables} == TABLES
    views = store.query("SELECT view_name FROM duckdb_views() WHERE NOT internal").rows
    assert {name for (name,) in views} == set(PUBLIC)
    for view, columns in PUBLIC.items():
        assert store.query(f"SELECT * FROM {view}").columns == tuple(columns.split())


def test_every_table_view_and_column_has_a_comment(store: Store) -> None:
    for source, name in (("tables", "table_name"), ("views", "view_name")):
        bare = store.query(
            f"SELECT {name} FROM duckdb_{source}() WHERE NOT internal AND comment IS NULL"
        )
        assert bare.rows == ()
    bare = store.query(
        "SELECT table_name, column_name FROM duckdb_columns() "
        "WHERE NOT internal AND comment IS NULL"
    )
    assert bare.rows == ()


def test_v_call_tells_one_call(store: Store) -> None:
    store.commit(factories.result(1), "run-1")
    row = first(store, "SELECT * FROM v_call")
    expected = {
        "file": "2026/09/call-00001.wav",
        "started_at": datetime(2026, 9, 4, 17, 49, 12),  # noqa: DTZ001
        "language": "ru",
        "language_share_kk": pytest.approx(1 / 5),
        "topic": "energy",
        "repeat_contact": True,
        "unreachable_complaint": None,
        "caller_upset": None,
        "consultation_quality": pytest.approx(60),
        "operator_competence": pytest.approx(80),
        "coverage": pytest.approx(7.5 / 8.5),
        "critical_errors": 1,
        "silence_share": 0.125,
        "hold_seconds": None,
        "interruptions_operator": 2,
        "asr_confidence": 0.8,
        "role_confidence": 0.97,
    }
    assert {name: row[name] for name in expected} == expected


def test_no_score_below_the_minimum_coverage(store: Store) -> None:
    store.commit(factories.result(1, minimum_coverage=0.9), "run-1")
    row = first(store, "SELECT * FROM v_call")
    assert (row["consultation_quality"], row["operator_competence"]) == (None, 80.0)


def test_the_local_clock_is_that_of_the_run(store: Store) -> None:
    store.begin_run(factories.run("run-2", time_zone="Europe/Berlin"))
    moment = datetime(2026, 9, 4, 22, 30, tzinfo=UTC)
    for number, run in ((1, "run-1"), (2, "run-2")):
        store.commit(factories.result(number, call=factories.call(number, started_at=moment)), run)
    clocks = store.query("SELECT started_at FROM v_call ORDER BY file").rows
    assert clocks == ((datetime(2026, 9, 5, 3, 30),), (datetime(2026, 9, 5, 0, 30),))  # noqa: DTZ001
    loaded = store.load(factories.call_id(1))
    assert loaded is not None
    assert loaded.call.started_at == moment


def test_answers_and_turns_carry_their_context(store: Store) -> None:
    store.commit(factories.result(1), "run-1")
    row = first(store, "SELECT * FROM v_answer WHERE criterion_id = 'no_cold_redirect'")
    assert (row["dimension"], row["class"]) == ("consultation_quality", "critical")
    assert (row["value"], row["turn_indexes"], row["quote_start_s"]) == ("no", [2], 13.0)
    row = first(store, "SELECT * FROM v_turn WHERE turn_index = 1")
    assert (row["role"], row["language"]) == ("caller", "kk")
    assert row["text"] == factories.LINES[1][2]
    row = first(store, "SELECT * FROM v_promise")
    assert (row["due_date"], row["status"], row["kept_at"]) == (
        date(2026, 9, 11), "cannot_check", None,
    )  # fmt: skip


def scored(number: int, earned: float, critical: int) -> CallResult:
    call = factories.call(number, agent_id="7", agent_name="G")
    cards = (
        Scorecard("consultation_quality", earned, 10.0, 0.0, critical),
        Scorecard("operator_competence", 5.0, 10.0, 10.0, 0),
    )
    return factories.result(number, call=call, scorecards=cards)


def test_v_operator_agrees_with_reference_intervals(store: Store) -> None:
    earned = [2.0, 9.0, 7.5, 6.0, 8.0, 4.0, 10.0, 7.0, 9.5, 5.0, 8.5, 3.0]
    for number, points in enumerate(earned):
        store.commit(scored(number, points, critical=int(number < 2)), "run-1")
    store.commit(factories.not_evaluable(50, call=factories.call(50, agent_id="7")), "run-1")
    row = first(store, "SELECT * FROM v_operator WHERE agent_id = '7'")
    scores = [10 * points for points in earned]
    mean = stats.tmean(scores)
    low, high = stats.t.interval(0.95, 11, mean, stats.sem(scores))
    share = stats.binomtest(10, 12).proportion_ci(0.95, "wilson")
    assert (row["n"], row["consultation_quality_n"], row["critical_free_n"]) == (12, 12, 12)
    assert row["consultation_quality"] == pytest.approx(mean)
    assert row["consultation_quality_low"] == pytest.approx(low, rel=1e-4)
    assert row["consultation_quality_high"] == pytest.approx(high, rel=1e-4)
    assert row["critical_free_share"] == pytest.approx(10 / 12)
    assert row["critical_free_low"] == pytest.approx(share.low)
    assert row["critical_free_high"] == pytest.approx(share.high)
    assert row["coverage"] == pytest.approx(2 / 3)


def test_few_calls_have_a_mean_but_no_interval(store: Store) -> None:
    for number in range(9):
        store.commit(scored(number, 5.0 + number / 4, 0), "run-1")
    row = first(store, "SELECT * FROM v_operator")
    assert row["consultation_quality"] is not None
    assert row["consultation_quality_low"] is None
    assert row["consultation_quality_high"] is None


def test_topics_and_outcomes_count_evaluable_calls_only(store: Store) -> None:
    for number in range(4):
        store.commit(factories.result(number), "run-1")
    ended = (Label("outcome", "unresolved", 0.9, (), ""),)
    store.commit(factories.result(4, labels=ended, redirects=()), "run-1")
    store.commit(factories.not_evaluable(5), "run-1")
    table = store.query(
        "SELECT topic, n, share, cold_redirect_share, outcome_n, unresolved_share "
        "FROM v_topic ORDER BY topic NULLS LAST"
    )
    assert table.rows == (
        ("energy", 1, 0.2, 1.0, 1, 0.0),
        ("labour", 1, 0.2, 1.0, 1, 0.0),
        ("taxes", 2, 0.4, 1.0, 2, 0.0),
        (None, 1, 0.2, 0.0, 1, 1.0),
    )
    table = store.query("SELECT outcome, n, share FROM v_outcome ORDER BY n DESC")
    assert table.rows == (("redirected_cold", 4, 0.8), ("unresolved", 1, 0.2))


def documented_queries() -> list[str]:
    text = (ROOT / "docs" / "sql.md").read_text("utf-8")
    return re.findall(r"```sql\n(.*?)```", text, re.DOTALL)


def test_the_documentation_asks_ten_questions() -> None:
    assert len(documented_queries()) == 11


@pytest.mark.parametrize("sql", documented_queries())
def test_documented_sql_answers(archive: Path, sql: str) -> None:
    with Store.open(archive, read_only=True) as store:
        assert store.query(sql).rows


@pytest.fixture(scope="module")
def archive(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "sapa.duckdb"
    shutil.copyfile(made, path)
    with Store.open(path) as opened:
        for number in range(6):
            opened.commit(factories.result(number), "run-1")
    return path


def test_the_documentation_names_every_table_and_view() -> None:
    text = (ROOT / "docs" / "sql.md").read_text("utf-8")
    assert {name for name in TABLES | set(PUBLIC) if f"`{name}`" not in text} == set()


# --- analysts' SQL is harmless --------------------------------------------------------------


@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM call",
        "EXPLAIN ANALYZE DELETE FROM call",
        "SELECT 1; DELETE FROM call",
        "COPY call TO 'out.csv'",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM '/etc/hostname'",
        "ATTACH 'other.duckdb'",
        "SET enable_external_access = true",
        "INSTALL httpfs",
        "SELECT * FROM rows_by_table",
        "SELECT no_such_column FROM call",
        "",
    ],
)
def test_queries_cannot_write_or_reach_out(archive: Path, sql: str, read_only: bool) -> None:
    with Store.open(archive, read_only=read_only) as store:
        with pytest.raises(StoreError):
            store.query(sql)
        assert store.counts() == Counts(done=6)


def test_queries_take_parameters(store: Store) -> None:
    store.commit(factories.result(1), "run-1")
    table = store.query("SELECT file, 1 AS one FROM v_call WHERE topic = ?", ["energy"])
    assert table.columns == ("file", "one")
    assert table.rows == (("2026/09/call-00001.wav", 1),)


# --- opening --------------------------------------------------------------------------------


def test_opening_twice_changes_nothing(path: Path) -> None:
    with Store.open(path) as store:
        before = store.query("SELECT * FROM schema_version").rows
    with Store.open(path) as store:
        assert store.query("SELECT * FROM schema_version").rows == before
        assert store.warnings == ()


def test_views_are_replaced_when_their_script_changes(path: Path) -> None:
    Store.open(path).close()
    raw(path, "DROP VIEW v_outcome; UPDATE schema_version SET sha256 = '' WHERE version = 0")
    with Store.open(path) as store:
        assert store.query("SELECT * FROM v_outcome").rows == ()


def test_a_newer_schema_is_refused(path: Path) -> None:
    Store.open(path).close()
    raw(path, "INSERT INTO schema_version VALUES (999, '999_future.sql', '')")
    for read_only in (True, False):
        with pytest.raises(StoreError, match=r"version 999.*update Sapa"):
            Store.open(path, read_only=read_only)


def test_a_schema_of_another_edition_is_refused(path: Path) -> None:
    Store.open(path).close()
    raw(path, "UPDATE schema_version SET sha256 = 'other' WHERE version = 1")
    with pytest.raises(StoreError, match="another edition"):
        Store.open(path)


def test_foreign_files_are_refused_and_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "text.duckdb"
    text.write_text("no database " * 1000)
    with pytest.raises(StoreError, match="not a DuckDB database"):
        Store.open(text)
    assert text.read_text().startswith("no database")
    other = tmp_path / "other.duckdb"
    raw(other, "CREATE TABLE theirs (x INTEGER)")
    with pytest.raises(StoreError, match="something else"):
        Store.open(other)
    assert raw(other, "SELECT count(*) FROM duckdb_tables() WHERE NOT internal") == [(1,)]


def test_reading_an_absent_database_names_the_command(path: Path) -> None:
    for opening in (lambda: Store.open(path, read_only=True), lambda: open_for_reading(path)):
        with pytest.raises(StoreError, match="sapa run"):
            opening()
    assert not path.exists()


def test_a_read_only_store_refuses_writes(path: Path) -> None:
    Store.open(path).close()
    with Store.open(path, read_only=True) as store, pytest.raises(StoreError, match="for reading"):
        store.begin_run(factories.run())


def test_the_file_stays_readable_for_the_stated_version(store: Store) -> None:
    row = first(store, "SELECT current_setting('storage_compatibility_version') AS version")
    assert row["version"] == "v1.5.0"
    indexes = store.query("SELECT index_name FROM duckdb_indexes()").rows
    foreign = "SELECT 1 FROM duckdb_constraints() WHERE constraint_type = 'FOREIGN KEY'"
    assert (indexes, store.query(foreign).rows) == ((), ())


# --- other processes ------------------------------------------------------------------------


def python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True, text=True, cwd=ROOT, timeout=120, check=False,
    )  # fmt: skip


READER = """
    import sys
    from pipeline.store import open_for_reading
    with open_for_reading(sys.argv[1]) as store:
        print(store.path.name, store.counts().calls, store.query("SELECT * FROM v_call").rows != ())
"""


def test_the_snapshot_is_read_while_the_writer_holds_the_file(store: Store, path: Path) -> None:
    store.commit(factories.result(1), "run-1")
    refused = python(READER, path)
    assert "another process" in refused.stderr
    assert store.snapshot() == snapshot_path(path)
    store.commit(factories.result(2), "run-1")
    assert python(READER, path).stdout.split() == ["sapa.snapshot.duckdb", "1", "True"]
    store.snapshot()
    assert python(READER, path).stdout.split() == ["sapa.snapshot.duckdb", "2", "True"]
    store.close()
    assert python(READER, path).stdout.split() == ["sapa.duckdb", "2", "True"]


def test_a_snapshot_is_complete_and_leaves_nothing_behind(store: Store, path: Path) -> None:
    written = factories.result(1)
    store.commit(written, "run-1")
    target = path.parent / "elsewhere" / "copy.duckdb"
    store.snapshot(target)
    with Store.open(target, read_only=True) as copy:
        assert copy.load(written.call.call_id) == written
        assert copy.warnings == ()
        assert first(copy, "SELECT n FROM v_operator")["n"] == 1
    assert sorted(item.name for item in target.parent.iterdir()) == ["copy.duckdb"]
    assert not list(path.parent.glob("*.copy*"))


def test_a_reader_keeps_its_copy_while_a_new_one_is_published(store: Store) -> None:
    store.commit(factories.result(1), "run-1")
    with Store.open(store.snapshot(), read_only=True) as reader:
        store.commit(factories.result(2), "run-1")
        store.snapshot()
        assert reader.counts() == Counts(done=1)


def test_a_failed_snapshot_keeps_the_old_one(store: Store, path: Path) -> None:
    store.snapshot()
    blocked = path.parent / "folder.duckdb"
    (blocked / "inside").mkdir(parents=True)
    with pytest.raises(StoreError, match="could not publish"):
        store.snapshot(blocked)
    store.commit(factories.result(1), "run-1")
    assert snapshot_path(path).is_file()
    assert not list(path.parent.glob("*.copy*"))


WRITER = """
    import sys
    from tests import factories
    from pipeline.store import Store
    first = int(sys.argv[2])
    with Store.open(sys.argv[1]) as store:
        run = store.begin_run(factories.run(f"run-{first}"))
        for number in range(first, first + 10_000):
            store.commit(factories.result(number), run)
            store.commit(factories.result(max(number - 1, 0)), run)
            print(number, flush=True)
"""


def killed_after(path: Path, first_number: int, acknowledged: int, delay: float) -> int:
    """Run the writer, kill it `delay` after some commits; the last acknowledged number."""
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(path), str(first_number)],
        stdout=subprocess.PIPE, text=True, cwd=ROOT,
    ) as writer:  # fmt: skip
        assert writer.stdout is not None
        for _ in range(acknowledged):
            assert writer.stdout.readline()
        time.sleep(delay)
        os.kill(writer.pid, signal.SIGKILL)
        lines = writer.stdout.read().split()
    return int(lines[-1]) if lines else first_number + acknowledged - 1


def test_kill_9_loses_no_acknowledged_call_and_leaves_none_partial(path: Path) -> None:
    chance = random.Random(5)
    following = 0
    for _ in range(4):
        last = killed_after(path, following, 3, chance.uniform(0, 0.2))
        with Store.open(path) as store:
            assert store.warnings == ()
            ids = set(store.call_ids())
            assert {factories.call_id(number) for number in range(last + 1)} <= ids
            for number in range(len(ids)):
                assert store.load(factories.call_id(number)) == factories.result(number)
            orphans = "SELECT count(*) FROM word ANTI JOIN call USING (call_id, commit_number)"
            assert store.query(orphans).rows == ((0,),)
            following = len(ids)


FULL_DISK = """
    import resource, sys
    from tests import factories
    from pipeline.errors import StoreError
    from pipeline.store import Store
    store = Store.open(sys.argv[1])
    run = store.begin_run(factories.run())
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    number = 0
    try:
        while number < 10_000:
            store.commit(factories.result(number), run)
            number += 1
    except StoreError as error:
        print(number)
        print(error)
"""


def test_a_full_disk_is_explained_and_loses_nothing(path: Path) -> None:
    acknowledged, message = python(FULL_DISK, path).stdout.split("\n", 1)
    assert 0 < int(acknowledged) < 10_000
    assert "free disk space" in message
    with Store.open(path) as store:
        for number in range(int(acknowledged)):
            assert store.load(factories.call_id(number)) == factories.result(number)
        store.begin_run(factories.run("run-2"))
        store.commit(factories.result(int(acknowledged)), "run-2")
        assert store.warnings == ()


def test_a_lost_write_ahead_log_is_noticed(path: Path) -> None:
    Store.open(path).close()
    killed_after(path, 0, 3, 0)
    log = path.with_name(path.name + ".wal")
    assert log.stat().st_size > 0
    log.unlink()
    with Store.open(path) as store:
        assert store.counts().calls == 0
        (warning,) = store.warnings
    assert "run the archive again" in warning
    with Store.open(path, read_only=True) as store:
        assert store.warnings == (warning,)


def test_a_lost_recommit_of_a_known_call_is_noticed(store: Store, path: Path) -> None:
    store.commit(factories.result(1), "run-1")
    store.close()
    kept = path.read_bytes()
    with Store.open(path) as again:
        again.commit(factories.not_evaluable(1), "run-1")
    path.write_bytes(kept)
    with Store.open(path) as again:
        assert "1 commits and 0 calls" in again.warnings[0]
        again.commit(factories.not_evaluable(1), "run-1")
    with Store.open(path) as again:
        assert again.warnings == ()


def test_a_torn_ledger_line_and_a_missing_ledger(store: Store, path: Path) -> None:
    store.commit(factories.result(1), "run-1")
    store.close()
    ledger = path.with_name(path.name + ".ledger.jsonl")
    with ledger.open("a") as file:
        file.write('{"n": 2, "call')
    with Store.open(path) as again:
        assert again.warnings == ()
        again.commit(factories.result(2), "run-1")
    with Store.open(path) as again:
        assert again.warnings == ()
    ledger.unlink()
    with Store.open(path) as again:
        assert "ledger is missing" in again.warnings[0]


def test_the_ledger_holds_no_paths_and_no_text(store: Store, path: Path) -> None:
    store.commit(factories.result(1), "run-1")
    text = path.with_name(path.name + ".ledger.jsonl").read_text()
    assert text == (
        f'{{"n": 1, "call_id": "{factories.call_id(1)}", "status": "done", "run": "run-1"}}\n'
    )


def test_an_agents_voice_is_the_mean_of_sure_calls(store: Store) -> None:
    voices = ((1.0, 0.0), (0.0, 1.0), (0.0, -1.0))
    for number, embedding in enumerate(voices):
        made = factories.result(number)
        assert made.transcript is not None
        sure = 0.99 if number < 2 else 0.8
        turns = tuple(replace(turn, role_probability=sure) for turn in made.transcript.turns)
        operator = next(turn.speaker for turn in turns if turn.role == "operator")
        store.commit(
            replace(
                made,
                call=replace(made.call, agent_id="803"),
                voices=(Voice(operator, 9.0, embedding),),
                transcript=replace(made.transcript, turns=turns),
            ),
            "run-1",
        )
    ((agent, mean),) = store.agent_voices()
    assert agent == "803"
    assert mean == pytest.approx((0.5**0.5, 0.5**0.5))
    assert store.agent_voices(calls=1)[0][1] == pytest.approx((1.0, 0.0))


def test_many_calls_are_read_as_each_by_itself(store: Store) -> None:
    made = [factories.result(number) for number in range(5)]
    for result in made:
        store.commit(result, "run-1")
    store.commit(made[1], "run-1")  # its rows move behind the others
    ids = [result.call.call_id for result in made]
    assert store.load_many(ids) == {call_id: store.load(call_id) for call_id in ids}
    assert store.load_many(ids)[ids[1]] == made[1]
    assert store.load_many([]) == {}
    assert list(store.load_many([ids[2], "unknown"])) == [ids[2]]


def test_new_scores_replace_the_old_and_nothing_else(store: Store) -> None:
    made = [factories.result(number) for number in range(3)]
    for result in made:
        store.commit(result, "run-1")
    later = replace(factories.run(), run_id="run-2")
    store.begin_run(later)
    changed = [
        replace(
            result,
            card_version="2",
            answers=result.answers[:2],
            scorecards=(Scorecard("consultation_quality", 1.0, 2.0, 0.0, 0),),
            stages=(*result.stages[:-1], replace(result.stages[-1], fingerprint="new")),
        )
        for result in made[:2]
    ]
    store.commit_scores(changed, "run-2")
    assert store.load(made[0].call.call_id) == changed[0]
    assert store.load(made[1].call.call_id) == changed[1]
    assert store.load(made[2].call.call_id) == made[2]
    runs = store.query(
        "SELECT stage_result.run_id, count(*) FROM stage_result JOIN call "
        "USING (call_id, commit_number) GROUP BY ALL ORDER BY ALL"
    ).rows
    assert runs == (("run-1", 3 * len(made[0].stages) - 2), ("run-2", 2))
    assert store.query("SELECT count(*) FROM answer").rows == ((2 * 2 + len(made[2].answers),),)
