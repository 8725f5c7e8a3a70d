"""Music: most of its tonal power keeps its frequency over a tenth of a second, for seconds.

The harmonics of a voice glide, and pauses and noise hold no power that lasts. After the continuous
frequency activation of Seyerlehner, Pohle, Schedl and Widmer (DAFx 2007), with a short lag in place
of long bars, so that quick notes count too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.sounds.options import SoundOptions
from pipeline.sounds.spectra import (
    BLOCK,
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
from pipeline.sounds.tones import TONE_STEP, HeardTones
from pipeline.timeline import Interval, Intervals, union
from pipeline.types import Samples

#: s; semitones above 250 Hz are told apart
MUSIC_FRAME, MUSIC_STEP = 0.128, 0.048
#: frames between two looks at a note: 96 ms, and 192 ms, about one turn of a vibrato
LAGS = (2, 4)
LAG = max(LAGS)
#: bins that a peak must stand out of, 250 Hz
AROUND = 33
#: times the mean of these bins
PROMINENCE = 3.0
#: a frequency is kept within these Hz or this share, a tenth of a semitone
SAME_HERTZ, SAME_SHARE = 2.5, 0.006
#: nepers of power, 9 dB; a note may decay so much
SAME_POWER = 2.0
#: share of the bars above which what is beside music belongs to it
LIKELY = 0.75
#: Hz; the rates of syllables
SYLLABLES = (2.5, 8.0)
#: RMS of the envelope at these rates over its mean (generated voices: 0.3 to 0.6, music: below)
SWING = 0.3
#: s over which both are averaged
SWING_WINDOW = 2.4
#: what is added to the bar where speech moves so
MONOTONY = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class HeardMusic:
    """One value every MUSIC_STEP: steadiness (share of the power in peaks that keeps its
    frequency), share (the same of all power), pitch (Hz of the strongest peak), purity (share of
    the power in peaks that the strongest has).
    """

    steadiness: Floats
    share: Floats
    pitch: Floats
    purity: Floats


def hear_music(row: Samples, rate: int, options: SoundOptions) -> HeardMusic:
    """What tells music in every frame of one channel (n,)."""
    framing = Framing(MUSIC_FRAME, MUSIC_STEP, rate)
    parts = [
        _steadiness(framing.power(row, first - LAG, last + LAG), framing, options)
        for first, last in framing.blocks(len(row))
    ]
    return HeardMusic(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _steadiness(
    power: Floats, framing: Framing, options: SoundOptions
) -> tuple[Floats, Floats, Floats, Floats]:
    """Steadiness, share, pitch and purity of all frames but LAG at either end."""
    frames, everything = len(power), total(power)
    peak = _peaks(power)
    frame, place = np.nonzero(peak)
    position = np.zeros(power.shape, np.float32)
    position[frame, place] = framing.low + place + peak_offset(power, frame, place)
    kept = _is_kept(position, np.log(power), (frame, place), framing)
    strength = power[frame, place]
    tonal = np.maximum(np.bincount(frame, strength, frames), 1e-14)
    steady = np.bincount(frame, strength * kept, frames)
    top = np.where(peak, power, 0).argmax(axis=1)
    each = np.arange(frames)
    heard = decibels(everything) >= options.minimum_level
    strongest = np.where(peak[each, top], power[each, top], 0)
    steadiness, share, pitch, purity = (
        part[LAG:-LAG].astype(np.float32)
        for part in (
            heard * steady / tonal,
            heard * steady / everything,
            framing.width * position[each, top],
            strongest / tonal,
        )
    )
    return steadiness, share, pitch, purity


def _peaks(power: Floats) -> Mask:
    """Local maxima that stand out of what is around them and of what is always there."""
    from scipy.ndimage import uniform_filter1d

    around = uniform_filter1d(power, AROUND, axis=1)
    peak: Mask = power > PROMINENCE * np.maximum(around, _always(power))
    peak[:, 1:-1] &= (power[:, 1:-1] > power[:, :-2]) & (power[:, 1:-1] >= power[:, 2:])
    peak[:, [0, -1]] = False
    return peak


def _always(power: Floats) -> Floats:
    """Power (1, bins) there in nine tenths of half a minute or more: hum and whistles."""
    if len(power) * MUSIC_STEP < BLOCK / 2:
        return np.zeros((1, power.shape[1]), np.float32)
    part = power[::8]
    always: Floats = np.partition(part, len(part) // 10, axis=0)[len(part) // 10][None]
    return always


def _is_kept(
    position: Floats, logs: Floats, peaks: tuple[Integers, Integers], framing: Framing
) -> Mask:
    """Whether each peak is there, at the same frequency and near the same power, LAG apart.

    position: bins from 0 Hz where there is a peak, else 0; both (frames, bins).
    """
    frame, place = peaks
    own, strength = position[frame, place], logs[frame, place]
    tolerance = np.maximum(np.float32(SAME_HERTZ / framing.width), SAME_SHARE * own)
    kept = np.zeros(len(frame), np.bool_)
    for lag in (*LAGS, *(-lag for lag in LAGS)):
        inside = (frame + lag >= 0) & (frame + lag < len(position))
        other = np.clip(frame + lag, 0, len(position) - 1)
        for shift in (-1, 0, 1):
            near = place + shift  # peaks are never in the outermost bins
            same = np.abs(position[other, near] - own) <= tolerance
            kept |= inside & same & (np.abs(logs[other, near] - strength) <= SAME_POWER)
    return kept


def find_music(
    heard: HeardMusic,
    tones: HeardTones,
    spoken: Intervals,
    keys: Sequence[Interval],
    options: SoundOptions,
) -> Intervals:
    """Stretches of music of one channel.

    spoken: its speech, where more proof is asked for, most of all where its level moves like
    syllables (a monotonous voice); keys: pressed keys, which are no notes.
    """
    width = max(1, round(options.music_window / MUSIC_STEP))
    steady = np.where(_covered(keys, len(heard.share), MUSIC_FRAME / 2), 0, heard.steadiness)
    steadiness, share = _mean(steady, width), _mean(heard.share, width)
    talk = _mean(_covered(spoken, len(share), 0).astype(np.float32), width) >= 0.5
    bar = np.where(talk, options.music_steadiness_in_speech, options.music_steadiness)
    bar += np.where(talk & _is_syllabic(tones.level, len(share)), MONOTONY, 0)
    sure = (steadiness >= bar) & (share >= options.music_share)
    likely = (steadiness >= LIKELY * bar) & (share >= LIKELY * options.music_share)
    edge = _mean(steady, 5) >= LIKELY * options.music_steadiness
    found = []
    for start, end in joined(runs(likely, MUSIC_STEP), options.music_break):
        first, last = round(start / MUSIC_STEP), round(end / MUSIC_STEP) + 1
        within = first + np.nonzero(edge[first:last])[0]
        if sure[first:last].any() and len(within) and not _is_lone_tone(heard, within):
            begin, finish = within[0] - 0.5, within[-1] + 0.5
            found.append((max(0.0, float(begin)) * MUSIC_STEP, float(finish) * MUSIC_STEP))
    return union([piece for piece in found if piece[1] - piece[0] >= options.music_minimum])


def _is_syllabic(level: Floats, frames: int) -> Mask:
    """Whether the envelope moves as fast and as much as that of speech (Houtgast, Steeneken)."""
    from scipy.signal import butter, sosfiltfilt

    if len(level) * TONE_STEP < SWING_WINDOW:
        return np.zeros(frames, np.bool_)
    envelope: Floats = np.power(np.float32(10), level / 20)
    band = butter(2, SYLLABLES, "bandpass", fs=1 / TONE_STEP, output="sos")
    swing: Floats = sosfiltfilt(band, envelope).astype(np.float32)
    width = round(SWING_WINDOW / TONE_STEP)
    power, mean = _mean(np.square(swing), width), _mean(envelope, width)
    syllabic: Mask = np.sqrt(np.maximum(power, 0)) >= SWING * mean
    return np.resize(syllabic[:: round(MUSIC_STEP / TONE_STEP)], frames)


def _mean(values: Floats, width: int) -> Floats:
    """The mean of so many frames around each."""
    from scipy.ndimage import uniform_filter1d

    mean: Floats = uniform_filter1d(values, width, mode="nearest")
    return mean


def _covered(intervals: Sequence[Interval], frames: int, margin: float) -> Mask:
    """Frames that lie in an interval or within `margin` seconds of one."""
    covered = np.zeros(frames, np.bool_)
    for start, end in intervals:
        first = round(max(0.0, start - margin) / MUSIC_STEP)
        covered[first : round((end + margin) / MUSIC_STEP) + 1] = True
    return covered


def _is_lone_tone(heard: HeardMusic, frames: Integers) -> bool:
    """Whether one frequency alone is heard from first to last: a dial tone, a test tone."""
    pitch = heard.pitch[frames]
    near = np.abs(pitch - np.median(pitch)) <= 0.02 * np.median(pitch)
    return bool(np.mean(near & (heard.purity[frames] >= 0.9)) >= 0.8)
