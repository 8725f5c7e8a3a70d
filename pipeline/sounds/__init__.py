"""What else is heard in a call than speech: ringing, busy tones, pressed keys, music, silence.

Tones are told by frequency and cadence (`pipeline.sounds.tones`), music by power that keeps its
frequency (`pipeline.sounds.music`). A recording is read in blocks of a minute; only a few numbers
for each frame are kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.sounds.music import find_music, hear_music
from pipeline.sounds.options import SoundOptions
from pipeline.sounds.spectra import Floats, decibels, runs
from pipeline.sounds.tones import TONE_STEP, Cadence, cadences, hear_tones, keys
from pipeline.timeline import Interval, Intervals, gaps, intersection, overlap, subtract, union
from pipeline.types import Audio, Samples, SoundEvent, SoundKind, SpeechSegment

__all__ = ["VERSION", "SoundOptions", "find_sounds"]

VERSION = "1"


def find_sounds(
    audio: Audio, speech: Sequence[SpeechSegment], *, options: SoundOptions
) -> tuple[SoundEvent, ...]:
    """Sounds other than speech, ordered by start; `speech` is what voice activity found.

    Each is reported for every channel that it is heard in; silence means all channels, channel
    None. Ringing and busy tones last from the first burst to the end of the last one, pauses
    included, and name their frequency; each pressed key is an event. A sample rate of less than
    8000 Hz is a ValueError.
    """
    if audio.sample_rate < 8000:
        raise ValueError(
            f"sounds need the telephone band, 8000 samples a second or more; "
            f"got {audio.sample_rate}: decode to 16000"
        )
    spoken = union([(segment.start, segment.end) for segment in speech])
    occupied, quiet = list(spoken), [(0.0, audio.duration)]
    events: list[SoundEvent] = []
    for channel, row in enumerate(audio.samples):
        own = union([(item.start, item.end) for item in speech if item.channel == channel])
        found, level = _channel(row, audio.sample_rate, channel, own, options)
        events += found
        occupied += [_with_last_pause(event, options) for event in found]
        quiet = list(intersection(quiet, _quiet(level, spoken, audio.duration, options)))
    events += [
        SoundEvent("silence", start, end)
        for start, end in subtract(quiet, occupied)
        if end - start >= options.silence_minimum
    ]
    return tuple(sorted(events, key=lambda event: (event.start, event.channel or 0, event.kind)))


def _channel(
    row: Samples, rate: int, channel: int, spoken: Intervals, options: SoundOptions
) -> tuple[list[SoundEvent], Floats]:
    """Tones, keys and music of one channel, and its level every TONE_STEP in dBFS."""
    heard = hear_tones(row, rate, options)
    pressed = keys(heard, options)
    played = find_music(hear_music(row, rate, options), heard, spoken, pressed, options)
    tones = [item for item in cadences(heard, options) if not _is_note(item, played)]
    pieces = subtract(played, [(tone.start, tone.end) for tone in tones])
    found: list[tuple[SoundKind, float, float, str | None]] = [
        *((tone.kind, tone.start, tone.end, f"{tone.frequency:.0f} Hz") for tone in tones),
        *(
            ("dtmf", *key, None)
            for key in pressed
            if not any(overlap(key, piece) > 0 for piece in played)
        ),
        *(
            ("music", *piece, None)
            for piece in pieces
            if piece[1] - piece[0] >= options.music_minimum
        ),
    ]
    duration = len(row) / rate
    events = [
        SoundEvent(kind, start, min(end, duration), channel, detail)
        for kind, start, end, detail in found
        if start < duration
    ]
    return events, heard.level


def _is_note(tone: Cadence, music: Intervals) -> bool:
    """Whether a tone is part of music: amid it, or at its edge without a pause of its own."""
    for start, end in music:
        if start <= tone.start - 1 and tone.end + 1 <= end:
            return True
        if start <= tone.start + 0.5 and tone.end - 0.5 <= end and not tone.alone:
            return True
    return False


def _with_last_pause(event: SoundEvent, options: SoundOptions) -> Interval:
    """The pause after the last ring belongs to the ringing, it is no silence of the line."""
    pause = options.ring_pause if event.kind == "ringback" else 0.0
    return event.start, event.end + pause


def _quiet(level: Floats, spoken: Intervals, duration: float, options: SoundOptions) -> Intervals:
    """Time in which a channel is no louder than its own background; clicks are let pass."""
    from scipy.ndimage import uniform_filter1d

    power = uniform_filter1d(10 ** (level / 10), round(0.1 / TONE_STEP), mode="nearest")
    smooth = decibels(power)
    free = np.ones(len(smooth), np.bool_)
    for start, end in spoken:
        free[round(start / TONE_STEP) : round(end / TONE_STEP) + 1] = False
    if not free.any():
        return ()
    background = float(np.percentile(smooth[free], 20))
    bar = max(options.quiet_level, background + options.quiet_margin)
    loud = [run for run in runs(smooth > bar, TONE_STEP) if run[1] - run[0] >= options.click]
    return gaps(loud, 0.0, duration)
