"""Training on a fake encoder: what is learnt, what is stored, and that it repeats."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from pipeline.backends.heads import (
    ACT_OWNERS,
    SPEAKING_ROLES,
    Floats,
    Heads,
    LinearHead,
    fit_binaries,
    fit_platt,
    fit_temperature,
    load_heads,
    save_head,
    sigmoid,
)
from pipeline.errors import ModelError, ModelMissing, TruthError
from pipeline.train import TrainingOptions, TrainingReport, save_training, train
from pipeline.train.copies import act_copies, fold_of
from pipeline.train.exemplars import Exemplar
from pipeline.train.fit import Counts, fit_classes, thresholds
from pipeline.train.noise import NoiseOptions, spoil
from pipeline.types import TOPICS

SIZE = 96
OPTIONS = TrainingOptions(folds=3, strengths=(4.0,))


class WordHashes:
    """A bag of hashed words: enough for separable toy sentences."""

    name = "word-hashes"

    def digest(self) -> str:
        return "0" * 64

    def encode(self, texts: Sequence[str]) -> Floats:
        out = np.full((len(texts), SIZE), 0.01, dtype=np.float32)
        for place, text in enumerate(texts):
            for word in text.lower().replace(",", " ").split():
                out[place, zlib.crc32(word.encode()) % SIZE] += 1
        return out / np.linalg.norm(out, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every act and topic is a cue word of its own among fillers."""
    directory = tmp_path_factory.mktemp("toy")
    lines = ["text\tlanguage\trole\tacts\tsituation"]
    for act, owners in ACT_OWNERS.items():
        role = owners[-1]
        lines += [f"{act}cue word{n} {role}voice\tru\t{role}\t{act}\ts{n}{act}" for n in range(9)]
    for role in SPEAKING_ROLES:
        lines += [f"filler{n} word{n} {role}voice\tru\t{role}\t\tf{n}{role}" for n in range(20)]
    (directory / "acts_ru.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    topics = ["text\tlanguage\ttopic"]
    topics += [f"{topic}cue word{n}\tru\t{topic}" for topic in TOPICS for n in range(12)]
    (directory / "topics.tsv").write_text("\n".join(topics) + "\n", encoding="utf-8")
    return directory


@pytest.fixture(scope="module")
def report(toy: Path) -> TrainingReport:
    return train(toy, WordHashes(), OPTIONS)


def test_cues_are_learnt_across_folds(report: TrainingReport) -> None:
    assert (report.macro_f1("ru", "clean") or 0) > 0.7
    assert (report.macro_topic_f1("ru", "clean") or 0) > 0.7
    assert report.macro_f1("kk") is None


def test_stored_heads_answer_as_the_trained_ones(report: TrainingReport, tmp_path: Path) -> None:
    save_training(report, tmp_path)
    heads = load_heads(tmp_path)
    x = WordHashes().encode(["apologycue word1 operatorvoice", "upsetcue callervoice"])
    acts = heads.acts(x, ["operator", "caller"])
    assert acts.shape == (2, len(ACT_OWNERS))
    np.testing.assert_array_equal(acts, report.heads.acts(x, ["operator", "caller"]))
    assert heads.act_names[int(acts[0].argmax())] == "apology"
    assert heads.act_names[int(acts[1].argmax())] == "upset"
    np.testing.assert_allclose(heads.topic(x).sum(axis=1), 1, atol=1e-5)
    assert heads.topic_names == TOPICS


def test_training_again_gives_the_same_bytes(
    report: TrainingReport, toy: Path, tmp_path: Path
) -> None:
    first = save_training(report, tmp_path / "a")
    second = save_training(train(toy, WordHashes(), OPTIONS), tmp_path / "b")
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


def test_the_card_names_encoder_data_and_scores(report: TrainingReport, tmp_path: Path) -> None:
    save_training(report, tmp_path)
    card = json.loads((tmp_path / "acts.json").read_text(encoding="utf-8"))
    assert card["encoder"]["sha256"] == "0" * 64
    assert len(card["data"]["sha256"]) == 64
    assert {score["name"] for score in card["scores"]} == set(ACT_OWNERS)
    assert card["names"] == list(ACT_OWNERS)


def test_an_act_belongs_to_its_party(report: TrainingReport) -> None:
    heads = report.heads
    x = WordHashes().encode(["apologycue word1 operatorvoice"] * 3)
    apology = heads.acts(x, ["operator", "caller", "unknown"])[:, heads.act_names.index("apology")]
    assert apology[1] == 0
    assert 0 < apology[2] < apology[0]


def test_corrections_change_the_heads(report: TrainingReport, toy: Path, tmp_path: Path) -> None:
    corrections = tmp_path / "human.csv"
    rows = [f"novelcue word{n} operatorvoice,ru,operator,apology,c{n}" for n in range(9)]
    corrections.write_text("text,language,role,acts,situation\n" + "\n".join(rows))
    options = TrainingOptions(folds=3, strengths=(4.0,), corrections=corrections)
    corrected = train(toy, WordHashes(), options)
    x = WordHashes().encode(["novelcue word1 operatorvoice"])
    place = report.heads.act_names.index("apology")
    before = report.heads.acts(x, ["operator"])[0, place]
    after = corrected.heads.acts(x, ["operator"])[0, place]
    assert after > before + 0.2
    assert corrected.data_digest != report.data_digest


def test_too_few_situations_are_refused_by_name(toy: Path, tmp_path: Path) -> None:
    lines = (toy / "acts_ru.tsv").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if "refusalcue" not in line]
    (tmp_path / "acts_ru.tsv").write_text("\n".join(kept), encoding="utf-8")
    (tmp_path / "topics.tsv").write_bytes((toy / "topics.tsv").read_bytes())
    with pytest.raises(TruthError, match="refusal occurs in 0 situations"):
        train(tmp_path, WordHashes(), OPTIONS)


def test_binary_fits_agree_with_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(3)
    x = rng.normal(size=(200, 6)).astype(np.float32)
    y = np.stack([x[:, 0] + rng.normal(size=200) > 1, x[:, 1] > 0], axis=1).astype(np.int64)
    weights, bias = fit_binaries(x, y, 0.5)
    for act in range(2):
        known = LogisticRegression(C=0.5, class_weight="balanced", max_iter=2000)
        known.fit(x.astype(np.float64), y[:, act])
        np.testing.assert_allclose(weights[act], known.coef_[0], atol=0.01)
        assert bias[act] == pytest.approx(known.intercept_[0], abs=0.01)


def test_platt_and_temperature_restore_probabilities() -> None:
    rng = np.random.default_rng(5)
    logit = rng.normal(size=4000) * 2
    y = (rng.random(4000) < sigmoid(logit)).astype(np.int64)
    slope, offset = fit_platt(logit * 5 + 3, y)
    assert slope == pytest.approx(0.2, abs=0.03)
    assert offset == pytest.approx(-0.6, abs=0.15)
    pairs = np.stack([np.zeros(4000), logit], axis=1)
    assert fit_temperature(pairs * 4, y) == pytest.approx(0.25, rel=0.15)


def test_softmax_fit_separates_blobs() -> None:
    rng = np.random.default_rng(1)
    y = np.repeat(np.arange(3), 40)
    x = (np.eye(3)[y] * 4 + rng.normal(size=(120, 3))).astype(np.float32)
    fit = fit_classes(x, y, np.arange(120) % 4, (1.0, 4.0))
    assert float((fit.held_out.argmax(axis=1) == y).mean()) > 0.9


def test_threshold_of_best_f1_and_band() -> None:
    y = np.array([1, 1, 0, 1, 0, 0, 0, 0])
    probabilities = np.array([0.9, 0.8, 0.6, 0.5, 0.3, 0.2, 0.1, 0.05])
    threshold, low, high = thresholds(probabilities, y)
    assert threshold == pytest.approx(0.4)  # 3 of 4 claimed are right, none is missed
    assert low == pytest.approx(0.4)
    assert high == pytest.approx(0.8)


def test_counts_pool_and_stay_unknown_without_cases() -> None:
    assert (Counts(1, 0, 1) + Counts(1, 2, 0)).f1 == pytest.approx(4 / 7)
    assert Counts().precision is None
    assert Counts().f1 is None


def test_copies_of_a_situation_stay_in_its_fold_and_do_not_move() -> None:
    rows = [
        Exemplar(f"слово номер {n}", "ru", "operator", ("answer",), f"s{n // 2}") for n in range(40)
    ]
    few, many = act_copies(rows[:20], OPTIONS), act_copies(rows, OPTIONS)
    for text, fold, kind in zip(many.texts, many.folds, many.kinds, strict=True):
        if kind == "clean":
            assert fold == fold_of(f"s{int(text.split()[-1]) // 2}", OPTIONS.folds)
    noisy = [t for t, k in zip(few.texts, few.kinds, strict=True) if k == "noisy"]
    assert noisy == [t for t, k in zip(many.texts, many.kinds, strict=True) if k == "noisy"][:20]


def test_noise_is_repeatable_and_mild() -> None:
    text = "Сізге қандай анықтама керек, айтыңызшы."
    once = [spoil(text, np.random.default_rng(n), NoiseOptions()) for n in range(30)]
    assert once == [spoil(text, np.random.default_rng(n), NoiseOptions()) for n in range(30)]
    assert len(set(once)) > 20
    assert all(once)
    silent = NoiseOptions(drop=0, swap=0, misspell=0, russify=0, plain=0)
    assert spoil(text, np.random.default_rng(0), silent) == text


def test_damaged_or_foreign_files_are_told(report: TrainingReport, tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="sapa train"):
        load_heads(tmp_path)
    save_training(report, tmp_path)
    other = report.heads.speaker
    save_head(
        tmp_path / "roles.npz",
        LinearHead(other.names, other.mean, other.weights, other.bias, "f" * 64),
    )
    with pytest.raises(ModelError, match="different encoders"):
        load_heads(tmp_path)
    (tmp_path / "acts.npz").write_bytes(b"broken")
    with pytest.raises(ModelError, match=r"acts\.npz is damaged"):
        load_heads(tmp_path)
    with pytest.raises(ModelError, match="another encoder"):
        report.heads.topic(np.zeros((2, 7), dtype=np.float32))


ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_shipped_heads_know_plain_turns_in_three_languages() -> None:
    from pipeline.backends.encoder import Encoder

    encoder = Encoder(ROOT / "models" / "store" / "multilingual-e5-small")
    heads: Heads = load_heads(ROOT / "models" / "heads")
    assert heads.act.encoder_digest == encoder.digest()
    turns = (
        ("Подскажите, из какого вы населённого пункта?", "operator", "clarifying_question"),
        ("Пожалуйста, подождите на линии, я проверю сведения.", "operator", "hold_announced"),
        ("Сағат бойы теремін, тұтқаны ешкім алмайды.", "caller", "cannot_get_through"),
        ("We will phone you back tomorrow morning.", "operator", "callback_promised"),
    )
    acts = heads.acts(encoder.encode([text for text, _, _ in turns]), [r for _, r, _ in turns])
    decided = heads.decide(acts)
    for place, (_, _, act) in enumerate(turns):
        assert decided[place, heads.act_names.index(act)], act
    assert encoder.encode([]).shape == (0, 384)
