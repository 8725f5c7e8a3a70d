"""Sounds other than speech, on generated tones, music and voices, and on the sample calls."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, lfilter, sosfilt

from pipeline.backends.decode import DecodeOptions, decode
from pipeline.backends.vad import SileroVoiceActivity
from pipeline.sounds import SoundOptions, find_sounds
from pipeline.sounds.tones import COLUMNS, ROWS
from pipeline.speech import SpeechOptions, find_speech
from pipeline.timeline import intersection, subtract, total, union
from pipeline.types import Audio, Samples, SoundEvent, SoundKind, SpeechSegment
from tests.audio_factory import encode, noise, stack

RATE = 16000
SAMPLES = Path(__file__).parents[1] / "data" / "samples"
CHORDS = ((60, 64, 67), (57, 60, 64), (53, 57, 60), (55, 59, 62))


# --- what a telephone line carries ---------------------------------------------------------------


def tone(seconds: float, *frequencies: float, level: float = 0.1) -> Samples:
    """Sines of the same RMS with edges of 5 ms."""
    time = np.arange(round(seconds * RATE)) / RATE
    ramp = np.minimum(1, np.minimum(time, time[::-1]) / 0.005)
    waves = sum(np.sin(2 * np.pi * frequency * time + 1) for frequency in frequencies)
    return (level * np.sqrt(2) * ramp * waves).astype(np.float32)


def still(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE), np.float32)


def line(*parts: Samples, snr: float = 25.0, level: float = 0.1, seed: int = 1) -> Samples:
    """Parts one after the other, with noise `snr` dB below a signal of RMS `level`."""
    whole = np.concatenate(parts)
    floor = noise(len(whole) / RATE + 1, level * 10 ** (-snr / 20), seed)[: len(whole)]
    return telephone(whole + floor)


def telephone(samples: Samples) -> Samples:
    """300 to 3400 Hz and eight bits of µ-law."""
    band = sosfilt(butter(4, (250, 3500), "bandpass", fs=RATE, output="sos"), samples)
    code = np.round(127 * np.log1p(255 * np.abs(np.clip(band, -1, 1))) / np.log(256)) / 127
    return (np.sign(band) * (256**code - 1) / 255).astype(np.float32)


def ringing(rings: int, *frequencies: float, level: float = 0.1) -> Samples:
    pieces = [tone(1, *frequencies, level=level), still(4)] * rings
    return np.concatenate(pieces[:-1])


def busy(cycles: int, burst: float, level: float = 0.1) -> Samples:
    return np.concatenate([tone(burst, 425, level=level), still(burst)] * cycles)[
        : -round(burst * RATE)
    ]


def find(
    *rows: Samples, speech: Sequence[SpeechSegment] = (), kind: SoundKind | None = None
) -> list[SoundEvent]:
    found = find_sounds(stack(*rows), speech, options=SoundOptions())
    return [event for event in found if kind in (None, event.kind)]


def kinds(events: Sequence[SoundEvent]) -> set[str]:
    return {event.kind for event in events} - {"silence"}


# --- music and voices ----------------------------------------------------------------------------


def note(
    pitch: float, seconds: float, *, decay: float = 9.0, vibrato: float = 0.0, overtones: int = 5
) -> Samples:
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    time = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * frequency * time
    phase += vibrato * frequency / 5.5 * np.sin(2 * np.pi * 5.5 * time)
    wave = sum(np.sin(k * phase) / k for k in range(1, overtones + 1) if k * frequency < 3800)
    ramp = np.minimum(1, np.minimum(time / 0.01, time[::-1] / 0.05))
    return (wave * ramp * np.exp(-time / decay)).astype(np.float32)


def repeated(bar: Samples, seconds: float) -> Samples:
    return np.resize(bar, round(seconds * RATE))


def chords(seconds: float, each: float = 2.0, decay: float = 9.0) -> Samples:
    parts = [sum(note(pitch, each, decay=decay) for pitch in chord) for chord in CHORDS]
    return repeated(np.concatenate(parts), seconds)


def sines(seconds: float) -> Samples:
    scale = (72, 76, 79, 76, 69, 69, 69, 72)
    return repeated(np.concatenate([note(p, 0.5, overtones=1) for p in scale]), seconds)


def melody(seconds: float, vibrato: float = 0.0) -> Samples:
    generator = np.random.default_rng(7)
    parts = [
        note(generator.choice((60, 62, 64, 67, 69, 72, 74)), length, decay=1, vibrato=vibrato)
        for length in generator.choice((0.25, 0.5, 1.0), round(4 * seconds))
    ]
    return np.concatenate(parts)[: round(seconds * RATE)]


def arpeggio(seconds: float, each: float = 0.2) -> Samples:
    parts = [note(p, each, decay=0.3) for chord in CHORDS for p in (*chord, *chord[::-1])]
    return repeated(np.concatenate(parts), seconds)


def drums(seconds: float) -> Samples:
    """Kick, hat, snare, hat, four times a second."""
    time = np.arange(RATE // 4) / RATE
    hiss = noise(0.25, 1.0, 3)
    kick = 2 * np.sin(2 * np.pi * (60 + 100 * np.exp(-30 * time)) * time) * np.exp(-15 * time)
    snare, hat = hiss * np.exp(-25 * time), 0.5 * np.gradient(hiss) * np.exp(-60 * time)
    return repeated(np.concatenate([kick, hat, snare, hat]), seconds)


def strings(seconds: float) -> Samples:
    """Three players a voice, out of tune, with vibrato."""
    parts = [
        sum(
            note(pitch + cents / 100, 2.5, vibrato=depth)
            for pitch in chord
            for cents, depth in ((0, 0.006), (6, 0.005), (-7, 0.004))
        )
        for chord in CHORDS
    ]
    return repeated(np.concatenate(parts), seconds)


MUSIC: dict[str, Callable[[float], Samples]] = {
    "chords": chords,
    "sines": sines,
    "melody": melody,
    "singing melody": lambda seconds: melody(seconds, vibrato=0.008),
    "arpeggio": arpeggio,
    "quick arpeggio": lambda seconds: arpeggio(seconds, 0.15),
    "drums and chords": lambda seconds: chords(seconds, 1.0) + drums(seconds),
    "band": lambda seconds: chords(seconds, 1.0) + drums(seconds) + melody(seconds),
    "piano": lambda seconds: chords(seconds, 0.5, decay=0.4) + arpeggio(seconds, 0.25),
    "strings": strings,
    "held chord": lambda seconds: chords(seconds, each=seconds),
}


def scaled(samples: Samples, level: float = 0.1) -> Samples:
    return (level * samples / np.std(samples)).astype(np.float32)


VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480))


def syllable(generator: np.random.Generator, pitch: float, spread: float) -> Samples:
    """A consonant and a vowel with a gliding voice, a quarter of a second or so."""
    length = round(generator.uniform(0.12, 0.35) * RATE)
    glide = np.linspace(*generator.uniform(1 - spread, 1 + spread, 2), length)
    pulses = np.diff(np.floor(np.cumsum(pitch * glide) / RATE), prepend=0)
    voice = lfilter([1], [1, -0.95], pulses) + 0.02 * generator.standard_normal(length)
    for formant in VOWELS[generator.integers(len(VOWELS))]:
        radius = np.exp(-np.pi * 90 / RATE)
        turn = 2 * radius * np.cos(2 * np.pi * formant / RATE)
        voice = lfilter([1 - radius], [1, -turn, radius**2], voice)
    voice *= np.sin(np.pi * np.linspace(0, 1, length)) ** 0.4 * generator.uniform(0.5, 1.1)
    consonant = lfilter([1, -0.9], [1], generator.standard_normal(round(0.07 * RATE)))
    return np.concatenate([0.3 * consonant, voice / np.std(voice)]).astype(np.float32)


@cache
def voice(seconds: float, pitch: float, seed: int = 0, spread: float = 0.16) -> Samples:
    """Phrases of four to eleven syllables with pauses between; `spread`: share the pitch varies."""
    generator = np.random.default_rng(seed)
    parts: list[Samples] = []
    while sum(map(len, parts)) < seconds * RATE:
        parts += [syllable(generator, pitch, spread) for _ in range(generator.integers(4, 12))]
        parts.append(still(generator.uniform(0.15, 0.8)))
    return scaled(np.concatenate(parts)[: round(seconds * RATE)])


# --- tones ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("frequencies", [(425,), (400,), (450,), (400, 450), (440, 480)])
@pytest.mark.parametrize(("level", "snr"), [(0.1, 12), (0.1, 30), (0.02, 12), (0.02, 30)])
def test_ringing_lasts_from_its_first_burst_to_its_last(
    frequencies: tuple[float, ...], level: float, snr: float
) -> None:
    signal = line(still(2), ringing(3, *frequencies, level=level), still(2), level=level, snr=snr)
    (event,) = find(signal, kind="ringback")
    assert (event.start, event.end) == pytest.approx((2, 13), abs=0.05)
    assert event.channel == 0


def test_one_ring_is_enough_and_names_its_frequency() -> None:
    (event,) = find(line(still(1), tone(1, 425), still(1)), kind="ringback")
    assert (event.start, event.end) == pytest.approx((1, 2), abs=0.03)
    assert event.detail is not None
    assert float(event.detail.removesuffix(" Hz")) == pytest.approx(425, abs=2)


def test_rings_that_the_recording_and_the_answer_cut_belong_to_the_ringing() -> None:
    signal = line(tone(0.3, 425), still(4), tone(1, 425), still(4), tone(0.4, 425), still(2))
    (event,) = find(signal, kind="ringback")
    assert (event.start, event.end) == pytest.approx((0, 9.7), abs=0.05)


@pytest.mark.parametrize("burst", [0.2, 0.25, 0.35, 0.5])
@pytest.mark.parametrize(("level", "snr"), [(0.1, 12), (0.02, 30)])
def test_short_bursts_are_a_busy_tone(burst: float, level: float, snr: float) -> None:
    signal = line(still(2), busy(6, burst, level), still(2), level=level, snr=snr)
    (event,) = [event for event in find(signal) if event.kind != "silence"]
    assert event.kind == "busy"
    assert (event.start, event.end) == pytest.approx((2, 2 + 11 * burst), abs=0.05)


def test_two_short_bursts_are_nothing() -> None:
    assert kinds(find(line(still(2), busy(2, 0.3), still(2)))) == set()


@pytest.mark.parametrize("frequency", [320, 560, 1000, 1400, 2100])
def test_a_lone_tone_of_another_frequency_is_nothing(frequency: float) -> None:
    assert kinds(find(line(still(1), tone(1, frequency), still(4), tone(8, frequency)))) == set()


def test_a_dial_tone_is_neither_ringing_nor_music() -> None:
    assert kinds(find(line(tone(12, 425), still(1)))) == set()


def test_a_tone_too_weak_to_hear_is_nothing() -> None:
    signal = ringing(3, 425, level=0.001) + noise(11, 0.00001, 1)
    assert kinds(find(signal)) == set()


KEYS = [(row, column) for row in ROWS for column in COLUMNS]


@given(
    chosen=st.lists(st.sampled_from(KEYS), min_size=1, max_size=8),
    length=st.floats(0.045, 0.3),
    pause=st.floats(0.05, 0.3),
    twist=st.floats(-6, 6),
    detune=st.floats(-0.015, 0.015),
    snr=st.sampled_from((12, 20, 30)),
)
@settings(max_examples=60, deadline=None)
def test_every_pressed_key_is_an_event_without_its_digit(
    *, chosen: list[tuple[float, float]], length: float, pause: float, twist: float,
    detune: float, snr: float,
) -> None:  # fmt: skip
    gain = 10 ** (twist / 40)
    pressed = [
        tone(length, row * (1 + detune), level=0.1 / gain)
        + tone(length, column * (1 + detune), level=0.1 * gain)
        for row, column in chosen
    ]
    parts = [part for key in pressed for part in (key, still(pause))]
    events = find(line(still(0.5), *parts, snr=snr), kind="dtmf")
    starts = [0.5 + place * (length + pause) for place in range(len(chosen))]
    assert [event.start for event in events] == pytest.approx(starts, abs=0.03)
    assert [event.end - event.start for event in events] == pytest.approx(
        [length] * len(chosen), abs=0.04
    )
    assert {event.detail for event in events} == {None}


@pytest.mark.parametrize("detune", [-0.035, 0.035])
def test_frequencies_off_by_more_than_the_standard_allows_are_no_key(detune: float) -> None:
    pressed = tone(0.2, 770 * (1 + detune), 1336 * (1 + detune))
    assert find(line(still(1), pressed, still(1)), kind="dtmf") == []


def test_a_blip_of_twenty_milliseconds_is_no_key() -> None:
    assert find(line(still(1), tone(0.02, 770, 1336), still(1)), kind="dtmf") == []


# --- music ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MUSIC)
@pytest.mark.parametrize("snr", [10, 30])
def test_music_is_found_with_its_edges(name: str, snr: float) -> None:
    signal = line(voice(8, 120), still(1), scaled(MUSIC[name](12)), still(1), voice(8, 200),
                  snr=snr)  # fmt: skip
    speech = (SpeechSegment(0, 8, 0), SpeechSegment(22, 30, 0))
    events = [event for event in find(signal, speech=speech) if event.kind != "silence"]
    assert [event.kind for event in events] == ["music"]
    assert (events[0].start, events[0].end) == pytest.approx((9, 21), abs=0.5)


@pytest.mark.parametrize("name", MUSIC)
def test_music_is_found_where_voice_activity_hears_speech(name: str) -> None:
    signal = line(voice(8, 120), scaled(MUSIC[name](10)), voice(8, 200), snr=20)
    music = find(signal, speech=[SpeechSegment(0, 26, 0)], kind="music")
    heard = union([(event.start, event.end) for event in music])
    assert total(intersection(heard, [(8, 18)])) >= 8
    assert total(heard) <= 11


def test_a_note_of_a_melody_is_no_ringing() -> None:
    tune = [note(p, length, overtones=1) for p, length in ((69, 1.0), (72, 0.5), (76, 0.5))]
    events = find(line(still(2), scaled(repeated(np.concatenate(tune), 16)), still(2)))
    assert kinds(events) == {"music"}


def test_ringing_after_music_is_both() -> None:
    events = find(line(still(1), scaled(arpeggio(8)), still(0.5), ringing(2, 425), still(1)))
    assert [event.kind for event in events if event.kind != "silence"] == ["music", "ringback"]


@pytest.mark.parametrize("pitch", [95, 120, 160, 210, 260])
@pytest.mark.parametrize("snr", [12, 30])
def test_voices_are_no_sound(pitch: float, snr: float) -> None:
    signal = line(voice(60, pitch, seed=int(pitch)), snr=snr)
    assert kinds(find(signal)) == set()
    assert kinds(find(signal, speech=[SpeechSegment(0, 60, 0)])) == set()


@pytest.mark.parametrize("pitch", [110, 150, 220])
@pytest.mark.parametrize("spread", [0.04, 0.08])
def test_a_monotonous_voice_is_no_music(pitch: float, spread: float) -> None:
    signal = line(voice(60, pitch, seed=int(pitch), spread=spread))
    assert kinds(find(signal, speech=[SpeechSegment(0, 60, 0)])) == set()


def test_two_voices_at_once_and_noise_are_no_sound() -> None:
    both = voice(60, 110, seed=5) + voice(60, 220, seed=6)
    assert kinds(find(line(both, snr=15))) == set()
    assert kinds(find(line(still(30), snr=0))) == set()


def test_hum_that_never_ends_is_no_music() -> None:
    time = np.arange(90 * RATE) / RATE
    hum = sum(np.sin(2 * np.pi * 50 * k * time) / k for k in range(1, 12)).astype(np.float32)
    assert kinds(find(line(scaled(hum, 0.02) + voice(90, 130)))) == set()


# --- silence -------------------------------------------------------------------------------------


def test_silence_needs_every_channel_quiet() -> None:
    talk = voice(10, 120)
    first = line(talk, still(20))
    second = line(still(20), talk, seed=2)
    speech = (SpeechSegment(0, 10, 0), SpeechSegment(20, 30, 1))
    (event,) = find(first, second, speech=speech)
    assert (event.kind, event.channel) == ("silence", None)
    assert (event.start, event.end) == pytest.approx((10, 20), abs=0.2)


@pytest.mark.parametrize("snr", [12, 20, 60])
@pytest.mark.parametrize(("pause", "count"), [(2.5, 0), (3.5, 1)])
def test_silence_is_as_long_as_asked_for_at_any_noise(snr: float, pause: float, count: int) -> None:
    signal = line(voice(8, 120), still(pause), voice(8, 150), snr=snr)
    speech = (SpeechSegment(0, 8, 0), SpeechSegment(8 + pause, 16 + pause, 0))
    assert len(find(signal, speech=speech, kind="silence")) == count


def test_noise_that_no_one_calls_speech_is_no_silence_but_a_click_is_let_pass() -> None:
    quiet = np.concatenate([still(8), noise(0.05, 0.1, 4), still(8)])
    (event,) = find(line(quiet, snr=40), kind="silence")
    assert event.end - event.start == pytest.approx(16.05, abs=0.1)
    barking = np.concatenate([still(8), noise(1, 0.1, 4), still(8)])
    assert len(find(line(barking, snr=40), kind="silence")) == 2


def test_the_pause_of_ringing_is_no_silence() -> None:
    assert find(line(ringing(3, 425), still(3.5)), kind="silence") == []
    (event,) = find(line(ringing(3, 425), still(12)), kind="silence")
    assert (event.start, event.end) == pytest.approx((15, 23), abs=0.1)


# --- recordings ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["alaw.wav", "ulaw.wav", "x.mp3", "x.opus", "x.amr"])
def test_sounds_survive_the_codec(name: str, tmp_path: Path) -> None:
    keys = [part for pair in KEYS[:4] for part in (tone(0.1, *pair, level=0.1), still(0.1))]
    signal = line(
        still(0.5), *keys, ringing(2, 425), still(1), voice(6, 140), scaled(MUSIC["piano"](8)),
        still(1), busy(5, 0.35), still(0.5), snr=20,
    )  # fmt: skip
    audio = decode(encode(tmp_path / f"call.{name}", stack(signal), name), DecodeOptions()).audio
    found = find_sounds(audio, [SpeechSegment(8.3, 14.3, 0)], options=SoundOptions())
    order = [event.kind for event in found if event.kind != "silence"]
    assert order == ["dtmf"] * 4 + ["ringback", "music", "busy"]


def test_each_sound_is_told_for_the_channel_it_is_heard_in() -> None:
    first = line(ringing(2, 425), still(10))
    second = line(still(6), scaled(strings(10)), seed=2)
    found = {(event.kind, event.channel) for event in find(first, second)}
    assert found == {("ringback", 0), ("music", 1)}


@pytest.mark.parametrize("samples", [0, 1, 100, 700, 5000])
def test_a_recording_of_next_to_nothing_has_no_sounds(samples: int) -> None:
    audio = Audio(np.zeros((2, samples), np.float32), RATE)
    assert find_sounds(audio, (), options=SoundOptions()) == ()


@pytest.mark.parametrize("rate", [8000, 44100])
def test_other_sample_rates_give_the_same(rate: int) -> None:
    time = np.arange(6 * rate) / rate
    ring = np.where(time % 5 < 1, 0.1 * np.sin(2 * np.pi * 425 * time), 0).astype(np.float32)
    events = find_sounds(Audio(ring[None], rate), (), options=SoundOptions())
    assert [(event.kind, round(event.end)) for event in events] == [("ringback", 6)]


def test_a_sample_rate_below_the_telephone_band_is_refused() -> None:
    with pytest.raises(ValueError, match="4000"):
        find_sounds(Audio(np.zeros((1, 9), np.float32), 4000), (), options=SoundOptions())


def test_sounds_across_the_edge_of_a_block_are_whole() -> None:
    signal = line(still(52), scaled(chords(16)), still(45), ringing(4, 425), still(30))
    events = [event for event in find(signal) if event.kind != "silence"]
    assert [event.kind for event in events] == ["music", "ringback"]
    assert (events[0].start, events[0].end) == pytest.approx((52, 68), abs=0.3)
    assert (events[1].start, events[1].end) == pytest.approx((113, 129), abs=0.05)


def peak_of(minutes: int) -> int:
    audio = Audio(np.resize(noise(60, 0.05, 1), (1, minutes * 60 * RATE)), RATE)
    tracemalloc.start()
    find_sounds(audio, [SpeechSegment(1, 2, 0)], options=SoundOptions())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_memory_hardly_grows_with_the_recording() -> None:
    """Ten kilobytes a second, a sixth of the samples: three hours take a hundred megabytes."""
    assert peak_of(22) - peak_of(2) < 20 * 60 * 10_000


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_events_lie_in_the_recording_in_order(seed: int) -> None:
    generator = np.random.default_rng(seed)
    makers = (
        lambda: tone(generator.uniform(0.05, 3), generator.uniform(300, 2000)),
        lambda: ringing(2, 425),
        lambda: still(generator.uniform(0.1, 5)),
        lambda: scaled(arpeggio(4)),
        lambda: noise(1, 0.1, seed),
    )
    parts = [makers[place]() for place in generator.integers(0, len(makers), 4)]
    signal = line(*parts)
    events = find(signal)
    assert events == sorted(events, key=lambda event: event.start)
    assert all(0 <= event.start < event.end <= len(signal) / RATE for event in events)


@pytest.mark.parametrize("kind", ["silence", "dtmf"])
def test_the_value_refuses_what_makes_no_sense(kind: SoundKind) -> None:
    with pytest.raises(ValueError, match="start"):
        SoundEvent(kind, 2.0, 1.0, None)
    with pytest.raises(ValueError, match="digits"):
        SoundEvent("dtmf", 0.0, 1.0, 0, "5")


# --- real calls ----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted((SAMPLES / "truth").glob("*.json")), ids=lambda p: p.stem)
@pytest.mark.parametrize("with_speech", [True, False])
def test_in_real_calls_speech_is_no_sound_and_sounds_are_found(
    path: Path, with_speech: bool
) -> None:
    truth = json.loads(path.read_text(encoding="utf-8"))
    audio = decode(SAMPLES / truth["file"], DecodeOptions()).audio
    speech = (
        find_speech(audio, SileroVoiceActivity(SpeechOptions()), options=SpeechOptions())
        if with_speech
        else ()
    )
    found = [
        event for event in find_sounds(audio, speech, options=SoundOptions())
        if event.kind != "silence"
    ]  # fmt: skip
    real = [event for event in truth["events"] if event["kind"] != "silence"]
    for event in found:
        same = [(e["start"] - 0.1, e["end"] + 0.1) for e in real if e["kind"] == event.kind]
        assert total(subtract([(event.start, event.end)], same)) == 0, event
    assert {event.kind for event in found} == {event["kind"] for event in real}
