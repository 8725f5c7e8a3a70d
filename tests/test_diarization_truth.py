"""The yardstick itself: references, collars, joined pauses, the pitch of a voice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.evaluate.measures import diarization_errors
from tests.diarization_report import Found, MethodRun, report_of, to_json
from tests.diarization_truth import (
    Case,
    Span,
    call_cases,
    errors_of,
    median_pitch,
    package_case,
    with_pauses_joined,
)

RATE = 16_000


def test_the_sample_of_the_package_has_two_voices_and_a_file() -> None:
    case = package_case()
    assert case.speakers == 2
    assert case.path.is_file()
    first = case.reference[0]
    assert (first.start, first.speaker) == (6.69, "speaker90")
    assert first.end == pytest.approx(7.12)


def test_a_call_in_which_nobody_speaks_is_named_and_left_out(tmp_path: Path) -> None:
    (tmp_path / "truth").mkdir()
    turn = {"start": 1.0, "end": 2.0, "speaker": "caller", "role": "caller", "text": "алло"}
    for name, turns in (("a", [turn]), ("b", [])):
        truth = {"file": f"{name}.wav", "layout": "stereo", "turns": turns}
        (tmp_path / "truth" / f"{name}.json").write_text(json.dumps(truth), encoding="utf-8")
    cases, silent = call_cases(tmp_path)
    assert cases == (Case("a", "stereo mixed", tmp_path / "a.wav", (Span(1.0, 2.0, "caller"),)),)
    assert silent == ("b",)


REFERENCE = [Span(1, 5, "anna"), Span(5, 8, "berik"), Span(7, 9, "anna")]
FOUND = [Span(0.9, 5.2, "x"), Span(5.2, 8.6, "y"), Span(8.6, 9.5, "x")]


def test_without_a_collar_the_errors_are_those_of_our_own_evaluation() -> None:
    def by_speaker(spans: list[Span]) -> dict[str, list[tuple[float, float]]]:
        return {
            name: [(span.start, span.end) for span in spans if span.speaker == name]
            for name in sorted({span.speaker for span in spans})
        }

    ours = diarization_errors(by_speaker(REFERENCE), by_speaker(FOUND))
    theirs = errors_of(REFERENCE, FOUND, 12.0, collar=0.0)
    for name in ("speech", "missed", "false_alarm", "confusion"):
        assert getattr(theirs, name) == pytest.approx(getattr(ours, name))
    assert theirs.missed == pytest.approx(1.0)  # the overlapped second has one voice


def test_a_collar_forgives_a_quarter_of_a_second_on_each_side() -> None:
    reference = [Span(1, 5, "a")]
    assert errors_of(reference, [Span(0.76, 5.24, "x")], 10, collar=0.25).rate == 0
    found = errors_of(reference, [Span(0.65, 5, "x")], 10, collar=0.25)
    assert found.false_alarm == pytest.approx(0.1)
    assert found.speech == pytest.approx(3.5)


def test_only_neighbouring_turns_of_one_speaker_are_joined() -> None:
    spans = [Span(0, 1, "a"), Span(1.5, 2, "b"), Span(2.2, 3, "a"), Span(3.9, 4, "a")]
    assert with_pauses_joined(spans, 1.0) == (
        Span(0, 1, "a"), Span(1.5, 2, "b"), Span(2.2, 4, "a"),
    )  # fmt: skip


@pytest.mark.parametrize("pitch", [95.0, 150.0, 240.0])
def test_the_pitch_of_a_voice_without_its_fundamental_is_found(pitch: float) -> None:
    """A telephone line cuts below 300 Hz; the harmonics still repeat with the fundamental."""
    clock = np.arange(2 * RATE) / RATE
    harmonics = [np.sin(2 * np.pi * pitch * k * clock + k) for k in range(1, 15)]
    heard = [wave for k, wave in enumerate(harmonics, start=1) if 300 < k * pitch < 3400]
    found = median_pitch(np.sum(heard, axis=0, dtype=np.float32), RATE)
    assert found == pytest.approx(pitch, rel=0.03)


def test_noise_and_too_little_sound_have_no_pitch() -> None:
    noise = np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    assert median_pitch(noise, RATE) is None
    assert median_pitch(noise[:100], RATE) is None


def test_a_report_pools_groups_and_scores_the_stock_turns_also_joined() -> None:
    case = replace(package_case(), reference=(Span(7, 20, "a"),))
    spans = (Span(7, 12, "x"), Span(12.5, 20, "x"))
    runs = tuple(
        MethodRun(name, 1, 1.0, 10**9, (Found("sample", 30.0, seconds, seconds, spans),))
        for name, seconds in (("ours", 2.0), ("stock", 10.0))
    )
    report = report_of([case], runs, ())
    found = {item.method: item for item in report.pooled if item.group == "pyannote sample"}
    assert [found[name].times for name in ("ours", "stock")] == [15.0, 3.0]
    assert found["ours"].errors[0].missed == pytest.approx(0.5)
    assert found["stock, pauses joined"].errors[0].rate == 0
    assert found["stock, pauses joined"].times is None
    assert found["ours"].speakers_right == 1
    assert json.loads(json.dumps(to_json(report)))["recordings"][0]["speakers"] == 1
