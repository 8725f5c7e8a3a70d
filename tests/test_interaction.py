"""Values computed by hand from a timeline that is written out beside them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.interaction import InteractionOptions, Recording, measure
from pipeline.types import Hold, Interaction, Interruption, Role, SoundEvent, Transcript, Turn, Word

OPTIONS = InteractionOptions()


def made(*items: tuple[Role, float, float, str]) -> Transcript:
    turns, words = [], []
    for index, (role, start, end, text) in enumerate(items):
        channel = {"operator": 0, "ivr": 0}.get(role, 1)
        turns.append(Turn(index, start, end, f"S{channel}", channel, role, 0.9))
        words += [Word(start, end, word, 0.8, index) for word in text.split()]
    return Transcript(tuple(turns), tuple(words))


def measured(
    transcript: Transcript,
    duration: float,
    *,
    separate: bool = True,
    sounds: tuple[SoundEvent, ...] | None = None,
) -> Interaction:
    return measure(transcript, Recording(duration, separate, sounds), options=OPTIONS)


#: 0–2 operator, 3–9 caller, 8–12 operator (over the caller, 1 s), 16–18 caller, 30–34 operator;
#: silences: 12–16 (4 s), 18–30 (12 s), 34–40 (6 s); 2–3 is too short for one
CALL = made(
    ("operator", 0, 2, "а б в г"),
    ("caller", 3, 9, "а б в"),
    ("operator", 8, 12, "а б"),
    ("caller", 16, 18, ""),
    ("operator", 30, 34, "а б в г"),
)


def test_talk() -> None:
    found = measured(CALL, 40)
    # operator 2 + 4 + 4 = 10 s, caller 6 + 2 = 8 s
    assert found.value("talk_share_operator") == pytest.approx(10 / 18, abs=1e-4)
    # 10 words in 10 s
    assert found.value("words_per_minute_operator") == 60.0
    # after 9 the operator was already speaking; after 18 the answer came at 30
    assert found.value("response_latency_operator") == 12.0


def test_silence() -> None:
    found = measured(CALL, 40)
    assert found.value("silence_share") == pytest.approx(22 / 40)
    assert found.value("longest_silence") == 12.0


def test_overlap_and_interruptions() -> None:
    found = measured(CALL, 40)
    assert found.value("overlap_share") == pytest.approx(1 / 40)
    assert found.interruptions == (Interruption(2, 8, 9),)
    assert found.value("interruptions_operator") == 1.0


def test_holds_lie_inside_the_dialogue() -> None:
    found = measured(CALL, 60)  # 26 s of silence at the end are no hold
    assert found.holds == (Hold(18, 30, "pause"),)
    assert found.value("hold_seconds") == 12.0
    assert found.value("hold_count") == 1.0


def test_confidences() -> None:
    found = measured(CALL, 40)
    assert found.value("asr_confidence") == pytest.approx(0.8)
    assert found.value("role_confidence") == pytest.approx(0.9)
    # all turns but the caller's 2 s of 18 have words
    assert found.value("text_share") == pytest.approx(16 / 18, abs=1e-4)


def test_role_confidence_is_weighted_by_time() -> None:
    transcript = made(("operator", 0, 9, "а"), ("caller", 9, 10, "а"))
    doubted = replace(transcript.turns[1], role_probability=0.4)
    transcript = replace(transcript, turns=(transcript.turns[0], doubted))
    assert measured(transcript, 10).value("role_confidence") == pytest.approx(0.85)


def test_mono_shows_neither_overlap_nor_interruptions() -> None:
    found = measured(CALL, 40, separate=False)
    assert found.interruptions is None
    assert found.value("interruptions_operator") is None
    assert found.value("overlap_share") is None
    assert found.value("silence_share") is not None
    names = [metric.name for metric in found.metrics]
    assert names == [metric.name for metric in measured(CALL, 40).metrics]
    assert len(set(names)) == len(names)


def test_two_channels_without_overlap_show_zero() -> None:
    found = measured(made(("operator", 0, 2, "а"), ("caller", 3, 5, "б")), 6)
    assert found.value("overlap_share") == 0.0
    assert found.interruptions == ()
    assert found.value("interruptions_operator") == 0.0


@pytest.mark.parametrize(
    ("start", "end", "why"),
    [
        (4.0, 5.0, "a backchannel of a second"),
        (0.9, 4.0, "the caller had not spoken for a second"),
        (5.6, 9.0, "less than half a second of overlap"),
        (6.0, 9.0, "no overlap"),
    ],
)
def test_what_is_no_interruption(start: float, end: float, why: str) -> None:
    spans: list[tuple[Role, float, float, str]] = [
        ("caller", 0, 6, "а"), ("operator", start, end, "б"),
    ]  # fmt: skip
    assert measured(made(*sorted(spans, key=lambda item: item[1])), 10).interruptions == (), why


def test_an_interruption_ends_with_whoever_stops_first() -> None:
    found = measured(made(("caller", 0, 6, "а"), ("operator", 2, 4, "б")), 10)
    assert found.interruptions == (Interruption(1, 2, 4),)


def test_callers_may_interrupt() -> None:
    found = measured(made(("operator", 0, 6, "а"), ("caller", 2, 8, "б")), 10)
    assert found.interruptions == ()


def test_an_announcement_is_neither_silence_nor_talk() -> None:
    found = measured(
        made(("ivr", 0, 10, "а"), ("operator", 10, 12, "б"), ("caller", 12, 14, "в")), 14
    )
    assert found.value("silence_share") == 0.0
    assert found.value("talk_share_operator") == 0.5


def test_waiting_under_an_announcement_is_hold_but_not_before_the_operator() -> None:
    transcript = made(
        ("ivr", 0, 15, "а"), ("operator", 16, 18, "б"), ("ivr", 20, 28, "в"),
        ("operator", 30, 31, "г"),
    )  # fmt: skip
    assert measured(transcript, 31).holds == (Hold(18, 30, "pause"),)


def test_without_an_operator_nobody_can_tell_a_hold() -> None:
    found = measured(made(("unknown", 0, 2, "а"), ("unknown", 20, 22, "б")), 30)
    assert found.holds == ()
    assert found.value("hold_seconds") is None
    assert found.value("hold_count") is None


def test_what_cannot_be_computed_is_none() -> None:
    found = measured(Transcript((), ()), 10)
    assert found.value("silence_share") == 1.0
    assert found.value("longest_silence") == 10.0
    for name in (
        "talk_share_operator", "words_per_minute_operator", "response_latency_operator",
        "asr_confidence", "role_confidence", "text_share", "hold_seconds",
    ):  # fmt: skip
        assert found.value(name) is None, name
    assert measured(Transcript((), ()), 0).value("silence_share") is None


def test_an_operator_whose_words_were_not_recognised_has_no_speech_rate() -> None:
    found = measured(made(("operator", 0, 5, ""), ("caller", 5, 8, "а")), 8)
    assert found.value("words_per_minute_operator") is None


def test_words_without_probability_give_no_confidence() -> None:
    transcript = made(("operator", 0, 5, "а б"), ("caller", 5, 8, ""))
    imported = tuple(replace(word, probability=None) for word in transcript.words)
    assert measured(replace(transcript, words=imported), 8).value("asr_confidence") is None


def test_every_metric_states_how_it_was_found_and_its_threshold() -> None:
    found = {metric.name: metric for metric in measured(CALL, 40).metrics}
    assert found["hold_seconds"].method == "estimated"
    assert found["hold_seconds"].threshold == OPTIONS.hold_minimum
    assert found["silence_share"].method == "measured"
    assert found["silence_share"].threshold == OPTIONS.silence_minimum


spans = st.lists(
    st.tuples(
        st.sampled_from(["operator", "caller", "ivr", "unknown"]),
        st.integers(0, 500), st.integers(0, 200),
    ),
    max_size=15,
)  # fmt: skip


@given(spans, st.booleans())
@settings(deadline=None)
def test_shares_are_shares_and_counts_are_counts(
    items: list[tuple[Role, int, int]], separate: bool
) -> None:
    ordered = sorted(items, key=lambda item: item[1])
    transcript = made(*((role, s / 10, (s + length) / 10, "а") for role, s, length in ordered))
    found = measured(transcript, 80.0, separate=separate)
    for metric in found.metrics:
        if metric.value is not None:
            assert metric.value >= 0
            assert not metric.name.endswith(("_share", "_confidence")) or metric.value <= 1
    silence = found.value("silence_share") or 0.0
    talk = {turn.index: turn.duration for turn in transcript.turns}
    assert silence * 80 <= 80 - max(talk.values(), default=0) + 0.01
    assert all(hold.end - hold.start >= OPTIONS.hold_minimum for hold in found.holds)


# ---------------------------------------------------------------- sounds

MUSIC = SoundEvent("music", 20, 28, 0)


def test_a_hold_is_called_by_what_fills_it() -> None:
    assert measured(CALL, 40, sounds=(MUSIC,)).holds == (Hold(18, 30, "music"),)
    short = SoundEvent("music", 20, 25, 0)
    assert measured(CALL, 40, sounds=(short,)).holds == (Hold(18, 30, "pause"),)
    ringing = SoundEvent("ringback", 19, 29, 0)
    assert measured(CALL, 40, sounds=(ringing,)).holds == (Hold(18, 30, "ringback"),)


def test_seconds_of_waiting_sounds_and_keys() -> None:
    tones = (
        MUSIC, SoundEvent("music", 24, 30, 1), SoundEvent("ringback", 0, 3, 0),
        SoundEvent("dtmf", 5, 5.1, 1), SoundEvent("dtmf", 5.3, 5.4, 1),
    )  # fmt: skip
    found = measured(CALL, 40, sounds=tones)
    names = ("music_seconds", "ringback_seconds", "busy_seconds", "keys_pressed")
    assert [found.value(name) for name in names] == [10.0, 3.0, 0.0, 2.0]
    # nobody listened: an imported transcript
    assert [measured(CALL, 40).value(name) for name in names] == [None] * 4
