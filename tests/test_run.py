"""Fingerprints, resuming, failures as rows, and the whole batch on real models."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pipeline.backends.archive import FoundFile, build_call
from pipeline.cards import parse_card
from pipeline.config import Config, load_config, resources
from pipeline.ingest import Metadata
from pipeline.interaction import Recording, measure
from pipeline.label import Registry, parse_registry
from pipeline.run import plan as planning
from pipeline.run.plan import IMPORTED, STAGES, ModelPlan, Plan, fingerprints, first_stale
from pipeline.run.work import _concluded, _Progress
from pipeline.store import Store
from pipeline.tag import Lexicon, parse_lexicon
from pipeline.types import (
    CallResult,
    QualityCard,
    RoleCorrection,
    StageResult,
    Transcript,
    Turn,
    Word,
)
from tests.audio_factory import write_alaw
from tests.conftest import ROOT, SAMPLES, Ran, sapa


@cache
def data_files() -> tuple[Lexicon, Registry, QualityCard]:
    configs = resources() / "configs"
    return (
        parse_lexicon((configs / "lexicon.toml").read_text(encoding="utf-8")),
        parse_registry((configs / "agencies.toml").read_text(encoding="utf-8")),
        parse_card((configs / "cards" / "1414.toml").read_text(encoding="utf-8"), "1414.toml"),
    )


def a_plan(config: Config | None = None, **digests: str) -> Plan:
    known = dict.fromkeys(
        (
            "asr",
            "segmentation",
            "speaker",
            "encoder",
            "heads",
            "vad",
            "lexicon",
            "agencies",
            "card",
        ),
        "0",
    )
    return Plan(
        config or Config(),
        ModelPlan("faster-whisper", "", "", "", "", "", "cpu", "int8", 1),
        *data_files(),
        tuple(sorted((known | digests).items())),
    )


CALL = build_call(
    FoundFile("a.wav", Path("a.wav"), "ab" * 32, 1, "wav", ("a.wav",)), Metadata(), bytes(32)
)


def stale_after(changed: Plan) -> list[str]:
    before, after = fingerprints(CALL, a_plan()), fingerprints(CALL, changed)
    return [stage for stage in STAGES if before[stage] != after[stage]]


def test_a_card_edit_makes_the_card_alone_stale() -> None:
    assert stale_after(a_plan(card="1")) == ["card"]


def test_a_new_recogniser_makes_words_and_all_after_them_stale() -> None:
    assert stale_after(a_plan(asr="1")) == list(STAGES[STAGES.index("words") :])


def test_new_heads_leave_the_words_alone() -> None:
    assert stale_after(a_plan(heads="1")) == list(STAGES[STAGES.index("roles") :])


def test_options_of_a_stage_count_and_options_of_the_run_do_not() -> None:
    config = Config()
    silence = replace(config, interaction=replace(config.interaction, silence_minimum=9.0))
    assert stale_after(a_plan(silence)) == list(STAGES[STAGES.index("metrics") :])
    assert stale_after(a_plan(replace(config, run=replace(config.run, jobs=7)))) == []


def test_other_bytes_make_everything_stale() -> None:
    other = replace(CALL, sha256="cd" * 32)
    mine, theirs = fingerprints(CALL, a_plan()), fingerprints(other, a_plan())
    assert all(mine[stage] != theirs[stage] for stage in STAGES)


def test_a_call_read_back_from_the_store_is_not_stale_for_its_zone() -> None:
    moment = datetime(2026, 9, 10, 11, 52, tzinfo=ZoneInfo("Asia/Almaty"))
    fixed = moment.astimezone(timezone(timedelta(hours=5)))
    calls = [replace(CALL, started_at=at, started_at_source="name") for at in (moment, fixed)]
    assert fingerprints(calls[0], a_plan()) == fingerprints(calls[1], a_plan())
    later = replace(calls[0], started_at=moment + timedelta(days=1))
    changed = fingerprints(later, a_plan())
    before = fingerprints(calls[0], a_plan())
    assert [stage for stage in STAGES if before[stage] != changed[stage]] == ["labels", "card"]


def test_corrected_roles_leave_the_words_alone() -> None:
    corrected = CallResult(CALL, "done", None, corrections=(RoleCorrection("S0", "caller"),))
    before, after = fingerprints(CALL, a_plan()), fingerprints(CALL, a_plan(), corrected)
    changed = [stage for stage in STAGES if before[stage] != after[stage]]
    assert changed == list(STAGES[STAGES.index("roles") :])


def test_an_imported_transcript_is_never_stale_up_to_its_words() -> None:
    fixed = tuple(
        StageResult(stage, f"{IMPORTED}abc", "done", None, 0.0)
        for stage in ("audio", "turns", "words")
    )
    stored = CallResult(CALL, "done", None, stages=fixed)
    for plan in (a_plan(), a_plan(asr="1", vad="1")):
        assert first_stale(fixed, fingerprints(CALL, plan, stored)) == "roles"
    other = tuple(replace(stage, fingerprint=f"{IMPORTED}def") for stage in fixed)
    mine = fingerprints(CALL, a_plan(), stored)
    theirs = fingerprints(CALL, a_plan(), replace(stored, stages=other))
    assert mine["roles"] != theirs["roles"]


def stages(wanted: dict[str, str], upto: str, last: str = "done") -> tuple[StageResult, ...]:
    names = STAGES[: STAGES.index(upto) + 1]
    return tuple(
        StageResult(name, wanted[name], last if name == upto else "done", None, 0.1)  # type: ignore[arg-type]
        for name in names
    )


def test_first_stale_finds_where_to_go_on() -> None:
    wanted = fingerprints(CALL, a_plan())
    assert first_stale((), wanted) == "audio"
    assert first_stale(stages(wanted, "card"), wanted) is None
    assert first_stale(stages(wanted, "words"), wanted) == "roles"
    assert first_stale(stages(wanted, "card"), fingerprints(CALL, a_plan(card="1"))) == "card"


def test_what_failed_with_the_same_fingerprint_is_not_tried_again() -> None:
    wanted = fingerprints(CALL, a_plan())
    assert first_stale(stages(wanted, "audio", "failed"), wanted) is None
    other = fingerprints(CALL, a_plan(asr="1"))
    assert first_stale(stages(wanted, "words", "failed"), other) == "words"


def load_all(database: Path) -> dict[str, CallResult]:
    with Store.open(database, read_only=True) as store:
        return {result.call.path: result for result in store.results()}


@pytest.mark.slow
def test_every_sample_is_accounted_for(
    samples_run: tuple[Path, Ran],
) -> None:
    database, ran = samples_run
    assert ran.returncode == 0, ran.stderr
    truths = [json.loads(p.read_text()) for p in sorted((SAMPLES / "truth").glob("*.json"))]
    results = load_all(database)
    assert set(results) == {truth["file"] for truth in truths}
    for truth in truths:
        result = results[truth["file"]]
        assert result.status in ("done", "not_evaluable"), (truth["id"], result.status_reason)
        if truth["labels"]["call_type"] == "no_dialogue":
            assert result.status == "not_evaluable"
            assert all(card.score(0.0) is None for card in result.scorecards)


def spoken(probability: float, heard_turns: int) -> CallResult:
    """A call of four turns of which `heard_turns` have words of one probability."""
    turns = tuple(Turn(i, 5.0 * i, 5.0 * i + 4, f"S{i % 2}", role="caller") for i in range(4))
    words = tuple(Word(5.0 * i, 5.0 * i + 1, "да", probability, i) for i in range(heard_turns))
    transcript = Transcript(turns, words)
    metrics = measure(transcript, Recording(20.0, True), options=Config().interaction).metrics
    return CallResult(CALL, "done", None, transcript=transcript, metrics=metrics)


@pytest.mark.parametrize(
    ("probability", "heard_turns", "status"),
    [
        (0.9, 4, "done"),
        (0.4, 4, "not_evaluable"),
        (0.8, 2, "not_evaluable"),
        (0.9, 0, "not_evaluable"),
    ],
)
def test_a_call_that_was_not_understood_is_not_evaluable(
    probability: float, heard_turns: int, status: str
) -> None:
    concluded = _concluded(_Progress(spoken(probability, heard_turns)), a_plan())
    assert concluded.status == status


@pytest.mark.slow
def test_every_finding_has_its_quote_in_the_transcript(
    samples_run: tuple[Path, Ran],
) -> None:
    for result in load_all(samples_run[0]).values():
        assert result.transcript is not None
        whole = result.transcript.texts()
        for answer in result.answers:
            if answer.quote is not None:
                assert any(answer.quote in whole[turn] for turn in answer.turns)


@pytest.mark.slow
def test_the_database_agrees_with_the_truth(samples_run: tuple[Path, Ran], home: Path) -> None:
    """Coarse floors: far below what the samples give, far above what chance or a bug would."""
    database, _ = samples_run
    ran = sapa("evaluate", SAMPLES, "--db", database, "--json", home=home)
    assert ran.returncode == 0, ran.stderr
    rows = {(row["section"], row["name"]): row["value"] for row in json.loads(ran.stdout)["rows"]}
    assert rows["calls", "missing"] == 0
    speech = {name: v for (section, name), v in rows.items() if section == "speech: ru"}
    assert speech["WER"] < 0.4
    everything = {name: v for (section, name), v in rows.items() if section == "speech: all"}
    assert everything["DER"] < 0.15
    assert everything["role, time"] > 0.75


def copied(database: Path, folder: Path) -> Path:
    """The database with its ledger in another folder."""
    for suffix in (".duckdb", ".duckdb.ledger.jsonl"):
        source = database.with_name(database.stem + suffix)
        if source.exists():
            shutil.copyfile(source, folder / f"copy{suffix}")
    return folder / "copy.duckdb"


@pytest.mark.slow
def test_swapped_roles_are_scored_again_without_the_audio_and_can_be_taken_back(
    samples_run: tuple[Path, Ran], home: Path, tmp_path: Path
) -> None:
    database = copied(samples_run[0], tmp_path)
    before = load_all(database)
    path = next(path for path, result in before.items() if result.status == "done")
    swapped = sapa("roles", path, "--swap", "--db", database, home=home)
    assert swapped.returncode == 0, swapped.stderr
    assert "corrected" in swapped.stdout
    after = load_all(database)[path]
    old = before[path].transcript
    assert old is not None
    assert after.transcript is not None
    exchanged = {"operator": "caller", "caller": "operator"}
    assert [turn.role for turn in after.transcript.turns] == [
        exchanged.get(turn.role, turn.role) for turn in old.turns
    ]
    assert after.transcript.words == old.words
    assert after.scorecards != before[path].scorecards
    again = sapa("run", SAMPLES, "--db", database, home=home)
    assert "nothing to do" in again.stdout, again.stdout + again.stderr

    sapa("roles", path, "--forget", "--db", database, home=home)
    forgotten = load_all(database)[path]
    assert forgotten.transcript == old
    assert forgotten.scorecards == before[path].scorecards
    wrong = sapa("roles", path, "--set", "S7=caller", "--db", database, home=home)
    assert wrong.returncode == 2
    assert "no speaker S7" in wrong.stderr


@pytest.mark.slow
def test_a_second_run_does_nothing_and_a_card_edit_only_scores(
    samples_run: tuple[Path, Ran], home: Path, tmp_path: Path
) -> None:
    database = copied(samples_run[0], tmp_path)
    again = sapa("run", SAMPLES, "--db", database, home=home)
    assert again.returncode == 0, again.stderr
    assert "nothing to do" in again.stdout
    before = load_all(database)

    card = tmp_path / "1414.toml"
    text = (resources() / "configs" / "cards" / "1414.toml").read_text(encoding="utf-8")
    changed = text.replace("weight = ", "weight = 1", 1)
    assert changed != text
    card.write_text(changed, encoding="utf-8")
    rescored = sapa("run", SAMPLES, "--db", database, "--card", card, home=home)
    assert rescored.returncode == 0, rescored.stderr
    line = next(line for line in rescored.stdout.splitlines() if "worker time" in line)
    assert "card" in line
    assert "words" not in line
    after = load_all(database)
    for path, result in after.items():
        assert result.transcript == before[path].transcript
        assert result.tags == before[path].tags
    assert any(after[path].scorecards != before[path].scorecards for path in after)


@pytest.mark.slow
def test_bad_files_are_rows_and_lose_nothing(home: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    good = SAMPLES / json.loads((SAMPLES / "truth" / "d13.json").read_text())["file"]
    shutil.copyfile(good, archive / "good.wav")
    shutil.copyfile(good, archive / "copy of good.wav")
    (archive / "cut.wav").write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    (archive / "empty.wav").touch()
    (archive / "letter.wav").write_text("Уважаемые коллеги! Это не звук.")
    (archive / "notes.txt").write_text("не запись")
    write_alaw(archive / "nothing.wav", seconds=0.0)
    write_alaw(archive / "three seconds.wav", seconds=3.0)
    (archive / "loop").symlink_to(archive)
    Path(os.fsdecode(os.fsencode(archive) + b"/\xff\xfe.wav")).write_bytes(b"RIFF")
    shutil.copyfile(good.parent / good.name, archive / ("д" * 120 + ".wav"))
    database = tmp_path / "bad.duckdb"
    ran = sapa("run", archive, "--db", database, home=home)
    assert ran.returncode == 1, ran.stderr
    assert "Traceback" not in ran.stderr
    states = {
        path: (result.status, result.status_reason) for path, result in load_all(database).items()
    }
    assert states["empty.wav"] == ("failed", "empty_file")
    assert states["letter.wav"] == ("failed", "not_audio")
    assert states["nothing.wav"][0] == "failed"
    assert states["three seconds.wav"] == ("not_evaluable", "turns: no_speech")
    assert states["cut.wav"][0] == "partial"
    assert states[r"\xff\xfe.wav"][0] == "failed"
    good_row = next(result for result in load_all(database).values() if len(result.call.paths) > 1)
    assert set(good_row.call.paths) == {"good.wav", "copy of good.wav", "д" * 120 + ".wav"}
    assert "notes.txt" not in states


@pytest.mark.slow
def test_an_interrupt_keeps_what_is_finished_and_the_next_run_goes_on(
    home: Path, tmp_path: Path
) -> None:
    archive, database = tmp_path / "archive", tmp_path / "cut.duckdb"
    archive.mkdir()
    short = [
        json.loads((SAMPLES / "truth" / f"{d}.json").read_text())["file"]
        for d in ("d13", "d14", "d06")
    ]
    for place, name in enumerate(short):
        shutil.copyfile(SAMPLES / name, archive / f"{place}{Path(name).suffix}")
    process = subprocess.Popen(
        [sys.executable, "-c", "from pipeline.cli import main; main()", "run", str(archive),
         "--db", str(database), "--jobs", "1"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "XDG_CONFIG_HOME": str(home / "config")},
    )  # fmt: skip
    ledger = database.with_name(database.name + ".ledger.jsonl")
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and not (ledger.exists() and ledger.read_text().strip()):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    kept = load_all(database)
    assert 1 <= len(kept) < 3
    resumed = sapa("run", archive, "--db", database, home=home)
    assert resumed.returncode == 0, resumed.stderr
    after = load_all(database)
    assert len(after) == 3
    assert all(after[path] == result for path, result in kept.items())


@pytest.mark.slow
def test_a_missing_model_names_the_command_that_fetches_it(home: Path, tmp_path: Path) -> None:
    profile = tmp_path / "empty.toml"
    profile.write_text(f'[models]\nstore = "{tmp_path / "nowhere"}"\n')
    ran = sapa("run", SAMPLES, "--db", tmp_path / "x.duckdb", "--profile", profile, home=home)
    assert ran.returncode == 2
    assert "sapa models fetch" in ran.stderr


def test_a_missing_archive_and_a_bad_profile_are_usage_errors(home: Path, tmp_path: Path) -> None:
    profile = tmp_path / "typo.toml"
    profile.write_text("[speech]\ntreshold = 0.4\n")
    ran = sapa("run", SAMPLES, "--db", tmp_path / "x.duckdb", "--profile", profile, home=home)
    assert ran.returncode == 2
    assert "treshold" in ran.stderr
    assert "threshold" in ran.stderr


def test_the_default_profile_is_the_default_configuration() -> None:
    assert load_config() == Config()


def test_auto_engine_takes_the_faster_one_that_is_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from pipeline.errors import ModelMissing

    def only_openai(store: Path, manifest: object, model_id: str) -> Path:
        if model_id == "whisper-base-ct2":
            raise ModelMissing("gone")
        return store

    monkeypatch.setattr(planning, "require", only_openai)
    assert planning._engine(Config(), tmp_path, None) == ("openai-whisper", "whisper-base-openai")  # type: ignore[arg-type]
    monkeypatch.setattr(planning, "require", lambda store, manifest, model_id: store)
    assert planning._engine(Config(), tmp_path, None) == ("faster-whisper", "whisper-base-ct2")  # type: ignore[arg-type]
