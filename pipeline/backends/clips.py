"""Cuts evidence clips out of recordings, with personal data bleeped (pydub).

pydub works on samples that `decode` delivers, so it never looks for ffprobe; MP3 and Opus are
written by the ffmpeg binary that the package imageio-ffmpeg carries.
"""

from __future__ import annotations

import math
import os
import secrets
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from pipeline.backends.decode import DecodeOptions, decode
from pipeline.errors import CallError
from pipeline.types import Audio

if TYPE_CHECKING:
    from pydub import AudioSegment

Span = tuple[float, float]

# Ending of the file → (container, encoder, bit rate); None leaves the choice to pydub.
_FORMATS: dict[str, tuple[str, str | None, str | None]] = {
    ".wav": ("wav", None, None),
    ".mp3": ("mp3", "libmp3lame", "32k"),
    ".opus": ("opus", "libopus", "24k"),
    ".ogg": ("ogg", "libopus", "24k"),
}


@dataclass(frozen=True, slots=True)
class ClipOptions:
    #: Seconds of fade at both ends, against clicks.
    fade: float = 0.02
    #: Hz and dBFS of the tone that replaces personal data.
    bleep_frequency: float = 1000.0
    bleep_level: float = -26.0
    #: Seconds by which a bleep reaches beyond its span on both sides: word times are not exact.
    bleep_margin: float = 0.1
    #: How the recording is decoded.
    decode: DecodeOptions = field(default_factory=DecodeOptions)


def cut_clip(  # noqa: PLR0913
    path: Path,
    start: float,
    end: float,
    out: Path,
    *,
    bleep: Sequence[Span] = (),
    options: ClipOptions | None = None,
) -> Path:
    """Write seconds [start, end) of a recording to `out` (.wav, .mp3, .opus, .ogg); returns it.

    `bleep` are spans in seconds of the recording; what they cover is replaced by a tone, not
    mixed with it. The clip ends with the recording if that is shorter. Raises ValueError on an
    empty interval or an unknown ending, CallError when the recording cannot be decoded or ends
    before `start`.
    """
    options = options or ClipOptions()
    if not 0 <= start < end or not all(first <= last for first, last in bleep):
        raise ValueError(f"clip: need 0 <= start < end and spans in order, got {start}, {end}")
    if out.suffix.lower() not in _FORMATS:
        raise ValueError(f"clip: {out.suffix!r} is none of {', '.join(_FORMATS)}")
    decoded = decode(path, replace(options.decode, stop_at=end))
    if decoded.audio.duration <= start:
        detail = f"the recording ends at {decoded.audio.duration:.1f} s, the clip begins later"
        raise CallError("failed", "no_samples", detail)
    clip = _segment(decoded.audio, start, end)
    for first, last in bleep:
        clip = _bleeped(clip, first - start, last - start, options)
    fade = min(round(1000 * options.fade), len(clip) // 2)
    _export(clip.fade_in(fade).fade_out(fade), out)
    return out


def _segment(audio: Audio, start: float, end: float) -> AudioSegment:
    """The samples of an interval as 16-bit PCM."""
    first, last = round(start * audio.sample_rate), round(end * audio.sample_rate)
    samples = audio.samples[:, first:last]  # (channels, n)
    pcm = np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").T  # (n, channels)
    return _pydub().AudioSegment(
        data=np.ascontiguousarray(pcm).tobytes(),
        sample_width=2,
        frame_rate=audio.sample_rate,
        channels=audio.channels,
    )


def _bleeped(clip: AudioSegment, start: float, end: float, options: ClipOptions) -> AudioSegment:
    """The clip with a tone instead of seconds [start, end) and the margin around them."""
    first = max(0, math.floor(1000 * (start - options.bleep_margin)))
    last = min(len(clip), math.ceil(1000 * (end + options.bleep_margin)))
    if first >= last:
        return clip
    tone = (
        _pydub()
        .generators.Sine(options.bleep_frequency, sample_rate=clip.frame_rate)
        .to_audio_segment(duration=last - first, volume=options.bleep_level)
        .set_channels(clip.channels)
    )
    before, after = clip[:first], clip[last:]
    return before.append(tone, crossfade=0).append(after, crossfade=0)


def _export(clip: AudioSegment, out: Path) -> None:
    """Write beside the goal, then rename: a half-written clip is never seen."""
    container, codec, bitrate = _FORMATS[out.suffix.lower()]
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_name(f".{secrets.token_hex(4)}{out.suffix}")
    try:
        clip.export(draft, format=container, codec=codec, bitrate=bitrate).close()
        os.replace(draft, out)  # noqa: PTH105
    finally:
        draft.unlink(missing_ok=True)


def _pydub() -> ModuleType:
    """The module pydub, with the bundled ffmpeg; it warns on import where none is on the PATH."""
    import imageio_ffmpeg

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pydub
        import pydub.generators

    pydub.AudioSegment.converter = imageio_ffmpeg.get_ffmpeg_exe()
    module: ModuleType = pydub
    return module
