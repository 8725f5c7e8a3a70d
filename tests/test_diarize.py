from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.diarize import (
    SEEDS,
    DiarizeOptions,
    LocalActivity,
    Unit,
    assign,
    diarize,
    split,
    units_of,
    voices,
)
from pipeline.types import Audio, SpeechSegment, Turn
from tests.fakes import Script, ScriptEmbedder, ScriptSegmentation

OPTIONS = DiarizeOptions()
RATE = 100


def silence(seconds: float, channels: int = 1) -> Audio:
    return Audio(np.zeros((channels, round(seconds * RATE)), dtype=np.float32), RATE)


def speech_of(script: Script) -> list[SpeechSegment]:
    return [SpeechSegment(start, end, 0) for start, end, _ in script]


def turns_of(
    script: Script,
    seconds: float,
    *,
    speech: list[SpeechSegment] | None = None,
    embedder: ScriptEmbedder | None = None,
    options: DiarizeOptions = OPTIONS,
) -> tuple[Turn, ...]:
    return diarize(
        silence(seconds),
        speech_of(script) if speech is None else speech,
        (ScriptSegmentation(script), embedder or ScriptEmbedder(script)),
        options=options,
    )


def read(turns: tuple[Turn, ...]) -> list[tuple[str, float, float]]:
    """To a tenth of a second: the local activity has frames of 20 ms."""
    return [(turn.speaker, round(turn.start, 1), round(turn.end, 1)) for turn in turns]


def test_two_voices_take_turns() -> None:
    script = [(0.5, 3, 0), (3.4, 8, 1), (8.3, 12, 0), (13, 21, 1), (21.5, 24, 0)]
    assert read(turns_of(script, 25)) == [
        ("S0", 0.5, 3.0), ("S1", 3.4, 8.0), ("S0", 8.3, 12.0), ("S1", 13.0, 21.0),
        ("S0", 21.5, 24.0),
    ]  # fmt: skip


def test_speakers_are_named_in_order_of_first_speech() -> None:
    script = [(0.5, 3, 1), (3.4, 9, 0), (9.3, 12, 1), (13, 19, 0)]
    assert [turn.speaker for turn in turns_of(script, 20)] == ["S0", "S1", "S0", "S1"]


def test_three_voices_stay_three() -> None:
    script = [
        (0, 4, 0), (4.2, 8, 1), (8.2, 12, 0), (12.2, 16, 2), (16.2, 20, 1), (20.2, 24, 2),
        (24.2, 28, 1),
    ]  # fmt: skip
    found = turns_of(script, 29, embedder=ScriptEmbedder(script, likeness=0.3))
    assert [turn.speaker for turn in found] == ["S0", "S1", "S0", "S2", "S1", "S2", "S1"]


def test_one_voice_stays_one() -> None:
    script = [(i * 5, i * 5 + 3.5, 0) for i in range(8)]
    assert {turn.speaker for turn in turns_of(script, 40)} == {"S0"}


def test_local_speakers_that_sound_alike_are_one_voice() -> None:
    script = [(i * 3, i * 3 + 2.5, i % 2) for i in range(10)]
    found = turns_of(script, 30, embedder=ScriptEmbedder(script, alike={1: 0}))
    assert read(found) == [("S0", 0.0, 29.5)]


def test_a_single_short_word_is_one_turn() -> None:
    assert read(turns_of([(2, 2.5, 0)], 5)) == [("S0", 2.0, 2.5)]


def test_a_voice_keeps_its_name_over_window_borders_whatever_its_local_number() -> None:
    # voice 1 alone opens the later windows, where it becomes local speaker 0
    script = [(0, 4, 0), (4.5, 14, 1), (15, 24, 1), (25, 29, 0)]
    assert [turn.speaker for turn in turns_of(script, 30)] == ["S0", "S1", "S0"]


def test_a_unit_over_a_window_border_is_not_cut() -> None:
    script = [(1, 3, 0), (5, 12, 1)]
    local = ScriptSegmentation(script)(silence(15).samples[0], RATE)
    units = units_of(local, 15, OPTIONS)
    assert [(round(u.start, 1), round(u.end, 1)) for u in units] == [(1.0, 3.0), (5.0, 12.0)]


def test_a_unit_over_several_borders_is_one_until_it_is_too_long_to_embed() -> None:
    local = ScriptSegmentation([(2, 34, 0)])(silence(40).samples[0], RATE)
    whole = units_of(local, 40, replace(OPTIONS, unit_maximum=100))
    assert [(round(u.start, 1), round(u.end, 1)) for u in whole] == [(2.0, 34.0)]
    parts = units_of(local, 40, OPTIONS)
    assert len(parts) == 4
    assert all(part.duration <= OPTIONS.unit_maximum + 0.01 for part in parts)


def test_another_voice_at_the_border_starts_a_unit_of_its_own() -> None:
    # two windows with their border at 7.5 s: local speaker 0 is another voice in each
    activity = np.zeros((2, 500, 3), dtype=np.float32)
    activity[0, 250:375, 0] = 1
    activity[1, 125:250, 0] = 1
    units = units_of(LocalActivity(activity, (0.0, 5.0), 0.02), 15, OPTIONS)
    assert [(u.start, u.end) for u in units] == [
        (pytest.approx(5.0), pytest.approx(7.5)), (pytest.approx(7.5), pytest.approx(10.0)),
    ]  # fmt: skip


def test_units_stay_in_order_when_a_long_one_is_divided() -> None:
    local = ScriptSegmentation([(0, 20, 0), (5, 6, 1)])(silence(25).samples[0], RATE)
    starts = [unit.start for unit in units_of(local, 25, OPTIONS)]
    assert starts == sorted(starts)
    assert len(starts) == 4


def test_units_end_with_the_recording() -> None:
    local = ScriptSegmentation([(0, 30, 0)])(silence(12.34).samples[0], RATE)
    assert max(unit.end for unit in units_of(local, 12.34, OPTIONS)) <= 12.34


def test_what_voice_activity_does_not_confirm_is_dropped() -> None:
    # a ringing tone that the segmentation takes for a third voice
    script = [(0, 4, 2), (6, 10, 0), (10.5, 14, 1)]
    speech = [SpeechSegment(6, 10, 0), SpeechSegment(10.5, 14, 0)]
    assert read(turns_of(script, 15, speech=speech)) == [("S0", 6.0, 10.0), ("S1", 10.5, 14.0)]


def test_a_unit_confirmed_for_the_most_part_is_kept_where_speech_is_heard() -> None:
    script = [(0, 4, 0), (5, 9, 1)]
    speech = [SpeechSegment(1, 4, 0), SpeechSegment(5, 6, 0)]
    assert read(turns_of(script, 10, speech=speech)) == [("S0", 1.0, 4.0)]


def test_without_speech_no_model_is_asked() -> None:
    def never(*_: object) -> LocalActivity:
        raise AssertionError("a model was asked")

    models = (never, ScriptEmbedder([]))
    assert diarize(silence(5), (), models, options=OPTIONS) == ()


def test_nothing_long_enough_gives_no_turns() -> None:
    assert turns_of([(1, 1.2, 0)], 5) == ()


def test_two_channels_are_refused_with_their_number() -> None:
    with pytest.raises(ValueError, match="one channel expected, got 2"):
        diarize(
            silence(5, channels=2),
            [SpeechSegment(0, 1, 0)],
            (ScriptSegmentation([]), ScriptEmbedder([])),
            options=OPTIONS,
        )


def test_a_short_answer_follows_its_own_voice_after_a_pause() -> None:
    script = [(0, 4, 0), (4.6, 9, 1), (9.8, 10.3, 0), (11.2, 15, 1), (15.8, 19, 0)]
    assert [turn.speaker for turn in turns_of(script, 20)] == ["S0", "S1", "S0", "S1", "S0"]


def test_speech_of_both_at_once_is_two_overlapped_turns() -> None:
    script = [(0, 6, 0), (5, 9, 1), (9.5, 13, 0), (13.5, 17, 1)]
    found = turns_of(script, 18)
    assert [turn.overlapped for turn in found] == [True, True, False, False]


def test_one_voice_never_overlaps_itself() -> None:
    # the second and fourth stretch are one voice heard twice by the segmentation
    script = [(0, 6, 0), (3, 3.8, 1), (4, 5, 0), (7, 11, 1), (12, 15, 0), (16, 19, 1)]
    labels = turns_of(script, 20, embedder=ScriptEmbedder(script, spread=0.05))
    for voice in {turn.speaker for turn in labels}:
        own = [turn for turn in labels if turn.speaker == voice]
        assert all(before.end <= after.start for before, after in pairwise(own))


def test_the_same_call_gives_the_same_turns() -> None:
    script = [(i * 2.5, i * 2.5 + 2, i % 2) for i in range(40)]
    noisy = ScriptEmbedder(script, likeness=0.6, spread=0.8)
    assert turns_of(script, 100, embedder=noisy) == turns_of(script, 100, embedder=noisy)


def vectors(count: int, *directions: int, spread: float = 0.2) -> np.ndarray:
    noise = np.random.default_rng(7).standard_normal((count, 32))
    rows = np.eye(32)[[directions[i % len(directions)] for i in range(count)]]
    rows = rows + spread * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


@pytest.mark.parametrize("count", [2, 3])
def test_split_finds_the_groups_beyond_the_units_it_starts_from(count: int) -> None:
    many = 3 * SEEDS
    labels = split(vectors(many, *range(count)), np.ones(many), count)
    groups = [set(labels[start::count].tolist()) for start in range(count)]
    assert all(len(group) == 1 for group in groups)
    assert len(set.union(*groups)) == count


def test_split_of_identical_vectors_does_not_invent_a_group() -> None:
    same = np.repeat(np.eye(32)[:1], 10, axis=0)
    assert set(split(same, np.ones(10), 2).tolist()) == {0}


def test_a_lone_unit_amid_the_dialogue_is_no_third_voice() -> None:
    embeddings = np.concatenate([vectors(12, 0, 1), vectors(1, 2)])
    units = [Unit(i * 6.0, i * 6.0 + 5) for i in range(12)] + [Unit(80, 86)]
    assert len(set(assign(units, embeddings, OPTIONS))) == 2


def test_a_second_operator_of_two_units_is_a_third_voice() -> None:
    embeddings = np.concatenate([vectors(12, 0, 1), vectors(2, 2)])
    units = [Unit(i * 6.0, i * 6.0 + 5) for i in range(14)]
    assert len(set(assign(units, embeddings, OPTIONS))) == 3
    brief = [*units[:12], Unit(72, 74), Unit(78, 80)]
    assert len(set(assign(brief, embeddings, OPTIONS))) == 2


def test_an_announcement_at_the_start_is_a_voice_of_its_own() -> None:
    embeddings = np.concatenate([vectors(1, 2), vectors(12, 0, 1)])
    units = [Unit(0, 3)] + [Unit(5 + i * 6.0, i * 6.0 + 10) for i in range(12)]
    labels = assign(units, embeddings, OPTIONS)
    assert len(set(labels)) == 3
    assert labels.count(labels[0]) == 1
    click = [Unit(1.5, 3), *units[1:]]
    assert len(set(assign(click, embeddings, OPTIONS))) == 2


def test_two_stretches_alike_to_a_degree_are_one_voice_but_many_are_two() -> None:
    # cosine 0.7: an outlier of one voice where it is a single unit, two women where it is many
    first, second = np.zeros(32), np.zeros(32)
    first[0], second[0], second[1] = 1.0, 0.7, np.sqrt(1 - 0.49)
    pair = [Unit(0, 4), Unit(6, 10)]
    assert assign(pair, np.stack([first, second]), OPTIONS) == [0, 0]
    several = [Unit(i * 6.0, i * 6.0 + 5) for i in range(8)]
    alternating = np.stack([first, second] * 4)
    assert len(set(assign(several, alternating, OPTIONS))) == 2


def test_where_another_local_voice_is_heard_a_change_costs_nothing() -> None:
    embeddings = np.concatenate([vectors(8, 0, 1, spread=0.0), np.zeros((2, 32))])
    for row, (own, other) in ((8, (0.62, 0.66)), (9, (0.9, 0.1))):
        embeddings[row, 0], embeddings[row, 1] = own, other
    embeddings[8:] /= np.linalg.norm(embeddings[8:], axis=1, keepdims=True)
    long = [Unit(i * 6.0, i * 6.0 + 5, i % 2) for i in range(8)]

    def middle(local: int) -> int:
        units = [*long[:6], long[6], Unit(41.0, 42.2, local), Unit(42.2, 45.0, 0)]
        order = [*range(7), 8, 9]
        return assign(units, embeddings[order], OPTIONS)[7]

    # after the first voice comes a stretch a little more like the second
    assert middle(local=0) == 0
    assert middle(local=1) == 1


def test_short_units_do_not_shape_the_voices() -> None:
    # eight long units of two voices, and short ones that all point elsewhere
    embeddings = np.concatenate([vectors(8, 0, 1), vectors(6, 5)])
    units = [Unit(i * 5.0, i * 5.0 + 4) for i in range(8)]
    units += [Unit(50 + i * 2.0, 50.5 + i * 2.0) for i in range(6)]
    assert assign(units, embeddings, OPTIONS)[:8] in ([0, 1] * 4, [1, 0] * 4)


def test_a_change_of_speaker_without_a_pause_needs_evidence() -> None:
    embeddings = np.concatenate([vectors(8, 0, 1, spread=0.0), np.eye(32)[[0]] * 0.0])
    embeddings[8, 0], embeddings[8, 1] = 0.6, 0.7
    embeddings[8] /= np.linalg.norm(embeddings[8])
    voices = [Unit(i * 9.0, i * 9.0 + 5) for i in range(6)] + [Unit(54, 59), Unit(63, 68)]

    def last(previous_end: float, next_start: float) -> tuple[int, int]:
        order = [0, 1, 2, 3, 4, 5, 7, 6, 8]  # the last long unit is of the first voice
        units = [
            *voices[:6],
            Unit(54, 59),
            Unit(60, previous_end),
            Unit(next_start, next_start + 1.5),
        ]
        labels = assign(units, embeddings[order], OPTIONS)
        return labels[7], labels[8]

    before, after = last(68.0, 68.05)
    assert before == after
    before, after = last(68.0, 72.0)
    assert before != after


stretches = st.lists(
    st.tuples(st.floats(0.0, 3.0), st.floats(0.1, 25.0), st.integers(0, 3), st.booleans()),
    max_size=14,
)


@given(stretches, st.floats(0.0, 1.5))
@settings(deadline=None, max_examples=60)
def test_turns_are_sorted_numbered_and_inside_the_recording(
    items: list[tuple[float, float, int, bool]], spread: float
) -> None:
    script, cursor = [], 0.0
    for pause, length, voice, back in items:
        start = max(0.0, cursor - 1.0) if back else cursor + pause
        script.append((start, start + length, voice))
        cursor = max(cursor, start + length)
    seconds = cursor * 0.95 + 0.5  # the last stretches may run over the end
    speech = [
        SpeechSegment(start, min(end, seconds), 0) for start, end, _ in script if start < seconds
    ]
    embedder = ScriptEmbedder(script or [(0, 1, 0)], likeness=0.4, spread=spread)
    found = turns_of(script, seconds, speech=speech, embedder=embedder)
    assert [turn.index for turn in found] == list(range(len(found)))
    assert all(before.start <= after.start for before, after in pairwise(found))
    assert all(0 <= turn.start < turn.end <= seconds + 0.01 for turn in found)
    names = list(dict.fromkeys(turn.speaker for turn in found))
    assert names == [f"S{i}" for i in range(len(names))]
    for name in names:
        own = [turn for turn in found if turn.speaker == name]
        assert all(before.end <= after.start for before, after in pairwise(own))


# ---------------------------------------------------------------- voices that may be kept


def test_a_kept_voice_is_that_of_its_speaker() -> None:
    script = [(i * 5, i * 5 + 4, i % 2) for i in range(6)]
    embedder = ScriptEmbedder(script, likeness=0.2)
    turns = turns_of(script, 30, embedder=embedder)
    first, second = voices(silence(30), turns, embedder, options=OPTIONS)
    assert (first.speaker, second.speaker) == ("S0", "S1")
    assert first.seconds == pytest.approx(12, abs=0.5)
    assert np.linalg.norm(first.embedding) == pytest.approx(1)
    own = embedder(np.zeros(1, np.float32), 1, ((0.0, 4.0),))[0]
    assert float(own @ np.array(first.embedding)) > 0.8 > float(own @ np.array(second.embedding))


def test_a_speaker_without_a_turn_alone_has_no_voice() -> None:
    turns = (Turn(0, 0, 5, "S0", 0), Turn(1, 3, 3.5, "S1", 0))
    found = voices(silence(6), turns, ScriptEmbedder([(0, 5, 0)]), options=OPTIONS)
    assert [voice.speaker for voice in found] == ["S0"]
