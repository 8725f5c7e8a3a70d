from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.roles import RoleEvidence, RoleOptions, assign_roles, correct, swapped
from pipeline.types import Role, RoleCorrection, Transcript, Turn, Word

OPTIONS = RoleOptions()
#: (speaker, channel, text, parties whose phrases occur)
Line = tuple[str, int, str, tuple[Role, ...]]
Head = tuple[float, float, float]

O: tuple[Role, ...] = ("operator",)  # noqa: E741
C: tuple[Role, ...] = ("caller",)
I: tuple[Role, ...] = ("ivr",)  # noqa: E741


def made(lines: list[Line], head: list[Head] | None = None) -> tuple[Transcript, RoleEvidence]:
    turns, words = [], []
    for index, (speaker, channel, text, _) in enumerate(lines):
        turns.append(Turn(index, index * 3.0, index * 3.0 + 2.5, speaker, channel))
        words += [Word(index * 3.0, index * 3.0 + 2, part, 0.9, index) for part in text.split()]
    phrases = tuple(line[3] for line in lines)
    table = None if head is None else np.array(head, dtype=np.float32)
    return Transcript(tuple(turns), tuple(words)), RoleEvidence(table, phrases)


def assigned(
    lines: list[Line], channel: int | None = None, head: list[Head] | None = None
) -> list[tuple[Role, float]]:
    transcript, evidence = made(lines, head)
    found = assign_roles(transcript, evidence, operator_channel=channel, options=OPTIONS)
    assert found.words == transcript.words
    return [(turn.role, turn.role_probability or 0.0) for turn in found.turns]


def roles(
    lines: list[Line], channel: int | None = None, head: list[Head] | None = None
) -> list[Role]:
    return [role for role, _ in assigned(lines, channel, head)]


DIALOGUE: list[Line] = [
    ("S0", 0, "чем могу помочь", O),
    ("S1", 1, "у меня вопрос", C),
    ("S0", 0, "уточните пожалуйста", O),
    ("S1", 1, "хорошо", ()),
]


# ---------------------------------------------------------------- channel map


@pytest.mark.parametrize("channel", [0, 1])
def test_the_channel_map_decides_where_the_words_are_silent(channel: int) -> None:
    mute: list[Line] = [("S0", 0, "алло", ()), ("S1", 1, "да", ()), ("S0", 0, "вот", ())]
    found = assigned(mute, channel)
    other: list[Role] = ["operator" if line[1] == channel else "caller" for line in mute]
    assert [role for role, _ in found] == other
    assert all(probability > 0.97 for _, probability in found)


def test_words_that_agree_with_the_map_raise_its_probability() -> None:
    agreeing, silent = assigned(DIALOGUE, 0), assigned([(*x[:3], ()) for x in DIALOGUE], 0)
    assert agreeing[0][1] > silent[0][1]


def test_words_that_contradict_the_map_lower_its_probability() -> None:
    right, wrong = assigned(DIALOGUE, 0), assigned(DIALOGUE, 1)
    assert wrong[0][1] < right[0][1]
    # prior log(99) against first_speaker 0.7 + three phrases
    assert wrong[0][1] == pytest.approx(1 / (1 + np.exp(-(np.log(99) - 3.7))), abs=1e-3)


def test_a_map_that_a_whole_call_contradicts_is_not_believed() -> None:
    assert set(roles(DIALOGUE * 2, 1)) == {"unknown"}


def test_a_map_that_a_long_call_contradicts_is_swapped() -> None:
    found = assigned(DIALOGUE * 400, 1)
    assert [role for role, _ in found[:2]] == ["operator", "caller"]
    assert all(probability > 0.99 for _, probability in found)


def test_a_party_that_is_heard_alone_is_told_by_its_channel() -> None:
    waiting: list[Line] = [("S1", 1, "алло", ()), ("S1", 1, "девушка вы где", ())]
    assert roles(waiting, 0) == ["caller", "caller"]
    assert roles(waiting, 1) == ["operator", "operator"]


def test_an_announcement_on_the_operators_channel_is_the_machines() -> None:
    announced: list[Line] = [
        ("S0", 0, "ваш звонок очень важен для нас", ("ivr", "ivr")), *DIALOGUE,
    ]  # fmt: skip
    assert roles(announced, 0) == ["ivr", "operator", "caller", "operator", "caller"]


def test_an_announcement_before_a_caller_who_hangs_up_leaves_the_caller_a_caller() -> None:
    lost: list[Line] = [
        ("S0", 0, "все операторы заняты", ("ivr", "ivr")), ("S1", 1, "ну вот опять", ()),
    ]  # fmt: skip
    assert roles(lost, 0) == ["ivr", "caller"]


# ---------------------------------------------------------------- words alone


def test_phrases_tell_operator_and_caller() -> None:
    assert roles(DIALOGUE) == ["operator", "caller", "operator", "caller"]


def test_phrases_outweigh_who_spoke_first() -> None:
    lines: list[Line] = [
        ("S0", 0, "алло", ()), ("S1", 0, "контакт-центр слушаю вас", O),
        ("S0", 0, "я звоню узнать", C), ("S1", 0, "минуту уточню", O),
    ]  # fmt: skip
    assert roles(lines) == ["caller", "operator", "caller", "operator"]


def test_below_the_threshold_the_role_is_unknown_and_says_how_unsure() -> None:
    found = assigned([("S0", 0, "алло", ()), ("S1", 0, "да", ())])
    assert [role for role, _ in found] == ["unknown", "unknown"]
    # only that S0 spoke first: log odds 0.7
    assert [probability for _, probability in found] == [pytest.approx(0.6682, abs=1e-4)] * 2


def test_the_head_tells_the_parties_without_phrases() -> None:
    lines: list[Line] = [
        ("S0", 0, "один два три четыре пять шесть", ()),
        ("S1", 0, "один два три четыре пять шесть", ()),
    ]
    assert roles(lines, None, [(0.05, 0.93, 0.02), (0.9, 0.08, 0.02)]) == ["caller", "operator"]


def test_the_head_counts_for_less_in_a_short_turn() -> None:
    head = [(0.9, 0.1, 0.0), (0.2, 0.8, 0.0)]
    short = assigned([("S0", 0, "да", ()), ("S1", 0, "нет", ())], None, head)
    six = "один два три четыре пять шесть"
    long = assigned([("S0", 0, six, ()), ("S1", 0, six, ())], None, head)
    assert short[0][1] < long[0][1]


def test_the_head_says_nothing_of_a_turn_without_words() -> None:
    head = [(0.99, 0.01, 0.0), (0.99, 0.01, 0.0), (0.01, 0.99, 0.0)]
    mute: list[Line] = [("S0", 0, "", ()), ("S1", 0, "", ()), ("S0", 0, "", ())]
    assert assigned(mute, None, head) == assigned(mute)


def test_one_turn_cannot_decide_more_than_its_bound() -> None:
    shouted = assigned([("S0", 0, "а", O * 50), ("S1", 0, "б", ())])
    assert shouted[0][1] == pytest.approx(1 / (1 + np.exp(-(0.7 + OPTIONS.turn_maximum))), abs=1e-4)


def test_a_single_speaker_is_judged_by_own_words_alone() -> None:
    assert roles([("S0", 0, "алло", ()), ("S0", 0, "вы меня слышите", C * 3)]) == ["caller"] * 2
    assert roles([("S0", 0, "алло", ())]) == ["unknown"]


def test_of_three_speakers_the_most_caller_like_is_the_caller() -> None:
    lines: list[Line] = [
        ("S0", 0, "здравствуйте чем помочь", O), ("S1", 0, "хочу узнать", C),
        ("S0", 0, "соединяю со специалистом", O), ("S2", 0, "специалист слушаю вас", O * 2),
        ("S1", 0, "у меня вопрос", C),
    ]  # fmt: skip
    assert roles(lines) == ["operator", "caller", "operator", "operator", "caller"]


def test_a_third_speaker_who_says_nothing_typical_is_unknown() -> None:
    lines: list[Line] = [*DIALOGUE, ("S2", 0, "угу", ())]
    assert roles(lines)[-1] == "unknown"


def test_no_turns_have_no_roles() -> None:
    assert roles([]) == []
    assert roles([], 0) == []


# ---------------------------------------------------------------- announcements


def test_an_announcement_belongs_to_no_speaker() -> None:
    # the same voice label as the operator: a machine that sounds alike
    lines: list[Line] = [("S0", 0, "разговор записывается", I), *DIALOGUE]
    found = roles(lines)
    assert found[0] == "ivr"
    assert found[1:] == ["operator", "caller", "operator", "caller"]


def test_operators_may_say_such_words_once_the_caller_has_spoken() -> None:
    lines: list[Line] = [*DIALOGUE, ("S0", 0, "разговор записывается", I)]
    assert roles(lines)[-1] == "operator"


def test_a_sure_head_finds_an_announcement_without_phrases() -> None:
    lines: list[Line] = [("S0", 0, "оставайтесь на линии", ()), *DIALOGUE]
    head = [(0.05, 0.05, 0.9)] + [(0.5, 0.5, 0.0)] * 4
    assert roles(lines, None, head)[0] == "ivr"
    assert roles(lines, None, [(0.15, 0.15, 0.7), *head[1:]])[0] != "ivr"


def test_what_is_said_before_somebody_answers_is_an_announcement() -> None:
    lines: list[Line] = [("S0", 0, "разговор пишется", ()), *DIALOGUE]
    transcript, evidence = made(lines)

    def first(pause: float, channel: int | None = 0) -> list[Role]:
        moved = tuple(
            replace(turn, start=turn.start + pause, end=turn.end + pause) if turn.index else turn
            for turn in transcript.turns
        )
        found = assign_roles(
            replace(transcript, turns=moved), evidence, operator_channel=channel, options=OPTIONS
        )
        return [turn.role for turn in found.turns]

    # the lines are half a second apart
    assert first(1.2) == ["ivr", "operator", "caller", "operator", "caller"]
    assert first(0.2) == ["operator", "operator", "caller", "operator", "caller"]
    assert first(1.2, None)[0] == "ivr"


def test_the_greeting_before_the_caller_speaks_is_the_operators() -> None:
    lines: list[Line] = [("S0", 0, "вы позвонили в единый центр", ()), *DIALOGUE[1:]]
    head = [(0.1, 0.05, 0.85)] + [(0.5, 0.5, 0.0)] * 3
    assert roles(lines, 0, head)[0] == "operator"
    alone: list[Line] = [lines[0], ("S1", 1, "алло", ())]
    assert roles(alone, 0, head[:2])[0] == "ivr"


def test_a_turn_without_words_is_no_announcement() -> None:
    lines: list[Line] = [("S0", 0, "", ()), *DIALOGUE]
    assert roles(lines, None, [(0.0, 0.0, 1.0)] + [(0.5, 0.5, 0.0)] * 4)[0] == "operator"


def test_a_call_of_announcements_alone_has_no_parties() -> None:
    machine: list[Line] = [("S0", 0, "все операторы заняты", ("ivr", "ivr"))] * 3
    assert roles(machine) == ["ivr"] * 3
    assert roles(machine, 0) == ["ivr"] * 3


def test_a_voice_that_opens_the_call_and_never_returns_is_an_announcement() -> None:
    lines: list[Line] = [("S9", 0, "қош келдіңіз", ()), *DIALOGUE]
    found = assigned(lines)
    assert found[0] == ("ivr", OPTIONS.opening_probability)
    assert [role for role, _ in found[1:]] == ["operator", "caller", "operator", "caller"]


def test_an_opening_voice_that_returns_or_speaks_as_an_operator_is_none() -> None:
    returns: list[Line] = [("S9", 0, "қош келдіңіз", ()), *DIALOGUE, ("S9", 0, "тағы", ())]
    assert roles(returns)[0] != "ivr"
    operator: list[Line] = [("S9", 0, "чем могу помочь", O), *DIALOGUE]
    assert roles(operator)[0] != "ivr"
    assert roles(DIALOGUE[:2]) == ["operator", "caller"]


# ---------------------------------------------------------------- how far words are believed


def heard_as(probability: float) -> list[tuple[Role, float]]:
    transcript, evidence = made(DIALOGUE)
    words = tuple(replace(word, probability=probability) for word in transcript.words)
    found = assign_roles(
        replace(transcript, words=words), evidence, operator_channel=None, options=OPTIONS
    )
    return [(turn.role, turn.role_probability or 0.0) for turn in found.turns]


def test_words_that_were_not_understood_tell_no_roles() -> None:
    assert {role for role, _ in heard_as(0.45)} == {"unknown"}
    assert heard_as(0.45)[0][1] == pytest.approx(0.6682, abs=1e-4)  # who spoke first, alone
    assert heard_as(0.45)[0][1] < heard_as(0.58)[0][1] < heard_as(0.9)[0][1]


def test_words_without_probabilities_count_in_full() -> None:
    transcript, evidence = made(DIALOGUE)
    words = tuple(replace(word, probability=None) for word in transcript.words)
    found = assign_roles(
        replace(transcript, words=words), evidence, operator_channel=None, options=OPTIONS
    )
    assert [turn.role_probability for turn in found.turns] == [p for _, p in heard_as(0.9)]


# ---------------------------------------------------------------- the agent's voice


def test_the_agents_voice_tells_who_is_the_operator_where_the_words_do_not() -> None:
    mute: list[Line] = [("S0", 0, "алло", ()), ("S1", 0, "да", ()), ("S0", 0, "вот", ())]
    transcript, evidence = made(mute)

    def found(**voices: float) -> list[Role]:
        heard = replace(evidence, voices=tuple(voices.items()))
        made_roles = assign_roles(transcript, heard, operator_channel=None, options=OPTIONS)
        return [turn.role for turn in made_roles.turns]

    assert found() == ["unknown"] * 3
    assert found(S0=0.5, S1=0.9) == ["caller", "operator", "caller"]
    assert found(S0=0.75, S1=0.75) == ["unknown"] * 3
    assert found(S7=0.9) == ["unknown"] * 3


# ---------------------------------------------------------------- corrections


def test_a_correction_outweighs_everything_but_an_announcement() -> None:
    lines: list[Line] = [("S0", 0, "разговор записывается", I), *DIALOGUE]
    transcript, evidence = made(lines)
    found = assign_roles(transcript, evidence, operator_channel=None, options=OPTIONS)
    turned = correct(found, swapped(found.turns))
    assert [turn.role for turn in turned.turns] == [
        "ivr",
        "caller",
        "operator",
        "caller",
        "operator",
    ]
    assert [turn.role_probability for turn in turned.turns[1:]] == [1.0] * 4
    assert (
        correct(turned, swapped(turned.turns)).turns[1:]
        == correct(found, [RoleCorrection("S0", "operator"), RoleCorrection("S1", "caller")]).turns[
            1:
        ]
    )


def test_a_speaker_whom_no_correction_names_keeps_the_role() -> None:
    transcript, evidence = made(DIALOGUE)
    found = assign_roles(transcript, evidence, operator_channel=None, options=OPTIONS)
    only = correct(found, [RoleCorrection("S0", "caller")])
    assert [turn.role for turn in only.turns] == ["caller"] * 4
    assert only.turns[1] == found.turns[1]
    with pytest.raises(ValueError, match="operator2"):
        RoleCorrection("S0", "operator2")  # type: ignore[arg-type]
