import doctest
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import pipeline.text
from pipeline.text import find_quote, fold, normalise, numbers_in, numerals, tokens


# ------------------------------------------------ numbers to words, written independently
def _(words):
    return words.split()


RU_ONES = _(
    "ноль один два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать \
тринадцать четырнадцать пятнадцать шестнадцать семнадцать восемнадцать девятнадцать"
)
RU_TENS = _("двадцать тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто")
RU_HUNDREDS = _("сто двести триста четыреста пятьсот шестьсот семьсот восемьсот девятьсот")
RU_GENITIVE_ONES = _(
    "ноля одного двух трёх четырёх пяти шести семи восьми девяти десяти \
одиннадцати двенадцати тринадцати четырнадцати пятнадцати шестнадцати семнадцати восемнадцати \
девятнадцати"
)
RU_GENITIVE_TENS = _(
    "двадцати тридцати сорока пятидесяти шестидесяти семидесяти восьмидесяти \
девяноста"
)
RU_GENITIVE_HUNDREDS = _(
    "ста двухсот трёхсот четырёхсот пятисот шестисот семисот восьмисот \
девятисот"
)
RU_ORDINAL_ONES = _(
    "нулевой первый второй третий четвёртый пятый шестой седьмой восьмой девятый \
десятый одиннадцатый двенадцатый тринадцатый четырнадцатый пятнадцатый шестнадцатый семнадцатый \
восемнадцатый девятнадцатый"
)
RU_ORDINAL_TENS = _(
    "двадцатый тридцатый сороковой пятидесятый шестидесятый семидесятый \
восьмидесятый девяностый"
)
RU_ORDINAL_HUNDREDS = _(
    "сотый двухсотый трёхсотый четырёхсотый пятисотый шестисотый семисотый \
восьмисотый девятисотый"
)
KK_ONES = _("нөл бір екі үш төрт бес алты жеті сегіз тоғыз")
KK_TENS = _("он жиырма отыз қырық елу алпыс жетпіс сексен тоқсан")
KK_ORDINAL_ONES = _(
    "- бірінші екінші үшінші төртінші бесінші алтыншы жетінші сегізінші \
тоғызыншы"
)
KK_ORDINAL_TENS = _(
    "оныншы жиырмасыншы отызыншы қырқыншы елуінші алпысыншы жетпісінші сексенінші \
тоқсаныншы"
)
EN_ONES = _(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen \
fifteen sixteen seventeen eighteen nineteen"
)
EN_TENS = _("twenty thirty forty fifty sixty seventy eighty ninety")


def below_thousand(number, ones, tens, hundreds):
    """Words of 0 < number < 1000 in a language with one word per hundred."""
    words = [hundreds[number // 100 - 1]] if number >= 100 else []
    rest = number % 100
    if 0 < rest < 20:
        words.append(ones[rest])
    elif rest:
        words += [tens[rest // 10 - 2]] + ([ones[rest % 10]] if rest % 10 else [])
    return words


def plural(number, one, few, many):
    if number % 100 in range(11, 15):
        return many
    return one if number % 10 == 1 else few if number % 10 in (2, 3, 4) else many


def russian(number, ones=RU_ONES, tens=RU_TENS, hundreds=RU_HUNDREDS, genitive=False):
    if number == 0:
        return ones[0]
    scales = [
        (10**9, ("миллиарда",) * 3 if genitive else ("миллиард", "миллиарда", "миллиардов")),
        (10**6, ("миллиона",) * 3 if genitive else ("миллион", "миллиона", "миллионов")),
        (1000, ("тысячи",) * 3 if genitive else ("тысяча", "тысячи", "тысяч")),
    ]
    words = []
    for scale, forms in scales:
        count, number = divmod(number, scale)
        if count:
            said = below_thousand(count, ones, tens, hundreds)
            if scale == 1000 and not genitive:
                said = [{"один": "одна", "два": "две"}.get(word, word) for word in said]
            words += [*said, plural(count, *forms)]
    return " ".join(words + (below_thousand(number, ones, tens, hundreds) if number else []))


def russian_genitive(number):
    return russian(number, RU_GENITIVE_ONES, RU_GENITIVE_TENS, RU_GENITIVE_HUNDREDS, genitive=True)


def russian_ordinal(number):
    """Ordinal of a number whose last three digits are not all zero: only the last word changes."""
    rest = number % 100
    last = rest if 0 < rest < 20 else number % 10 or rest or number % 1000
    head = russian(number - last) if number > last else ""
    words = below_thousand(last, RU_ORDINAL_ONES, RU_ORDINAL_TENS, RU_ORDINAL_HUNDREDS)
    return " ".join([head, *words]).strip()


def kazakh(number):
    if number == 0:
        return KK_ONES[0]
    words = []
    for scale, name in ((10**9, "миллиард"), (10**6, "миллион"), (1000, "мың"), (100, "жүз")):
        count, number = divmod(number, scale)
        if count:
            words += ([] if count == 1 and scale < 10**6 else [kazakh(count)]) + [name]
    if number >= 10:
        words.append(KK_TENS[number // 10 - 1])
    return " ".join(words + ([KK_ONES[number % 10]] if number % 10 else []))


def english(number, joint="-", conjunction=" and"):
    if number < 20:
        return EN_ONES[number]
    if number < 100:
        return EN_TENS[number // 10 - 2] + (joint + EN_ONES[number % 10] if number % 10 else "")
    for scale, name in (
        (10**9, "billion"),
        (10**6, "million"),
        (1000, "thousand"),
        (100, "hundred"),
    ):
        count, rest = divmod(number, scale)
        if count:
            link = conjunction if rest and rest < 100 else ""
            tail = f"{link} {english(rest, joint, conjunction)}" if rest else ""
            return f"{english(count, joint, conjunction)} {name}{tail}"
    raise AssertionError(number)


amounts = st.one_of(st.integers(0, 2100), st.integers(0, 10**12 - 1))
languages = {
    "ru": russian,
    "ru genitive": russian_genitive,
    "kk": kazakh,
    "en": english,
    "en without and": lambda number: english(number, " ", ""),
}
LANGUAGE = {say: name[:2] for name, say in languages.items()}


@pytest.mark.parametrize("say", languages.values(), ids=languages)
@given(number=amounts)
@example(number=0)
@example(number=1000)
@example(number=1_000_000)
@example(number=2_001_014)
def test_every_amount_in_words_becomes_its_digits(say, number):
    assert normalise(say(number), LANGUAGE[say]) == str(number)


@pytest.mark.parametrize("say", languages.values(), ids=languages)
def test_every_amount_below_ten_thousand(say):
    assert [
        number for number in range(10_000) if normalise(say(number), LANGUAGE[say]) != str(number)
    ] == []


@given(st.integers(1, 999_999).filter(lambda number: number % 1000))
def test_russian_ordinals(number):
    assert normalise(russian_ordinal(number)) == str(number)


@pytest.mark.parametrize("tens", range(10))
def test_kazakh_ordinals(tens):
    for unit in range(10):
        number = 10 * tens + unit
        if not number:
            continue
        last = KK_ORDINAL_ONES[unit] if unit else KK_ORDINAL_TENS[tens - 1]
        head = KK_TENS[tens - 1] if tens and unit else ""
        assert normalise(f"{head} {last} күні", "kk") == f"{number} күні"


@given(amounts, amounts)
def test_different_amounts_stay_different(one, two):
    said = {
        normalise(say(number), LANGUAGE[say]) for say in languages.values() for number in (one, two)
    }
    assert len(said) == len({one, two})


@given(st.lists(st.integers(0, 99), min_size=1, max_size=6), st.data())
def test_grouping_of_dictated_digits_leaves_no_trace(groups, data):
    """Words with commas, digits with any separator, digits in one piece: the same tokens."""
    language = data.draw(st.sampled_from([russian, kazakh, english]))
    separator = data.draw(st.sampled_from([", ", ". ", "; "]))
    spoken = separator.join(language(group) for group in groups)
    digits = "".join(str(group) for group in groups)
    written = data.draw(st.sampled_from(["-", " ", ", ", ""])).join(str(group) for group in groups)
    code = LANGUAGE[language]
    assert tokens(f"тел {spoken} конец", code) == tokens(f"тел {written} конец", code)
    assert numbers_in(spoken, code)[0].digits == digits


@given(st.lists(st.sampled_from([*numerals.LEXICON, "он", "a", "and", "слово", "109", "0"]),
                max_size=8), st.sampled_from([" ", ", ", "-", "! "]))  # fmt: skip
def test_normalising_twice_changes_nothing(words, separator):
    once = normalise(separator.join(words), "kk")
    assert normalise(once, "kk") == once


@given(st.text(max_size=60))
@example("²")
@example("ʼ")
def test_any_text_is_accepted_and_spans_lie_in_order(text):
    assert all(token for token in tokens(text))
    spans = numbers_in(text)
    assert all(span.digits == "".join(span.groups) for span in spans)
    assert all(0 <= span.start < span.end <= len(text) for span in spans)
    assert all(one.end <= two.start for one, two in pairwise(spans))


# ------------------------------------------------ words people say
@pytest.mark.parametrize(
    ("spoken", "written"),
    [
        ("один ноль девять", "109"),
        ("сто девять", "1-0-9"),
        ("тысяча четыреста четырнадцать", "1414"),
        ("четырнадцать четырнадцать", "14-14"),
        ("до двадцать пятого сентября", "до 25-го сентября"),
        ("две тысячи двадцать шестом году", "2026 году"),
        ("тысяча девятьсот сорок восьмой", "1948"),
        ("двухсот пятидесяти", "250"),
        ("пятистам тридцати двум", "532"),
        ("статье сто тринадцатой", "статье 113"),
        ("девятьсот десятую", "910"),
        ("на третьем курсе", "на 3-м курсе"),
        ("триста тысяч тенге", "300 тысяч тенге"),
        ("триста тысяч тенге", "300 000 тенге"),
        ("тысяча двести", "1 200"),
        ("до шестнадцати ноль-ноль", "до 16:00"),
        ("восемь, семьсот два, шестьсот шестьдесят шесть", "8 (702) 666"),
        ("двухтысячного", "2000-го"),
        ("он бес", "15"),
        ("он бірде", "11-де"),
        ("екі мың жиырма алтыншы жылы", "2026 жылы"),
        ("жүз тоғызға қоңырау", "109-ға қоңырау"),
        ("жиырма бесіне дейін", "25-іне дейін"),
        ("қырқыншы", "40-шы"),
        ("тоғыз жүз тоқсан тоғыз мың", "999 мың"),
        ("fourteen fourteen", "1414"),
        ("one oh nine", "109"),
        ("a hundred and five", "105"),
        ("nineteen forty-eight", "1948"),
        ("the twenty-second of May", "the 22nd of May"),
        ("Ёжик — э-э, кот", "ежик э э кот"),
        ("контакт-центр", "контакт центр"),
        ("don't", "don’t"),
    ],
)
def test_spoken_and_written_are_equal(spoken, written):
    assert normalise(spoken) == normalise(written)
    assert tokens(spoken) == tokens(written)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("двадцать пять", "двадцать, пять"),
        ("сто девять", "сто девятнадцать"),
        ("ноль пять", "пять"),
        ("тысяча сто", "сто тысяч"),
        ("жиырма", "жиырма бір"),
        ("fourteen", "forty"),
        ("пятнадцать", "пятьдесят"),
    ],
)
def test_unlike_numbers_differ(one, two):
    assert normalise(one) != normalise(two)


@pytest.mark.parametrize(
    "text",
    [
        "он пришёл домой", "за мою семью", "одни слёзы", "во первых", "во вторых", "в третьих",
        "бірге барамыз", "бірде келді", "онда солай", "жүзінде", "бірақ", "біраз", "сенің үшін",
        "just a second", "oh no", "someone", "полтора",
        "сотка", "семьянин", "тысячелетие", "a lot", "and then", "seconds",
    ],
)  # fmt: skip
def test_words_that_only_look_like_numbers(text):
    assert numbers_in(text) == ()
    assert normalise(text) == text.replace("ё", "е")


def test_kazakh_ten_is_told_from_the_russian_pronoun():
    assert normalise("сағат он", "kk") == "сағат 10"
    assert normalise("сағат он болды") == "сағат 10 болды"
    assert normalise("сказал он", "ru") == "сказал он"
    assert normalise("әлгі сказал, что он тоже там был") == "әлгі сказал что он тоже там был"
    assert normalise("он бес", "ru") == "15"


def test_number_spans_point_into_the_original_text():
    text = "Звоните: СТО девять, или 8 (702) 666-41-20."
    first, second = numbers_in(text)
    assert text[first.start : first.end] == "СТО девять"
    assert text[second.start : second.end] == "8 (702) 666-41-20"
    assert second.groups == ("8", "702", "666", "41", "20")


def test_dictation_runs_over_full_stops_but_not_over_questions():
    whole, apart = numbers_in("Номер три, два. Ноль, пять. Так? Семь"), numbers_in("109? 110!")
    assert [span.digits for span in whole] == ["3205", "7"]
    assert [span.digits for span in apart] == ["109", "110"]


def test_a_short_number_beside_another_stays_visible_in_groups():
    (span,) = numbers_in("набирайте сто девять. Один")
    assert (span.digits, span.groups) == ("1091", ("109", "1"))


def test_one_wrong_digit_is_one_wrong_token():
    right, wrong = tokens("87026664120"), tokens("8 702 666 41 21")
    assert len(right) == len(wrong) == 11
    assert sum(a != b for a, b in zip(right, wrong, strict=True)) == 1


def test_endings_of_written_numbers_belong_to_the_number():
    text = "до 25-го, 15-ші, 5th"
    assert [text[s.start : s.end] for s in numbers_in(text)] == ["25-го, 15-ші, 5th"]
    assert normalise("5-комнатная") == "5 комнатная"


def test_latin_lookalikes_inside_cyrillic_words():
    assert fold("бiрiншi") == "бірінші"  # Latin i
    assert fold("oператор") == "оператор"  # Latin o
    assert fold("Operator") == "operator"


def test_very_long_digit_strings_are_kept():
    assert normalise("9" * 5000) == "9" * 5000


# ------------------------------------------------ quotes
def test_quote_is_found_whatever_case_and_white_space():
    text = "Нет,\n это  не к нам. Звоните."
    assert find_quote("это не К НАМ.", text) == (6, 20)
    start, end = find_quote("Это  не к", text)
    assert text[start:end] == "это  не к"


@pytest.mark.parametrize(
    ("quote", "text"),
    [
        ("не к нам", "это не нам"),
        ("к нам", "как нам"),
        ("нам", "намного"),
        ("не, к нам", "не к нам"),
        ("", "текст"),
        ("  ", "текст"),
        ("a.c", "abc"),
    ],
)
def test_other_words_are_no_quote(quote, text):
    assert find_quote(quote, text) is None


def test_doctests():
    assert doctest.testmod(pipeline.text).failed == 0
    assert doctest.testmod(numerals).failed == 0
