"""The real models on the sample calls. Needs the default models: sapa models fetch."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from difflib import SequenceMatcher
from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from rapidfuzz.distance import Levenshtein

from pipeline.backends.decode import DecodeOptions, decode
from pipeline.diarize import DiarizeOptions, VoiceEmbedder, diarize
from pipeline.evaluate.measures import diarization_errors
from pipeline.evaluate.truth import Truth, parse_truth
from pipeline.registry import default_manifest, default_store, load_manifest, require
from pipeline.speech import SpeechOptions, find_speech, turns_by_channel
from pipeline.text import normalise
from pipeline.timeline import Interval, intersection, total, union
from pipeline.transcribe import Heard, Recogniser, TranscribeOptions, transcribe
from pipeline.types import Audio, Samples, SpeechSegment
from tests.audio_factory import noise, tone

pytestmark = [
    pytest.mark.slow,
    # openai-whisper leaves its vocabulary file open
    pytest.mark.filterwarnings("ignore:unclosed file.*tiktoken:ResourceWarning"),
]

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "data" / "samples"
TRUTH = SAMPLES / "truth"
STEREO, MONO = "d20", "d06"
RUSSIAN, ENGLISH = "d09", "d22"


@cache
def truth(name: str) -> Truth:
    path = TRUTH / f"{name}.json"
    return parse_truth(path.read_text(encoding="utf-8"), path.name)


@cache
def audio(name: str) -> Audio:
    return decode(SAMPLES / truth(name).file, DecodeOptions()).audio


def folder(model: str) -> Path:
    return require(default_store(), load_manifest(default_manifest()), model)


def weights(model: str) -> Path:
    """The file of a model that is one file."""
    (path,) = (item for item in folder(model).iterdir() if item.suffix in (".bin", ".pt"))
    return path


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Any connection to another machine fails the test, even where a library swallows errors."""
    asked: list[object] = []

    def refuse(self: socket.socket, address: object) -> None:
        if self.family == getattr(socket, "AF_UNIX", None):
            raise OSError("no local socket either")
        asked.append(address)
        raise OSError("the network is not to be used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    yield
    assert asked == []


@pytest.fixture(scope="module")
def faster() -> Recogniser:
    from pipeline.backends.faster_whisper import FasterWhisper

    return FasterWhisper(folder("whisper-base-ct2"), TranscribeOptions())


@pytest.fixture(scope="module")
def original() -> Recogniser:
    from pipeline.backends.openai_whisper import OpenAIWhisper

    return OpenAIWhisper(weights("whisper-base-openai"), TranscribeOptions())


@pytest.fixture(scope="module")
def embedder() -> VoiceEmbedder:
    from pipeline.backends.campplus import CampplusEmbedder

    return CampplusEmbedder(weights("campplus-zh-en"))


# ---------------------------------------------------------------- recognition


def cut(name: str, seconds: float = 20.0) -> Samples:
    """The first seconds of talk of a mono call, (n,)."""
    whole = audio(name)
    first = round(truth(name).turns[0].start * whole.sample_rate)
    return whole.samples[0, first : first + round(seconds * whole.sample_rate)]


def text(heard: Heard) -> str:
    return normalise(" ".join(word.text for word in heard.words))


@pytest.fixture(scope="module")
def both(faster: Recogniser, original: Recogniser) -> tuple[Heard, Heard]:
    """One cut as both engines hear it."""
    window = cut(RUSSIAN)
    return faster([window], 0.0)[0], original([window], 0.0)[0]


def test_both_engines_hear_the_same(both: tuple[Heard, Heard]) -> None:
    first, second = both
    assert first.language == second.language == truth(RUSSIAN).language
    assert first.language_probability == pytest.approx(second.language_probability, abs=0.1)
    assert Levenshtein.normalized_distance(text(first), text(second)) < 0.25
    assert first.logprob == pytest.approx(second.logprob, abs=0.3)


def test_words_lie_inside_the_window_in_order(both: tuple[Heard, Heard]) -> None:
    for heard in both:
        starts = [word.start for word in heard.words]
        assert len(starts) > 20
        assert starts == sorted(starts)
        assert all(0 <= word.start <= word.end <= 20.1 for word in heard.words)
        assert all(0 <= word.probability <= 1 for word in heard.words)
        assert heard.words[-1].end > 15


def test_both_engines_place_the_words_alike(both: tuple[Heard, Heard]) -> None:
    first, second = both
    pairs = SequenceMatcher(
        None, [word.text for word in first.words], [word.text for word in second.words],
        autojunk=False,
    ).get_matching_blocks()  # fmt: skip
    apart = [
        abs(first.words[block.a + i].start - second.words[block.b + i].start)
        for block in pairs
        for i in range(block.size)
    ]
    assert len(apart) > 15
    assert float(np.median(apart)) < 0.1


def test_a_batch_is_heard_as_its_windows_are_alone(faster: Recogniser) -> None:
    russian, english = cut(RUSSIAN), cut(ENGLISH)
    together = faster([russian, english, russian[:80_000]], 0.0)
    assert [heard.language for heard in together] == ["ru", "en", "ru"]
    for window, heard in zip((russian, english), together, strict=False):
        (alone,) = faster([window], 0.0)
        assert Levenshtein.normalized_distance(text(alone), text(heard)) < 0.1


@pytest.mark.parametrize("engine", ["faster", "original"])
def test_words_of_a_stereo_call_lie_in_their_turns(
    engine: str, request: pytest.FixtureRequest
) -> None:
    whole = audio(STEREO)
    short = Audio(whole.samples[:, : 40 * whole.sample_rate], whole.sample_rate)
    turns = turns_by_channel(speech(short), options=SpeechOptions())
    found = transcribe(
        short, turns, request.getfixturevalue(engine), options=TranscribeOptions(beam_size=1)
    )
    assert found.engine == ("faster-whisper" if engine == "faster" else "openai-whisper")
    assert len(found.words) > 40
    for word in found.words:
        turn = turns[word.turn]
        assert turn.start <= word.start <= word.end <= turn.end


# ---------------------------------------------------------------- speech and speakers


def speech(whole: Audio) -> tuple[SpeechSegment, ...]:
    from pipeline.backends.vad import SileroVoiceActivity

    return find_speech(whole, SileroVoiceActivity(SpeechOptions()), options=SpeechOptions())


def test_neither_noise_nor_tones_are_speech() -> None:
    sounds = np.concatenate([tone(425, 4), noise(4, 0.01, seed=1), np.zeros(16_000, np.float32)])
    assert speech(Audio(sounds[None], 16_000)) == ()


@pytest.mark.parametrize("name", [STEREO, MONO])
def test_speech_is_found_where_somebody_speaks(name: str) -> None:
    found = union([(item.start, item.end) for item in speech(audio(name))])
    spoken = union([(turn.start, turn.end) for turn in truth(name).turns])
    shared = total(intersection(found, spoken))
    assert shared / total(spoken) > 0.9
    assert shared / total(found) > 0.9


def test_each_channel_of_a_stereo_call_has_its_own_partys_speech() -> None:
    reference = truth(STEREO)
    found = speech(audio(STEREO))
    operator = [(item.start, item.end) for item in found if item.channel == 0]
    own = [(turn.start, turn.end) for turn in reference.turns if turn.role == "operator"]
    assert total(intersection(operator, own)) / total(operator) > 0.85


def test_speakers_of_a_mono_call_are_told_apart(embedder: VoiceEmbedder) -> None:
    from pipeline.backends.segmentation import PyannoteSegmentation

    whole = audio(MONO)
    models = (PyannoteSegmentation(weights("pyannote-segmentation-3.0")), embedder)
    found = diarize(whole, speech(whole), models, options=DiarizeOptions())
    reference: dict[str, list[Interval]] = {}
    hypothesis: dict[str, list[Interval]] = {}
    for turn in truth(MONO).turns:
        reference.setdefault(turn.speaker, []).append((turn.start, turn.end))
    for own in found:
        hypothesis.setdefault(own.speaker, []).append((own.start, own.end))
    rate = diarization_errors(reference, hypothesis).rate
    assert rate is not None
    assert rate < 0.15
    assert os.environ["PYANNOTE_METRICS_ENABLED"] == "0"


def test_a_voice_is_more_like_itself_than_like_another(embedder: VoiceEmbedder) -> None:
    turns = [turn for turn in truth(MONO).turns if turn.end - turn.start >= 2]
    whole = audio(MONO)
    intervals = tuple((turn.start, turn.end) for turn in turns)
    rows = embedder(whole.samples[0], whole.sample_rate, intervals)
    assert rows.shape == (len(turns), 192)
    assert rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(len(turns)), abs=1e-5)
    same, other = [], []
    for (i, one), (j, two) in combinations(enumerate(turns), 2):
        (same if one.speaker == two.speaker else other).append(float(rows[i] @ rows[j]))
    assert np.mean(same) > np.mean(other) + 0.1
    assert np.median(same) > np.max(other) - 0.1


def test_no_interval_gives_no_embedding(embedder: VoiceEmbedder) -> None:
    assert embedder(np.zeros(16_000, dtype=np.float32), 16_000, ()).shape == (0, 192)


# ---------------------------------------------------------------- privacy

PROGRAM = """
import json, os, socket, sys
from pathlib import Path

def refuse(self, address):
    print("CONNECT", address, file=sys.stderr)
    raise OSError("refused")

socket.socket.connect = socket.socket.connect_ex = refuse
segmentation, speaker, faster, original, encoder = map(Path, sys.argv[1:])
sys.argv = ["sapa", "doctor"]
import pipeline.cli as cli
cli.app = lambda: None
cli.main()

import numpy as np
from pipeline.backends.campplus import CampplusEmbedder
from pipeline.backends.encoder import Encoder
from pipeline.backends.faster_whisper import FasterWhisper
from pipeline.backends.openai_whisper import OpenAIWhisper
from pipeline.backends.segmentation import PyannoteSegmentation
from pipeline.backends.vad import SileroVoiceActivity
from pipeline.config import Config

config = Config()
noise = 0.01 * np.random.default_rng(0).standard_normal(48000).astype(np.float32)
SileroVoiceActivity(config.speech)(noise, 16000)
PyannoteSegmentation(segmentation)(noise, 16000)
CampplusEmbedder(speaker)(noise, 16000, ((0.0, 2.0),))
FasterWhisper(faster, config.transcribe)([noise], 0.0)
OpenAIWhisper(original, config.transcribe)
Encoder(encoder).encode(("алло",))

import huggingface_hub.constants
from pyannote.audio.telemetry.metrics import is_metrics_enabled
print(json.dumps([os.environ["PYANNOTE_METRICS_ENABLED"], is_metrics_enabled(),
                  huggingface_hub.constants.HF_HUB_OFFLINE]))
"""


def test_loading_and_running_every_model_stays_on_this_machine() -> None:
    kept = {k: v for k, v in os.environ.items() if "OFFLINE" not in k and "METRICS" not in k}
    places = [
        weights("pyannote-segmentation-3.0"), weights("campplus-zh-en"),
        folder("whisper-base-ct2"), weights("whisper-base-openai"), folder("multilingual-e5-small"),
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, *map(str, places)],
        cwd=ROOT, env=kept, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert "CONNECT" not in done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == ["0", False, True]
