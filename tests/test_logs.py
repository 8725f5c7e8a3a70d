"""Telephone logs: what is read, what is rejected, and the figures against independent truth."""

from __future__ import annotations

import gzip
import json
import random
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.errors import ConfigError, StoreError
from pipeline.ingest import AccessOptions, caller_key, parse_queues
from pipeline.store import LoadedLog, LogSources, Store
from tests import factories, logs_factory
from tests.conftest import sapa

KEY = b"0123456789abcdef0123456789abcdef"
MONTH = logs_factory.month(seed=7, calls=700)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    return logs_factory.write(MONTH, tmp_path_factory.mktemp("logs"))


@pytest.fixture(scope="module")
def loaded(files: tuple[Path, Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("loaded") / "sapa.duckdb"
    with Store.open(path) as store:
        load(store, *files)
    return path


@pytest.fixture
def store(loaded: Path, tmp_path: Path) -> Iterator[Store]:
    """A copy of a database with the month loaded."""
    shutil.copyfile(loaded, tmp_path / "sapa.duckdb")
    with Store.open(tmp_path / "sapa.duckdb") as opened:
        yield opened


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "empty.duckdb") as opened:
        yield opened


def load(
    store: Store,
    cdr: Path | Sequence[Path] = (),
    queue_log: Path | Sequence[Path] = (),
    queues: Path | str | None = None,
    options: AccessOptions | None = None,
) -> tuple[LoadedLog, ...]:
    if not store.query("SELECT 1 FROM run").rows:
        store.begin_run(factories.run())
    text = queues.read_text("utf-8") if isinstance(queues, Path) else queues
    sources = LogSources(
        key=KEY,
        cdr=(cdr,) if isinstance(cdr, Path) else tuple(cdr),
        queue_log=(queue_log,) if isinstance(queue_log, Path) else tuple(queue_log),
        plan=None if text is None else parse_queues(text, "queues.toml"),
        options=options,
    )
    return store.load_logs(sources, "run-1")


def contents(store: Store) -> dict[str, object]:
    """Everything that loading again must not change, independent of the order of rows."""
    tables = ("contact", "contact_leg", "contact_event", "v_access_queue", "v_access_tries")
    return {
        name: store.query(
            f"SELECT count(*), bit_xor(hash(t.* EXCLUDE (run_id))) FROM {name} AS t"
            if name == "contact"
            else f"SELECT count(*), bit_xor(hash(COLUMNS(t.*)::VARCHAR)) FROM {name} AS t"
        ).rows
        for name in tables
        if name != "contact"
    } | {"contact": sorted(map(repr, store.query("SELECT * EXCLUDE (run_id) FROM contact").rows))}


# --- figures --------------------------------------------------------------------------------


@pytest.mark.parametrize("queue", [*MONTH.plan.queues, None])
def test_every_count_of_a_queue_is_that_of_the_calls(store: Store, queue: object) -> None:
    name = "total" if queue is None else queue.queue  # type: ignore[attr-defined]
    table = store.query("SELECT * FROM v_access_queue WHERE queue = ?", [name])
    row = dict(zip(table.columns, table.rows[0], strict=True))
    truth = logs_factory.queue_truth(MONTH, queue)  # type: ignore[arg-type]
    assert {key: row[key] for key in truth} == truth
    in_time, late = truth["answered_within_20"], truth["abandoned_within_20"]
    answered, abandoned, attempts = truth["answered"], truth["abandoned"], truth["attempts"]
    assert row["service_level_1"] == pytest.approx(in_time / answered)
    assert row["service_level_2"] == pytest.approx(in_time / (answered + abandoned))
    assert row["service_level_3"] == pytest.approx(
        in_time / (answered + abandoned - truth["short_abandons"])
    )
    assert row["service_level_4"] == pytest.approx((in_time + late) / (answered + abandoned))
    assert row["service_level_5"] == pytest.approx(in_time / attempts)
    assert row["service_level_5_original"] <= row["service_level_5"]


def test_the_sums_of_the_definitions_hold(store: Store) -> None:
    for row in store.query(
        "SELECT attempts - out_of_hours - busy_congestion - hung_up_before_queue "
        "- entered_queue_original - joinempty_original, "
        "entered_queue - answered - abandoned - timeouts - exitempty, "
        "answered - completed_by_agent - completed_by_caller - blind_transfers "
        "- attended_transfers FROM v_access_queue"
    ).rows:
        assert row == (0, 0, 0)


def test_thresholds_are_options(empty: Store, files: tuple[Path, Path, Path]) -> None:
    load(empty, *files, AccessOptions(threshold=5, short_abandon=2, coverage_target=1.0))
    truth = logs_factory.queue_truth(MONTH, None, threshold=5, short=2)
    row = empty.query(
        "SELECT answered_within_20, abandoned_within_20, short_abandons FROM v_access_queue "
        "WHERE queue = 'total'"
    ).rows
    assert row == (
        (truth["answered_within_20"], truth["abandoned_within_20"], truth["short_abandons"]),
    )
    more = "SELECT DISTINCT threshold_s, short_abandon_s, coverage_target FROM v_access_more"
    assert empty.query(more).rows == ((5, 2, 1.0),)


def test_tries_are_those_of_the_calls(store: Store) -> None:
    truth = Counter(logs_factory.episodes(logs_factory.tries(MONTH)))
    found = store.query(
        "SELECT queue, got_through, tries, episodes FROM v_access_tries WHERE queue <> 'total'"
    ).rows
    assert {(q, got, n): count for q, got, n, count in found} == truth
    pooled = Counter((got, n) for (_, got, n) in truth.elements())
    total = store.query(
        "SELECT got_through, tries, episodes FROM v_access_tries WHERE queue = 'total'"
    ).rows
    assert {(got, n): count for got, n, count in total} == pooled


def test_call_backs_are_those_of_the_calls(store: Store) -> None:
    missed = [one for one in logs_factory.tries(MONTH) if one.kind]
    truth = logs_factory.callbacks(missed, logs_factory.outbound(MONTH))
    assert len(truth) > 20
    expected = sorted(
        (queue, kind, logs_factory.local(at), logs_factory.local(back), answered)
        for queue, kind, at, back, answered in truth
    )
    assert sorted(store.query("SELECT * FROM v_callback").rows) == expected
    assert store.query("SELECT count(*) FROM v_missed").rows == ((len(missed),),)


def test_days_half_hours_and_numbers_are_those_of_the_calls(store: Store) -> None:
    calls = [call for call in MONTH.calls if not call.called]
    numbers = Counter(call.did for call in calls)
    found = store.query("SELECT did, attempts FROM v_access_did").rows
    assert dict(found) == {did: numbers[did] for did, _ in found}
    assert len(found) == 6
    (dead,) = store.query("SELECT list(did) FROM v_access_did WHERE dead").rows
    assert dead == (["7172440599"],)
    of_queue = [(MONTH.queue_of(call.did), call) for call in calls]
    days = Counter((q.queue, call.start.date()) for q, call in of_queue if q)
    found = store.query("SELECT queue, date, attempts FROM v_access_day WHERE attempts > 0").rows
    assert {(queue, day): n for queue, day, n in found} == days
    slots = Counter(
        (q.queue, 48 * call.start.weekday() + 2 * call.start.hour + call.start.minute // 30)
        for q, call in of_queue if q
    )  # fmt: skip
    found = store.query("SELECT queue, half_hour_of_week, attempts FROM v_access_half_hour").rows
    assert len(found) == 3 * 336
    assert {(queue, slot): n for queue, slot, n in found if n} == slots


def extension_truth(queue: str, opens: int, closes: int, gap: tuple[int, int] | None) -> tuple:
    """The smallest longer hours, each tried in turn; times in half-hours."""
    described = next(one for one in MONTH.plan.queues if one.queue == queue)
    starts = [
        call.start for call in MONTH.calls
        if call.did in described.dids and not call.called and call.start.weekday() < 5
        and call.start.date() not in described.closed
        and not described.is_open(call.start.replace(tzinfo=None))
    ]  # fmt: skip
    halves = [2 * start.hour + start.minute // 30 for start in starts]
    found = []
    for early in range(opens + 1):
        for late in range(48 - closes + 1):
            for dropped in (False, True) if gap else (False,):
                covered = sum(
                    opens - early <= half < opens or closes <= half < closes + late
                    or (dropped and gap is not None and gap[0] <= half < gap[1])
                    for half in halves
                )  # fmt: skip
                size = early + late + (gap[1] - gap[0] if dropped and gap else 0)
                if 2 * covered >= len(halves):
                    found.append((size, opens - early, not dropped, closes + late, covered))
    size, begin, kept, end, covered = min(found)
    return (f"{begin // 2:02}:{begin % 2 * 3}0", f"{end // 2:02}:{end % 2 * 3}0", not kept, size,
            covered, len(halves))  # fmt: skip


@pytest.mark.parametrize(
    ("queue", "opens", "closes", "gap"), [("501", 18, 37, (26, 29)), ("502", 17, 35, None)]
)
def test_longer_hours_are_the_smallest_that_help(
    store: Store, queue: str, opens: int, closes: int, gap: tuple[int, int] | None
) -> None:
    row = store.query(
        "SELECT open, close, break_dropped, added_half_hours, covered, out_of_hours_weekday "
        "FROM v_access_extension WHERE queue = ?",
        [queue],
    ).rows
    assert row == (extension_truth(queue, opens, closes, gap),)


def test_a_queue_that_never_closes_needs_no_longer_hours(store: Store) -> None:
    row = store.query("SELECT * FROM v_access_extension WHERE queue = '503'").rows
    assert row == (("503", "00:00", "24:00", False, 0, 0, 0, None),)


# --- lines that cannot be read --------------------------------------------------------------


def soil(lines: list[str], dice: random.Random, title: str) -> tuple[bytes, Counter[str]]:
    """The lines in another order among bad ones and copies, and how many of each kind."""
    kinds: Counter[str] = Counter()
    found = [line.encode() for line in lines]
    extra: list[bytes] = []
    mark = b"|" if b"|" in found[0] else b","
    for line in dice.sample(found, 120):
        kind = dice.choice(["truncated", "binary", "duplicate", "wrong_columns", "bad_date"])
        fields = line.split(mark)
        if kind == "truncated":
            extra.append(mark.join(fields[: dice.randrange(1, 4)])[:-1])
        elif kind == "binary":
            middle = len(line) // 2
            junk = dice.choice([b"\xff\xfe", b"\x00", b"a\rb", b"\xe4", b"\x7f", b"\x0b"])
            extra.append(line[:middle] + junk + line[middle + 1 :])
        elif kind == "duplicate":
            extra.append(line)
        elif kind == "wrong_columns":
            extra.append(mark.join([*fields[:1], *fields[2:]]) if mark == b"|" else line + b',"x"')
        elif mark == b"|":
            extra.append(mark.join([b"2026-13-45", *fields[1:]]))
        else:
            extra.append(re.sub(rb'"2026-\d\d', b'"2026-13', line, count=1))
        kinds[kind] += 1
    extra.append(title.encode())
    kinds["header"] += 1
    every = [*found, *extra]
    dice.shuffle(every)
    return b"".join(line + dice.choice([b"\n", b"\n", b"\r\n"]) for line in every), kinds


@pytest.mark.parametrize("seed", [1, 2])
def test_dirty_files_give_the_same_figures_and_every_bad_line_is_counted(
    store: Store, empty: Store, files: tuple[Path, Path, Path], tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    cdr, queue_log = tmp_path / "cdr.csv", tmp_path / "queue_log"
    data, cdr_kinds = soil(logs_factory.cdr_lines(MONTH), dice, '"src","dst","dcontext","start"')
    cdr.write_bytes(data)
    data, queue_kinds = soil(
        logs_factory.queue_lines(MONTH), dice, "epoch|callid|queue|agent|EVENT|p1"
    )
    queue_log.write_bytes(data)
    results = load(empty, cdr, queue_log, files[2])
    for result, kinds, clean in zip(results, (cdr_kinds, queue_kinds), files[:2], strict=True):
        lines = len(clean.read_text("utf-8").splitlines())
        assert (result.accepted, result.duplicates) == (lines, kinds.pop("duplicate", 0))
        assert {r.kind: r.lines for r in result.rejections} == dict(kinds)
        assert result.total == result.accepted + result.rejected + result.duplicates
        assert result.crlf > 100
    for view in ("v_access_queue", "v_access_tries", "v_access_did", "v_access_extension"):
        assert empty.query(f"FROM {view}").rows == store.query(f"FROM {view}").rows
    for view in ("v_callback", "v_contact"):
        order = "ORDER BY ALL"
        assert empty.query(f"FROM {view} {order}").rows == store.query(f"FROM {view} {order}").rows
    quality = empty.query("FROM v_log_quality ORDER BY file").rows
    assert quality == tuple(
        (r.file, r.total, r.accepted, r.rejected, r.duplicates) for r in results
    )


def test_samples_of_bad_lines_show_their_shape_alone(
    empty: Store, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    path = tmp_path / "queue_log"
    path.write_text("1790800000|1790800000.1|501|NONE|ENTERQUEUE||87021234567\n", "utf-8")
    (result,) = load(empty, (), path, files[2])
    (rejection,) = result.rejections
    assert (rejection.kind, rejection.lines) == ("truncated", 1)
    assert rejection.samples == ((1, "9999999999|9999999999.9|999|xxxx|xxxxxxxxxx||99999999999"),)


# --- loading again --------------------------------------------------------------------------


def test_loading_a_file_again_changes_nothing(store: Store, files: tuple[Path, Path, Path]) -> None:
    before = contents(store)
    results = load(store, *files)
    assert [result.known for result in results] == [True, True]
    assert contents(store) == before
    assert store.query("SELECT count(*) FROM v_log_quality").rows == ((2,),)


def test_halves_that_overlap_give_the_whole(
    store: Store, empty: Store, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    parts: list[list[Path]] = []
    for path in files[:2]:
        lines = path.read_text("utf-8").splitlines(keepends=True)
        third = len(lines) // 3
        pieces = lines[: 2 * third], lines[third:]
        names = [tmp_path / f"{path.name}.{number}" for number in (1, 2)]
        for name, piece in zip(names, pieces, strict=True):
            name.write_text("".join(piece), "utf-8")
        parts.append(names)
    load(empty, parts[0][1], parts[1][1], files[2])
    results = load(empty, parts[0][0], parts[1][0])
    assert all(result.duplicates > 0 for result in results)
    for table in ("contact_leg", "contact_event"):
        count = f"SELECT count(*) FROM {table}"
        assert empty.query(count).rows == store.query(count).rows
    assert contents(empty)["contact"] == contents(store)["contact"]
    assert contents(empty)["v_access_queue"] == contents(store)["v_access_queue"]


def test_queues_may_be_described_later_and_otherwise(
    store: Store, empty: Store, files: tuple[Path, Path, Path]
) -> None:
    load(empty, files[0], files[1])
    assert empty.query("FROM v_access_queue").rows == ()
    load(empty, queues=files[2])
    assert contents(empty) == contents(store)
    shut = files[2].read_text("utf-8").replace("2026-10-26", "2026-10-27")
    load(empty, queues=shut)
    count = "SELECT count(*) FROM v_contact WHERE out_of_hours AND started_at::DATE = '2026-10-27'"
    assert empty.query(count).rows[0][0] > store.query(count).rows[0][0]


def test_another_secret_is_refused(store: Store, files: tuple[Path, Path, Path]) -> None:
    before = contents(store)
    with pytest.raises(ConfigError, match="another secret"):
        store.load_logs(LogSources(key=b"x" * 32, cdr=(files[0],)), "run-1")
    assert contents(store) == before


def test_a_failure_leaves_everything_as_it_was(
    store: Store, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    more = tmp_path / "more.csv"
    more.write_text("\n".join(logs_factory.cdr_lines(logs_factory.month(3, 20))), "utf-8")
    nonsense = tmp_path / "nonsense.csv"
    nonsense.write_text("a,b\n1,2\n", "utf-8")
    before = contents(store)
    with pytest.raises(ConfigError, match=r"nonsense.csv: 2 columns without a header"):
        load(store, (more, nonsense))
    assert contents(store) == before
    assert load(store, more)[0].accepted > 0


def test_a_file_given_with_the_wrong_option_can_be_given_again(
    empty: Store, files: tuple[Path, Path, Path]
) -> None:
    (wrong,) = load(empty, (), files[0], files[2])
    assert (wrong.accepted, wrong.rejected) == (0, wrong.total)
    (right,) = load(empty, files[0])
    assert (right.known, right.rejected) == (False, 0)
    with pytest.raises(ConfigError, match="was loaded as cdr"):
        load(empty, (), files[0])


def test_a_store_for_reading_loads_nothing(loaded: Path, files: tuple[Path, Path, Path]) -> None:
    with Store.open(loaded, read_only=True) as store, pytest.raises(StoreError, match="reading"):
        load(store, files[0])


# --- formats --------------------------------------------------------------------------------


def test_a_header_and_columns_of_another_exchange(
    store: Store, empty: Store, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    """FreePBX exports calldate, no end, columns in another order."""
    path = tmp_path / "export.csv"
    import csv

    titles = ["calldate", "source", "dst", "dcontext", "duration", "billsec", "disposition",
              "uniqueid", "linkedid"]  # fmt: skip
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=";", lineterminator="\n")
        writer.writerow(titles)
        for row in csv.reader(logs_factory.cdr_lines(MONTH)):
            writer.writerow([row[9], row[1], row[2], row[3], row[12], row[13], row[14].lower(),
                             row[16], row[18]])  # fmt: skip
    queues = files[2].read_text("utf-8") + (
        '\n[cdr]\ndelimiter = ";"\n[cdr.names]\nsrc = "source"\n'
    )
    (cdr, _) = load(empty, path, files[1], queues)
    assert {r.kind: r.lines for r in cdr.rejections} == {"header": 1}
    for view in ("v_access_queue", "v_access_tries"):
        assert empty.query(f"FROM {view}").rows == store.query(f"FROM {view}").rows


def test_packed_files_and_a_missing_linkedid(
    store: Store, empty: Store, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    """Stock cdr_csv has no linkedid: every from-trunk line is then its own call's."""
    cdr, queue_log = tmp_path / "Master.csv.gz", tmp_path / "queue_log.gz"
    lines = [line.rpartition(",")[0] for line in logs_factory.cdr_lines(MONTH)]
    cdr.write_bytes(gzip.compress("\n".join(lines).encode()))
    queue_log.write_bytes(gzip.compress(files[1].read_bytes()))
    results = load(empty, cdr, queue_log, files[2])
    assert [result.rejected for result in results] == [0, 0]
    assert empty.query("FROM v_access_queue").rows == store.query("FROM v_access_queue").rows


def test_an_exchange_without_contexts(
    empty: Store, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    """Calls to described numbers are inbound, calls to subscribers outbound."""
    path = tmp_path / "calls.csv"
    path.write_text(
        "start,src,dst,duration,disposition,uniqueid\n"
        "2026-10-05 08:00:00,87021234567,7172440501,5,NO ANSWER,1791169200.1\n"
        "2026-10-05 10:00:00,501,+77021234567,60,ANSWERED,1791176400.2\n",
        "utf-8",
    )
    load(empty, path, (), files[2])
    rows = empty.query("SELECT missed_kind, called_back_at, answered FROM v_callback").rows
    assert rows == (("out_of_hours", datetime(2026, 10, 5, 10), True),)  # noqa: DTZ001


def test_a_number_may_be_dialled_in_any_notation(
    empty: Store, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    path = tmp_path / "cdr.csv"
    line = logs_factory.cdr_lines(MONTH)[0].replace('"7172440503"', '"+77172440503"')
    path.write_text(line, "utf-8")
    load(empty, path, (), files[2])
    assert empty.query("SELECT did, queue FROM v_contact").rows == (("7172440503", "503"),)


# --- recordings and persons -----------------------------------------------------------------


def test_contacts_join_recordings_by_id_else_by_number_and_time(
    empty: Store, files: tuple[Path, Path, Path]
) -> None:
    calls = [call for call in MONTH.calls if call.number and not call.called]
    first, second, third = calls[10], calls[40], calls[80]
    empty.begin_run(factories.run())
    known = [
        factories.call(1, uniqueid=first.uniqueid, started_at=None, started_at_source=None),
        factories.call(2, uniqueid="1790000000.77", linkedid=second.uniqueid),
        factories.call(
            3, uniqueid=None, linkedid=None, caller_key=caller_key(third.spelled, KEY),
            started_at=third.start.astimezone(UTC) + timedelta(seconds=4),
        ),
        factories.call(4, uniqueid=None, linkedid=None, caller_key="0" * 32,
                       started_at=third.start.astimezone(UTC)),
    ]  # fmt: skip
    for call in known:
        empty.commit(factories.result(0, call=call), "run-1")
    load(empty, *files)
    rows = dict(
        empty.query("SELECT contact_id, call_id FROM v_contact WHERE call_id IS NOT NULL").rows
    )
    assert rows == {
        call.uniqueid: recording.call_id
        for call, recording in zip((first, second, third), known, strict=False)
    }


def test_no_number_of_a_person_is_stored(store: Store) -> None:
    numbers = {call.number[2:] for call in MONTH.calls if call.number}
    tables = [str(name) for (name,) in store.query(
        "SELECT table_name FROM duckdb_tables() WHERE NOT internal").rows]  # fmt: skip
    stored = " ".join(repr(store.query(f"SELECT * FROM {table}").rows) for table in tables)
    assert "7172440501" in stored
    assert [number for number in numbers if number in stored] == []
    key = caller_key(next(c.spelled for c in MONTH.calls if c.number and not c.called), KEY)
    assert key is not None
    assert key in stored


# --- the command ----------------------------------------------------------------------------


def test_the_command_prints_the_strict_service_level_first_with_its_threshold(
    home: Path, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    db = tmp_path / "sapa.duckdb"
    ran = sapa("logs", "--cdr", files[0], "--queue-log", files[1], "--queues", files[2],
               "--db", db, "--threshold", "12", home=home)  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "answered within 12 s" in ran.stdout
    with Store.open(db, read_only=True) as store:
        ((level,),) = store.query(
            "SELECT service_level_2 FROM v_access_queue WHERE queue = '501'"
        ).rows
    line = next(line for line in ran.stdout.splitlines() if line.split()[:1] == ["501"])
    assert float(line.split()[1]) == pytest.approx(100 * level, abs=0.06)
    again = sapa("logs", "--cdr", files[0], "--db", db, home=home)
    assert "loaded before: nothing changed" in again.stdout
    assert "answered within 12 s" in again.stdout


def test_mistakes_of_the_command_are_one_clear_message(
    home: Path, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    db = tmp_path / "sapa.duckdb"
    bad = tmp_path / "queues.toml"
    bad.write_text("[queues]\n", "utf-8")
    for options, message in (
        (("--cdr", tmp_path / "none.csv"), "no such file"),
        (("--queues", files[0]), "neither valid TOML nor JSON"),
        (("--queues", bad), "describes no queue"),
        (("--cdr", files[1]), "list the columns"),
        (("--threshold", "-1"), "must not be negative"),
    ):
        ran = sapa("logs", *options, "--db", db, home=home)
        assert ran.returncode == 2, options
        assert message in " ".join(ran.stderr.split()), options
        assert "Traceback" not in ran.stderr


def test_the_sample_logs_are_those_of_the_generator() -> None:
    made = logs_factory.month()
    folder = logs_factory.SAMPLES
    assert (folder / "cdr.csv").read_text("utf-8").splitlines() == logs_factory.cdr_lines(made)
    assert (folder / "queue_log").read_text("utf-8").splitlines() == logs_factory.queue_lines(made)
    assert (folder / "queues.toml").read_text("utf-8") == logs_factory.QUEUES_TOML


# --- the queues file ------------------------------------------------------------------------


def test_toml_and_json_say_the_same() -> None:
    interval = [["09:00", "13:00"], ["14:30", "18:30"]]
    hours = dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), interval)
    as_json = json.dumps(
        {
            "timezone": "Asia/Almaty",
            "utc_offset_hours": 5,
            "month_end_local_exclusive": "2026-11-01 00:00:00",
            "queues": {"501": {"name": "reception", "did": "7172440501", "hours": hours}},
            "closed_dates": [{"date": "2026-10-26", "queues": ["501"]}],
            "other_dids": {"7172440599": "fax"},
        }
    )
    as_toml = """
        timezone = "Asia/Almaty"
        period_end = 2026-11-01T00:00:00
        [queues.501]
        name = "reception"
        did = ["7172440501"]
        hours = { weekdays = ["14:30-18:30", "09:00-13:00"] }
        [[closed_dates]]
        date = 2026-10-26
        [other_dids]
        7172440599 = "fax"
    """
    assert parse_queues(as_json, "q") == parse_queues(as_toml, "q")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour = 1", "unknown .*colour.*known: .*closed_dates"),
        ("[queues.1]\nhour = 1", r"queue 1: unknown \['hour'\]; known: name, did, dids, hours"),
        ("[queues.1.hours]\nmo = []", "unknown .*mo.*known: mon"),
        ('[queues.1.hours]\nmon = [["09:00", "25:00"]]', "HH:MM from 00:00 to 24:00"),
        ('[queues.1.hours]\nmon = [["18:00", "09:00"]]', "ends before it begins"),
        ('[queues.1.hours]\nmon = ["09:00-12:00", "11:00-13:00"]', "overlap"),
        ('[queues.1]\ndid = "7"\n[queues.2]\ndid = "7"', "number 7 stands twice"),
        ("[queues.total]", "taken by the row that pools"),
        ("closed_dates = [{date = 2026-01-01, queues = ['9']}]\n[queues.1]", "known: 1"),
        ("closed_dates = ['soon']\n[queues.1]", "YYYY-MM-DD"),
        ("timezone = 'Mars'\n[queues.1]", "IANA"),
        ("[queues.1]\n[cdr]\ncolumns = ['src', 'dst']", "lacking"),
        ("[queues.1]\n[cdr]\ndelimiter = ';;'", "one character"),
    ],
)
def test_mistakes_in_a_queues_file_are_named(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_queues(text, "queues.toml")


def test_options_outside_their_range_are_refused() -> None:
    for wrong in ({"coverage_target": 0.0}, {"coverage_target": 1.5}, {"short_abandon": -1}):
        with pytest.raises(ConfigError, match="must"):
            replace(AccessOptions(), **wrong)
