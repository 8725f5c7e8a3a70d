"""What the times alone tell: talk, silence, holds, overlap, interruptions, speech rate.

Definitions stand beside each metric. Mono recordings cannot show overlap and interruptions:
there the values are None, never zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from pipeline.timeline import gaps, intersection, total, union
from pipeline.types import (
    Hold,
    Interaction,
    Interruption,
    Metric,
    Role,
    SoundEvent,
    Transcript,
    Turn,
)

VERSION = "2"


@dataclass(frozen=True, slots=True)
class InteractionOptions:
    #: s; a pause of everyone shorter than this is no silence
    silence_minimum: float = 3.0
    #: s; a pause of everyone inside the dialogue from which the caller is on hold
    hold_minimum: float = 6.0
    #: s the operator must speak over the caller for an interruption
    interruption_minimum: float = 0.5
    #: s the caller must have spoken before
    interruption_lead: float = 1.0
    #: s; an utterance up to this long is a backchannel («угу», «иә»), no interruption
    backchannel: float = 1.0


@dataclass(frozen=True, slots=True)
class Recording:
    """What the signal tells: length in s, whether the parties are on separate channels, so that
    overlap can be measured, and sounds other than speech; None where nobody listened for them."""

    duration: float
    separate: bool
    sounds: tuple[SoundEvent, ...] | None = None


def measure(
    transcript: Transcript,
    recording: Recording,
    *,
    options: InteractionOptions,
) -> Interaction:
    """Metrics, interruptions and holds of a call."""
    duration, separate = recording.duration, recording.separate
    turns = transcript.turns
    spoken = union([(turn.start, turn.end) for turn in turns])
    silences = [
        pause for pause in gaps(spoken, 0.0, duration) if _length(pause) >= options.silence_minimum
    ]
    interruptions = _interruptions(turns, options) if separate else None
    longest = max(map(_length, silences), default=0.0)
    holds = _holds(turns, recording.sounds, options)
    attended = any(turn.role == "operator" for turn in turns)  # else nobody could put on hold
    metrics = (
        *_talk(transcript),
        _metric("silence_share", _share(total(silences), duration), options.silence_minimum),
        _metric("longest_silence", longest, options.silence_minimum),
        _metric("overlap_share", _overlap(turns, duration) if separate else None),
        _metric(
            "interruptions_operator",
            None if interruptions is None else float(len(interruptions)),
            options.interruption_minimum,
        ),
        _estimated("hold_seconds", sum(h.end - h.start for h in holds) if attended else None,
                   options.hold_minimum),
        _estimated("hold_count", float(len(holds)) if attended else None, options.hold_minimum),
        *_heard(recording.sounds),
        _metric("asr_confidence", _confidence(transcript)),
        _metric("role_confidence", _role_confidence(turns)),
        _metric("text_share", _text_share(transcript)),
    )  # fmt: skip
    return Interaction(metrics, interruptions, holds)


def _metric(name: str, value: float | None, threshold: float | None = None) -> Metric:
    return Metric(name, None if value is None else round(value, 4), "measured", threshold)


def _estimated(name: str, value: float | None, threshold: float) -> Metric:
    return replace(_metric(name, value, threshold), method="estimated")


def _length(interval: tuple[float, float]) -> float:
    return interval[1] - interval[0]


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def _of(turns: Sequence[Turn], role: Role) -> list[tuple[float, float]]:
    return list(union([(turn.start, turn.end) for turn in turns if turn.role == role]))


def _talk(transcript: Transcript) -> tuple[Metric, ...]:
    """Operator's share of the two parties' speech; operator's words a minute of own speech."""
    turns = transcript.turns
    operator, caller = total(_of(turns, "operator")), total(_of(turns, "caller"))
    roles = {turn.index: turn.role for turn in turns}
    words = sum(roles[word.turn] == "operator" for word in transcript.words)
    both = operator + caller
    return (
        _metric("talk_share_operator", _share(operator, both)),
        _metric("words_per_minute_operator", 60 * words / operator if operator and words else None),
        _metric("response_latency_operator", _latency(turns)),
    )


def _latency(turns: Sequence[Turn]) -> float | None:
    """Mean seconds from the end of a caller's turn to the operator's next, without overlaps."""
    waits = [
        after.start - before.end
        for before, after in pairwise(turns)
        if before.role == "caller" and after.role == "operator" and after.start >= before.end
    ]
    return sum(waits) / len(waits) if waits else None


def _overlap(turns: Sequence[Turn], duration: float) -> float | None:
    both = intersection(_of(turns, "operator"), _of(turns, "caller"))
    return _share(total(both), duration)


def _interruptions(turns: Sequence[Turn], options: InteractionOptions) -> tuple[Interruption, ...]:
    """Operator's turns that begin while the caller goes on speaking; backchannels excluded."""
    found = []
    for turn in turns:
        if turn.role != "operator" or turn.duration <= options.backchannel:
            continue
        for other in turns:
            overlap = min(turn.end, other.end) - turn.start
            if (
                other.role == "caller"
                and other.start <= turn.start - options.interruption_lead
                and overlap >= options.interruption_minimum
            ):
                found.append(Interruption(turn.index, turn.start, turn.start + overlap))
                break
    return tuple(found)


def _heard(sounds: tuple[SoundEvent, ...] | None) -> tuple[Metric, ...]:
    """Seconds of music, ringback and busy tone that the caller hears, and keys pressed."""
    kinds = ("music", "ringback", "busy")
    if sounds is None:
        return tuple(
            _metric(name, None) for name in (*(f"{k}_seconds" for k in kinds), "keys_pressed")
        )
    found = [
        _metric(
            f"{kind}_seconds", total(union([(s.start, s.end) for s in sounds if s.kind == kind]))
        )
        for kind in kinds
    ]
    keys = union([(sound.start, sound.end) for sound in sounds if sound.kind == "dtmf"])
    return (*found, _metric("keys_pressed", float(len(keys))))


def _holds(
    turns: Sequence[Turn], sounds: tuple[SoundEvent, ...] | None, options: InteractionOptions
) -> tuple[Hold, ...]:
    """Long pauses of everyone between an operator's first and the last turn of the call.

    A hold is of music or of ringback when that fills half of it, else a mere pause.
    """
    live = [turn for turn in turns if turn.role != "ivr"]
    first = next((turn for turn in live if turn.role == "operator"), None)
    if first is None:
        return ()
    spoken = union([(turn.start, turn.end) for turn in live])
    span = (first.end, max(turn.end for turn in live))
    if span[1] <= span[0]:
        return ()
    return tuple(
        Hold(start, end, _hold_kind((start, end), sounds or ()))
        for start, end in gaps(spoken, *span)
        if end - start >= options.hold_minimum
    )


def _hold_kind(pause: tuple[float, float], sounds: Sequence[SoundEvent]) -> str:
    for kind in ("music", "ringback"):
        heard = union([(sound.start, sound.end) for sound in sounds if sound.kind == kind])
        if total(intersection([pause], heard)) >= _length(pause) / 2:
            return kind
    return "pause"


def _confidence(transcript: Transcript) -> float | None:
    known = [word.probability for word in transcript.words if word.probability is not None]
    return sum(known) / len(known) if known else None


def _role_confidence(turns: Sequence[Turn]) -> float | None:
    known = [
        (turn.role_probability, turn.duration)
        for turn in turns
        if turn.role_probability is not None and turn.duration > 0
    ]
    whole = sum(duration for _, duration in known)
    return sum(p * duration for p, duration in known) / whole if whole else None


def _text_share(transcript: Transcript) -> float | None:
    """Share of the speaking time of operator and caller whose words were recognised."""
    texts = transcript.texts()
    parties = [turn for turn in transcript.turns if turn.role != "ivr"]
    heard = sum(turn.duration for turn in parties if texts[turn.index])
    return _share(heard, sum(turn.duration for turn in parties))
