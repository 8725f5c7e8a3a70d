"""The training sentences themselves: whole, varied, and with near misses."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from pipeline.backends.heads import ACT_OWNERS
from pipeline.errors import TruthError
from pipeline.train import read_exemplars, read_topics
from pipeline.types import TOPICS

DIRECTORY = Path(__file__).parents[1] / "data" / "exemplars"
HEADER = "text\tlanguage\trole\tacts\tsituation\n"


def test_every_act_has_sentences_in_every_language() -> None:
    found = Counter((act, row.language) for row in read_exemplars(DIRECTORY) for act in row.acts)
    for act in ACT_OWNERS:
        assert found[act, "ru"] >= 12, act
        assert found[act, "kk"] >= 8, act
        assert found[act, "en"] >= 2, act


def test_every_topic_has_sentences_in_every_language() -> None:
    found = Counter((row.topic, row.language) for row in read_topics(DIRECTORY))
    for topic in TOPICS:
        assert found[topic, "ru"] >= 25, topic
        assert found[topic, "kk"] >= 15, topic
        assert found[topic, "en"] >= 5, topic


def test_hard_negatives_and_unpunctuated_rows_are_there() -> None:
    rows = read_exemplars(DIRECTORY)
    assert sum(not row.acts for row in rows) >= 140
    assert sum(row.text == row.text.lower() and row.text[-1].isalpha() for row in rows) >= 200


def test_no_sentence_stands_twice_in_one_role() -> None:
    seen = Counter((row.text.lower(), row.role) for row in read_exemplars(DIRECTORY))
    assert [key for key, times in seen.items() if times > 1] == []


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("привет\tru\toperator\thello\ts1", "act 'hello' is unknown"),
        ("привет\tru\tcaller\tgreeting\ts1", "greeting cannot be an act of the role caller"),
        ("привет\tde\toperator\tgreeting\ts1", "language 'de'"),
        ("привет\tru\tboss\tgreeting\ts1", "role 'boss'"),
        ("\tru\toperator\tgreeting\ts1", "text is empty"),
        ("привет\tru\toperator\tgreeting", "has 4 cells, needs 5"),
    ],
)
def test_a_wrong_row_is_named_with_its_line(tmp_path: Path, row: str, said: str) -> None:
    (tmp_path / "acts_ru.tsv").write_text(HEADER + row + "\n", encoding="utf-8")
    with pytest.raises(TruthError, match=r"acts_ru\.tsv:2") as caught:
        read_exemplars(tmp_path)
    assert said in str(caught.value)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "acts_ru.tsv").write_text("text\tlanguage\n", encoding="utf-8")
    with pytest.raises(TruthError, match="lacks role, acts, situation"):
        read_exemplars(tmp_path)


def test_corrections_come_from_a_csv_with_quoted_commas(tmp_path: Path) -> None:
    (tmp_path / "acts_ru.tsv").write_text(HEADER, encoding="utf-8")
    corrections = tmp_path / "human.csv"
    corrections.write_text(
        'situation,text,language,role,acts\nс1,"Да, примут",ru,operator,"answer, uncertainty"\n',
        encoding="utf-8-sig",
    )
    (row,) = read_exemplars(tmp_path, corrections)
    assert row.text == "Да, примут"
    assert row.acts == ("answer", "uncertainty")
