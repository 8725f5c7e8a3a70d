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


ASKED = "caller: У нас во дворе третью неделю не горят фонари."


@pytest.mark.parametrize(
    ("said", "asked", "agency"),
    [
        ("Это решает прокуратура, туда и идите.", ASKED, "прокуратура"),
        ("Тогда в военкомат.", "caller: А куда мне тогда обращаться?", "управление (департамент)"),
        ("Полицияға айтыңыз, солар шешеді.", ASKED, "полиция"),
        ("Еңбек инспекциясына жүгінгеніңіз жөн, оны солар қарайды.", ASKED, "инспекция труда"),
        ("That is a matter for the prosecutor, contact the prosecutor.", ASKED, "прокуратура"),
        ("С этим в управление образования, мы не ведём.", ASKED, "управление (отдел) образования"),
    ],
)
def test_bodies_are_named_in_many_ways(said, asked, agency):
    facts = facts_of(
        GREETING, ASKED, "operator: Понятно.", asked, f"operator: {said}", "caller: Ясно."
    )
    [redirect] = facts.redirects
    assert redirect.turn == 4
    assert redirect.kind == "cold"
    assert redirect.to_agency is not None
    assert redirect.to_agency.startswith(agency)


def test_a_number_dictated_later_belongs_to_the_body_named_before():
    facts = facts_of(
        GREETING,
        ASKED,
        "operator: Фонарями занимается акимат, мы их не видим. Записываете телефон?",
        "caller: Да, диктуйте.",
        "operator: Код семь два один, тридцать, сорок один, двенадцать.",
        "caller: А ещё раз конец?",
        "operator: Тридцать, сорок один, двенадцать.",
    )
    [redirect] = facts.redirects
    assert (redirect.turn, redirect.kind) == (4, "verbal_number")
    assert (redirect.to_agency, redirect.to_number) == ("акимат", "721304112")


def test_a_town_code_said_last_goes_before_the_number():
    facts = facts_of(
        GREETING,
        ASKED,
        "operator: Звоните в акимат, телефон тридцать, сорок один, двенадцать, код семьдесят два.",
    )
    assert facts.redirects[0].to_number == "72304112"


def test_the_number_of_an_appeal_is_no_redirect():
    facts = facts_of(
        GREETING,
        ASKED,
        "operator: Заявка зарегистрирована, номер семь один два, пять ноль, в акимат ушло сразу.",
    )
    assert facts.redirects == ()


def test_a_body_without_an_entry_keeps_the_words_of_the_operator():
    facts = facts_of(GREETING, ASKED, "operator: Обратитесь в бюро переводчиков, это не к нам.")
    [redirect] = facts.redirects
    assert (redirect.to_agency, redirect.justified) == ("бюро переводчиков", None)


def test_another_operator_who_presents_oneself_has_taken_over():
    facts = facts_of(
        GREETING,
        "caller: Банк списал деньги без спроса.",
        "operator: Одну минуту, побудьте на линии, не кладите трубку.",
        "operator2: Национальный банк, консультант Данияр, здравствуйте.",
        "caller: Здравствуйте, у меня списали деньги.",
        "operator2: По закону банк обязан рассмотреть заявление за пятнадцать дней.",
    )
    [redirect] = facts.redirects
    assert (redirect.turn, redirect.kind) == (2, "warm")
    assert redirect.to_agency == "Национальный банк"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("Слесарь подъедет к вам завтра до обеда.", "other"),
        ("Апаттық бригада бүгін кешке дейін барады.", "other"),
        ("The plumber will come to you tomorrow.", "other"),
        ("Сізге ертең маман өзі хабарласады.", "callback"),
        ("Отзваниваюсь вам в пятницу.", "callback"),
        ("Вам письменно ответят за десять дней.", "reply"),
    ],
)
def test_what_the_operator_promises(line, what):
    facts = facts_of(GREETING, ASKED, f"operator: {line}")
    assert [item.what for item in facts.promises] == [what]


def test_a_call_that_the_caller_shall_make_is_no_promise():
    facts = facts_of(GREETING, ASKED, "operator: Ертең бізге өзіңіз хабарласыңыз.")
    assert facts.promises == ()


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Жалуюсь на кондуктора, он меня обозвал.", "complaint"),
        ("Примите жалобу на управляющую компанию.", "complaint"),
        ("Дүкеннің үстінен шағым айтайын деп едім.", "complaint"),
        ("I want to make a complaint about the clinic.", "complaint"),
        ("Магазин обманул с гарантией. Подскажите, что делать?", "consultation"),
        (
            "Өткен айда өтініш бергем, содан бері не болып жатқанын білейін дедім.",
            "previous_appeal",
        ),
        ("Прошу принять заявку, во дворе прорвало трубу.", "new_appeal"),
    ],
)
def test_the_kind_of_call_from_the_first_words(said, kind):
    facts = facts_of(GREETING, f"caller: {said}", "operator: Слушаю вас, продолжайте.")
    assert facts.value("call_type") == kind


def test_the_operator_who_asks_when_it_was_filed_looks_for_an_appeal():
    facts = facts_of(
        GREETING,
        "caller: Я всё по той же субсидии, сил нет ждать.",
        "operator: Заявление какого числа подавали?",
        "caller: Пятого мая.",
        "operator: Ваше заявление на рассмотрении.",
    )
    assert facts.value("call_type") == "previous_appeal"


def test_a_refusal_with_its_basis_is_no_answer():
    facts = facts_of(
        GREETING,
        "caller: Подскажите, вернут мне взнос за кружок?",
        "operator: По закону о бюджете такие взносы возврату не подлежат.",
        "caller: Понятно.",
    )
    assert facts.value("outcome") == "refused_with_reason"


def test_a_registered_appeal_outweighs_the_call_of_the_worker():
    facts = facts_of(
        GREETING,
        "caller: Хочу оставить заявку, течёт кран.",
        "operator: Заявка номер четыреста двадцать, мастер перезвонит вам сегодня.",
    )
    assert facts.value("outcome") == "registered"


@pytest.mark.parametrize(
    ("said", "flag", "value"),
    [
        ("Кеше де хабарласқанмын, содан бері үн жоқ.", "repeat_contact", "true"),
        ("I called you on Tuesday about this.", "repeat_contact", "true"),
        ("Хорошо, что вы сказали, а то бы забыла.", "repeat_contact", "false"),
        ("Меня там отфутболили и к вам послали.", "unreachable_complaint", "true"),
        ("They keep passing me around between offices.", "unreachable_complaint", "true"),
        ("Тағы басқа жерге сілтеп отырсыз ғой.", "unreachable_complaint", "true"),
        ("В магазине товар назад не берут.", "unreachable_complaint", "false"),
        ("Это просто грабёж!", "caller_upset", "true"),
        ("Ыза болып кеттім, қашанғы шыдаймыз!", "caller_upset", "true"),
        ("А я так переживала, что опоздаю.", "caller_upset", "false"),
    ],
)
def test_flags_of_the_caller(said, flag, value):
    facts = facts_of(GREETING, f"caller: {said}", "operator: Слушаю вас, продолжайте.")
    assert facts.value(flag) == value


@pytest.mark.parametrize(
    "line",
    [
        "Вы, наверное, ошиблись цифрой.",
        "Здесь министерство, а не парикмахерская.",
        "Бұл мейрамхана емес, қате теріпсіз.",
        "This is not a hotel, you have the wrong number.",
    ],
)
def test_ways_to_say_wrong_number(line):
    facts = facts_of(GREETING, "caller: Мне бы столик на вечер на четверых.", f"operator: {line}")
    assert facts.state == "misdirected"


def test_names_of_a_body_meet_in_every_language():
    same = registry().same_body
    assert same("аудандық прокуратура", "прокуратура")
    assert same("labour inspection", "инспекция труда")
    assert same("облыстық денсаулық сақтау басқармасы", "Министерство здравоохранения")
    assert not same("отдел образования", "прокуратура")


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
