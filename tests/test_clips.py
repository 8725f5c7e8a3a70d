from __future__ import annotations

from pathlib import Path

import audio_factory as factory
import numpy as np
import pytest

from pipeline.backends.clips import ClipOptions, cut_clip
from pipeline.backends.decode import DecodeOptions, decode
from pipeline.errors import CallError
from pipeline.types import Audio, Samples


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Six seconds: 300 Hz on the left, 700 Hz on the right."""
    audio = factory.stack(factory.tone(300, 6), factory.tone(700, 6))
    return factory.encode(tmp_path / "call.wav", audio, "alaw.wav")


def strength(row: Samples, frequency: float, start: float, end: float) -> float:
    """Amplitude of one frequency in an interval of seconds."""
    part = row[round(16000 * start) : round(16000 * end)]
    wave = np.exp(-2j * np.pi * frequency * np.arange(len(part)) / 16000)
    return float(2 * abs(np.mean(part * wave)))


def read(path: Path) -> Audio:
    return decode(path, DecodeOptions()).audio


@pytest.mark.parametrize("ending", [".wav", ".mp3", ".opus", ".ogg"])
def test_a_clip_holds_the_interval_with_both_channels(
    recording: Path, tmp_path: Path, ending: str
) -> None:
    out = cut_clip(recording, 1.0, 3.0, tmp_path / f"clips/c{ending}")
    clip = read(out)
    assert clip.channels == 2
    assert clip.duration == pytest.approx(2.0, abs=0.1)
    assert strength(clip.samples[0], 300, 0.5, 1.5) == pytest.approx(0.3, abs=0.05)
    assert strength(clip.samples[1], 700, 0.5, 1.5) == pytest.approx(0.3, abs=0.05)
    assert [entry.name for entry in out.parent.iterdir()] == [out.name]


def test_a_bleep_replaces_speech_in_both_channels_with_a_margin(
    recording: Path, tmp_path: Path
) -> None:
    out = cut_clip(recording, 1.0, 5.0, tmp_path / "c.wav", bleep=[(2.5, 3.5)])
    left, right = read(out).samples
    for row, frequency in ((left, 300), (right, 700)):
        assert strength(row, frequency, 1.41, 2.59) < 0.003
        assert strength(row, 1000, 1.41, 2.59) > 0.03
        assert strength(row, frequency, 0.2, 1.3) == pytest.approx(0.3, abs=0.03)
        assert strength(row, frequency, 2.7, 3.8) == pytest.approx(0.3, abs=0.03)
    assert read(out).duration == pytest.approx(4.0, abs=0.002)


def test_bleeps_over_the_edges_and_outside(recording: Path, tmp_path: Path) -> None:
    spans = [(0.0, 2.2), (2.9, 9.0), (5.0, 5.5)]
    out = cut_clip(recording, 2.0, 3.0, tmp_path / "c.wav", bleep=spans)
    left = read(out).samples[0]
    assert read(out).duration == pytest.approx(1.0, abs=0.002)
    assert strength(left, 300, 0.02, 0.28) < 0.003
    assert strength(left, 300, 0.35, 0.75) == pytest.approx(0.3, abs=0.03)
    assert strength(left, 300, 0.82, 0.98) < 0.003


def test_the_ends_are_faded(recording: Path, tmp_path: Path) -> None:
    options = ClipOptions(fade=0.1)
    samples = read(cut_clip(recording, 1.0, 2.0, tmp_path / "c.wav", options=options)).samples
    assert np.abs(samples[:, :160]).max() < 0.1
    assert np.abs(samples[:, -160:]).max() < 0.1


def test_a_clip_ends_with_the_recording(recording: Path, tmp_path: Path) -> None:
    assert read(cut_clip(recording, 5.0, 60.0, tmp_path / "c.wav")).duration == pytest.approx(1.0)
    with pytest.raises(CallError, match="ends at 6"):
        cut_clip(recording, 7.0, 8.0, tmp_path / "c.wav")


def test_bad_requests_are_refused(recording: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="start < end"):
        cut_clip(recording, 2.0, 2.0, tmp_path / "c.wav")
    with pytest.raises(ValueError, match=r"\.wav, \.mp3"):
        cut_clip(recording, 1.0, 2.0, tmp_path / "c.exe")
    assert not (tmp_path / "c.wav").exists()
