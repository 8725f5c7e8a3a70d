from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pipeline.errors import TruthError
from pipeline.run.importing import arrival
from pipeline.store import Store
from pipeline.transcripts import Imported, parse_json, parse_stm, parse_vcon
from tests.conftest import SAMPLES, Ran, sapa

KEY = bytes(32)


def lines(found: Imported) -> list[tuple[float, float, str, str]]:
    texts = found.transcript.texts()
    return [(t.start, t.end, t.speaker, texts[t.index]) for t in found.transcript.turns]


def roles(found: Imported) -> dict[str, str]:
    return {item.speaker: item.role for item in found.corrections}


# ---------------------------------------------------------------- json

CALL = {
    "file": "inbox/a.wav",
    "layout": "stereo",
    "duration": 12.5,
    "turns": [
        {"start": 4.0, "end": 6.0, "speaker": "S7", "role": "caller", "text": "Сәлем бе"},
        {"start": 0.0, "end": 3.0, "speaker": "operator", "text": "Да, алло", "language": "ru"},
        {"start": 5.0, "end": 7.0, "speaker": "operator", "text": "Слушаю вас"},
        {"start": 8.0, "end": 9.0, "speaker": "x", "text": " "},
    ],
    "meta": {"queue": 710, "caller_phone": "87021234567", "started_at": "2026-09-01T10:00:00+05:00",
             "direction": "in"},
    "labels": {"call_type": "nonsense that is not looked at"},
}  # fmt: skip


def made(**changes: object) -> Imported:
    (found,) = parse_json(json.dumps(CALL | changes), "a.json")
    return found


def test_json_lines_become_turns_in_order_of_time() -> None:
    assert lines(made()) == [
        (0.0, 3.0, "operator", "Да, алло"), (4.0, 6.0, "S7", "Сәлем бе"),
        (5.0, 7.0, "operator", "Слушаю вас"),
    ]  # fmt: skip
    assert [turn.overlapped for turn in made().transcript.turns] == [False, True, True]


def test_words_share_the_time_of_their_line_and_claim_no_probability() -> None:
    words = made().transcript.words_of(2)
    assert [(w.start, w.end, w.text) for w in words] == [(5, 6, "Слушаю"), (6, 7, "вас")]
    assert {w.probability for w in words} == {None}


def test_roles_come_from_the_file_or_from_speaking_names() -> None:
    assert roles(made()) == {"operator": "operator", "S7": "caller"}
    nameless = [dict(CALL["turns"][0], role="unknown"), dict(CALL["turns"][2], speaker="B")]  # type: ignore[index]
    assert roles(made(turns=nameless)) == {}
    named = [
        dict(CALL["turns"][2], speaker=name) for name in ("Agent 2", "Клиент", "IVR_1", "Anna")
    ]  # type: ignore[index]
    assert roles(made(turns=named)) == {"Agent 2": "operator", "Клиент": "caller", "IVR_1": "ivr"}


def test_languages_are_told_by_the_file_or_by_the_letters() -> None:
    transcript = made().transcript
    assert [transcript.language_of(i) for i in range(3)] == ["ru", "kk", "ru"]


def test_the_call_of_a_transcript_holds_a_key_and_no_number() -> None:
    call = arrival(made(), b"bytes", KEY, "Asia/Almaty").call
    assert (call.path, call.queue, call.duration, call.direction) == (
        "inbox/a.wav", "710", 12.5, "inbound",
    )  # fmt: skip
    assert call.started_at is not None
    assert call.started_at.isoformat() == "2026-09-01T10:00:00+05:00"
    assert call.caller_key is not None
    assert "7021234567" not in repr(call)
    assert arrival(made(), b"bytes", KEY, "Asia/Almaty").call.call_id == call.call_id
    assert arrival(made(), b"other", KEY, "Asia/Almaty").call.call_id != call.call_id


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[", "not JSON"),
        ("{}", "turns: need a list"),
        ('{"turns": []}', "no line has any words"),
        ('{"turns": [{"start": 3, "end": 1, "speaker": "a", "text": "б"}]}', "turns\\[0\\].end"),
        ('{"turns": [{"start": 0, "end": 1, "speaker": "a"}]}', "turns\\[0\\].text: need a text"),
        ('{"turns": [{"start": 0, "end": 1, "speaker": "a", "text": "б", "role": "chef"}]}',
         "one of operator"),
    ],
)  # fmt: skip
def test_a_json_file_that_cannot_be_used_says_where(text: str, why: str) -> None:
    with pytest.raises(TruthError, match=f"a.json.*{why}"):
        parse_json(text, "a.json")


# ---------------------------------------------------------------- stm

STM = """;; comment
a.wav 1 operator 0.0 2.0 <o,f0,female> Добрый день
b.wav 1 S1 0.5 1.5 <o> (%hes) да [noise] да
a.wav 1 caller 2.5 4.0 здравствуйте
a.wav 1 inter_segment_gap 4.0 5.0 <o> ignore_time_segment_in_scoring
"""


def test_stm_holds_several_recordings() -> None:
    first, second = parse_stm(STM, "x.stm")
    assert first.file == "a.wav"
    assert lines(first) == [
        (0.0, 2.0, "operator", "Добрый день"), (2.5, 4.0, "caller", "здравствуйте"),
    ]  # fmt: skip
    assert roles(first) == {"operator": "operator", "caller": "caller"}
    assert lines(second) == [(0.5, 1.5, "S1", "да да")]
    same = arrival(first, b"x", KEY, "Asia/Almaty").call.call_id
    assert same != arrival(second, b"x", KEY, "Asia/Almaty").call.call_id


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a.wav 1 S0 0.0", "line 1: recording"),
        ("a.wav 1 S0 zero 1.0 да", "line 1: seconds"),
        ("a.wav 1 S0 2.0 1.0 да", "line 1: ends at 1"),
        (";; only a comment", "no line"),
        ("a.wav 1 S0 0 1 [noise]", "a.wav: no line has any words"),
    ],
)
def test_an_stm_file_that_cannot_be_used_says_where(text: str, why: str) -> None:
    with pytest.raises(TruthError, match=why):
        parse_stm(text, "x.stm")


# ---------------------------------------------------------------- vcon

VCON = {
    "vcon": "0.3.0",
    "parties": [
        {"tel": "+77021234567", "name": "A", "role": "customer"},
        {"name": "Оператор Б", "meta": {"role": "agent"}},
    ],
    "dialog": [
        {"type": "recording", "start": "2026-09-01T10:00:00+05:00", "filename": "rec.wav",
         "parties": [0, 1]},
    ],
    "analysis": [
        {"type": "summary", "body": "not looked at"},
        {"type": "transcript", "body": {"segments": [
            {"start": 0, "end": 1.5, "party": 1, "text": "Добрый день"},
            {"start": 2, "duration": 1, "party": 0, "text": "Здравствуйте", "language": "ru"},
        ]}},
    ],
}  # fmt: skip


def test_the_transcript_analysis_of_a_vcon() -> None:
    (found,) = parse_vcon(json.dumps(VCON), "v.json")
    assert lines(found) == [(0, 1.5, "P1", "Добрый день"), (2, 3, "P0", "Здравствуйте")]
    assert roles(found) == {"P0": "caller", "P1": "operator"}
    assert (found.file, found.caller, found.agent_name) == ("rec.wav", "+77021234567", "Оператор Б")
    assert found.started_at == "2026-09-01T10:00:00+05:00"


def test_a_body_that_is_json_in_a_text_is_read_too() -> None:
    body = json.dumps(VCON["analysis"][1]["body"])  # type: ignore[index]
    packed = VCON | {"analysis": [{"type": "transcript", "body": body, "encoding": "json"}]}
    (found,) = parse_vcon(json.dumps(packed), "v.json")
    assert len(found.transcript.turns) == 2


def test_text_dialog_of_a_vcon_stands_at_its_own_time() -> None:
    said = [
        {"type": "text", "start": "2026-09-01T10:00:05+05:00", "duration": 2, "originator": 0,
         "parties": [0, 1], "body": "Алло"},
        {"type": "text", "start": "2026-09-01T05:00:08Z", "parties": 1, "body": "Да"},
    ]  # fmt: skip
    (found,) = parse_vcon(json.dumps(VCON | {"dialog": [*VCON["dialog"], *said]}), "v.json")  # type: ignore[misc]
    assert lines(found) == [(5, 7, "P0", "Алло"), (8, 8, "P1", "Да")]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"vcon": None}, "no vCon"),
        ({"analysis": []}, "neither dialog of type text"),
        ({"analysis": [{"type": "transcript", "body": "plain words"}]}, "plain text has no times"),
        ({"analysis": [{"type": "transcript", "body": {"words": []}}]}, "segments, turns"),
        ({"dialog": [{"type": "text", "start": "yesterday", "body": "а"}]}, "RFC 3339"),
    ],
)
def test_a_vcon_that_cannot_be_used_says_why(change: dict[str, object], why: str) -> None:
    with pytest.raises(TruthError, match=why):
        parse_vcon(json.dumps(VCON | change), "v.json")


# ---------------------------------------------------------------- the command


@pytest.mark.slow
def test_imported_transcripts_are_tagged_and_scored_without_models_for_speech(
    samples_run: tuple[Path, Ran], home: Path, tmp_path: Path
) -> None:
    assert samples_run[1].returncode == 0  # the models are there
    folder, database = tmp_path / "in", tmp_path / "sapa.duckdb"
    folder.mkdir()
    for name in ("d03", "d06"):
        shutil.copy(SAMPLES / "truth" / f"{name}.json", folder)
    (folder / "broken.json").write_text('{"turns": 5}', encoding="utf-8")
    ran = sapa("import", "json", folder, "--db", database, home=home)
    assert ran.returncode == 1, ran.stderr
    assert "1 unreadable" in ran.stdout
    assert "broken.json: turns: need a list" in ran.stderr
    with Store.open(database, read_only=True) as store:
        for result in store.results():
            assert result.status == "done"
            assert result.transcript is not None
            texts = " ".join(result.transcript.texts())
            assert all(a.quote is None or a.quote in texts for a in result.answers)
            assert any(card.score(0.5) is not None for card in result.scorecards)
            named = {m.name: m.value for m in result.metrics}
            assert named["asr_confidence"] is None
            assert named["music_seconds"] is None
    again = sapa("import", "json", folder, "--db", database, home=home)
    assert "0 processed, 2 up to date" in again.stdout
