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
    own = _level(audio.samples[segment.channel, first:last])
    other = _level(audio.samples[1 - segment.channel, first:last])
    return own < other - options.crosstalk


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
