"""Answers and scores: evidence, absence, doubt, and what does not apply."""

from __future__ import annotations

from dataclasses import replace

import pytest
from calls import answers_to, card, dialogue, registry, tags_of

from pipeline.label import label
from pipeline.score import answer, scorecards
from pipeline.types import Answer, Interaction, Interruption, Metric, Tag

GOOD = (
    "operator: Добрый день, контакт-центр министерства, меня зовут Алтынай.",
    "caller: Когда мне ответят на обращение о мусоре?",
    "operator: Подскажите, пожалуйста, какой у вас город?",
    "caller: Тараз, улица Абая.",
    "operator: Согласно правилам ответ придёт в течение пятнадцати рабочих дней. Всё понятно?",
    "caller: Да, спасибо.",
    "operator: Чем ещё могу помочь?",
    "caller: Больше ничего не нужно.",
    "operator: До свидания.",
)


def test_a_yes_quotes_the_transcript():
    transcript = dialogue(*GOOD)
    found = answers_to(transcript)["deadline_stated"]
    assert (found.value, found.turns) == ("yes", (4,))
    assert found.quote in transcript.texts()[4]
    assert transcript.turns[4].start <= found.quote_start < transcript.turns[4].end


def test_an_absence_names_the_turns_that_were_searched():
    found = answers_to(dialogue(*GOOD[:6]))["farewell"]
    assert (found.value, found.quote) == ("no", None)
    assert found.reason == "absent what=farewell searched=2,4"


def test_a_no_without_its_quote_is_unknown():
    transcript = dialogue(
        "operator: Слушаю.", "caller: Подскажите, где находится архив?", "operator: Чушь какая."
    )
    tags = tags_of(transcript)
    facts = label(transcript, tags, None, registry())
    forged = tuple(replace(item, quote="вы дура") for item in tags if item.name == "rudeness")
    assert forged
    found = {a.criterion: a for a in answer(card(), transcript, forged, facts, Interaction())}
    assert found["no_rudeness"].value == "unknown"
    assert found["no_rudeness"].reason.startswith("quote_missing")


def guessed(name, turn, quote, probability):
    return Tag(name, probability, turn, float(turn), float(turn), quote, "model")


def judged(transcript, *more):
    tags = (*tags_of(transcript), *more)
    facts = label(transcript, tags, None, registry())
    return {a.criterion: a for a in answer(card(), transcript, tags, facts, Interaction())}


def test_a_guess_of_a_head_alone_decides_only_where_it_is_sure():
    transcript = dialogue(*GOOD[:2], "operator: Ну вот как-то этак.", "caller: Угу, спасибо вам.")
    quote = transcript.texts()[2]
    for name, criterion, value in (
        ("understanding_checked", "understanding_checked", "yes"),
        ("uncertainty", "no_uncertain_answer", "no"),
    ):
        weak = judged(transcript, guessed(name, 2, quote, 0.7))[criterion]
        assert (weak.value, weak.reason) == ("unknown", f"unsure what={name}")
        assert judged(transcript, guessed(name, 2, quote, 0.98))[criterion].value == value


def test_an_answer_said_with_doubt_is_none():
    asked = ("operator: Слушаю.", "caller: Сколько рассматривают заявление о субсидии?")
    sure = judged(dialogue(*asked, "operator: Рассматривают пятнадцать рабочих дней."))
    doubtful = judged(dialogue(*asked, "operator: Кажется, пятнадцать рабочих дней."))
    assert sure["deadline_stated"].value == "yes"
    assert doubtful["deadline_stated"].value == "unknown"
    assert doubtful["no_uncertain_answer"].value == "no"


def test_unsure_roles_leave_everything_unknown():
    found = answers_to(dialogue(*GOOD, role_probability=0.5))
    assert {item.value for item in found.values()} == {"unknown"}


def test_unreliable_words_prove_no_absence_but_still_show_what_was_said():
    found = answers_to(dialogue(*GOOD[:6], word_probability=0.2))
    assert found["greeting"].value == "yes"
    assert found["farewell"].value == "unknown"
    assert found["no_rudeness"].value == "unknown"


def test_speech_without_words_proves_no_absence():
    silent = ("operator: ",) * 60
    found = answers_to(dialogue(*GOOD[:6], *silent))
    assert found["farewell"].value == "unknown"
    assert found["farewell"].reason.startswith("speech_unreliable")


def test_without_a_dialogue_nothing_applies():
    found = answers_to(dialogue("ivr: Ожидайте ответа.", "caller: Алло?"))
    assert {item.value for item in found.values()} == {"na"}


def test_a_wrong_number_is_judged_by_manners_alone():
    found = answers_to(
        dialogue(GOOD[0], "caller: Это такси? Машину на вокзал.", "operator: Вы ошиблись номером.")
    )
    assert found["greeting"].value == "yes"
    assert found["answer_given"].value == "na"
    assert found["no_rudeness"].value == "yes"


def test_a_dropped_line_leaves_no_chance_to_say_goodbye():
    found = answers_to(
        dialogue(*GOOD[:4], "operator: Срок составляет", "caller: Алло, алло, вас не слышно.")
    )
    values = [found[n].value for n in ("farewell", "further_help_offered", "understanding_checked")]
    assert values == ["na", "na", "na"]


def test_interruptions_come_from_the_times_and_quote_the_turn():
    transcript = dialogue(*GOOD)
    counted = Interaction(
        (Metric("interruptions_operator", 1.0, "measured"),), (Interruption(2, 6.0, 6.8),)
    )
    found = answers_to(transcript, counted)["no_interruption"]
    assert (found.value, found.turns, found.method) == ("no", (2,), "metric")
    assert found.quote == transcript.texts()[2]


def test_mono_cannot_show_interruptions():
    unseen = Interaction((Metric("interruptions_operator", None, "measured"),), None)
    found = answers_to(dialogue(*GOOD), unseen)["no_interruption"]
    assert (found.value, found.reason) == (
        "unknown", "metric_unseen what=interruptions_operator"
    )  # fmt: skip


def test_a_refusal_is_excused_by_a_way_onward_in_the_next_turn():
    refusal = ("operator: Слушаю.", "caller: Фонарь не горит.", "operator: Мы этим не занимаемся.",
               "caller: А кто тогда?")  # fmt: skip
    helped = answers_to(dialogue(*refusal, "operator: Напишите обращение через портал."))
    left = answers_to(dialogue(*refusal, "operator: Не могу сказать."))
    assert helped["no_refusal_phrase"].value == "yes"
    assert helped["no_refusal_phrase"].reason.startswith("excused")
    assert left["no_refusal_phrase"].value == "no"


def test_scores_leave_out_na_and_lower_coverage_for_unknown():
    def given(name, value):
        return Answer(name, value, None, (), None, None, "found", "rule")

    answers = (
        given("answer_given", "yes"), given("no_cold_redirect", "no"),
        given("source_cited", "unknown"), given("deadline_stated", "na"),
        given("no_rudeness", "no"), given("greeting", "yes"),
    )  # fmt: skip
    quality, competence = scorecards(card(), answers)
    assert (quality.earned, quality.possible, quality.unknown) == (2.0, 4.0, 1.0)
    assert quality.coverage == pytest.approx(0.8)
    assert quality.score(0.9) is None
    assert quality.score(0.6) == pytest.approx(50.0)
    assert (quality.critical, competence.critical) == (0, 1)
    assert competence.score(0.6) == pytest.approx(100 / 3)


def test_an_answer_to_another_card_is_refused():
    stray = Answer("charm", "yes", None, (), None, None, "found", "rule")
    with pytest.raises(ValueError, match="no criterion charm"):
        scorecards(card(), (stray,))
