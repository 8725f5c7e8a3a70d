"""The stock pipeline behind the protocol: names of turns, masks, sources that are not there."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pipeline.backends.decode import DecodeOptions, decode
from pipeline.backends.stock_diarization import (
    MaskedEmbedding,
    StockDiarizer,
    load_pipeline,
    masked,
    turns_of,
)
from pipeline.diarize import Diarizer
from pipeline.errors import ModelError
from pipeline.evaluate.measures import diarization_errors
from pipeline.evaluate.truth import parse_truth
from pipeline.registry import default_manifest, default_store, load_manifest, require
from pipeline.types import Audio, Samples, SpeechSegment, Turn
from tests.conftest import SAMPLES

RATE = MaskedEmbedding.sample_rate


def weights(model: str) -> Path:
    """The file of a model that is one file."""
    folder = require(default_store(), load_manifest(default_manifest()), model)
    (path,) = (item for item in folder.iterdir() if item.suffix in (".bin", ".pt"))
    return path


# ---------------------------------------------------------------- turns


def test_speakers_are_named_in_order_of_first_speech_whatever_the_pipeline_calls_them() -> None:
    found = turns_of([(5, 7, "SPEAKER_00"), (1, 4, "SPEAKER_02"), (8, 9, "SPEAKER_00")], 10)
    assert [(turn.index, turn.start, turn.speaker) for turn in found] == [
        (0, 1, "S0"), (1, 5, "S1"), (2, 8, "S1"),
    ]  # fmt: skip


def test_turns_end_with_the_recording_and_what_lies_after_it_is_left_out() -> None:
    found = turns_of([(-0.1, 2, "a"), (8, 10.4, "b"), (10.1, 10.4, "a")], 10)
    assert [(turn.start, turn.end, turn.speaker) for turn in found] == [
        (0, 2, "S0"), (8, 10, "S1"),
    ]  # fmt: skip


def test_voices_at_the_same_time_are_marked() -> None:
    found = turns_of([(0, 5, "a"), (4, 6, "b"), (7, 8, "a")], 10)
    assert [turn.overlapped for turn in found] == [True, True, False]


# ---------------------------------------------------------------- embedding


@dataclass
class MeanEmbedder:
    """Two numbers an interval: the mean of its samples, and its length in seconds."""

    calls: int = 0

    def __call__(
        self, samples: Samples, sample_rate: int, intervals: tuple[tuple[float, float], ...]
    ) -> Samples:
        self.calls += 1
        rows = []
        for start, end in intervals:
            part = samples[round(start * sample_rate) : round(end * sample_rate)]
            rows.append([part.mean(), len(part) / sample_rate])
        return np.array(rows, dtype=np.float32)


def test_a_mask_keeps_its_frames_also_where_they_do_not_divide_the_samples() -> None:
    row = np.arange(10, dtype=np.float32)
    assert masked(row, np.array([1, 0, 1])).tolist() == [0, 1, 2, 3, 7, 8, 9]


def test_every_row_of_a_batch_is_embedded_under_its_own_mask_in_one_call() -> None:
    torch = pytest.importorskip("torch")
    embedder = MeanEmbedder()
    embedding = MaskedEmbedding(embedder)
    waveforms = torch.cat([torch.ones(1, 1, RATE), torch.full((1, 1, RATE), 3.0)])
    waveforms[:, :, : RATE // 2] = 0
    embedder.calls = 0
    found = embedding(waveforms, masks=torch.tensor([[1.0, 1, 1, 1], [0, 0, 1, 0]]))
    assert embedding.dimension == 2
    assert embedder.calls == 1
    assert found.tolist() == [[0.5, 1.0], [3.0, 0.25]]


def test_a_mask_with_too_little_speech_has_no_embedding() -> None:
    torch = pytest.importorskip("torch")
    embedding = MaskedEmbedding(MeanEmbedder())
    masks = torch.zeros(2, 50)
    masks[1, :5] = 1
    found = embedding(torch.ones(2, 1, RATE), masks=masks)
    assert np.isnan(found).all(axis=1).tolist() == [True, False]


# ---------------------------------------------------------------- what cannot be loaded


def test_a_folder_that_is_not_there_is_an_error_that_says_what_to_fetch(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"absent does not exist.*sapa models fetch"):
        StockDiarizer(None, None, source=tmp_path / "absent")


def test_a_folder_without_a_pipeline_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no config\.yaml"):
        StockDiarizer(None, None, source=str(tmp_path))


def test_a_damaged_pipeline_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("pipeline: {}\n", encoding="utf-8")
    with pytest.raises(ModelError, match=r"cannot be loaded \(KeyError.*another version"):
        load_pipeline(tmp_path)


def test_an_unreachable_hub_is_an_error_that_names_token_and_offline_way(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")

    def refuse(self: socket.socket, address: object) -> None:
        raise OSError("the network is not to be used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match=r"from the hub.*HF_TOKEN.*HF_HUB_OFFLINE.*folder"):
        StockDiarizer(None, None, source="pyannote/speaker-diarization-community-1")
    assert capsys.readouterr().out == ""


def test_a_missing_checkpoint_is_not_looked_for_on_the_hub(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"does not exist.*fetch pyannote-segmentation"):
        StockDiarizer(tmp_path / "pytorch_model.bin", MeanEmbedder())


def test_neither_models_nor_source_is_an_error() -> None:
    with pytest.raises(ModelError, match="or the source"):
        StockDiarizer(None, MeanEmbedder())


def test_more_speakers_at_least_than_at_most_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="minimum_speakers <= maximum_speakers, got 3 and 2"):
        StockDiarizer(tmp_path, tmp_path, minimum_speakers=3, maximum_speakers=2)


# ---------------------------------------------------------------- the real pipeline


def spans(turns: tuple[Turn, ...]) -> dict[str, list[tuple[float, float]]]:
    found: dict[str, list[tuple[float, float]]] = {}
    for turn in turns:
        found.setdefault(turn.speaker, []).append((turn.start, turn.end))
    return found


@pytest.fixture(scope="module")
def stock() -> Diarizer:
    return StockDiarizer(
        weights("pyannote-segmentation-3.0"), weights("campplus-zh-en"), exclusive=False
    )


@pytest.mark.slow
def test_the_stock_pipeline_tells_the_voices_of_a_call_apart(stock: Diarizer) -> None:
    path = SAMPLES / "truth" / "d06.json"
    truth = parse_truth(path.read_text(encoding="utf-8"), path.name)
    whole = decode(SAMPLES / truth.file, DecodeOptions()).audio
    audio = Audio(whole.samples[:, : 30 * RATE], RATE)
    turns = stock(audio, [SpeechSegment(0.0, audio.duration, 0)])
    reference: dict[str, list[tuple[float, float]]] = {}
    for turn in truth.turns:
        if turn.start < audio.duration:
            span = (turn.start, min(turn.end, audio.duration))
            reference.setdefault(turn.speaker, []).append(span)
    errors = diarization_errors(reference, spans(turns))
    assert turns[0].speaker == "S0"
    assert {turn.channel for turn in turns} == {0}
    assert errors.rate is not None
    assert errors.rate < 0.3
    assert audio.duration >= turns[-1].end


@pytest.mark.slow
def test_without_speech_the_stock_pipeline_finds_no_turn(stock: Diarizer) -> None:
    quiet = Audio(np.zeros((1, 3 * RATE), dtype=np.float32), RATE)
    assert stock(quiet, []) == ()
    assert stock(quiet, [SpeechSegment(0.0, 3.0, 0)]) == ()


@pytest.mark.slow
def test_the_stock_pipeline_refuses_two_channels(stock: Diarizer) -> None:
    with pytest.raises(ValueError, match="one channel expected, got 2"):
        stock(Audio(np.zeros((2, RATE), dtype=np.float32), RATE), [])
