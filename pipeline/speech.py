"""Speech activity of a multi-channel recording, and turns of a call with one party a channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pipeline.timeline import intersection, total
from pipeline.types import Audio, Samples, SpeechSegment, Turn, mark_overlaps

VERSION = "2"


class VoiceActivity(Protocol):
    """Finds speech in one channel of 16 kHz samples (n,) float32; intervals in seconds."""

    def __call__(self, samples: Samples, sample_rate: int) -> tuple[tuple[float, float], ...]: ...


@dataclass(frozen=True, slots=True)
class SpeechOptions:
    #: probability above which a frame is speech (Silero's own default)
    threshold: float = 0.5
    #: s; shorter speech is ignored
    minimum_speech: float = 0.15
    #: s; shorter pauses do not end a segment
    minimum_pause: float = 0.1
    #: s added before and after each segment
    padding: float = 0.04
    #: dB; a channel that is this much weaker than the other at the same time is crosstalk
    crosstalk: float = 15.0
    #: dB; a channel this much weaker than the other is an echo if it sounds the same
    echo_weaker: float = 3.0
    #: cross-correlation with the other channel from which speech is its echo
    echo_likeness: float = 0.6
    #: s; longest delay of an echo (ITU-T G.131 wants echo control from 25 ms on; networks reach
    #: a few hundred)
    echo_delay: float = 0.3
    #: share of a segment in tones or music from which it is no speech
    sound_share: float = 0.8
    #: s; a party's segments closer than this are one turn, unless the other party takes the floor
    turn_pause: float = 1.0


def find_speech(
    audio: Audio, voice_activity: VoiceActivity, *, options: SpeechOptions
) -> tuple[SpeechSegment, ...]:
    """Speech of every channel, ordered by start; crosstalk of the other channel is left out."""
    segments = [
        SpeechSegment(start, min(end, audio.duration), channel)
        for channel in range(audio.channels)
        for start, end in voice_activity(audio.samples[channel], audio.sample_rate)
        if start < audio.duration
    ]
    kept = [segment for segment in segments if not _is_crosstalk(segment, audio, options)]
    return tuple(sorted(kept, key=lambda segment: (segment.start, segment.channel)))


def _is_crosstalk(segment: SpeechSegment, audio: Audio, options: SpeechOptions) -> bool:
    if audio.channels != 2:
        return False
    first = min(round(segment.start * audio.sample_rate), audio.samples.shape[1] - 1)
    last = max(first + 1, round(segment.end * audio.sample_rate))
    own = audio.samples[segment.channel, first:last]
    lag = round(options.echo_delay * audio.sample_rate)
    earlier = max(0, first - lag)
    other = audio.samples[1 - segment.channel, earlier:last]
    difference = _level(other[first - earlier :]) - _level(own)
    if difference > options.crosstalk:
        return True
    return difference > options.echo_weaker and _likeness(own, other) > options.echo_likeness


def _likeness(own: Samples, other: Samples) -> float:
    """Largest normalised cross-correlation of `own` with `other`, which begins earlier.

    0 to 1; sign ignored, since a hybrid may turn the phase. Lags run from 0 to the lead of `other`.
    """
    size = 1 << (len(other) + len(own) - 1).bit_length()
    spectrum = np.fft.rfft(other, size) * np.conj(np.fft.rfft(own, size))
    lags = np.fft.irfft(spectrum, size)[: len(other) - len(own) + 1]
    energy = np.concatenate([[0.0], np.cumsum(np.square(other, dtype=np.float64))])
    power = energy[len(own) :] - energy[: len(energy) - len(own)]
    scale = np.sqrt(power * np.sum(np.square(own, dtype=np.float64)))
    return float(np.max(np.abs(lags) / np.maximum(scale, 1e-9)))


def _level(samples: Samples) -> float:
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-12))


def outside(
    segments: Sequence[SpeechSegment],
    sounds: Sequence[tuple[float, float]],
    *,
    options: SpeechOptions,
) -> tuple[SpeechSegment, ...]:
    """The segments that do not lie in tones or music, which sound like speech to some detectors."""
    return tuple(
        segment
        for segment in segments
        if total(intersection([(segment.start, segment.end)], sounds))
        < options.sound_share * (segment.end - segment.start)
    )


def turns_by_channel(
    segments: Sequence[SpeechSegment], *, options: SpeechOptions
) -> tuple[Turn, ...]:
    """Turns of a recording with one party a channel; speaker S0 is channel 0.

    Neighbouring segments of a channel are joined across a pause of up to `turn_pause` unless the
    other channel starts to speak inside that pause, or speaks from before the first segment until
    after the pause: two «угу» within another's sentence are two turns.
    """
    joined: list[SpeechSegment] = []
    for channel in sorted({segment.channel for segment in segments}):
        own = [segment for segment in segments if segment.channel == channel]
        others = [segment for segment in segments if segment.channel != channel]
        joined.extend(_join(own, others, options.turn_pause))
    ordered = sorted(joined, key=lambda segment: (segment.start, segment.channel))
    return mark_overlaps(
        [
            Turn(index, segment.start, segment.end, f"S{segment.channel}", segment.channel)
            for index, segment in enumerate(ordered)
        ]
    )


def _join(
    own: Sequence[SpeechSegment], others: Sequence[SpeechSegment], pause: float
) -> list[SpeechSegment]:
    joined: list[SpeechSegment] = []
    for segment in sorted(own, key=lambda item: item.start):
        if joined and segment.start - joined[-1].end <= pause:
            last = joined[-1]
            if not any(
                last.end <= other.start < segment.start
                or (other.start <= last.start and segment.start <= other.end)
                for other in others
            ):
                joined[-1] = SpeechSegment(last.start, max(last.end, segment.end), last.channel)
                continue
        joined.append(segment)
    return joined
