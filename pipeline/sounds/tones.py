"""Ringing, busy tones and pressed keys, told by frequency and cadence (E.180, Q.23, Q.24)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.sounds.options import SoundOptions
from pipeline.sounds.spectra import (
    Floats,
    Framing,
    Integers,
    Mask,
    decibels,
    joined,
    peak_offset,
    runs,
    total,
)
from pipeline.timeline import Interval
from pipeline.types import Samples

#: s; two of the shortest keys (Q.24: 40 ms) and the pause between them are told apart
TONE_FRAME, TONE_STEP = 0.032, 0.008
#: Hz; rows and columns of a keypad (Q.23)
ROWS = (697.0, 770.0, 852.0, 941.0)
COLUMNS = (1209.0, 1336.0, 1477.0, 1633.0)
#: frames of a neighbourhood of 88 ms
AROUND = 11
#: Hz; the middle half of the frames of one burst lies within
DRIFT = 25.0
#: s; a shorter burst is none
BURST = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class HeardTones:
    """One value every TONE_STEP: level (dBFS of the telephone band), progress (Hz of a call
    progress tone, 0: none), key (its place on the keypad, -1: none).
    """

    level: Floats
    progress: Floats
    key: Integers


@dataclass(frozen=True, slots=True)
class Cadence:
    """Ringing or a busy tone; `alone`: most of its bursts have a pause on one side or both."""

    kind: Literal["ringback", "busy"]
    start: float
    end: float
    frequency: float
    alone: bool


@dataclass(frozen=True, slots=True)
class _Burst:
    start: float
    end: float
    frequency: float
    alone: bool

    @property
    def length(self) -> float:
        return self.end - self.start


def hear_tones(row: Samples, rate: int, options: SoundOptions) -> HeardTones:
    """Level, call progress tone and key of every frame of one channel (n,)."""
    framing = Framing(TONE_FRAME, TONE_STEP, rate)
    parts = [
        _tones(framing.power(row, first, last), framing, options)
        for first, last in framing.blocks(len(row))
    ]
    level, progress, key = (np.concatenate(part) for part in zip(*parts, strict=True))
    return HeardTones(level, progress, key)


def _tones(
    power: Floats, framing: Framing, options: SoundOptions
) -> tuple[Floats, Floats, Integers]:
    """One or two lone frequencies: nothing else comes near them in strength."""
    (first, second), peaks, others = _two_strongest(power, framing)
    contrast = np.float32(10 ** (options.tone_contrast / 10))
    heard = decibels(1.5 * peaks[0]) >= options.minimum_level
    single = heard & (peaks[0] >= contrast * peaks[1])
    double = heard & (peaks[1] >= contrast * others)
    double &= peaks[0] <= peaks[1] * np.float32(10 ** (options.key_twist / 10))
    lower, upper = np.minimum(first, second), np.maximum(first, second)
    progress = single & (first >= options.tone_lowest) & (first <= options.tone_highest)
    progress |= double & (lower >= options.tone_lowest) & (upper <= options.tone_second_highest)
    frequency = np.where(progress, np.where(single, first, lower), np.float32(0))
    key = 4 * _nearest(lower, ROWS, options) + _nearest(upper, COLUMNS, options)
    return decibels(total(power)), frequency, np.where(double & (key >= 0), key, -1)


def _two_strongest(
    power: Floats, framing: Framing
) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats], Floats]:
    """Frequencies (Hz) and powers of the two strongest peaks of each frame, and what is left."""
    rest, row = power.copy(), np.arange(len(power))
    frequencies, peaks = [], []
    for _ in range(2):
        place = rest.argmax(axis=1)
        peaks.append(rest[row, place])
        frequencies.append(framing.width * (framing.low + place + peak_offset(power, row, place)))
        for shift in range(-3, 4):  # the window spreads a sine over this much
            rest[row, np.clip(place + shift, 0, power.shape[1] - 1)] = 0
    return (frequencies[0], frequencies[1]), (peaks[0], peaks[1]), rest.max(axis=1)


def _nearest(frequency: Floats, named: tuple[float, ...], options: SoundOptions) -> Integers:
    """The place of the named frequency that is meant; far below zero where none is."""
    ratio = np.abs(frequency[:, None] / np.array(named) - 1)
    return np.where(ratio.min(axis=1) <= options.key_tolerance, ratio.argmin(axis=1), -99)


def _full(heard: HeardTones) -> Mask:
    """Frames within 6 dB of the loudest neighbour: a window half over an edge is not."""
    from scipy.ndimage import maximum_filter1d

    full: Mask = heard.level >= maximum_filter1d(heard.level, AROUND) - 6
    return full


def keys(heard: HeardTones, options: SoundOptions) -> list[Interval]:
    """When keys were pressed, in order; which ones is not told."""
    full = _full(heard)
    found = [
        run
        for key in np.unique(heard.key[heard.key >= 0]).tolist()
        for run in joined(runs((heard.key == key) & full, TONE_STEP), 2.5 * TONE_STEP)
    ]
    return sorted(run for run in found if run[1] - run[0] >= options.key_shortest)


def cadences(heard: HeardTones, options: SoundOptions) -> list[Cadence]:
    """Ringing and busy tones, told by the lengths of bursts and pauses."""
    bursts = _bursts(heard)
    busy = [chain for chain in _chains(bursts, 0, options.busy_longest) if _is_busy(chain, options)]
    taken = {burst for chain in busy for burst in chain}
    rest = [burst for burst in bursts if burst not in taken]
    ringing = [
        chain
        for chain in _chains(rest, 1.0, options.ring_pause_longest)
        if _is_ringing(chain, options)
    ]
    return [
        *(_cadence("busy", chain) for chain in busy),
        *(_cadence("ringback", chain) for chain in ringing),
    ]


def _cadence(kind: Literal["ringback", "busy"], chain: Sequence[_Burst]) -> Cadence:
    frequency = float(np.median([burst.frequency for burst in chain]))
    alone = 2 * sum(burst.alone for burst in chain) > len(chain)
    return Cadence(kind, chain[0].start, chain[-1].end, frequency, alone)


def _bursts(heard: HeardTones) -> list[_Burst]:
    """Stretches of one call progress tone."""
    bursts = []
    pieces = joined(runs((heard.progress > 0) & _full(heard), TONE_STEP), 4 * TONE_STEP)
    for start, end in pieces:
        first, last = round(start / TONE_STEP), round(end / TONE_STEP) + 1
        tones = heard.progress[first:last]
        quarter, middle, rest = np.percentile(tones[tones > 0], [25, 50, 75]).tolist()
        if end - start >= BURST and rest - quarter <= DRIFT:
            bursts.append(_Burst(start, end, middle, _is_alone(heard.level, first, last)))
    return bursts


def _is_alone(level: Floats, first: int, last: int) -> bool:
    """Whether it is 6 dB quieter, for a quarter of a second, before or after these frames."""
    edge, side = 3, round(0.25 / TONE_STEP)
    before = level[max(0, first - edge - side) : max(0, first - edge)]
    after = level[last + edge : last + edge + side]
    bar = float(np.median(level[first:last])) - 6
    return any(len(part) == 0 or float(np.median(part)) <= bar for part in (before, after))


def _chains(bursts: Sequence[_Burst], shortest: float, longest: float) -> list[list[_Burst]]:
    """Neighbouring bursts with pauses of such lengths between them."""
    chains: list[list[_Burst]] = []
    for burst in bursts:
        if chains and shortest <= burst.start - chains[-1][-1].end <= longest:
            chains[-1].append(burst)
        else:
            chains.append([burst])
    return chains


def _is_busy(chain: Sequence[_Burst], options: SoundOptions) -> bool:
    """Short bursts, most of them a like cycle apart."""
    if len(chain) < options.busy_bursts:
        return False
    cycles = np.diff([burst.start for burst in chain])
    alike = np.abs(cycles / np.median(cycles) - 1) <= 0.2
    return bool(alike.mean() >= 0.75 and max(map(_length, chain)) <= options.busy_longest)


def _is_ringing(chain: Sequence[_Burst], options: SoundOptions) -> bool:
    """Bursts of a second; the first and the last may be cut by the recording or the answer."""
    inner = chain[1:-1] or [max(chain, key=_length)]
    return (
        min(map(_length, inner)) >= options.ring_shortest
        and max(map(_length, chain)) <= options.ring_longest
    )


def _length(burst: _Burst) -> float:
    return burst.length
