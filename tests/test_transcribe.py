from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.backends.faster_whisper import join_pieces
from pipeline.transcribe import (
    Heard,
    HeardWord,
    TranscribeOptions,
    choose_language,
    pack,
    transcribe,
)
from pipeline.types import Audio, Samples, Transcript, Turn
from tests.fakes import FakeRecogniser, heard, paint, paint_reader, painted_turn, read_paint

OPTIONS = TranscribeOptions(temperatures=(0.0, 0.5))
RATE = 100
LOOP = tuple((i * 0.2, i * 0.2 + 0.2, "да") for i in range(60))


def turns(*spans: tuple[float, float, int]) -> tuple[Turn, ...]:
    """Turns from (start, end, channel); one speaker a channel."""
    return tuple(
        Turn(index, start, end, f"S{channel}", channel)
        for index, (start, end, channel) in enumerate(spans)
    )


def recognised(
    given_turns: tuple[Turn, ...],
    hearing: Callable[[Samples, float], Heard],
    *,
    options: TranscribeOptions = OPTIONS,
    seconds: float | None = None,
) -> tuple[Transcript, FakeRecogniser]:
    length = seconds or max(turn.end for turn in given_turns) + 1
    recogniser = FakeRecogniser(hearing)
    audio = Audio(paint(given_turns, length), RATE)
    return transcribe(audio, given_turns, recogniser, options=options), recogniser


def holds(window: Samples, turn: int) -> bool:
    """Whether a painted window holds a turn (and not only its edge)."""
    return any(holds_word(word, turn) for word in read_paint(window))


def holds_word(word: HeardWord, turn: int) -> bool:
    return painted_turn(word.text) == turn


# ---------------------------------------------------------------- packing


def test_a_window_holds_neighbouring_turns_of_one_speaker_in_order() -> None:
    given_turns = turns((0, 4, 0), (4, 8, 1), (8, 12, 0), (12, 16, 1))
    windows = pack(given_turns, 20, OPTIONS)
    assert [[piece.turn for piece in window.pieces] for window in windows] == [[0, 2], [1, 3]]


def test_a_full_window_is_closed() -> None:
    windows = pack(turns((0, 10, 0), (11, 21, 0), (22, 32, 0)), 40, OPTIONS)
    assert [[piece.turn for piece in window.pieces] for window in windows] == [[0, 1], [2]]


def test_a_turn_longer_than_a_window_is_divided_evenly() -> None:
    windows = pack(turns((0, 60, 0)), 60, OPTIONS)
    assert [window.duration for window in windows] == [pytest.approx(60.0 / 3)] * 3


def test_padding_stays_in_the_recording_and_short_turns_are_left_out() -> None:
    windows = pack(turns((0, 2, 0), (3, 3.1, 0), (5, 6, 0)), 6, OPTIONS)
    pieces = [(piece.turn, piece.start, piece.end) for piece in windows[0].pieces]
    assert pieces == [(0, 0, 2.15), (2, 4.85, 6)]


spans = st.lists(
    st.tuples(st.floats(0.0, 4.0), st.floats(0.05, 70.0), st.integers(0, 2)), max_size=15
)


def as_turns(items: list[tuple[float, float, int]]) -> tuple[Turn, ...]:
    cursor, found = 0.0, []
    for pause, length, channel in items:
        found.append((cursor + pause, cursor + pause + length, channel))
        cursor += pause + length
    return turns(*found)


@given(spans)
@settings(deadline=None)
def test_windows_never_exceed_their_length_nor_mix_speakers(
    items: list[tuple[float, float, int]],
) -> None:
    given_turns = as_turns(items)
    duration = given_turns[-1].end if given_turns else 1.0
    windows = pack(given_turns, duration, OPTIONS)
    for window in windows:
        assert window.duration <= OPTIONS.window + 1e-6
        assert len({given_turns[piece.turn].speaker for piece in window.pieces}) == 1
        ends = [piece.offset + piece.end - piece.start for piece in window.pieces]
        starts = [piece.offset for piece in window.pieces]
        gaps = [after - before for before, after in zip(ends, starts[1:], strict=False)]
        assert gaps == [pytest.approx(OPTIONS.gap)] * len(gaps)
    for turn in given_turns:
        pieces = [p for window in windows for p in window.pieces if p.turn == turn.index]
        if turn.duration < OPTIONS.turn_minimum:
            assert not pieces
            continue
        assert pieces[0].start <= turn.start + 1e-9
        assert pieces[-1].end >= turn.end - 1e-9
        assert all(a.end == pytest.approx(b.start) for a, b in pairwise(pieces))


def test_windows_are_heard_in_batches() -> None:
    given_turns = turns(*((i * 30.0, i * 30.0 + 27, 0) for i in range(5)))
    _, recogniser = recognised(given_turns, paint_reader(), options=replace(OPTIONS, batch_size=2))
    assert recogniser.batches == [2, 2, 1]
    assert all(len(window) <= 30 * RATE for window, _ in recogniser.asked)


# ---------------------------------------------------------------- cutting back


def test_words_come_back_to_their_turns_and_channels() -> None:
    given_turns = turns((0, 3, 0), (3, 6, 1), (6, 9, 0), (8.5, 12, 1))
    transcript, _ = recognised(given_turns, paint_reader())
    assert transcript.turns == given_turns
    assert transcript.engine == "fake"
    for turn, text in zip(transcript.turns, transcript.texts(), strict=True):
        assert {painted_turn(word) for word in text.split()} == {turn.index}
        assert len(text.split()) == round(turn.duration / 0.5)


def test_word_times_are_those_of_the_call() -> None:
    transcript, _ = recognised(turns((1, 2, 0), (3, 4, 1), (10, 11, 0)), paint_reader())
    assert [(word.turn, round(word.start, 2), round(word.end, 2)) for word in transcript.words] == [
        (0, 1.0, 1.5), (0, 1.5, 2.0), (1, 3.0, 3.5), (1, 3.5, 4.0), (2, 10.0, 10.5),
        (2, 10.5, 11.0),
    ]  # fmt: skip


def test_a_word_heard_in_the_padding_is_put_inside_the_turn() -> None:
    # the window begins 0.15 s before the turn and ends as much after it
    def hearing(window: Samples, temperature: float) -> Heard:
        return heard((0.0, 0.1, "раньше"), (1.2, 1.3, "позже"))

    transcript, _ = recognised(turns((5, 6, 0)), hearing, seconds=10)
    assert [(word.start, word.end) for word in transcript.words] == [(5, 5), (6, 6)]


def test_a_long_turn_gets_the_words_of_all_its_windows_in_order() -> None:
    options = replace(OPTIONS, compression_maximum=1e9)
    transcript, _ = recognised(turns((0, 70, 0)), paint_reader(), options=options)
    starts = [word.start for word in transcript.words]
    assert starts == sorted(starts)
    assert len(starts) == pytest.approx(140, abs=3)


words_of_window = st.lists(st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 3.0)), max_size=12)


@given(spans, st.data())
@settings(deadline=None, max_examples=60)
def test_every_heard_word_lands_in_exactly_one_turn_and_inside_its_times(
    items: list[tuple[float, float, int]], data: st.DataObject
) -> None:
    given_turns = as_turns(items)
    said: list[str] = []

    def hearing(window: Samples, temperature: float) -> Heard:
        length = len(window) / RATE
        words = []
        for place, duration in sorted(data.draw(words_of_window)):
            said.append(f"w{len(said)}")
            words.append((place * length, place * length + duration, said[-1]))
        return heard(*words)

    believing = replace(
        OPTIONS, doubtful=0.0, compression_maximum=1e9, words_per_second_maximum=1e9
    )
    transcript, _ = recognised(
        given_turns, hearing, options=believing,
        seconds=given_turns[-1].end if given_turns else 1.0,
    )  # fmt: skip
    assert sorted(word.text for word in transcript.words) == sorted(said)
    for word in transcript.words:
        turn = given_turns[word.turn]
        assert turn.start <= word.start <= word.end <= turn.end
    order = [(word.turn, word.start) for word in transcript.words]
    assert [turn for turn, _ in order] == sorted(turn for turn, _ in order)


# ---------------------------------------------------------------- languages


def test_each_window_gives_its_turns_its_language() -> None:
    def hearing(window: Samples, temperature: float) -> Heard:
        return replace(
            heard(language="kk" if holds(window, 1) else "ru"), words=read_paint(window, RATE)
        )

    transcript, _ = recognised(turns((0, 3, 0), (3, 6, 1), (6, 9, 0)), hearing)
    assert [transcript.language_of(index) for index in range(3)] == ["ru", "kk", "ru"]


def test_a_turn_without_words_has_no_language() -> None:
    transcript, _ = recognised(turns((0, 3, 0)), lambda window, temperature: heard())
    assert transcript.languages == ()
    assert transcript.dropped == ()


def test_probability_outside_the_served_languages_goes_to_the_residual_one() -> None:
    scattered = {"ru": 0.3, "en": 0.1, "tr": 0.25, "hu": 0.2, "ky": 0.15}
    assert choose_language(scattered, OPTIONS) == ("kk", 0.6)
    assert choose_language(scattered, replace(OPTIONS, residual_language="")) == ("ru", 0.3)


def test_a_residual_language_that_is_not_served_gets_nothing() -> None:
    options = replace(OPTIONS, languages=("ru", "en"))
    assert choose_language({"ru": 0.1, "en": 0.2, "tr": 0.7}, options) == ("en", 0.2)


def test_a_served_language_that_the_model_lacks_has_no_probability() -> None:
    options = replace(OPTIONS, residual_language="")
    assert choose_language({"ru": 0.2, "tr": 0.8}, options) == ("ru", 0.2)


@given(
    st.dictionaries(
        st.sampled_from(["ru", "kk", "en", "tr", "hu", "tt"]), st.floats(0, 1), min_size=1
    )
)
def test_the_language_is_served_and_its_probability_is_one(weights: dict[str, float]) -> None:
    whole = sum(weights.values()) or 1.0
    language, probability = choose_language(
        {code: weight / whole for code, weight in weights.items()}, OPTIONS
    )
    assert language in OPTIONS.languages
    assert 0 <= probability <= 1


# ---------------------------------------------------------------- doubt, loops, temperatures


def test_a_doubtful_turn_is_heard_again_alone_in_a_language_of_its_own() -> None:
    def hearing(window: Samples, temperature: float) -> Heard:
        if holds(window, 0) and holds(window, 1):
            sure = tuple(word for word in read_paint(window) if holds_word(word, 0))
            unsure = tuple(
                replace(word, probability=0.2) for word in read_paint(window) if holds_word(word, 1)
            )
            return replace(heard(language="ru"), words=sure + unsure)
        return replace(heard(language="kk"), words=read_paint(window))

    transcript, recogniser = recognised(turns((0, 3, 0), (4, 7, 0)), hearing)
    assert [transcript.language_of(index) for index in range(2)] == ["ru", "kk"]
    assert all(word.probability == 0.9 for word in transcript.words_of(1))
    assert recogniser.batches == [1, 1]


def test_a_second_hearing_that_is_no_surer_changes_nothing() -> None:
    def hearing(window: Samples, temperature: float) -> Heard:
        alone = not (holds(window, 0) and holds(window, 1))
        words = tuple(
            replace(word, probability=0.1 if alone else 0.3) for word in read_paint(window)
        )
        return replace(heard(language="en" if alone else "ru"), words=words)

    transcript, _ = recognised(turns((0, 3, 0), (4, 7, 0)), hearing)
    assert [transcript.language_of(index) for index in range(2)] == ["ru", "ru"]


def test_short_turns_and_turns_already_alone_are_not_heard_again() -> None:
    def hearing(window: Samples, temperature: float) -> Heard:
        words = tuple(replace(word, probability=0.1) for word in read_paint(window))
        return replace(heard(), words=words)

    _, short = recognised(turns((0, 1, 0), (2, 3, 0)), hearing)
    _, alone = recognised(turns((0, 5, 0), (6, 12, 1)), hearing)
    assert len(short.asked) == 1
    assert len(alone.asked) == 2


def test_a_loop_is_dropped_with_the_reason_and_without_its_text() -> None:
    transcript, _ = recognised(turns((0, 20, 0)), lambda window, temperature: heard(*LOOP))
    assert transcript.words == ()
    assert [(item.turn, item.reason) for item in transcript.dropped] == [(0, "repetition")]


def test_of_a_long_turn_only_the_looping_part_is_dropped() -> None:
    said = (
        heard((1, 2, "начало"), language="kk"),
        heard(*LOOP),
        heard((0, 1, "и"), (1, 2, "конец")),
    )
    windows = iter(said)
    options = replace(OPTIONS, temperatures=(0.0,))
    transcript, _ = recognised(
        turns((0, 81, 0)), lambda window, temperature: next(windows), options=options, seconds=81
    )
    assert transcript.texts() == ("начало и конец",)
    assert transcript.language_of(0) == "ru"
    assert [(item.start, item.end) for item in transcript.dropped] == [(27, 54)]


def test_more_words_than_anyone_can_say_are_dropped() -> None:
    text = [sha256(bytes([i])).hexdigest()[:7] for i in range(30)]
    words = tuple((i * 0.05, i * 0.05 + 0.05, word) for i, word in enumerate(text))
    transcript, _ = recognised(turns((0, 2, 0)), lambda window, temperature: heard(*words))
    assert [item.reason for item in transcript.dropped] == ["too_many_words"]


def test_improbable_text_over_silence_is_dropped_and_over_speech_is_kept() -> None:
    def hearing(no_speech: float) -> Callable[[Samples, float], Heard]:
        return lambda window, temperature: heard(
            (0, 1, "спасибо"), logprob=-1.5, no_speech=no_speech
        )

    silent, _ = recognised(turns((0, 2, 0)), hearing(0.9))
    spoken, _ = recognised(turns((0, 2, 0)), hearing(0.1))
    assert [item.reason for item in silent.dropped] == ["no_speech"]
    assert spoken.texts() == ("спасибо",)


def test_a_loop_gives_way_to_the_second_temperature() -> None:
    def hearing(window: Samples, temperature: float) -> Heard:
        return heard(*LOOP, logprob=-0.1) if temperature == 0 else heard((0, 1, "хорошо"))

    transcript, recogniser = recognised(turns((0, 20, 0)), hearing)
    assert transcript.texts() == ("хорошо",)
    assert [temperature for _, temperature in recogniser.asked] == [0.0, 0.5]


def test_a_loop_at_the_second_temperature_does_not_replace_doubtful_text() -> None:
    def hearing(window: Samples, temperature: float) -> Heard:
        if temperature == 0:
            return heard((0, 1, "хорошо"), logprob=-1.2)
        return heard(*LOOP, logprob=-0.1)

    transcript, _ = recognised(turns((0, 20, 0)), hearing)
    assert transcript.texts() == ("хорошо",)


def test_only_implausible_windows_are_tried_again() -> None:
    def hearing(window: Samples, temperature: float) -> Heard:
        words = read_paint(window)
        return replace(heard(logprob=-1.5 if holds(window, 1) else -0.2), words=words)

    _, recogniser = recognised(turns((0, 3, 0), (3, 6, 1)), hearing)
    again = [window for window, temperature in recogniser.asked if temperature > 0]
    assert len(again) == 1
    assert holds(again[0], 1)


def test_silence_is_not_tried_at_another_temperature() -> None:
    _, recogniser = recognised(
        turns((0, 1, 0)), lambda window, temperature: heard(logprob=-2.0, no_speech=0.9)
    )
    assert [temperature for _, temperature in recogniser.asked] == [0.0]


def test_a_loop_in_company_is_replaced_by_what_is_heard_alone_even_if_less_sure() -> None:
    def hearing(window: Samples, temperature: float) -> Heard:
        if holds(window, 0) and holds(window, 1):
            return heard(*LOOP, (12.5, 13, "конец"), probability=0.99)
        return heard((0, 1, "ясно"), probability=0.6)

    transcript, _ = recognised(turns((0, 12, 0), (13, 20, 0)), hearing)
    assert transcript.texts()[0] == "ясно"
    assert transcript.dropped == ()


def test_a_loop_heard_alone_does_not_replace_unsure_words() -> None:
    def hearing(window: Samples, temperature: float) -> Heard:
        if holds(window, 0) and holds(window, 1):
            return heard((0, 1, "может"), (13, 14, "быть"), probability=0.4)
        return heard(*LOOP, probability=0.99)

    transcript, _ = recognised(turns((0, 12, 0), (13, 20, 0)), hearing)
    assert transcript.texts() == ("может", "быть")


# ---------------------------------------------------------------- edges


def test_no_turns_give_an_empty_transcript() -> None:
    recogniser = FakeRecogniser(paint_reader())
    audio = Audio(np.zeros((1, 100), dtype=np.float32), RATE)
    assert transcribe(audio, (), recogniser, options=OPTIONS) == Transcript((), (), engine="fake")
    assert recogniser.asked == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"languages": ()}, "languages"),
        ({"temperatures": ()}, "temperatures"),
        ({"window": 29.8}, "window 29.8"),
        ({"window": 0.0}, "window 0.0"),
    ],
)
def test_options_that_cannot_work_are_refused(change: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        replace(OPTIONS, **change)  # type: ignore[arg-type]


def test_tokens_join_to_words_with_their_punctuation() -> None:
    pieces = [
        (" Добрый", 0.0, 0.4, 0.9), (" день", 0.4, 0.8, 0.8), (",", 0.8, 0.9, 0.3),
        (" кто", 0.9, 1.1, 0.7), ("-", 1.1, 1.1, 0.7), ("то", 1.1, 1.3, 0.7),
        (" ", 1.3, 1.3, 0.1), ("?", 1.3, 1.4, 0.2),
    ]  # fmt: skip
    assert join_pieces(pieces) == (
        HeardWord(0.0, 0.4, "Добрый", 0.9),
        HeardWord(0.4, 0.9, "день,", 0.8),
        HeardWord(0.9, 1.4, "кто-то?", 0.7),
    )


def test_the_first_token_of_a_window_is_a_word_even_without_a_space() -> None:
    assert [word.text for word in join_pieces([("Алло", 0.0, 0.3, 0.9), ("!", 0.3, 0.2, 0.9)])] == [
        "Алло!"
    ]
    assert join_pieces([]) == ()
