"""Fakes behind the protocols of the models: small, exact, and as awkward as the real ones.

They work at any sample rate, so tests use a low one. A voice is a number; `Script` says which
voice speaks when.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import pairwise

import numpy as np

from pipeline.diarize import LocalActivity
from pipeline.transcribe import Heard, HeardWord
from pipeline.types import Language, Samples, Turn

#: (start, end, voice)
Script = Sequence[tuple[float, float, int]]
Interval = tuple[float, float]

FRAME = 0.02
WINDOW = 10.0


def sound(seconds: float, parts: Sequence[tuple[float, float, float]], rate: int = 1000) -> Samples:
    """Samples (n,): silence, and a square wave of some level for each (start, end, level)."""
    samples = np.zeros(round(seconds * rate), dtype=np.float32)
    for start, end, level in parts:
        first, last = round(start * rate), round(end * rate)
        samples[first:last] = level * np.where(np.arange(last - first) % 2, 1, -1)
    return samples


@dataclass(frozen=True, slots=True)
class LoudVoiceActivity:
    """Speech is whatever exceeds a level, to the sample: no padding, no memory."""

    level: float = 1e-4

    def __call__(self, samples: Samples, sample_rate: int) -> tuple[Interval, ...]:
        loud = np.concatenate([[0], np.abs(samples) > self.level, [0]]).astype(np.int8)
        edges = np.flatnonzero(np.diff(loud)) / sample_rate
        return tuple((float(a), float(b)) for a, b in zip(edges[::2], edges[1::2], strict=True))


@dataclass(frozen=True, slots=True)
class FixedVoiceActivity:
    """The same intervals, whatever is heard."""

    intervals: tuple[Interval, ...]

    def __call__(self, samples: Samples, sample_rate: int) -> tuple[Interval, ...]:
        return self.intervals


@dataclass(frozen=True, slots=True)
class ScriptSegmentation:
    """Windows of 10 s, every 5 s; local speakers are numbered by first speech in each window, so
    one voice has different numbers in different windows, as with the real model."""

    script: Script

    def __call__(self, samples: Samples, sample_rate: int) -> LocalActivity:
        duration = len(samples) / sample_rate
        count = 1 + max(0, int(np.ceil((duration - WINDOW) / (WINDOW / 2))))
        starts = tuple(i * WINDOW / 2 for i in range(count))
        activity = np.stack([self._window(start) for start in starts])
        return LocalActivity(activity, starts, FRAME)

    def _window(self, start: float) -> Samples:
        times = start + (np.arange(round(WINDOW / FRAME)) + 0.5) * FRAME
        activity = np.zeros((len(times), 3), dtype=np.float32)
        order: list[int] = []
        for begin, end, voice in sorted(self.script):
            active = (times >= begin) & (times < end)
            if active.any() and voice not in order and len(order) < 3:
                order.append(voice)
            if voice in order:
                activity[active, order.index(voice)] = 1
        return activity


@dataclass(frozen=True, slots=True)
class ScriptEmbedder:
    """Embeds an interval near the direction of the voice that speaks most of it.

    likeness: cosine of any two voices; spread: length of the noise, which is a function of the
    interval alone; alike: voices that sound like another one.
    """

    script: Script
    likeness: float = 0.5
    spread: float = 0.3
    alike: Mapping[int, int] = field(default_factory=dict)
    dimension: int = 64

    def __call__(
        self, samples: Samples, sample_rate: int, intervals: tuple[Interval, ...]
    ) -> Samples:
        rows = [self._embed(start, end) for start, end in intervals]
        return np.array(rows, dtype=np.float32).reshape(-1, self.dimension)

    def _embed(self, start: float, end: float) -> Samples:
        shares: dict[int, float] = {}
        for begin, finish, voice in self.script:
            shares[voice] = shares.get(voice, 0.0) + max(0.0, min(end, finish) - max(start, begin))
        voice = max(shares, key=lambda item: shares[item])
        voice = self.alike.get(voice, voice)
        direction = np.zeros(self.dimension)
        direction[0], direction[1 + voice] = self.likeness**0.5, (1 - self.likeness) ** 0.5
        seed = abs(hash((round(start, 2), round(end, 2))))
        noise = np.random.default_rng(seed).standard_normal(self.dimension)
        row = direction + self.spread * noise / np.linalg.norm(noise)
        return np.asarray(row / np.linalg.norm(row), dtype=np.float32)


#: what is heard of a window: (samples, temperature) -> Heard
Hearing = Callable[[Samples, float], Heard]


@dataclass(slots=True)
class FakeRecogniser:
    """Answers every window by a function and remembers what it was asked."""

    hearing: Hearing
    engine: str = "fake"
    batches: list[int] = field(default_factory=list)
    asked: list[tuple[Samples, float]] = field(default_factory=list)

    def __call__(self, windows: Sequence[Samples], temperature: float) -> tuple[Heard, ...]:
        self.batches.append(len(windows))
        self.asked += [(window, temperature) for window in windows]
        return tuple(self.hearing(window, temperature) for window in windows)


def heard(
    *words: tuple[float, float, str],
    language: Language = "ru",
    probability: float = 0.9,
    logprob: float = -0.3,
    no_speech: float = 0.01,
) -> Heard:
    return Heard(
        language,
        0.9,
        tuple(HeardWord(start, end, text, probability) for start, end, text in words),
        logprob,
        no_speech,
    )


def paint(turns: Sequence[Turn], seconds: float, rate: int = 100) -> Samples:
    """Samples (channels, n) that hold, while a turn lasts, its index plus one in hundredths."""
    channels = 1 + max((turn.channel or 0 for turn in turns), default=0)
    samples = np.zeros((channels, round(seconds * rate)), dtype=np.float32)
    for turn in turns:
        first, last = round(turn.start * rate), round(turn.end * rate)
        samples[turn.channel or 0, first:last] = (turn.index + 1) / 100
    return samples


def read_paint(window: Samples, rate: int = 100, each: float = 0.5) -> tuple[HeardWord, ...]:
    """The words of a painted window: one for every `each` s of a turn, "t<turn>:<something>".

    Stretches under 0.2 s are padding that belongs to a neighbour and say nothing.
    """
    values = np.round(window * 100).astype(int)
    edges = np.flatnonzero(np.diff(np.concatenate([[-1], values, [-1]])))
    words: list[HeardWord] = []
    for first, last in pairwise(edges):
        if values[first] == 0 or (last - first) / rate < 0.2:
            continue
        count = max(1, round((last - first) / rate / each))
        step = (last - first) / rate / count
        for i in range(count):
            start, end = first / rate + i * step, first / rate + (i + 1) * step
            varied = sha256(f"{start:.2f}".encode()).hexdigest()[:9]
            words.append(HeardWord(start, end, f"t{values[first] - 1}:{varied}", 0.9))
    return tuple(words)


def painted_turn(text: str) -> int:
    """The turn that a word of `read_paint` names."""
    return int(text.removeprefix("t").split(":")[0])


def paint_reader(language: Language = "ru", rate: int = 100) -> Hearing:
    """Hears a painted window word by word."""

    def hearing(window: Samples, temperature: float) -> Heard:
        return replace(heard(language=language), words=read_paint(window, rate))

    return hearing
