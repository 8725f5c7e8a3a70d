from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import audio_factory as factory
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.backends.decode import Decoded, DecodeOptions, decode, probe
from pipeline.errors import CallError
from pipeline.types import Samples

OPTIONS = DecodeOptions()
SECOND = 8000 * 2  # bytes of 16-bit PCM at 8 kHz


def header(**changes: int) -> bytes:
    values = {"tag": 1, "channels": 1, "rate": 8000, "bits": 16, "data_size": SECOND} | changes
    return factory.wav_header(**values)


def peak(row: Samples) -> float:
    """The strongest frequency in the second after 0.2 s, Hz."""
    spectrum = np.abs(np.fft.rfft(row[3200:19200]))
    return float(np.argmax(spectrum))


def failure(path: Path, options: DecodeOptions = OPTIONS) -> CallError:
    with pytest.raises(CallError) as caught:
        decode(path, options)
    return caught.value


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("name", sorted(factory.ENCODERS))
def test_every_codec_keeps_channels_pitch_and_length(
    tmp_path: Path, name: str, channels: int
) -> None:
    if name == "x.amr":
        channels = 1
    rows = [factory.tone(frequency, 1.5) for frequency in (440, 1000)[:channels]]
    path = factory.encode(tmp_path / name, factory.stack(*rows), name)
    decoded = decode(path, OPTIONS)
    assert decoded.audio.sample_rate == 16_000
    assert decoded.audio.samples.dtype == np.float32
    assert decoded.audio.samples.flags.c_contiguous
    assert [peak(row) for row in decoded.audio.samples] == [440, 1000][:channels]
    assert decoded.audio.duration == pytest.approx(1.5, abs=0.11)
    level = np.sqrt(np.mean(decoded.audio.samples[:, 3200:19200] ** 2))
    assert level == pytest.approx(0.3 / np.sqrt(2), rel=0.2)
    assert decoded.warnings == ()


def test_gsm_in_a_wav_and_raw(tmp_path: Path) -> None:
    wav49 = decode(factory.write_wav49(tmp_path / "a.wav", 50), OPTIONS)
    assert (wav49.codec, wav49.audio.duration, wav49.promised_duration) == ("gsm_ms", 2.0, 2.0)
    path = tmp_path / "a.gsm"
    path.write_bytes(factory.GSM_SILENCE * 50)
    raw = decode(path, OPTIONS)
    assert (raw.codec, raw.audio.duration) == ("gsm", 1.0)
    assert np.abs(raw.audio.samples).max() < 0.01


def test_headerless_law_is_8_khz_mono(tmp_path: Path) -> None:
    encoded = factory.encode(tmp_path / "a.wav", factory.stack(factory.tone(440, 1.5)), "alaw.wav")
    path = tmp_path / "a.al"
    path.write_bytes(encoded.read_bytes()[-12_000:])
    decoded = decode(path, OPTIONS)
    assert decoded.audio.duration == 1.5
    assert peak(decoded.audio.samples[0]) == 440


def test_content_counts_not_the_name(tmp_path: Path) -> None:
    audio = factory.stack(factory.tone(440, 1.5))
    path = factory.encode(tmp_path / "x.mp3", audio, "x.mp3").rename(tmp_path / "x.wav")
    assert decode(path, OPTIONS).codec.startswith("mp3")


def test_probe_reads_what_decode_finds(tmp_path: Path) -> None:
    audio = factory.stack(factory.tone(440, 1.5), factory.tone(1000, 1.5))
    tags = [("creation_time", "2026-09-08T05:14:22Z")]
    path = factory.encode(tmp_path / "x.m4a", audio, "x.m4a", tags)
    found = probe(path, OPTIONS)
    assert (found.codec, found.channels, found.sample_rate) == ("aac", 2, 16_000)
    assert found.duration == pytest.approx(1.5, abs=0.11)
    assert found.tags_date is not None
    assert found.tags_date.startswith("2026-09-08T05:14:22")
    assert decode(path, OPTIONS).tags_date == found.tags_date


def test_names_beyond_utf8_and_protocol_like_names_open(tmp_path: Path) -> None:
    for name in ("a\udcff.wav", "concat:x.wav", "file:y.wav"):
        path = factory.write_alaw(tmp_path / name, 0.5)
        assert decode(path, OPTIONS).audio.duration == 0.5


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.wav", b"", "empty_file"),
        ("a.wav", b"this is a text", "not_audio"),
        ("a.wav", b"#EXTM3U\n#EXTINF:1,\nhttp://example.org/a.mp3\n", "not_audio"),
        ("a.mp3", b"ffconcat version 1.0\nfile /etc/hostname\n", "not_audio"),
        ("a.wav", header()[:20], "damaged"),
        ("a.wav", header(), "no_samples"),
        ("a.wav", header(data_size=0), "no_samples"),
        ("a.wav", header(rate=1, data_size=1000) + bytes(1000), "sample_rate_out_of_bounds"),
        ("a.wav", header(rate=4_000_000) + bytes(SECOND), "sample_rate_out_of_bounds"),
        ("a.wav", header(channels=3) + bytes(SECOND), "too_many_channels"),
        ("a.wav", header(tag=0x7777) + bytes(SECOND), "unsupported"),
        ("a.flac", b"fLaC" + bytes(100), "damaged"),
    ],
)
def test_bad_files_fail_with_a_code(tmp_path: Path, name: str, content: bytes, code: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    error = failure(path)
    assert (error.status, error.code) == ("failed", code)
    assert str(tmp_path) not in str(error)


def test_a_missing_file_fails_with_a_code(tmp_path: Path) -> None:
    assert failure(tmp_path / "gone.wav").code == "unreadable"


def test_half_a_file_is_decoded_and_reported(tmp_path: Path) -> None:
    whole = factory.encode(tmp_path / "a.mp3", factory.stack(factory.tone(440, 4)), "x.mp3")
    for path in (factory.write_alaw(tmp_path / "a.wav", 4), whole):
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        decoded = decode(path, OPTIONS)
        assert decoded.audio.duration == pytest.approx(2, abs=0.2)
        assert decoded.promised_duration == pytest.approx(4, abs=0.2)
        assert "truncated" in decoded.warnings


@pytest.mark.parametrize("claimed", [0, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_wav_that_does_not_know_its_length_is_not_truncated(tmp_path: Path, claimed: int) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(header(data_size=claimed) + bytes(SECOND))
    decoded = decode(path, OPTIONS)
    assert (decoded.audio.duration, decoded.promised_duration) == (1.0, None)
    assert decoded.warnings == ()


def test_damage_inside_is_passed_over_and_reported(tmp_path: Path) -> None:
    path = factory.encode(tmp_path / "a.mp3", factory.stack(factory.bursts(8, seed=1)), "x.mp3")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 600] = np.random.default_rng(0).bytes(600)
    path.write_bytes(content)
    decoded = decode(path, OPTIONS)
    assert "damaged_packets" in decoded.warnings
    assert 7 < decoded.audio.duration < 8.1


def test_long_and_large_files_are_not_evaluable(tmp_path: Path) -> None:
    path = factory.write_alaw(tmp_path / "a.wav", 3)
    error = failure(path, DecodeOptions(max_duration=2))
    assert (error.status, error.code) == ("not_evaluable", "too_long")
    error = failure(path, DecodeOptions(max_bytes=1000))
    assert (error.status, error.code) == ("not_evaluable", "too_large")
    assert decode(path, DecodeOptions(max_duration=3)).audio.duration == 3.0


def test_a_file_longer_than_its_header_says_is_stopped(tmp_path: Path) -> None:
    audio = factory.stack(factory.tone(440, 3))
    path = factory.encode(tmp_path / "a.amr", audio, "x.amr")
    assert failure(path, DecodeOptions(max_duration=2)).code == "too_long"


def test_stop_at_decodes_the_beginning_alone(tmp_path: Path) -> None:
    path = factory.write_alaw(tmp_path / "a.wav", 30, channels=2)
    decoded = decode(path, DecodeOptions(max_duration=10, stop_at=1.25))
    assert decoded.audio.samples.shape == (2, 20_000)
    assert decoded.warnings == ()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    name=st.sampled_from(["alaw.wav", "x.mp3", "x.opus", "x.flac", "x.m4a", "x.amr"]),
    changes=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=20),
    keep=st.floats(0.05, 1),
)
def test_mutated_files_end_in_audio_or_in_a_code(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    changes: list[tuple[float, int]],
    keep: float,
) -> None:
    folder = tmp_path_factory.mktemp("mutated")
    path = factory.encode(folder / name, factory.stack(factory.tone(440, 0.5)), name)
    content = bytearray(path.read_bytes())
    for place, value in changes:
        content[int(place * len(content))] = value
    path.write_bytes(content[: max(1, int(keep * len(content)))])
    try:
        decoded: Decoded | None = decode(path, DecodeOptions(max_duration=60))
    except CallError:
        decoded = None
    if decoded is not None:
        assert 0 < decoded.audio.duration <= 60
        assert decoded.audio.channels in (1, 2)


@pytest.mark.slow
def test_an_hour_of_stereo_stays_below_600_mb(tmp_path: Path) -> None:
    path = factory.write_alaw(tmp_path / "hour.wav", 3600, channels=2)
    code = (
        "import sys; from pathlib import Path\n"
        "from pipeline.backends.decode import DecodeOptions, decode\n"
        "audio = decode(Path(sys.argv[1]), DecodeOptions()).audio\n"
        "assert audio.samples.shape == (2, 57_600_000), audio.samples.shape\n"
        "status = Path('/proc/self/status').read_text()\n"
        "print(status.split('VmHWM:')[1].split()[0])"  # kB; ru_maxrss would count the parent's
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    assert int(done.stdout) < 600_000  # kB
