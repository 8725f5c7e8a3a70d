"""Labels of calls: kind, topic, outcome, flags, redirects and promises."""

from __future__ import annotations

import pytest
from calls import facts_of, registry

from pipeline.errors import ConfigError
from pipeline.label import parse_registry

GREETING = "operator: Единый контакт-центр, меня зовут Алтынай, здравствуйте."


def test_only_an_announcement_is_no_dialogue():
    facts = facts_of("ivr: Все операторы заняты, оставайтесь на линии.", "caller: Алло? Алло!")
    assert facts.state == "no_dialogue"
    assert facts.value("outcome") == "not_applicable"


def test_an_operator_alone_is_no_dialogue():
    assert facts_of(GREETING, "operator: Алло, вас не слышно.").state == "no_dialogue"


def test_a_wrong_number_is_misdirected():
    facts = facts_of(
        GREETING,
        "caller: Это пиццерия? Мне две маргариты на вынос.",
        "operator: Вы ошиблись номером.",
    )
    assert (facts.state, facts.value("call_type")) == ("misdirected", "misdirected")


def test_a_cut_line_is_disconnected():
    facts = facts_of(
        GREETING,
        "caller: Подскажите, как обжаловать отказ в гранте?",
        "operator: Можно подать апелляцию через портал, для этого",
        "caller: Алло, алло, вы пропадаете.",
    )
    assert (facts.state, facts.value("outcome")) == ("dropped", "disconnected")


def test_a_question_about_an_appeal_and_its_status():
    facts = facts_of(
        GREETING,
        "caller: Я месяц назад подавала заявление на субсидию, хочу узнать статус.",
        "operator: Назовите, пожалуйста, ИИН.",
        "caller: Сейчас, секундочку, найду документ.",
        "operator: Ваше заявление на рассмотрении в управлении.",
        "caller: Спасибо, понятно.",
    )
    assert facts.value("call_type") == "previous_appeal"
    assert facts.value("outcome") == "status_informed"
    assert facts.value("repeat_contact") == "true"


def test_a_new_appeal_is_registered():
    facts = facts_of(
        GREETING,
        "caller: Хочу оставить заявку, во дворе не горит фонарь.",
        "operator: Заявка зарегистрирована, номер семь один два пять ноль.",
        "caller: Спасибо большое.",
    )
    assert (facts.value("call_type"), facts.value("outcome")) == ("new_appeal", "registered")


def test_a_complaint_with_a_promised_call():
    facts = facts_of(
        GREETING,
        "caller: Хочу пожаловаться на регистратуру поликлиники, врача нет неделю.",
        "operator: Старший смены перезвонит вам сегодня до вечера.",
        "caller: Хорошо, жду.",
    )
    assert (facts.value("call_type"), facts.value("topic")) == ("complaint", "health_drugs")
    assert facts.value("outcome") == "callback_promised"
    [promise] = facts.promises
    assert (promise.what, promise.due_text) == ("callback", "сегодня до вечера")
    assert promise.due_date is None


@pytest.mark.parametrize(
    ("line", "kind", "agency", "number"),
    [
        ("Это не к нам, звоните в акимат.", "cold", "акимат", None),
        ("Әкімдікке хабарласыңыз, бұл бізге жатпайды.", "cold", "акимат", None),
        ("Наберите один ноль девять, это линия акимата.", "verbal_number", "акимат", "109"),
        ("You need to contact the tax office, not us.", "cold", "Комитет", None),
    ],
)
def test_being_sent_elsewhere_is_a_cold_redirect(line, kind, agency, number):
    facts = facts_of(
        GREETING, "caller: У нас третий день не вывозят мусор.", f"operator: {line}",
        "caller: Понятно.",
    )  # fmt: skip
    [redirect] = facts.redirects
    assert (redirect.turn, redirect.kind, redirect.to_number) == (2, kind, number)
    assert redirect.to_agency is not None
    assert redirect.to_agency.startswith(agency)
    assert facts.value("outcome") == "redirected_cold"


@pytest.mark.parametrize(
    "line",
    [
        "Снимают с учёта в специализированном ЦОНе, возьмите с собой техпаспорт.",
        "Подайте обращение через портал электронных обращений, ответят за пять рабочих дней.",
        "Заявление рассматривают пять рабочих дней, если ответа не будет, позвоните нам.",
        "Құжатты ХҚКО арқылы тапсырыңыз, он жұмыс күні ішінде дайын болады.",
        "Обращение направим в акимат, ответ придёт в течение пятнадцати рабочих дней.",
    ],
)
def test_the_place_of_a_step_is_no_redirect(line):
    facts = facts_of(GREETING, "caller: Как снять с учёта машину?", f"operator: {line}")
    assert facts.redirects == ()


def test_a_transfer_that_happens_is_warm():
    facts = facts_of(
        GREETING,
        "caller: Банк отказывает в реструктуризации кредита.",
        "operator: Этим занимается финансовый регулятор, сейчас соединю вас.",
        "operator2: Финансовый регулятор, здравствуйте, слушаю вас.",
        "caller: Здравствуйте, у меня вопрос по кредиту.",
        "operator2: По закону банк обязан рассмотреть заявление.",
    )
    [redirect] = facts.redirects
    assert (redirect.kind, redirect.reason_given) == ("warm", True)
    assert facts.value("outcome") == "transferred_warm"


def test_a_redirect_is_justified_by_the_topic_of_the_body():
    right = facts_of(
        GREETING, "caller: Налоговая декларация и пеня по налогу, не разберусь.",
        "operator: Это не к нам, звоните в комитет государственных доходов.",
    ).redirects[0]  # fmt: skip
    wrong = facts_of(
        GREETING, "caller: Налоговая декларация и пеня по налогу, не разберусь.",
        "operator: Это не к нам, звоните в военкомат.",
    ).redirects[0]  # fmt: skip
    assert (right.justified, wrong.justified) == (True, False)


def test_a_body_is_found_in_a_bent_spelling():
    [mention] = registry().mentions("позвоните в онтимонопольное агенство пожалуйста")
    assert mention.agency.code == "competition_agency"


def test_an_upset_caller_and_a_calm_one():
    upset = facts_of(GREETING, "caller: Это безобразие! Сколько можно ждать, я так не оставлю!")
    calm = facts_of(GREETING, "caller: Подскажите, пожалуйста, часы работы архива.")
    assert (upset.value("caller_upset"), calm.value("caller_upset")) == ("true", "false")


def test_a_topic_without_words_is_unknown():
    facts = facts_of(GREETING, "caller: Хочу спросить кое о чём важном.", "operator: Да, слушаю.")
    assert facts.value("topic") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[agency]]\ncode = "a"\nnumber = []', "unknown key number; known keys: code, name"),
        ('[topic]\nmusic = []\n[[agency]]\ncode = "a"', "unknown key music; known keys:"),
        ('[[agency]]\ncode = "a"\ntopics = ["art"]', "topics of health_drugs"),
        ("version = 1", "no [[agency]]"),
    ],
)
def test_a_broken_registry_says_what_is_allowed(text, said):
    with pytest.raises(ConfigError) as caught:
        parse_registry(text, "bodies.toml")
    assert said in str(caught.value)
    assert "bodies.toml" in str(caught.value)
