from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from pipeline.ingest import (
    IngestOptions,
    Metadata,
    NamePattern,
    caller_key,
    combine,
    normalise_number,
    parse_name,
    parse_patterns,
    parse_sidecar,
    parse_timestamp,
    sidecar_for,
)

ALMATY = ZoneInfo("Asia/Almaty")
BUILT_IN = parse_patterns(
    (Path(__file__).parents[1] / "configs/filenames.toml").read_text(encoding="utf-8")
)


def named(path: str) -> Metadata:
    return parse_name(path, BUILT_IN, ALMATY)


def local(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=ALMATY)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    "raw",
    ["87021234567", "+77021234567", "77021234567", "07021234567", "087021234567", "7021234567",
     "0077021234567", "+7 (702) 123-45-67"],
)  # fmt: skip
def test_one_subscriber_has_one_spelling(raw: str) -> None:
    assert normalise_number(raw) == "+77021234567"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("+998901234567", "+998901234567"),
        ("00998901234567", "+998901234567"),
        ("810998901234567", "+998901234567"),
        ("anonymous", None),
        ("Restricted", None),
        ("", None),
        (None, None),
        ("1045", None),
        ("1459", None),
        ("000", None),
    ],
)
def test_foreign_withheld_and_short_numbers(raw: str | None, expected: str | None) -> None:
    assert normalise_number(raw) == expected


@settings(deadline=None)
@given(st.text())
def test_a_normalised_number_is_a_fixed_point(raw: str) -> None:
    once = normalise_number(raw)
    assert once is None or normalise_number(once) == once


def test_caller_key_depends_on_subscriber_and_secret_alone() -> None:
    first, second = b"a" * 32, b"b" * 32
    keys = {caller_key(raw, first) for raw in ("87021234567", "+77021234567", "77021234567")}
    assert len(keys) == 1
    key = keys.pop()
    assert key is not None
    assert len(key) == 32
    assert "7021234567" not in key
    assert caller_key("87021234568", first) != key
    assert caller_key("87021234567", second) != key
    assert caller_key("anonymous", first) is None
    with pytest.raises(ConfigError, match="16 secret bytes"):
        caller_key("87021234567", b"short")


def test_freepbx_queue_recording() -> None:
    found = named("2026/09/08/q-710-87021234567-20260908-101422-1788844462.20417.wav")
    assert found.started_at == local(2026, 9, 8, 10, 14, 22)
    assert found.started_at_source == "file_name"
    assert (found.queue, found.caller, found.direction) == ("710", "+77021234567", "inbound")
    assert (found.uniqueid, found.source) == ("1788844462.20417", "freepbx_queue")
    assert found.agent_id is None


@pytest.mark.parametrize(
    ("name", "direction", "queue", "agent", "did"),
    [
        ("rg-600-87021234567-20260908-101422-1788844462.1", "inbound", "600", None, None),
        ("in-7172555010-87021234567-20260908-101422-1788844462.1", "inbound", None, None,
         "7172555010"),
        ("exten-1041-87021234567-20260908-101422-1788844462.1", "inbound", None, "1041", None),
        ("out-87021234567-1041-20260908-101422-1788844462.1", "outbound", None, "1041", None),
        ("force-87021234567-1041-20260908-101422-1788844462.1", "outbound", None, "1041", None),
        ("external-87021234567-1041-20260908-101422-1788844462.1", "outbound", None, "1041", None),
    ],
)  # fmt: skip
def test_freepbx_type_gives_direction_and_who_is_who(
    name: str, direction: str, queue: str | None, agent: str | None, did: str | None
) -> None:
    found = named(f"{name}.wav")
    assert found.caller == "+77021234567"
    assert (found.direction, found.queue, found.agent_id, found.did) == (
        direction,
        queue,
        agent,
        did,
    )


def test_a_copy_is_read_like_its_original_and_a_withheld_number_is_none() -> None:
    found = named("q-710-anonymous-20260908-101422-pbx1-1788844462.20417 (1).wav")
    assert (found.queue, found.caller) == ("710", None)
    assert found.uniqueid == "pbx1-1788844462.20417"
    assert found.started_at_source == "file_name"


def test_vicidial_recording() -> None:
    found = named("20260915-154009_77021234567_720_1042.mp3")
    assert found.started_at == local(2026, 9, 15, 15, 40, 9)
    assert (found.caller, found.queue, found.agent_id) == ("+77021234567", "720", "1042")
    assert (found.direction, found.operator_channel) == (None, None)
    short = named("20260915-154009_1234-all.wav")
    assert (short.caller, short.queue) == (None, None)
    assert short.started_at == local(2026, 9, 15, 15, 40, 9)


@pytest.mark.parametrize(
    ("path", "moment", "source"),
    [
        ("REC_20260908_101422_1.wav", local(2026, 9, 8, 10, 14, 22), "file_name"),
        ("20260908101422-all.wav", local(2026, 9, 8, 10, 14, 22), "file_name"),
        ("Запись 2026-09-08 10.14.22.m4a", local(2026, 9, 8, 10, 14, 22), "file_name"),
        ("звонок 08.09.2026 10-14.mp3", local(2026, 9, 8, 10, 14), "file_name"),
        ("разговор 08.09.2026.mp3", local(2026, 9, 8), "file_name_day"),
        ("monitor/2026/09/08/a.wav", local(2026, 9, 8), "folder_day"),
        ("1788844462.20417.wav", local(2026, 9, 8, 10, 14, 22), "uniqueid"),
        ("2026/09/08/1788844462.20417.wav", local(2026, 9, 8, 10, 14, 22), "uniqueid"),
    ],
)
def test_dates_in_free_names(path: str, moment: datetime, source: str) -> None:
    found = named(path)
    assert (found.started_at, found.started_at_source) == (moment, source)


@pytest.mark.parametrize(
    "path",
    ["rec 0031.wav", "0000A7F.wav", "НОВАЯ ЗАПИСЬ_сент 25.wav", "a/20261345-996199_x.wav",
     "q-710-x-20260231-101422-12.5.wav", "77021234567.wav", "202609081014229999.wav", ".wav", "",
     "18890101.wav"],
)  # fmt: skip
def test_no_date_is_invented(path: str) -> None:
    assert named(path).started_at is None


def test_a_lone_number_is_a_caller_but_digits_of_a_date_are_not() -> None:
    assert named("rec 000412 87021234567.wav").caller == "+77021234567"
    assert named("20260908101422.wav").caller is None
    assert named("1788844462.20417.wav").caller is None


def test_an_impossible_date_falls_back_to_the_unique_id() -> None:
    found = named("q-710-87021234567-20260231-101422-1788844462.1.wav")
    assert found.started_at == local(2026, 9, 8, 10, 14, 22)
    assert found.started_at_source == "uniqueid"


def test_a_date_that_contradicts_the_unique_id_is_kept_and_reported() -> None:
    found = named("q-710-87021234567-20260101-101422-1788844462.1.wav")
    assert found.started_at == local(2026, 1, 1, 10, 14, 22)
    assert found.started_at_source == "file_name, uniqueid disagrees"


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_name_is_survived(path: str) -> None:
    found = named(path)
    assert (found.started_at is None) == (found.started_at_source is None)


def test_personal_data_stays_out_of_repr() -> None:
    assert "7021234567" not in repr(named("20260915-154009_77021234567_720_1042.mp3"))


def test_own_pattern_with_channel_zone_and_epoch() -> None:
    patterns = parse_patterns(
        """
        [[pattern]]
        id = "mine"
        regex = '^(?P<direction>in|out)_(?P<epoch>\\d{10})_(?P<agent>\\w+)$'
        operator_channel = 1
        zone = "UTC"
        """
    )
    found = parse_name("x/out_1788844462_anna.wav", patterns, ALMATY)
    assert found.started_at == local(2026, 9, 8, 10, 14, 22)
    assert (found.direction, found.agent_id, found.operator_channel) == ("outbound", "anna", 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[pattern]]\nid='a'\nregex='(?P<phone>x)'", "caller"),
        ("[[pattern]]\nid='a'\nregex='('", "bad regular expression"),
        ("[[pattern]]\nid='a'\nregex='x'\nchannel=1", "operator_channel"),
        ("[[pattern]]\nid='a'\nregex='x'\noperator_channel=2", "0 or 1"),
        ("[[pattern]]\nid='a'\nregex='x'\ndirection='up'", "inbound"),
        ("[[pattern]]\nid='a'\nregex='x'\nzone='Almaty'", "IANA"),
        ("[[pattern]]\nregex='x'", "required"),
        ("[[pattern]]\nid='a'\nregex='x'\n[[pattern]]\nid='a'\nregex='y'", "twice"),
        ("[[names]]\nid='a'", "known: pattern"),
        ("[[", "TOML"),
    ],
)
def test_a_bad_pattern_file_says_what_is_allowed(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_patterns(text)


def test_timestamps() -> None:
    assert parse_timestamp("2026-09-08T05:14:22Z", ALMATY) == local(2026, 9, 8, 10, 14, 22)
    assert parse_timestamp("2026-09-08 10:14:22", ALMATY) == local(2026, 9, 8, 10, 14, 22)
    assert parse_timestamp("08.09.2026 10:14", ALMATY) == local(2026, 9, 8, 10, 14)
    for text in (None, "", "2026", "2026-09-08", "1904-01-01T00:00:00Z", "soon 1 2"):
        assert parse_timestamp(text, ALMATY) is None


def test_sidecar_csv_with_semicolons_and_bom() -> None:
    table = parse_sidecar(
        "\ufefffile;started_at;queue;agent_name;caller;operator_channel;direction\r\n"
        "inbox/rec 0031.wav;2026-09-17T09:31:05+05:00;730;Иванова;8 702 123 45 67;1;incoming\r\n"
        "rec 0032.wav;;;;;;\r\n",
        "csv",
        ALMATY,
    )
    row = sidecar_for("inbox/rec 0031.wav", table)
    assert row is not None
    assert row.started_at == local(2026, 9, 17, 9, 31, 5)
    assert (row.queue, row.caller, row.operator_channel) == ("730", "+77021234567", 1)
    assert row.direction == "inbound"
    empty = sidecar_for("deep/rec 0032.wav", table)
    assert empty == Metadata(source="sidecar")
    assert sidecar_for("other/rec 0031.wav", table) is None


def test_sidecar_json_and_decomposed_names() -> None:
    text = '[{"file": "Жазба й.wav", "queue": 814, "agent_id": null, "started_at": "2026-09-08"}]'
    table = parse_sidecar(text, "json", ALMATY)
    row = sidecar_for("a/Жазба и\u0306.wav", table)
    assert row is not None
    assert (row.queue, row.agent_id) == ("814", None)
    assert (row.started_at, row.started_at_source) == (local(2026, 9, 8), "sidecar_day")


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("csv", "file,phone\na.wav,1\n", "caller"),
        ("csv", "file,queue\na.wav\n", "fewer fields"),
        ("csv", "file,queue\na.wav,1\na.wav,2\n", "row 2"),
        ("csv", "file,started_at\na.wav,yesterday\n", "row 1"),
        ("csv", "file,operator_channel\na.wav,left\n", "0, 1 or empty"),
        ("csv", "file,direction\na.wav,up\n", "inbound"),
        ("csv", "queue\n710\n", "file"),
        ("json", '{"file": "a.wav"}', "list of objects"),
        ("json", '[{"file": "a.wav", "queue": ["1"]}]', "row 1"),
        ("json", "[", "not JSON"),
    ],
)
def test_a_bad_sidecar_is_a_configuration_error(kind: str, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_sidecar(text, "json" if kind == "json" else "csv", ALMATY)


def test_sources_are_believed_in_order() -> None:
    name = named("q-710-87021234567-20260908-101422-1788844462.1.wav")
    side = Metadata(started_at=local(2026, 9, 8, 10, 0), started_at_source="sidecar", queue="999")
    options = IngestOptions(operator_channel=1)
    tags = "2026-09-08T05:14:00Z"
    assert combine(name, options=options).started_at_source == "file_name"
    tagged = combine(name, tags_date=tags, options=options)
    assert (tagged.started_at, tagged.started_at_source) == (local(2026, 9, 8, 10, 14), "container")
    full = combine(name, sidecar=side, tags_date=tags, options=options)
    assert (full.started_at_source, full.queue, full.caller) == ("sidecar", "999", "+77021234567")
    assert full.operator_channel == 1
    assert combine(name, tags_date="2020-01-01T00:00:00Z", options=options).started_at_source == (
        "container, uniqueid disagrees"
    )
    assert combine(Metadata(), options=IngestOptions()) == Metadata()


def test_a_pattern_channel_wins_over_the_default() -> None:
    pattern = NamePattern(id="p", regex=BUILT_IN[0].regex, operator_channel=0)
    name = parse_name("q-1-2-20260908-101422-1788844462.1", (pattern,), ALMATY)
    assert combine(name, options=IngestOptions(operator_channel=1)).operator_channel == 0
