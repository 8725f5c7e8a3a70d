from __future__ import annotations

from pathlib import Path

import audio_factory as factory
import numpy as np
import pytest

from pipeline.audio import FLOOR, AudioOptions, assess
from pipeline.backends.decode import DecodeOptions, decode
from pipeline.types import AudioQuality, Samples

OPTIONS = AudioOptions()
LEFT, RIGHT = factory.bursts(20, seed=1), factory.bursts(20, seed=2)
HISS = [factory.noise(20, 0.003, seed) for seed in (11, 12)]


def quality(*rows: Samples) -> AudioQuality:
    return assess(factory.stack(*rows), OPTIONS)


def test_level_of_a_sine_and_of_silence() -> None:
    assert quality(factory.tone(440, 2, level=1.0)).level[0] == pytest.approx(-3.01, abs=0.02)
    assert quality(np.zeros(16000, np.float32)).level == (FLOOR,)


def test_clipping_counts_samples_at_full_scale() -> None:
    assert quality(factory.tone(440, 2, level=0.9)).clipping == (0.0,)
    overdriven = np.clip(factory.tone(440, 2, level=4.0), -0.98, 0.98)
    expected = 1 - 2 / np.pi * np.arcsin(0.98 / 4)  # share of a sine above the limit
    assert quality(overdriven).clipping[0] == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("wanted", [5.0, 12.0, 20.0, 30.0])
def test_snr_is_met_within_two_decibels(wanted: float) -> None:
    speech = factory.bursts(30, seed=3)
    active = np.sqrt(np.mean(speech[np.abs(speech) > 0] ** 2))
    hiss = factory.noise(30, float(active) * 10 ** (-wanted / 20), seed=4)
    measured = quality(speech + hiss).snr[0]
    assert measured == pytest.approx(wanted, abs=2)


def test_snr_is_none_where_nothing_can_be_measured() -> None:
    assert quality(factory.noise(10, 0.05, seed=5)).snr == (None,)
    assert quality(np.zeros(160_000, np.float32)).snr == (None,)


def test_digital_silence_is_not_taken_for_a_clean_line() -> None:
    speech = factory.bursts(30, seed=3) + factory.noise(30, 0.01, seed=6)
    with_gap = np.concatenate([speech, np.zeros(16000 * 30, np.float32)])
    open_line, muted = quality(speech).snr[0], quality(with_gap).snr[0]
    assert open_line is not None
    assert muted == pytest.approx(open_line, abs=0.5)


def test_bandwidth_of_a_telephone_and_of_a_wide_line() -> None:
    wide = factory.noise(5, 0.1, seed=7)
    spectrum = np.fft.rfft(wide)
    spectrum[np.fft.rfftfreq(len(wide), 1 / 16000) > 3400] = 0
    narrow = np.fft.irfft(spectrum, len(wide)).astype(np.float32)
    assert quality(narrow).bandwidth[0] == pytest.approx(3400, abs=100)
    assert quality(wide).bandwidth[0] > 7500
    assert quality(narrow + np.float32(0.5)).bandwidth[0] == pytest.approx(3400, abs=100)
    assert quality(np.zeros(16000, np.float32)).bandwidth == (0.0,)


def test_two_parties_are_stereo() -> None:
    found = quality(LEFT + HISS[0], RIGHT + HISS[1])
    assert found.layout == "stereo"
    assert found.correlation is not None
    assert found.correlation < 0.2


@pytest.mark.parametrize("leak", [0.1, 0.3, 0.5])
def test_crosstalk_does_not_make_one_signal_of_two(leak: float) -> None:
    found = quality(LEFT + leak * RIGHT, RIGHT + leak * LEFT)
    assert found.layout == "stereo"


@pytest.mark.parametrize("gain", [1.0, 0.1, -0.7, 0.01])
@pytest.mark.parametrize("delay", [0, 7, 320])
def test_a_copy_is_found_through_gain_delay_and_noise(gain: float, delay: int) -> None:
    mixed = LEFT + RIGHT + HISS[0]
    copy = np.float32(gain) * np.roll(mixed, delay) + np.float32(gain) * HISS[1]
    found = quality(mixed, copy)
    assert found.layout == "dual_mono"
    assert found.correlation is not None
    assert found.correlation > 0.95


@pytest.mark.parametrize("name", ["x.mp3", "ulaw.wav", "x.opus"])
def test_a_copy_is_found_through_codecs(tmp_path: Path, name: str) -> None:
    mixed = LEFT + RIGHT + HISS[0]
    audio = factory.stack(mixed, np.float32(0.6) * mixed)
    path = factory.encode(tmp_path / name, audio, name)
    assert assess(decode(path, DecodeOptions()).audio, OPTIONS).layout == "dual_mono"


def test_shared_hum_is_not_a_shared_signal() -> None:
    hum = factory.tone(50, 20, level=0.3)
    assert quality(LEFT + hum, RIGHT + hum).layout == "stereo"


@pytest.mark.parametrize(
    "idle",
    [
        np.zeros(320_000, np.float32),
        factory.noise(20, 0.0003, seed=8),
        factory.noise(20, 0.01, seed=9),
        factory.tone(50, 20, level=0.001),
    ],
)
def test_an_idle_channel_makes_it_one_sided(idle: Samples) -> None:
    assert quality(LEFT + HISS[0], idle).layout == "one_sided"
    assert quality(idle, LEFT + HISS[0]).layout == "one_sided"


def test_a_quiet_party_is_still_a_party() -> None:
    assert quality(LEFT + HISS[0], np.float32(0.05) * RIGHT + HISS[1] * 0.1).layout == "stereo"
    mostly_silent = np.where(np.arange(320_000) < 16_000, RIGHT, 0).astype(np.float32)
    assert quality(LEFT + HISS[0], mostly_silent + HISS[1]).layout == "stereo"


def test_silence_on_both_sides_says_nothing_of_the_layout() -> None:
    silent = np.zeros(16000, np.float32)
    found = quality(silent, silent)
    assert (found.layout, found.correlation) == ("stereo", None)


def test_mono_has_no_correlation() -> None:
    found = quality(LEFT)
    assert (found.layout, found.correlation) == ("mono", None)


@pytest.mark.parametrize("length", [0, 1, 100, 600])
def test_the_shortest_recordings_are_survived(length: int) -> None:
    found = quality(LEFT[:length], RIGHT[:length])
    assert len(found.level) == 2
    assert all(np.isfinite(value) for value in (*found.level, *found.bandwidth, *found.clipping))
