"""Facts about the signal of a recording: level, clipping, noise, bandwidth, channel layout. Pure.

Everything is computed in blocks, so an hour of audio needs no second copy of itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.types import Audio, AudioQuality, Layout, Samples

VERSION = 1

#: dBFS reported for digital silence.
FLOOR = -120.0

_Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class AudioOptions:
    #: Seconds of one energy frame.
    frame: float = 0.032
    #: A sample counts as clipped from this magnitude on; G.711 saturates at 0.98 of full scale.
    full_scale: float = 0.97
    #: Percentile of the frame levels taken for the noise floor.
    noise_percentile: float = 10.0
    #: dB above the noise floor from which a frame counts as active.
    active_above_noise: float = 6.0
    #: dBFS; frames below are digital or codec silence and tell nothing of the line's noise.
    digital_silence: float = -75.0
    #: Share of the energy that lies below the reported bandwidth.
    bandwidth_share: float = 0.99
    #: A channel whose 99th percentile frame stays below this level (dBFS) is silent.
    silent_below: float = -55.0
    #: A channel whose frames all lie within this range (dB, 10th to 99th percentile) carries no
    #: activity, only steady noise …
    steady_range: float = 6.0
    #: … provided it is this much (dB) weaker than the other one.
    steady_weaker: float = 10.0
    #: Correlation at the best lag from which two channels are one. Measured on synthetic copies:
    #: 0.97 and more after gain, delay and telephone codecs; crosstalk at -6 dB gives 0.8.
    dual_correlation: float = 0.9
    #: Seconds; longest delay between two copies that is looked for.
    max_delay: float = 0.03
    #: Hz; hum and offset below do not count in the correlation.
    highpass: float = 150.0


def assess(audio: Audio, options: AudioOptions) -> AudioQuality:
    """Level, clipping, noise and bandwidth of each channel, and what the channels are.

    level: RMS in dBFS, at least FLOOR. snr: energy of active frames over the noise floor, both
    from the distribution of frame energies; None when a recording has no pause, no activity or
    no noise to measure (see `_snr`). correlation: largest normalised cross-correlation within
    `max_delay`, sign ignored; None for mono and for a silent channel.
    """
    rows = audio.samples
    frames = [_frame_levels(row, audio.sample_rate, options) for row in rows]
    correlation = _correlation(rows, audio.sample_rate, options) if audio.channels == 2 else None
    return AudioQuality(
        layout=_layout(frames, correlation, options),
        level=tuple(_level(row) for row in rows),
        snr=tuple(_snr(levels, options) for levels in frames),
        clipping=tuple(_clipping(row, options) for row in rows),
        bandwidth=tuple(_bandwidth(row, audio.sample_rate, options) for row in rows),
        correlation=correlation,
    )


def _decibels(power: _Doubles) -> _Doubles:
    return np.asarray(10 * np.log10(np.maximum(power, 10 ** (FLOOR / 10))), np.float64)


def _blocks(row: Samples, size: int) -> Iterator[Samples]:
    for start in range(0, row.shape[0], size):
        yield row[start : start + size]


def _level(row: Samples) -> float:
    if row.shape[0] == 0:
        return FLOOR
    energy = sum(float(np.dot(block, block)) for block in _blocks(row, 1 << 20))
    return float(_decibels(np.array([energy / row.shape[0]]))[0])


def _clipping(row: Samples, options: AudioOptions) -> float:
    if row.shape[0] == 0:
        return 0.0
    clipped = sum(
        int(np.count_nonzero(np.abs(block) >= options.full_scale))
        for block in _blocks(row, 1 << 20)
    )
    return float(clipped / row.shape[0])


def _frame_levels(row: Samples, sample_rate: int, options: AudioOptions) -> _Doubles:
    """dBFS of every full frame, without its offset: (frames,)."""
    size = int(options.frame * sample_rate)
    framed = row[: row.shape[0] // size * size].reshape(-1, size)  # (frames, size)
    if framed.shape[0] == 0:
        return np.array([_level(row)])
    power = np.concatenate([np.var(part, axis=1, dtype=np.float64) for part in _parts(framed)])
    return _decibels(power)


def _parts(framed: Samples) -> Iterator[Samples]:
    for start in range(0, framed.shape[0], 2048):
        yield framed[start : start + 2048]


def _snr(levels: _Doubles, options: AudioOptions) -> float | None:
    """Mean power of the active frames, less the noise, over the noise floor, in dB.

    The noise floor is a low percentile of the frame energies, as in minimum statistics (Martin,
    IEEE Trans. Speech Audio Process. 9(5), 2001), with one percentile for the whole recording.
    Frames of digital silence are left out. Steady noise of telephone bandwidth is met within 1 dB.
    """
    heard = levels[levels > options.digital_silence]
    if heard.shape[0] < 10:
        return None
    floor = float(np.percentile(heard, options.noise_percentile))
    active = heard[heard > floor + options.active_above_noise]
    if active.shape[0] == 0:
        return None
    noise = 10 ** (floor / 10)
    signal = float(np.mean(10 ** (active / 10))) - noise
    return float(10 * np.log10(signal / noise))


def _bandwidth(row: Samples, sample_rate: int, options: AudioOptions) -> float:
    """Hz below which `bandwidth_share` of the energy lies; 0 for silence."""
    size = 512
    window = np.hanning(size).astype(np.float32)
    framed = row[: row.shape[0] // size * size].reshape(-1, size)
    spectrum = np.zeros(size // 2 + 1)
    for part in _parts(framed):
        centred = part - part.mean(axis=1, keepdims=True)
        spectrum += np.sum(np.abs(np.fft.rfft(centred * window, axis=1)) ** 2, axis=0)
    total = float(spectrum.sum())
    if total <= 0:
        return 0.0
    edge = int(np.searchsorted(np.cumsum(spectrum), options.bandwidth_share * total))
    return min(edge, size // 2) * sample_rate / size


def _correlation(rows: Samples, sample_rate: int, options: AudioOptions) -> float | None:
    """Largest |cross-correlation| within the delay, over the whole recording.

    The cross spectrum is summed over blocks of zero-padded samples; the sum belongs to one
    common lag, so chance likenesses of single blocks do not add up.
    """
    lag, block = int(options.max_delay * sample_rate), 2 * sample_rate
    size = block + 2 * lag
    keep = np.fft.rfftfreq(size, 1 / sample_rate) >= options.highpass
    cross, powers = np.zeros(size // 2 + 1, np.complex128), np.zeros(2)
    for first, second in zip(_blocks(rows[0], block), _blocks(rows[1], block), strict=True):
        left, right = np.fft.rfft(first, size) * keep, np.fft.rfft(second, size) * keep
        cross += left * np.conj(right)
        powers += [np.sum(np.abs(left) ** 2), np.sum(np.abs(right) ** 2)]
    scale = float(np.sqrt(powers[0] * powers[1]))
    quiet = 10 ** (FLOOR / 10) * rows.shape[1] * size / 2
    if scale == 0 or float(powers.min()) < quiet:
        return None
    lags = np.fft.irfft(cross, size) * size / 2
    nearby = np.concatenate([lags[: lag + 1], lags[-lag:]])
    return min(1.0, float(np.max(np.abs(nearby))) / scale)


def _layout(frames: list[_Doubles], correlation: float | None, options: AudioOptions) -> Layout:
    """mono, stereo, dual_mono (both channels carry one signal) or one_sided (one is idle)."""
    if len(frames) == 1:
        return "mono"
    loud = [float(np.percentile(levels, 99)) for levels in frames]
    low = [float(np.percentile(levels, 10)) for levels in frames]
    if max(loud) < options.silent_below:
        return "stereo"
    if correlation is not None and correlation >= options.dual_correlation:
        return "dual_mono"
    idle = [
        loud[this] < options.silent_below
        or (
            loud[this] - low[this] < options.steady_range
            and loud[other] - loud[this] > options.steady_weaker
        )
        for this, other in ((0, 1), (1, 0))
    ]
    return "one_sided" if any(idle) else "stereo"
