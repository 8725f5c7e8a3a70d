"""Spectra of the telephone band, block by block, and stretches of frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from pipeline.timeline import Interval
from pipeline.types import Samples

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

#: s read at once
BLOCK = 60.0
#: Hz; the telephone band
LOWEST, HIGHEST = 200.0, 3700.0


@dataclass(frozen=True, slots=True)
class Framing:
    """Frames of `seconds`, the middle of frame i at i * step, at a sample rate in Hz."""

    seconds: float
    step: float
    rate: int

    @property
    def size(self) -> int:
        return round(self.seconds * self.rate)

    @property
    def hop(self) -> int:
        return round(self.step * self.rate)

    @property
    def width(self) -> float:
        """Hz between bins."""
        return self.rate / self.size

    @property
    def low(self) -> int:
        """The bin of the transform that is the first of the band."""
        return round(LOWEST / self.width)

    def blocks(self, samples: int) -> Iterator[tuple[int, int]]:
        """Ranges of frames, of equal length, that cover so many samples."""
        count = max(1, int(np.ceil(samples / self.rate / BLOCK)))
        bounds = np.linspace(0, samples // self.hop + 1, count + 1).round().astype(int)
        return pairwise(bounds.tolist())

    def power(self, row: Samples, first: int, last: int) -> Floats:
        """Power (frames, bins of the band) of frames [first, last); outside the row is silence.

        A sine in the middle of a bin has the power of its samples there.
        """
        from scipy.fft import rfft

        start = first * self.hop - self.size // 2
        stop = (last - 1) * self.hop - self.size // 2 + self.size
        outside = (max(0, -start), max(0, stop - len(row)))
        piece = np.pad(row[max(0, start) : max(0, stop)], outside)
        window = np.hanning(self.size + 1)[:-1].astype(np.float32)
        frames = np.lib.stride_tricks.sliding_window_view(piece, self.size)[:: self.hop]
        high = min(round(HIGHEST / self.width), self.size // 2)
        spectrum = rfft(frames * window, axis=1)[:, self.low : high]
        scale = np.float32(2 / window.sum() ** 2)
        power: Floats = scale * (spectrum.real**2 + spectrum.imag**2) + np.float32(1e-14)
        return power


def total(power: Floats) -> Floats:
    """Power of the band: the window spreads a sine over one and a half bins."""
    whole: Floats = power.sum(axis=1) / np.float32(1.5)
    return whole


def decibels(power: Floats) -> Floats:
    """Ten logarithms of power, -140 at the least."""
    level: Floats = 10 * np.log10(np.maximum(power, np.float32(1e-14)))
    return level


def peak_offset(power: Floats, frame: Integers, place: Integers) -> Floats:
    """How far, in bins, the top of a parabola through the logarithms lies from its middle."""
    last = power.shape[1] - 1
    before, at, after = (
        np.log(power[frame, np.clip(place + shift, 0, last)]) for shift in (-1, 0, 1)
    )
    bend = np.minimum(before - 2 * at + after, -1e-6)
    offset: Floats = np.clip(0.5 * (before - after) / bend, -0.5, 0.5).astype(np.float32)
    return offset


def runs(mask: Mask, step: float) -> list[Interval]:
    """Stretches of true frames, in seconds."""
    edges = np.diff(np.concatenate([[0], mask.astype(np.int8), [0]]))
    starts, ends = np.nonzero(edges == 1)[0], np.nonzero(edges == -1)[0]
    return [
        (max(0.0, (start - 0.5) * step), (end - 0.5) * step)
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    ]


def joined(pieces: Sequence[Interval], pause: float) -> list[Interval]:
    """The same intervals, joined across pauses shorter than `pause`."""
    joined: list[Interval] = []
    for start, end in pieces:
        if joined and start - joined[-1][1] < pause:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined
