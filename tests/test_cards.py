"""Cards: strict parsing, conditions, reasons, and the examples of the shipped card."""

from __future__ import annotations

import re

import pytest
from calls import CONFIGS, answers_to, card, dialogue, lexicon

from pipeline.cards import parse_card, parse_condition, parse_reasons, render_reason
from pipeline.errors import ConfigError
from pipeline.run import run_example

TEXT = (CONFIGS / "cards" / "1414.toml").read_text(encoding="utf-8")
IDS = {
    "greeting", "organisation_named", "operator_named", "farewell", "further_help_offered",
    "need_clarified", "answer_given", "next_steps_explained", "deadline_stated", "source_cited",
    "understanding_checked", "number_read_back", "identity_verified", "hold_announced",
    "hold_thanked", "empathy", "no_rudeness", "no_refusal_phrase", "no_uncertain_answer",
    "no_interruption", "no_cold_redirect",
}  # fmt: skip
SHIPPED = sorted(path.stem for path in (CONFIGS / "cards").glob("*.toml"))
EXAMPLES = [
    pytest.param(name, criterion.criterion_id, example, id=f"{name}-{criterion.criterion_id}-{at}")
    for name in SHIPPED
    for criterion in card(name).criteria
    for at, example in enumerate(criterion.examples)
    if name == "1414" or example not in [e for c in card("1414").criteria for e in c.examples]
]
MINIMAL = """
id = "mini"
version = "1"
minimum_coverage = 0.5
title = { ru = "т", kk = "т", en = "t" }
[[criterion]]
id = "polite"
dimension = "operator_competence"
class = "minor"
weight = 1.0
text = { ru = "т", kk = "т", en = "t" }
method = "tag"
evidence = "required"
signals = ["act:greeting"]
"""


def test_the_shipped_card_has_every_criterion():
    assert {criterion.criterion_id for criterion in card().criteria} == IDS


def test_every_criterion_has_examples_of_both_outcomes():
    for criterion in card().criteria:
        values = {example.expected for example in criterion.examples}
        assert {"yes", "no"} <= values, criterion.criterion_id


@pytest.mark.parametrize(("name", "criterion", "example"), EXAMPLES)
def test_examples_of_the_cards(name, criterion, example):
    found = run_example(card(name), criterion, example)
    assert found.value == example.expected, found.reason


BASE = (
    MINIMAL
    + """
[[criterion]]
id = "second"
dimension = "operator_competence"
class = "minor"
weight = 1.0
text = { ru = "т", kk = "т", en = "t" }
method = "tag"
evidence = "required"
signals = ["act:farewell"]
"""
)
CHILD = """
id = "child"
version = "3"
extends = "mini"
minimum_coverage = 0.7
title = { ru = "т", kk = "т", en = "t" }
"""


def test_a_card_takes_over_changes_and_leaves_out_criteria():
    changed = CHILD + 'drop = ["polite"]\n[[criterion]]\nid = "second"\nweight = 3.0\n'
    parsed = parse_card(changed, "child.toml", lexicon().names(), {"mini": BASE})
    assert (parsed.card_id, parsed.version, parsed.minimum_coverage) == ("child", "3", 0.7)
    (only,) = parsed.criteria
    assert (only.criterion_id, only.weight, only.signals[0].name) == ("second", 3.0, "farewell")
    whole = parse_card(CHILD, "child.toml", None, {"mini": BASE})
    assert [item.criterion_id for item in whole.criteria] == ["polite", "second"]


@pytest.mark.parametrize(
    ("text", "others", "said"),
    [
        (CHILD, {}, "extends 'mini', which is none of the cards: none"),
        (CHILD + 'drop = ["rude"]', {"mini": BASE}, "'rude' is no criterion of mini"),
        (
            MINIMAL.replace("[[criterion]]", 'drop = ["a"]\n[[criterion]]'),
            {},
            "drop without extends",
        ),
        (CHILD, {"mini": CHILD}, "extends 'mini'"),
    ],
)
def test_a_card_that_extends_what_it_cannot_says_so(text, others, said):
    with pytest.raises(ConfigError) as caught:
        parse_card(text, "child.toml", None, others)
    assert said in str(caught.value)


def test_the_block_card_is_worth_a_hundred_points():
    points: dict[str, float] = {}
    for item in card("blocks").criteria:
        assert item.block is not None, item.criterion_id
        points[item.block.en] = points.get(item.block.en, 0.0) + item.weight
    assert points == {"Script": 30, "Speech": 20, "Consultation": 30, "Engagement": 20}
    assert {item.criterion_id for item in card("blocks").criteria} == IDS


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("weight", "wieght", "unknown key 'wieght'; known keys: id, dimension"),
        ('class = "minor"', 'class = "small"', "class must be one of critical, major, minor"),
        ("act:greeting", "act:greting", "no act 'greting'; known acts:"),
        ("act:greeting", "greeting", "condition 'greeting' is none of act:NAME"),
        ('method = "tag"', 'method = "metric"', "signals belong to method tag"),
        ('signals = ["act:greeting"]', 'window = "last:0"', "needs signals"),
        ("weight = 1.0", "weight = 0", "weight must be > 0"),
        ("weight = 1.0", 'weight = 1.0\nwindow = "start"', "window must be all, opening, first:N"),
        ('id = "polite"', 'id = "Polite!"', "id must be lower case"),
        ("minimum_coverage = 0.5", "minimum_coverage = 5", "must lie in [0, 1]"),
        ('text = { ru = "т", kk = "т", en = "t" }', 'text = { ru = "т" }', "kk must be a text"),
        ("[[criterion]]", "[[criterion", "not valid TOML"),
    ],
)
def test_a_broken_card_says_where_and_what_is_allowed(old, new, said):
    broken = MINIMAL.replace(old, new, 1)
    assert broken != MINIMAL
    with pytest.raises(ConfigError) as caught:
        parse_card(broken, "mini.toml", lexicon().names())
    assert said in str(caught.value)
    assert "mini.toml" in str(caught.value)


def test_a_criterion_twice_is_refused():
    second = MINIMAL[MINIMAL.index("[[criterion]]") :]
    with pytest.raises(ConfigError, match="criteria twice: polite"):
        parse_card(MINIMAL + second, "mini.toml")


def test_a_new_criterion_needs_toml_alone():
    added = """
[[criterion]]
id = "recording_announced"
dimension = "operator_competence"
class = "minor"
weight = 1.0
text = { ru = "т", kk = "т", en = "t" }
method = "expression"
evidence = "required"
any_of = ["act:recording_notice", "label:topic=taxes"]
none_of = ["act:rudeness"]
"""
    parsed = parse_card(MINIMAL + added, "mini.toml", lexicon().names())
    assert parsed.criteria[1].any_of[1].value == "taxes"


@pytest.mark.parametrize(
    "text",
    ["act:hold_announced", "label:caller_upset=true", "label:topic!=taxes", "redirect:cold",
     "metric:hold_count>=1"],
)  # fmt: skip
def test_conditions_are_written_as_they_are_read(text):
    assert str(parse_condition(text)) == text


@pytest.mark.parametrize("text", ["act:", "redirect:lukewarm", "metric:x=1", "label:x", "act:A"])
def test_other_conditions_are_refused(text):
    with pytest.raises(ValueError, match="condition"):
        parse_condition(text)


def test_every_reason_code_has_texts_and_renders():
    texts = parse_reasons((CONFIGS / "taxonomy.toml").read_text(encoding="utf-8"))
    transcript = dialogue(
        "operator: Здравствуйте.", "caller: Подскажите адрес архива.", "operator: Не знаю."
    )
    for item in answers_to(transcript).values():
        assert item.reason.split(" ")[0] in texts.codes()
        for language in ("ru", "kk", "en"):
            sentence = render_reason(item.reason, texts, language)
            assert sentence != item.reason
            assert not re.search(r"[{}]", sentence), sentence


def test_an_unknown_reason_is_shown_as_it_is():
    texts = parse_reasons('[reason]\nfound = { ru = "р", kk = "к", en = "e" }')
    assert render_reason("odd what=1", texts, "ru") == "odd what=1"
