"""Dialogue acts: notation, guards, quotes, roles, and how patterns and heads meet."""

from __future__ import annotations

import numpy as np
import pytest
from calls import acts, dialogue, lexicon, tags_of

from pipeline.errors import ConfigError
from pipeline.tag import TagOptions, parse_lexicon, tag
from pipeline.text.patterns import compile_patterns, fold_text, spans
from pipeline.types import ActScores

SMALL = """
version = 1
[macro]
office = ["акимат*", "цон*"]
[act.advice]
roles = ["operator"]
probability = 0.9
ru = ["обратитесь .. {office}"]
weak = ["попробуйте"]
unless = ["не обратитесь .. {office}"]
[act.question]
roles = ["caller"]
ru = ["можно ли"]
"""


def scores(transcript, act, probability, threshold=0.5):
    values = np.zeros((len(transcript.turns), 1), dtype=np.float32)
    values[0, 0] = probability
    return ActScores((act,), values, (threshold,))


def test_fold_keeps_the_place_of_every_letter():
    text = "— Не  кладите трубку, күте тұрыңыз!"
    folded = fold_text(text)
    [(start, end)] = spans(compile_patterns(["күте тұры*"]), folded.text)
    begin, stop = folded.original(start, end)
    assert text[begin:stop] == "күте тұрыңыз"


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("помо*", "Помогите", True),
        ("помо*", "напомощь", False),
        ("чем .. помочь", "Чем я вам могу помочь?", True),
        ("чем .. помочь", "Чем, позвольте узнать, я вам могу помочь?", False),
        ("қайырлы күн", "Кайырлы кун", True),
        ("понятно \\?", "Всё понятно?", True),
        ("понятно \\?", "Всё понятно.", False),
        ("cant help", "I can't help", True),
    ],
)
def test_notation_of_patterns(pattern, text, matches):
    assert bool(spans(compile_patterns([pattern]), fold_text(text).text)) is matches


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ('ru = ["(обратитесь"]', "act advice: pattern '(обратитесь' is not a regular expression"),
        ('ru = ["{bureau}"]', "no macro bureau; known: office"),
        ('ru = ["а ..б"]', "a gap is ' .. '"),
        ('ru = ["Слово"]', "lower case"),
        ('ru = ["(слово)?"]', "matches the empty text"),
        ('rus = ["слово"]', "unknown key rus; known keys: roles, probability"),
        ("probability = 2", "probability must lie in (0, 1], got 2"),
    ],
)
def test_a_broken_lexicon_names_act_and_pattern(broken, said):
    key = broken.split(" ")[0]
    lines = [line for line in SMALL.splitlines() if not line.startswith(f"{key} =")]
    place = lines.index("[act.advice]") + 1
    with pytest.raises(ConfigError) as caught:
        parse_lexicon("\n".join([*lines[:place], broken, *lines[place:]]), "my.toml")
    assert said in str(caught.value)
    assert "my.toml" in str(caught.value)


def test_quote_is_verbatim_and_times_come_from_its_words():
    transcript = dialogue("operator: Ну что ж, обратитесь, пожалуйста, в акимат города.")
    [found] = tag(transcript, parse_lexicon(SMALL), None)
    assert found.quote == "обратитесь, пожалуйста, в акимат"
    assert found.quote in transcript.texts()[0]
    assert (found.start, found.end) == pytest.approx((1.2, 2.8))
    assert (found.name, found.source, found.probability) == ("advice", "pattern", 0.9)


def test_a_guard_drops_the_match_that_it_covers():
    lexicon = parse_lexicon(SMALL)
    assert not tag(dialogue("operator: не обратитесь в акимат"), lexicon, None)


def test_acts_belong_to_their_role():
    lexicon = parse_lexicon(SMALL)
    assert not tag(dialogue("caller: обратитесь в акимат"), lexicon, None)
    [unsure] = tag(dialogue("unknown: обратитесь в акимат"), lexicon, None)
    [sure] = tag(dialogue("operator: обратитесь в акимат"), lexicon, None)
    assert unsure.probability < sure.probability


def test_head_alone_quotes_the_turn_and_must_be_sure():
    transcript = dialogue("operator: Вам в соседнее окно.")
    lexicon = parse_lexicon(SMALL)
    options = TagOptions(alone=0.75)
    [found] = tag(transcript, lexicon, scores(transcript, "advice", 0.75, 0.2), options)
    assert (found.source, found.quote) == ("model", "Вам в соседнее окно.")
    assert found.probability == pytest.approx(0.5)
    assert not tag(transcript, lexicon, scores(transcript, "advice", 0.69, 0.2), options)
    assert not tag(transcript, lexicon, scores(transcript, "advice", 0.79, 0.8), options)


def test_a_long_turn_is_quoted_up_to_a_whole_word():
    transcript = dialogue("operator: " + "слово " * 60)
    [found] = tag(transcript, parse_lexicon(SMALL), scores(transcript, "advice", 0.9))
    assert len(found.quote) <= 200
    assert transcript.texts()[0].startswith(found.quote + " ")


def test_pattern_and_head_strengthen_each_other_and_a_denial_weakens():
    transcript = dialogue("operator: обратитесь в акимат")
    lexicon = parse_lexicon(SMALL)
    [alone] = tag(transcript, lexicon, None)
    [both] = tag(transcript, lexicon, scores(transcript, "advice", 0.8))
    [denied] = tag(transcript, lexicon, scores(transcript, "advice", 0.001))
    assert denied.probability < alone.probability < both.probability
    assert (both.source, denied.source) == ("fused", "pattern")


def test_a_weak_pattern_needs_a_head_where_there_is_one():
    transcript = dialogue("operator: попробуйте завтра")
    lexicon = parse_lexicon(SMALL)
    [alone] = tag(transcript, lexicon, None)
    assert alone.probability < 0.6
    assert not tag(transcript, lexicon, scores(transcript, "advice", 0.1))
    [backed] = tag(transcript, lexicon, scores(transcript, "advice", 0.3))
    assert backed.source == "fused"


def test_scores_of_another_call_are_refused():
    transcript = dialogue("operator: да")
    values = np.zeros((3, 1), dtype=np.float32)
    with pytest.raises(ValueError, match="scores of 3 turns, transcript has 1"):
        tag(transcript, lexicon(), ActScores(("greeting",), values, (0.5,)))


def test_a_number_read_back_is_counted_from_its_digits():
    transcript = dialogue(
        "caller: Номер восемь, ноль, пять, два, семь, один.",
        "operator: Восемь ноль пять, два семь один, так?",
        "operator: Три, три, четыре, девять.",
    )
    assert "dictates_number" in acts(transcript, 0)
    assert "number_read_back" in acts(transcript, 1)
    assert "number_read_back" not in acts(transcript, 2)


def test_amounts_and_echoes_are_not_dictation():
    amount = dialogue("caller: С меня сняли триста тысяч тенге.")
    assert "dictates_number" not in acts(amount, 0)
    echo = dialogue(
        "operator: Запишите: четыре, один, шесть, два, ноль, три.",
        "caller: Четыре, один, шесть, два, ноль, три, записал.",
    )
    assert "dictates_number" not in acts(echo, 1)


def test_a_short_number_is_dictation_where_it_is_announced():
    announced = dialogue("caller: Исходящий номер есть, семьсот тридцать дробь четыре.")
    assert "dictates_number" in acts(announced, 0)
    address = dialogue("caller: Мы живём на Сейфуллина, семьсот тридцать дробь четыре.")
    assert "dictates_number" not in acts(address, 0)
    sum_and_term = dialogue("caller: Отдала двести тысяч, два месяца жду.")
    assert "dictates_number" not in acts(sum_and_term, 0)


def test_a_head_does_not_take_an_echo_for_dictation():
    transcript = dialogue(
        "caller: Пять, три, один, ноль, так?", "operator: Пять, три, один, ноль, верно."
    )
    guessed = scores(transcript, "dictates_number", 0.99)
    assert not [t for t in tag(transcript, lexicon(), guessed) if t.name == "dictates_number"]


@pytest.mark.parametrize(
    ("line", "act", "shown"),
    [
        ("operator: Перезвоните нам завтра.", "callback_promised", False),
        ("operator: Специалист перезвонит вам завтра.", "callback_promised", True),
        ("operator: Если будут вопросы, звоните.", "further_help_offered", False),
        ("operator: Правильно понимаю, вы из Тараза?", "empathy", False),
        ("operator: Понимаю вас, ждать тяжело.", "empathy", True),
        ("operator: Может, ещё что-нибудь подсказать?", "uncertainty", False),
        ("operator: Это, наверное, пять тысяч.", "uncertainty", True),
        ("operator: К сожалению, не могу вас соединить.", "redirect_warm", False),
        ("operator: Мүмкін емес.", "uncertainty", False),
        ("operator: Заявление должно быть подписано ректором.", "uncertainty", False),
        ("operator: Вы, видимо, номером ошиблись.", "uncertainty", False),
        ("operator: Соседка, наверное, другое пособие имела в виду.", "uncertainty", False),
        ("operator: Ол кісі жұмыс істейтін бе еді?", "uncertainty", False),
        ("operator: Бір апта шамасы, дәл айта алмаймын.", "uncertainty", True),
        ("operator: Заявление рассмотрят до пятницы.", "farewell", False),
        ("operator: До пятницы!", "farewell", True),
        ("operator: Светлого вам вечера.", "farewell", True),
        ("operator: Бейсенбіге дейін.", "farewell", True),
        ("operator: Жұмаға дейін қарап береді.", "farewell", False),
        ("operator: Приветствую вас.", "greeting", True),
        ("operator: Уағалейкумассалам, ағай.", "greeting", True),
        ("operator: Я вас нигде не сбила?", "understanding_checked", True),
        ("operator: Бәрі ұғынықты болды ма?", "understanding_checked", True),
        ("operator: Shall I go over that again?", "understanding_checked", True),
        ("operator: Можете повторить адрес?", "understanding_checked", False),
        ("operator: Өкінішке қарай, қабылдау жабылған.", "empathy", False),
        ("operator: Қиналғаныңызды көріп тұрмын.", "empathy", True),
        ("operator: Кто угодно бы разозлился.", "empathy", True),
        ("operator: Каждый гражданин может подать заявление.", "empathy", False),
        ("operator: А что мы сделаем, не подскажу.", "refusal", True),
        ("operator: Қолымызнан ештеңе келмейді.", "refusal", True),
        ("operator: Вам ничего не нужно приносить.", "refusal", False),
        ("operator: Подключу юриста, вы не отключайтесь.", "hold_announced", False),
        ("operator: Повисите секунд тридцать, гляну в базе.", "hold_announced", True),
        ("operator: Маман ертең барады, орнын көреді.", "next_steps", True),
        ("operator: Жаза беріңіз, бәрібір.", "next_steps", False),
        ("operator: Пункт не помню, в законе где-то.", "source_cited", False),
        ("caller: Я до них не могу дозвониться.", "cannot_get_through", True),
        ("caller: Үшінші рет қоңырау шалып тұрмын.", "repeat_contact", True),
        ("caller: Написал заявление на увольнение.", "asks_about_appeal", False),
    ],
)
def test_shipped_patterns_and_their_guards(line, act, shown):
    assert (act in acts(dialogue(line), 0)) is shown


def test_every_tag_quotes_its_turn():
    transcript = dialogue(
        "operator: Сәлеметсіз бе, байланыс орталығы, менің атым Жансая.",
        "caller: Здравствуйте, я в прошлом месяце жалобу подавал, ответа нет!",
        "operator: Понимаю вас. Назовите ИИН. Ответ придёт в течение пяти рабочих дней.",
    )
    tags = tags_of(transcript)
    assert len(tags) >= 8
    for item in tags:
        assert item.quote in transcript.texts()[item.turn]
        assert transcript.turns[item.turn].start <= item.start <= item.end
