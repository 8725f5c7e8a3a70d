import doctest
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pipeline.evaluate
from pipeline.errors import TruthError
from pipeline.evaluate import evaluate, measures, parse_truth, truth
from pipeline.evaluate.measures import (
    Counts,
    DiarizationErrors,
    ErrorRate,
    best_pairs,
    cp_word_errors,
    diarization_errors,
    spearman,
    word_errors,
)
from pipeline.types import (
    Answer,
    Call,
    CallResult,
    Label,
    Promise,
    Redirect,
    Scorecard,
    Transcript,
    Turn,
    TurnLanguage,
    Word,
)

# Columns: speaker, role, start, end, text, language.
DIALOGUE = (
    ("operator", "operator", 0.0, 4.0, "Центр сто девять, здравствуйте", "ru"),
    ("caller", "caller", 4.0, 8.0, "Сәлеметсіз бе, где мой ответ", "kk"),
    ("operator", "operator", 8.0, 12.0, "Звоните на тысяча четыреста четырнадцать", "ru"),
)
LABELS = {
    "call_type": "complaint",
    "topic": "taxes",
    "outcome": "redirected_cold",
    "redirects": [{"turn": 2, "kind": "verbal_number", "to": "Единый контакт-центр",
                   "number": "1414", "reason_given": False}],
    "repeat_contact": True,
    "unreachable_complaint": False,
    "promises": [{"turn": 2, "what": "callback", "due": None}],
    "caller_upset": False,
    "criteria": {"greeting": {"value": "yes", "turns": [0]},
                 "no_rudeness": {"value": "no", "turns": [2]},
                 "empathy": {"value": "na", "turns": []}},
    "scores": {"consultation_quality": 2, "operator_competence": 4},
}  # fmt: skip


def truth_json(file="a.wav", turns=DIALOGUE, **changes):
    keys = ("speaker", "role", "start", "end", "text", "language")
    value = {
        "file": file,
        "layout": "mono",
        "language": "ru",
        "turns": [dict(zip(keys, turn, strict=True)) for turn in turns],
        "labels": LABELS,
    }
    return json.dumps({**value, **changes}, ensure_ascii=False)


def make_truth(file="a.wav", turns=DIALOGUE, **changes):
    return parse_truth(truth_json(file, turns, **changes), f"{file}.json")


def make_transcript(turns=DIALOGUE):
    found = tuple(
        Turn(index, start, end, speaker, role=role)
        for index, (speaker, role, start, end, _, _) in enumerate(turns)
    )
    words = tuple(
        Word(turn.start, turn.end, word, 0.9, turn.index)
        for turn, spoken in zip(found, turns, strict=True)
        for word in spoken[4].split()
    )
    languages = tuple(TurnLanguage(index, turn[5], 0.9) for index, turn in enumerate(turns))
    return Transcript(found, words, languages)


def answer(criterion, value):
    return Answer(criterion, value, 0.9, (), None, None, "", "rule")


def make_result(turns=DIALOGUE, **changes):
    """The result that agrees with `make_truth` in everything."""
    labels = {"call_type": "complaint", "topic": "taxes", "outcome": "redirected_cold",
              "repeat_contact": "true", "unreachable_complaint": "false",
              "caller_upset": "false"}  # fmt: skip
    result = CallResult(
        call=Call("c", "a.wav", "0" * 64, 1),
        status="done",
        status_reason=None,
        transcript=make_transcript(turns),
        labels=tuple(Label(name, value, 0.9, (), "") for name, value in labels.items()),
        redirects=(Redirect(2, "cold", "контакт-центр единый", "14-14", False, None, "q"),),
        promises=(Promise(2, "callback", None, None, "q"),),
        answers=(answer("greeting", "yes"), answer("no_rudeness", "no"), answer("empathy", "na")),
        scorecards=(
            Scorecard("consultation_quality", 1, 4),
            Scorecard("operator_competence", 3, 4),
        ),
    )
    return replace(result, **changes)


def value(report, section, name):
    found = {(row[0], row[1]): row[2] for row in report.rows()}
    return found[section, name]


def speech(report, group="all"):
    return dict(report.speech)[group]


# ------------------------------------------------ the whole report
def test_a_result_that_agrees_scores_full_marks():
    report = evaluate([make_truth()], {"a.wav": make_result()})
    scores = speech(report)
    assert (scores.wer.errors, scores.cpwer.errors, scores.der.rate) == (0, 0, 0.0)
    assert scores.wer.length == 16  # сто девять = 3 digits, 1414 = 4 digits
    assert scores.role_turns.rate == scores.role_time.rate == scores.language.rate == 1
    for name in ("call_type accuracy", "topic accuracy", "outcome accuracy", "repeat_contact F1",
                 "unreachable_complaint accuracy", "caller_upset accuracy"):  # fmt: skip
        assert value(report, "labels", name) == 1
    for name in ("macro F1 yes", "macro F1 no", "accuracy", "na agreement"):
        assert value(report, "criteria", name) == 1
    assert value(report, "criteria", "unknown share") == 0
    for name in ("cold, turns F1", "cold, calls F1", "cold or warm accuracy", "number accuracy",
                 "agency accuracy"):  # fmt: skip
        assert value(report, "redirects", name) == 1
    assert value(report, "promises", "promise recall") == 1
    # 25 of 100 is 2 on the scale 1–5, 75 is 4: no error.
    assert value(report, "scores", "consultation_quality mean error") == 0
    assert value(report, "scores", "operator_competence mean error") == 0


@pytest.mark.parametrize("results", [{}, {"a.wav": None}, {"a.wav": make_result(status="failed")}])
def test_a_call_that_is_missing_or_failed_is_wrong_everywhere(results):
    report = evaluate([make_truth()], results)
    scores = speech(report)
    assert scores.wer == scores.cpwer == ErrorRate(16, 0, 16, 0)
    assert scores.der == DiarizationErrors(12.0, 12.0, 0.0, 0.0)
    assert scores.role_turns.rate == scores.role_time.rate == scores.language.rate == 0
    assert scores.role_time.total == 12
    assert len(report.missing) + len(report.failed) == 1
    assert len(report.failed) == (results.get("a.wav") is not None)
    for name in ("call_type accuracy", "topic accuracy", "outcome accuracy", "repeat_contact F1",
                 "unreachable_complaint accuracy", "caller_upset accuracy"):  # fmt: skip
        assert value(report, "labels", name) == 0
    for name in ("macro F1 yes", "macro F1 no", "accuracy", "na agreement"):
        assert value(report, "criteria", name) == 0
    assert value(report, "criteria", "unknown share") == 0
    for name in ("cold, turns F1", "cold, calls F1", "number accuracy", "agency accuracy"):
        assert value(report, "redirects", name) == 0
    assert value(report, "promises", "promise recall") == 0
    assert value(report, "scores", "consultation_quality no score") == 1
    assert value(report, "scores", "consultation_quality mean error") is None


def test_a_missing_call_weighs_as_much_as_a_right_one():
    report = evaluate([make_truth("a.wav"), make_truth("b.wav")], {"a.wav": make_result()})
    assert report.missing == ("b.wav",)
    assert speech(report).wer.rate == speech(report).der.rate == 0.5
    assert value(report, "labels", "topic accuracy") == 0.5
    assert value(report, "criteria", "pooled yes recall") == 0.5
    assert value(report, "criteria", "pooled yes precision") == 1


def test_groups_follow_layout_and_main_language():
    mono = make_truth("a.wav")
    stereo = make_truth("b.wav", layout="stereo", language="kk", labels=None)
    report = evaluate([mono, stereo], {"a.wav": make_result()})
    assert [group for group, _ in report.speech] == ["all", "mono", "stereo", "ru", "kk"]
    assert speech(report, "mono").wer.rate == speech(report, "ru").wer.rate == 0
    assert speech(report, "stereo").wer.rate == speech(report, "kk").wer.rate == 1
    assert report.meaning.calls == 1


def test_no_dialogue_counts_for_call_type_and_evaluability_only():
    labels = {**LABELS, "call_type": "no_dialogue", "topic": "other"}
    silent = make_truth("s.wav", labels=labels)
    found = make_result(
        status="not_evaluable", labels=(Label("call_type", "no_dialogue", 1.0, (), ""),)
    )
    report = evaluate([silent, make_truth()], {"s.wav": found, "a.wav": make_result()})
    by_name = {(section, name): n for section, name, _, n in report.rows()}
    assert by_name["labels", "call_type accuracy"] == 2
    assert by_name["labels", "topic accuracy"] == 1
    assert by_name["criteria", "accuracy"] == 3
    assert by_name["scores", "operator_competence Spearman"] == 1
    assert report.meaning.evaluability == Counts(tp=1)
    wrong = evaluate([silent], {"s.wav": make_result()})
    assert wrong.meaning.evaluability == Counts(fn=1)
    assert wrong.meaning.classes[0].confusions == (("no_dialogue", "complaint", 1),)


def test_an_unevaluable_dialogue_is_a_false_alarm_and_a_wrong_number_is_neither():
    refused = make_result(status="not_evaluable")
    assert evaluate([make_truth()], {"a.wav": refused}).meaning.evaluability == Counts(fp=1)
    wrong_number = make_truth(labels={"call_type": "misdirected"})
    assert evaluate([wrong_number], {"a.wav": refused}).meaning.evaluability == Counts()


def test_labels_that_the_reference_lacks_are_not_scored():
    report = evaluate([make_truth(labels={"topic": "taxes"})], {"a.wav": make_result()})
    assert value(report, "labels", "topic accuracy") == 1
    assert value(report, "labels", "outcome accuracy") is None
    assert value(report, "redirects", "cold, turns F1") is None
    assert value(report, "promises", "promise precision") is None
    assert report.meaning.criteria == ()


def test_two_references_of_one_file_are_refused():
    with pytest.raises(TruthError, match=r"two references name the file a\.wav"):
        evaluate([make_truth(), make_truth()], {})


def test_json_carries_the_rows_and_the_counts():
    report = evaluate([make_truth()], {"a.wav": make_result()})
    read = json.loads(report.to_json())
    assert [list(row.values()) for row in read["rows"]] == [list(row) for row in report.rows()]
    assert read["counts"]["meaning"]["redirects"]["turns"] == {"tp": 1, "fp": 0, "fn": 0}
    assert read["counts"]["speech"][0][1]["wer"]["length"] == 16


# ------------------------------------------------ criteria, labels, redirects
def test_criteria_by_hand():
    """greeting in four calls: yes, yes, no, na against yes, unknown, yes, no."""
    truths, results = [], {}
    for place, (real, found) in enumerate(
        [("yes", "yes"), ("yes", "unknown"), ("no", "yes"), ("na", "no")]
    ):
        file = f"{place}.wav"
        truths.append(make_truth(file, labels={"criteria": {"greeting": {"value": real}}}))
        results[file] = make_result(answers=(answer("greeting", found),))
    (greeting,) = evaluate(truths, results).meaning.criteria
    assert greeting.yes == Counts(tp=1, fp=1, fn=1)
    assert greeting.yes.f1 == 0.5
    assert greeting.no == Counts(tp=0, fp=1, fn=1)
    assert greeting.hits.rate == 0.25
    assert greeting.unknown.rate == 0.25
    assert greeting.na.rate == 0.75


def test_a_criterion_without_an_answer_is_an_abstention():
    report = evaluate([make_truth()], {"a.wav": make_result(answers=())})
    assert value(report, "criteria", "unknown share") == 1
    assert value(report, "criteria", "pooled yes recall") == 0
    assert value(report, "criteria", "na agreement") == pytest.approx(2 / 3)


def test_macro_f1_is_the_mean_over_criteria_that_occur():
    criteria = {"a": {"value": "yes"}, "b": {"value": "yes"}, "c": {"value": "no"}}
    result = make_result(answers=(answer("a", "yes"), answer("b", "no"), answer("c", "no")))
    report = evaluate([make_truth(labels={"criteria": criteria})], {"a.wav": result})
    assert value(report, "criteria", "macro F1 yes") == 0.5
    assert value(report, "criteria", "macro F1 no") == 1


def test_flags_count_unknown_as_not_found_and_never_as_right():
    unknown = make_result(labels=(Label("repeat_contact", None, None, (), ""),))
    report = evaluate([make_truth()], {"a.wav": unknown})
    repeat, unreachable, _ = report.meaning.flags
    assert repeat.counts == Counts(fn=1)
    assert unreachable.counts == Counts()
    assert unreachable.hits.rate == 0


def redirect(turn, kind="cold", number=None, agency=None):
    return Redirect(turn, kind, agency, number, False, None, "q")


def test_redirects_match_by_the_time_of_their_turns():
    """Another segmentation: the reference's turn 2 is turns 2 and 3 here."""
    turns = (*DIALOGUE[:2], ("operator", "operator", 8.0, 9.0, "Звоните", "ru"),
             ("operator", "operator", 9.0, 12.0, "на 1414", "ru"))  # fmt: skip
    for turn, hit in ((0, 0), (1, 0), (2, 1), (3, 1)):
        result = make_result(turns, redirects=(redirect(turn),))
        scores = evaluate([make_truth()], {"a.wav": result}).meaning.redirects
        assert scores.turns == Counts(tp=hit, fp=1 - hit, fn=1 - hit)
        assert scores.calls == Counts(tp=1)


def test_two_redirects_in_one_turn_match_one():
    result = make_result(redirects=(redirect(2), redirect(2)))
    scores = evaluate([make_truth()], {"a.wav": result}).meaning.redirects
    assert scores.turns == Counts(tp=1, fp=1)


def test_a_warm_redirect_is_not_cold_but_its_number_counts():
    result = make_result(redirects=(redirect(2, "warm", "1414"),))
    scores = evaluate([make_truth()], {"a.wav": result}).meaning.redirects
    assert scores.turns == scores.calls == Counts(fn=1)
    assert (scores.kind.rate, scores.number.rate, scores.agency.rate) == (0, 1, 0)


@pytest.mark.parametrize(
    ("real", "found", "same"),
    [
        ("7172555010", "+7 (7172) 55-50-10", True),
        ("7172555010", "87172555010", True),
        ("1414", "1459", False),
        ("109", None, False),
    ],
)
def test_numbers_are_compared_without_the_national_prefix(real, found, same):
    labels = {"redirects": [{"turn": 2, "kind": "cold", "to": None, "number": real}]}
    result = make_result(redirects=(redirect(2, number=found),))
    scores = evaluate([make_truth(labels=labels)], {"a.wav": result}).meaning.redirects
    assert scores.number.rate == same


# ------------------------------------------------ scores
def test_scores_by_hand():
    """People 1, 2, 5; the card 0, 50 (3 on their scale), nothing: one pair off by one."""
    truths, results = [], {}
    for place, (real, earned) in enumerate([(1, 0.0), (2, 2.0), (5, None)]):
        file = f"{place}.wav"
        truths.append(make_truth(file, labels={"scores": {"operator_competence": real}}))
        cards = () if earned is None else (Scorecard("operator_competence", earned, 4.0),)
        results[file] = make_result(scorecards=cards)
    competence = evaluate(truths, results).meaning.scores[1]
    assert (competence.pairs, competence.none) == (2, 1)
    assert competence.mean_absolute_error == 0.5
    assert competence.spearman == 1


def test_a_score_below_the_minimum_coverage_is_no_score():
    card = Scorecard("operator_competence", 1, 1, unknown=3)
    result = make_result(scorecards=(card,), minimum_coverage=0.5)
    assert evaluate([make_truth()], {"a.wav": result}).meaning.scores[1].none == 1


def test_spearman_shares_ranks_between_ties():
    assert spearman([(1, 1), (2, 2), (2, 3), (4, 4)]) == pytest.approx(0.9486832980505138)
    assert spearman([(1, 3), (2, 2), (3, 1)]) == -1
    assert spearman([(1, 1)]) is None
    assert spearman([(1, 1), (1, 2)]) is None


# ------------------------------------------------ words
@pytest.mark.parametrize(
    ("reference", "hypothesis", "errors"),
    [
        ("a b c", "a b c", ErrorRate(3)),
        ("a b c", "", ErrorRate(3, deletions=3)),
        ("", "a b", ErrorRate(0, insertions=2)),
        ("a b c d e", "x b d e f", ErrorRate(5, insertions=1, deletions=1, substitutions=1)),
    ],
)
def test_word_errors(reference, hypothesis, errors):
    assert word_errors(reference.split(), hypothesis.split()) == errors


def streams(*texts):
    return {str(place): text.split() for place, text in enumerate(texts)}


@pytest.mark.parametrize(
    ("reference", "hypothesis", "errors"),
    [
        # Two speakers swapped: names do not matter.
        (("a b", "c d"), ("c d", "a b"), ErrorRate(4)),
        # The pairing with the fewest errors: c d ↔ c x d (1), a b ↔ a (1).
        (("a b", "c d"), ("c x d", "a"), ErrorRate(4, insertions=1, deletions=1)),
        # Everything given to one speaker: a b c ↔ a b c d e (2 insertions), d e deleted.
        (("a b c", "d e"), ("a b c d e",), ErrorRate(5, insertions=2, deletions=2)),
        # One speaker split into two: the longer part stays, the shorter is lost and inserted.
        (("a b c d",), ("a b c", "d"), ErrorRate(4, insertions=1, deletions=1)),
        # Three against two.
        (("a", "b", "c"), ("c", "a"), ErrorRate(3, deletions=1)),
        # A word moved to the other speaker costs two errors.
        (("a b", "c"), ("a", "b c"), ErrorRate(3, insertions=1, deletions=1)),
        (("a b",), (), ErrorRate(2, deletions=2)),
        ((), ("a",), ErrorRate(0, insertions=1)),
        ((), (), ErrorRate(0)),
    ],
)
def test_cp_word_errors_by_hand(reference, hypothesis, errors):
    assert cp_word_errors(streams(*reference), streams(*hypothesis)) == errors


word_lists = st.dictionaries(st.sampled_from("pqrs"), st.lists(st.sampled_from("abc"), max_size=5))


@given(word_lists, word_lists)
def test_cp_word_errors_is_the_best_of_all_permutations(reference, hypothesis):
    from itertools import permutations

    size = max(len(reference), len(hypothesis))
    left = [*reference.values(), *[[]] * (size - len(reference))]
    right = [*hypothesis.values(), *[[]] * (size - len(hypothesis))]
    best = min(
        sum(word_errors(one, two).errors for one, two in zip(left, order, strict=True))
        for order in permutations(right)
    )
    assert cp_word_errors(reference, hypothesis).errors == best


def test_speaker_names_do_not_matter_for_cpwer_and_order_of_time_does_for_wer():
    swapped = tuple(({"operator": "S1", "caller": "S0"}[turn[0]], *turn[1:]) for turn in DIALOGUE)
    assert speech(evaluate([make_truth()], {"a.wav": make_result(swapped)})).cpwer.errors == 0
    backwards = tuple(reversed(DIALOGUE))
    report = evaluate([make_truth()], {"a.wav": make_result(backwards)})
    assert speech(report).wer.errors == 0
    merged = tuple(("S0", *turn[1:]) for turn in DIALOGUE)
    scores = speech(evaluate([make_truth()], {"a.wav": make_result(merged)}))
    assert scores.wer.errors == 0
    assert scores.cpwer == ErrorRate(16, insertions=5, deletions=5)


def test_numbers_in_digits_and_words_are_no_errors():
    written = (
        ("operator", "operator", 0.0, 4.0, "ЦЕНТР 1-0-9 здравствуйте!", "ru"),
        DIALOGUE[1],
        ("operator", "operator", 8.0, 12.0, "звоните на 14 14", "ru"),
    )
    scores = speech(evaluate([make_truth()], {"a.wav": make_result(written)}))
    assert (scores.wer.errors, scores.cpwer.errors) == (0, 0)


def test_error_rates_pool_by_adding_counts():
    assert (ErrorRate(1, deletions=1) + ErrorRate(9)).rate == 0.1
    assert ErrorRate().rate is None


# ------------------------------------------------ speakers, roles, languages
def test_diarization_errors_by_hand():
    """Reference A 0–10, B 8–12: 14 s of speech, two of them overlapped."""
    reference = {"A": [(0, 10)], "B": [(8, 12)]}
    errors = diarization_errors(reference, {"x": [(0, 9)], "y": [(9, 13)]})
    # 8–9: A and B spoken, x found: 1 missed; 9–10: both spoken, y found: 1 missed; 12–13 false.
    assert errors == DiarizationErrors(14.0, 2.0, 1.0, 0.0)
    one = diarization_errors(reference, {"x": [(0, 12)]})
    # x is A: 8–10 lacks one speaker, 10–12 is B's time given to A.
    assert one == DiarizationErrors(14.0, 2.0, 0.0, 2.0)
    assert one.rate == pytest.approx(4 / 14)


times = st.integers(0, 200).map(lambda tenths: tenths / 10)
spans = st.tuples(times, st.integers(1, 40)).map(lambda pair: (pair[0], pair[0] + pair[1] / 10))
speakers = st.dictionaries(
    st.sampled_from(["a", "b", "c"]), st.lists(spans, min_size=1, max_size=4), min_size=1
)


@settings(max_examples=60, deadline=None)
@given(speakers, speakers)
def test_diarization_errors_equal_pyannote(reference, hypothesis):
    from pyannote.core import Annotation, Segment, Timeline
    from pyannote.metrics.diarization import DiarizationErrorRate

    from pipeline.timeline import union

    def annotation(side):
        made = Annotation()
        for name, intervals in side.items():
            for start, end in union(intervals):
                made[Segment(start, end), name] = name
        return made

    whole = Timeline([Segment(0.0, 30.0)])
    metric = DiarizationErrorRate(collar=0.0, skip_overlap=False)
    parts = metric.compute_components(annotation(reference), annotation(hypothesis), uem=whole)
    ours = diarization_errors(reference, hypothesis)
    assert ours.speech == pytest.approx(parts["total"])
    assert ours.missed == pytest.approx(parts["missed detection"])
    assert ours.false_alarm == pytest.approx(parts["false alarm"])
    assert ours.confusion == pytest.approx(parts["confusion"])


def test_roles_swapped_are_all_wrong():
    swap = {"operator": "caller", "caller": "operator"}
    turns = tuple((turn[0], swap[turn[1]], *turn[2:]) for turn in DIALOGUE)
    scores = speech(evaluate([make_truth()], {"a.wav": make_result(turns)}))
    assert scores.role_turns.rate == scores.role_time.rate == 0
    assert scores.der.rate == 0


def test_role_time_weighs_covered_seconds():
    """Turn 0 half operator and half caller, turn 1 uncovered, turn 2 covered for one second."""
    turns = (
        ("x", "operator", 0.0, 2.0, "а", "ru"),
        ("y", "caller", 2.0, 4.0, "б", "ru"),
        ("x", "operator", 9.0, 10.0, "в", "ru"),
    )
    scores = speech(evaluate([make_truth()], {"a.wav": make_result(turns, redirects=())}))
    assert scores.role_time == measures.Hits(3.0, 4.0 + 4.0 + 1.0)
    assert scores.role_turns.total == 3


def test_a_short_turn_under_a_long_one_keeps_its_role():
    turns = (
        ("operator", "operator", 0.0, 10.0, "длинный ответ", "ru"),
        ("caller", "caller", 4.0, 5.0, "угу", "ru"),
        ("caller", "caller", 9.5, 12.0, "понятно", "ru"),
    )
    labels = None
    agree = evaluate([make_truth(turns=turns, labels=labels)], {"a.wav": make_result(turns)})
    assert speech(agree).role_turns.rate == 1
    without = (turns[0], turns[2])
    missed = evaluate([make_truth(turns=turns, labels=labels)], {"a.wav": make_result(without)})
    assert speech(missed).role_turns.right == 2


def test_languages_by_turn():
    russian = tuple((*turn[:5], "ru") for turn in DIALOGUE)
    scores = speech(evaluate([make_truth()], {"a.wav": make_result(russian)}))
    assert (scores.language.right, scores.language.total) == (2, 3)
    silent = make_result(transcript=replace(make_transcript(), languages=()))
    assert speech(evaluate([make_truth()], {"a.wav": silent})).language.right == 0


@given(st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=1, max_size=4))
def test_best_pairs_use_each_row_and_column_once(gain):
    pairs = best_pairs(gain)
    assert len(pairs) == min(len(gain), 3)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)


# ------------------------------------------------ reading references
def test_truth_holds_what_the_file_says():
    read = make_truth()
    assert (read.file, read.layout, read.language, len(read.turns)) == ("a.wav", "mono", "ru", 3)
    assert read.turns[1].text == DIALOGUE[1][4]
    assert read.labels.redirects[0].is_cold
    assert read.labels.criteria == {"greeting": "yes", "no_rudeness": "no", "empathy": "na"}
    assert make_truth(labels=None).labels is None


TURN = {"speaker": "s", "role": "caller", "start": 1, "end": 2, "text": "да"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"x\.json: not JSON"),
        ("[]", r"x\.json: the whole: need an object, got \[\]"),
        ('{"turns": []}', r"x\.json: file: need a text, got nothing"),
        ('{"file": "a"}', r"turns: need a list, got nothing"),
        (truth_json(layout="quad"), r"layout: need one of mono, stereo, got 'quad'"),
        (truth_json(language="de"), r"language: need one of ru, kk, en, got 'de'"),
        (truth_json(turns=(), labels={"call_type": "chat"}),
         r"labels\.call_type: need one of consultation, .*, got 'chat'"),
        (truth_json(labels={"redirects": [{"turn": 3, "kind": "cold"}]}),
         r"labels\.redirects\[0\]\.turn: need the index of one of the 3 turns, got 3"),
        (truth_json(labels={"promises": [{"turn": 0, "what": "gift"}]}),
         r"labels\.promises\[0\]\.what: need one of callback, reply, other, got 'gift'"),
        (truth_json(labels={"criteria": {"greeting": {"value": "maybe"}}}),
         r"labels\.criteria\.greeting\.value: need one of yes, no, na, got 'maybe'"),
        (truth_json(labels={"criteria": {"greeting": "yes"}}),
         r"labels\.criteria\.greeting: need an object, got 'yes'"),
        (truth_json(labels={"scores": {"operator_competence": 0}}),
         r"labels\.scores\.operator_competence: need a number from 1 to 5, got 0"),
        (truth_json(labels={"caller_upset": "yes"}),
         r"labels\.caller_upset: need true or false, got 'yes'"),
        (json.dumps({"file": "a", "turns": [{**TURN, "end": 0.5}]}),
         r"turns\[0\]\.end: need a number from 1 to 1e\+06, got 0\.5"),
        (json.dumps({"file": "a", "turns": [TURN, {**TURN, "role": "agent"}]}),
         r"turns\[1\]\.role: need one of operator, caller, ivr, unknown, got 'agent'"),
        (json.dumps({"file": "a", "turns": [{**TURN, "start": True}]}),
         r"turns\[0\]\.start: need a number .*, got True"),
    ],
)  # fmt: skip
def test_mistakes_are_named(text, message):
    with pytest.raises(TruthError, match=message):
        parse_truth(text, "x.json")


def test_doctests():
    for module in (pipeline.evaluate, measures, truth):
        assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    ("real", "found", "same"),
    [
        ("районный акимат", "районного акимата", True),
        ("инспекция труда", "городская инспекция труда", True),
        ("прокуратура", "отдел образования", False),
    ],
)
def test_names_of_a_body_meet_whatever_their_endings(real, found, same):
    assert evaluated_agency(real, found).right == int(same)


def test_the_registry_knows_names_in_other_languages():
    def same_body(one, two):
        return {one, two} == {"прокуратура", "prosecutor"}

    assert evaluated_agency("прокуратура", "prosecutor", same_body).rate == 1
    assert evaluated_agency("прокуратура", "prosecutor").rate == 0


def evaluated_agency(real, found, same_body=None):
    truth = make_truth(
        labels={"redirects": [
            {"turn": 2, "kind": "cold", "to": real, "number": None, "reason_given": False}
        ]}
    )  # fmt: skip
    result = make_result(redirects=(redirect(2, agency=found),))
    report = evaluate([truth], {"a.wav": result}, same_body=same_body)
    return report.meaning.redirects.agency
