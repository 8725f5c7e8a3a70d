from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.speech import SpeechOptions, find_speech, outside, turns_by_channel
from pipeline.types import Audio, Samples, SpeechSegment
from tests.fakes import FixedVoiceActivity, LoudVoiceActivity, sound

OPTIONS = SpeechOptions()
RATE = 1000


def stereo(
    left: list[tuple[float, float, float]], right: list[tuple[float, float, float]]
) -> Audio:
    return Audio(np.stack([sound(20, left), sound(20, right)]), RATE)


def spans(segments: tuple[SpeechSegment, ...]) -> list[tuple[int, float, float]]:
    return [(item.channel, item.start, item.end) for item in segments]


def segments(*items: tuple[int, float, float]) -> list[SpeechSegment]:
    return [SpeechSegment(start, end, channel) for channel, start, end in items]


def turns(*items: tuple[int, float, float]) -> list[tuple[str, float, float]]:
    found = turns_by_channel(segments(*items), options=OPTIONS)
    return [(turn.speaker, turn.start, turn.end) for turn in found]


def test_speech_of_both_channels_comes_in_order_of_time() -> None:
    audio = stereo([(5, 7, 0.1), (1, 2, 0.1)], [(3, 4, 0.1)])
    found = find_speech(audio, LoudVoiceActivity(), options=OPTIONS)
    assert spans(found) == [(0, 1, 2), (1, 3, 4), (0, 5, 7)]


def test_mono_has_no_crosstalk_to_leave_out() -> None:
    audio = Audio(sound(20, [(1, 2, 0.001)])[None], RATE)
    assert spans(find_speech(audio, LoudVoiceActivity(), options=OPTIONS)) == [(0, 1, 2)]


def test_an_echo_on_the_other_channel_is_no_speech() -> None:
    # 0.1 against 0.01 is 20 dB, more than the 15 allowed
    audio = stereo([(1, 4, 0.1)], [(1, 4, 0.01)])
    assert spans(find_speech(audio, LoudVoiceActivity(), options=OPTIONS)) == [(0, 1, 4)]


def test_two_parties_at_once_are_both_kept_even_at_different_levels() -> None:
    # 0.1 against 0.03 is 10 dB
    audio = Audio(np.stack([noise(4, 0.1, 1), noise(4, 0.03, 2)]), 8000)
    activity = FixedVoiceActivity(((1.0, 3.0),))
    assert len(find_speech(audio, activity, options=OPTIONS)) == 2


def test_a_quiet_party_who_speaks_alone_is_kept() -> None:
    audio = stereo([(1, 4, 0.5)], [(5, 8, 0.002)])
    assert spans(find_speech(audio, LoudVoiceActivity(), options=OPTIONS)) == [(0, 1, 4), (1, 5, 8)]


def test_speech_ends_with_the_recording() -> None:
    audio = Audio(np.zeros((1, 5 * RATE), dtype=np.float32), RATE)
    activity = FixedVoiceActivity(((1.0, 2.0), (4.5, 5.2), (5.0, 5.1)))
    found = find_speech(audio, activity, options=OPTIONS)
    assert spans(found) == [(0, 1, 2), (0, 4.5, 5)]


def test_a_segment_at_the_very_end_can_be_judged() -> None:
    audio = stereo([], [])
    activity = FixedVoiceActivity(((19.9999, 20.0),))
    assert len(find_speech(audio, activity, options=OPTIONS)) == 2


def test_silence_is_no_speech() -> None:
    assert find_speech(stereo([], []), LoudVoiceActivity(), options=OPTIONS) == ()
    assert turns_by_channel((), options=OPTIONS) == ()


@pytest.mark.parametrize(("pause", "expected"), [(0.9, 1), (1.0, 1), (1.2, 2)])
def test_a_short_pause_does_not_end_a_turn(pause: float, expected: int) -> None:
    assert len(turns((0, 1, 3), (0, 3 + pause, 8))) == expected


def test_a_turn_ends_when_the_other_party_answers_in_its_pause() -> None:
    assert turns((0, 1, 3), (1, 3.2, 3.6), (0, 3.8, 5)) == [
        ("S0", 1, 3), ("S1", 3.2, 3.6), ("S0", 3.8, 5),
    ]  # fmt: skip


def test_a_turn_goes_on_over_an_interjection_that_began_before_its_pause() -> None:
    assert turns((0, 1, 3), (1, 2.5, 3.4), (0, 3.3, 5)) == [("S0", 1, 5), ("S1", 2.5, 3.4)]


def test_two_backchannels_within_the_others_sentence_stay_two() -> None:
    found = turns_by_channel(segments((0, 0, 6), (1, 2, 2.3), (1, 3, 3.3)), options=OPTIONS)
    assert [(turn.speaker, turn.duration) for turn in found] == [
        ("S0", 6), ("S1", pytest.approx(0.3)), ("S1", pytest.approx(0.3)),
    ]  # fmt: skip
    assert all(turn.overlapped for turn in found)


def test_turns_without_company_are_not_overlapped() -> None:
    found = turns_by_channel(segments((0, 0, 2), (1, 2, 4)), options=OPTIONS)
    assert [turn.overlapped for turn in found] == [False, False]


def test_unordered_segments_give_the_same_turns() -> None:
    items = [(0, 1, 3), (1, 4, 5), (0, 3.5, 3.9), (0, 6, 7)]
    assert turns(*items) == turns(*items[::-1])


intervals = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 300), st.integers(1, 40)), max_size=25
)


@given(intervals)
@settings(deadline=None)
def test_turns_are_numbered_in_order_and_cover_their_segments(
    items: list[tuple[int, int, int]],
) -> None:
    given_segments = segments(
        *((c, start / 10, (start + length) / 10) for c, start, length in items)
    )
    found = turns_by_channel(given_segments, options=OPTIONS)
    assert [turn.index for turn in found] == list(range(len(found)))
    assert list(found) == sorted(found, key=lambda turn: (turn.start, turn.channel))
    for segment in given_segments:
        assert any(
            turn.channel == segment.channel
            and turn.start <= segment.start
            and segment.end <= turn.end
            for turn in found
        )
    assert all(turn.speaker == f"S{turn.channel}" for turn in found)


def test_what_lies_in_music_or_tones_is_no_speech() -> None:
    found = segments((0, 1, 4), (0, 6, 8), (0, 9, 12))
    assert outside(found, [(0.5, 5.0), (7.0, 8.0)], options=OPTIONS) == (found[1], found[2])
    assert outside(found, [], options=OPTIONS) == tuple(found)


def noise(seconds: float, level: float, seed: int, rate: int = 8000) -> Samples:
    drawn = np.random.default_rng(seed).normal(0, level, round(seconds * rate))
    return drawn.astype(np.float32)


def echoed(delay: float, gain: float, own: float = 0.0) -> Audio:
    """Channel 0 speaks; channel 1 hears it later and weaker, and says something of its own."""
    voice = noise(4, 0.2, 1)
    shift = round(delay * 8000)
    copy = np.concatenate([np.zeros(shift, np.float32), voice[: len(voice) - shift]])
    return Audio(np.stack([voice, gain * copy + own * noise(4, 0.2, 2)]), 8000)


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.25])
@pytest.mark.parametrize("gain", [0.3, -0.5])
def test_a_delayed_echo_is_no_speech(delay: float, gain: float) -> None:
    activity = FixedVoiceActivity(((0.5, 3.5),))
    found = find_speech(echoed(delay, gain), activity, options=OPTIONS)
    assert [segment.channel for segment in found] == [0]


def test_a_weaker_party_over_an_echo_is_kept() -> None:
    activity = FixedVoiceActivity(((0.5, 3.5),))
    found = find_speech(echoed(0.02, 0.1, own=0.3), activity, options=OPTIONS)
    assert [segment.channel for segment in found] == [0, 1]
