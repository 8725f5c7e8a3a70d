"""Decodes one recording to float32 at 16 kHz, its channels kept apart (PyAV).

Streaming and bounded: nothing but the samples themselves is held, 64 kB per second and channel
(an hour of stereo: 460 MB), and neither header nor content can make it more than the options
allow. The file is handed over as a byte stream with its demuxer named, so a playlist or a link
inside it opens nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.backends.sniff import HEAD, sniff, wav_promise
from pipeline.errors import CallError
from pipeline.types import Audio, Samples

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.resampler import AudioResampler
    from av.container import InputContainer

VERSION = 1

#: Codecs of telephony and of common recorders; anything else is refused as unsupported.
CODECS = (
    "pcm_", "adpcm_", "gsm", "mp3", "mp2", "opus", "vorbis", "speex", "libspeex", "flac", "alac",
    "amr", "libopencore_amr", "aac", "g722", "g723", "g726", "g729", "wma", "libopus", "libvorbis",
)  # fmt: skip
_DATE_TAGS = ("creation_time", "date", "ICRD", "origination_date")
_HEADERLESS = ("mulaw", "alaw", "s16le")
_HEADERLESS_RATE = 8000


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    #: Samples per second of the result.
    sample_rate: int = 16_000
    #: Seconds; longer recordings are not evaluable. 4 h of stereo hold 1.8 GB of samples.
    max_duration: float = 4 * 3600.0
    #: Bytes; larger files are not read.
    max_bytes: int = 2 * 1024**3
    #: Samples per second that a header may claim; outside, the file is taken for damaged or
    #: hostile (a 1 kB file at 1 Hz would expand to hours).
    min_sample_rate: int = 4_000
    max_sample_rate: int = 192_000
    #: Channels; more than two parties mixed on separate channels are not supported.
    max_channels: int = 2
    #: A recording is reported as truncated below this share of the promised duration.
    truncated_below: float = 0.9
    #: Seconds after which decoding stops without complaint; None: the whole recording.
    stop_at: float | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """What the container promises; `duration` None where it does not say."""

    codec: str
    sample_rate: int
    channels: int
    duration: float | None
    tags_date: str | None


@dataclass(frozen=True, slots=True)
class Decoded:
    """`warnings`: truncated, damaged_packets. `tags_date`: as written."""

    audio: Audio
    codec: str
    native_sample_rate: int
    promised_duration: float | None
    warnings: tuple[str, ...]
    tags_date: str | None


def probe(path: Path, options: DecodeOptions) -> Header:
    """The header alone; raises CallError like `decode`, except for what only decoding shows."""
    with _opened(path, options) as source:
        return _header(source, options)


def decode(path: Path, options: DecodeOptions) -> Decoded:
    """All samples, (channels, n) float32 in about [-1, 1] at `options.sample_rate`.

    Raises CallError: failed with unreadable, empty_file, not_audio, unsupported, damaged,
    too_many_channels, sample_rate_out_of_bounds or no_samples; not_evaluable with too_long or
    too_large.
    """
    with _opened(path, options) as source:
        header = _header(source, options)
        store = _Store(header.duration, options)
        _fill(store, source.container, options)
    if store.length == 0:
        raise CallError("failed", "no_samples", f"{header.codec} header without audio behind it")
    audio = Audio(store.samples(), options.sample_rate)
    if (
        options.stop_at is None
        and header.duration is not None
        and audio.duration < options.truncated_below * header.duration
    ):
        store.warnings.append("truncated")
    return Decoded(
        audio=audio,
        codec=header.codec,
        native_sample_rate=header.sample_rate,
        promised_duration=header.duration,
        warnings=tuple(store.warnings),
        tags_date=header.tags_date,
    )


@dataclass(frozen=True, slots=True)
class _Source:
    """An open file: its demuxer, its size in bytes, the seconds that a WAV header promises."""

    container: InputContainer
    kind: str
    size: int
    wav_seconds: float | None


@contextmanager
def _opened(path: Path, options: DecodeOptions) -> Iterator[_Source]:
    import av

    try:
        file = path.open("rb")
    except OSError as error:
        raise CallError("failed", "unreadable", error.strerror or "") from error
    with file:
        size = path.stat().st_size
        if size == 0:
            raise CallError("failed", "empty_file", "0 bytes")
        if size > options.max_bytes:
            detail = f"{size} bytes, allowed {options.max_bytes}"
            raise CallError("not_evaluable", "too_large", detail)
        head = file.read(HEAD)
        kind = sniff(head, path.suffix)
        if kind is None:
            raise CallError("failed", "not_audio", "the content is no known audio format")
        file.seek(0)
        demuxer = {"protocol_whitelist": "file"}
        if kind in _HEADERLESS:
            demuxer |= {"sample_rate": str(_HEADERLESS_RATE), "ch_layout": "mono"}
        try:
            container = av.open(file, "r", format=kind, options=demuxer, metadata_errors="replace")
        except (av.FFmpegError, ValueError, OSError) as error:
            raise CallError("failed", "damaged", f"{kind} header cannot be read") from error
        with closing(container):
            yield _Source(container, kind, size, wav_promise(head))


def _header(source: _Source, options: DecodeOptions) -> Header:
    """Check what the container promises against the options."""
    if not source.container.streams.audio:
        raise CallError("failed", "not_audio", "a container without an audio stream")
    stream = source.container.streams.audio[0]
    codec = str(stream.codec_context.name) if stream.codec_context else "unknown"
    if not codec.startswith(CODECS):
        raise CallError("failed", "unsupported", f"codec {codec}")
    rate, channels = int(stream.codec_context.sample_rate or 0), int(stream.channels or 0)
    if not options.min_sample_rate <= rate <= options.max_sample_rate:
        allowed = f"{options.min_sample_rate} to {options.max_sample_rate} Hz"
        raise CallError("failed", "sample_rate_out_of_bounds", f"{rate} Hz, allowed {allowed}")
    if not 1 <= channels <= options.max_channels:
        detail = f"{channels} channels, allowed {options.max_channels}"
        raise CallError("failed", "too_many_channels" if channels else "damaged", detail)
    promised = source.wav_seconds if source.kind == "wav" else _promised(source.container)
    byte_rate = int(stream.codec_context.bit_rate or 0) / 8
    held = source.size / byte_rate if codec.startswith("pcm_") and byte_rate else None
    believed = min((each for each in (promised, held) if each is not None), default=0.0)
    if options.stop_at is None and believed > options.max_duration:
        raise _too_long(believed, options)
    return Header(codec, rate, channels, promised, _date(source.container))


def _too_long(duration: float, options: DecodeOptions) -> CallError:
    detail = f"{duration:.0f} s or more, allowed {options.max_duration:.0f} s"
    return CallError("not_evaluable", "too_long", detail)


def _promised(container: InputContainer) -> float | None:
    stream = container.streams.audio[0]
    if stream.duration is not None and stream.time_base is not None:
        seconds = float(stream.duration * stream.time_base)
    elif container.duration is not None:
        seconds = container.duration / 1_000_000
    else:
        return None
    return seconds if seconds > 0 else None


def _date(container: InputContainer) -> str | None:
    """The date that the container carries, as written there."""
    tags: dict[str, str] = {**container.streams.audio[0].metadata, **container.metadata}
    folded = {key.lower(): value for key, value in tags.items()}
    day, clock = folded.get("origination_date"), folded.get("origination_time")
    if day and clock:  # Broadcast Wave
        return f"{day} {clock}"
    return next((folded[name.lower()] for name in _DATE_TAGS if folded.get(name.lower())), None)


class _Store:
    """Samples as they come, in one flat array that is reserved once and filled in place.

    Reserved pages cost nothing until they are written, so a header that promises too much does
    no harm; one that promises too little makes the array grow.
    """

    def __init__(self, promised: float | None, options: DecodeOptions) -> None:
        limit = options.max_duration if options.stop_at is None else options.stop_at
        self.limit = int(limit * options.sample_rate)
        expected = int((promised or 60.0) * 1.01 * options.sample_rate)
        self._reserve = min(expected, self.limit) + options.sample_rate
        self._rows: Samples = np.empty((0, 0), np.float32)
        self.length = 0
        self.warnings: list[str] = []

    @property
    def full(self) -> bool:
        return self.length > self.limit

    def append(self, frame: AudioFrame) -> None:
        """Copy a resampled frame in; past the limit nothing more is kept."""
        block: npt.NDArray[np.float32] = np.asarray(frame.to_ndarray(), np.float32)  # (channels, n)
        end = self.length + block.shape[1]
        if self.length == 0:
            self._rows = np.empty((block.shape[0], self._reserve), np.float32)
        if block.shape[0] != self._rows.shape[0]:
            raise CallError("failed", "unsupported", "the number of channels changes midway")
        if end > self._rows.shape[1]:
            if self.full:
                return
            rows = np.empty((block.shape[0], end * 3 // 2), np.float32)
            rows[:, : self.length] = self._rows[:, : self.length]
            self._rows = rows
        self._rows[:, self.length : end] = block
        self.length = end

    def samples(self) -> Samples:
        """(channels, n), contiguous, without a second copy of the whole."""
        channels, n = self._rows.shape[0], min(self.length, self.limit)
        flat = self._rows.reshape(-1)
        for channel in range(1, channels):
            flat[channel * n : (channel + 1) * n] = self._rows[channel, :n]
        return flat[: channels * n].reshape(channels, n)


def _fill(store: _Store, container: InputContainer, options: DecodeOptions) -> None:
    resampler: AudioResampler | None = None
    shape: tuple[str, str, int] | None = None
    for frame in _frames(container, store):
        seen = (frame.format.name, frame.layout.name, frame.sample_rate)
        if resampler is None or seen != shape:
            _drain(resampler, store)
            resampler, shape = _resampler(frame, options), seen
        for piece in resampler.resample(frame):
            store.append(piece)
        if store.full:
            break
    _drain(resampler, store)
    if store.full and options.stop_at is None:
        raise _too_long(store.length / options.sample_rate, options)


def _resampler(frame: AudioFrame, options: DecodeOptions) -> AudioResampler:
    """To the wanted rate; layout in is layout out, so channels are never mixed."""
    import av

    if (channels := len(frame.layout.channels)) > options.max_channels:
        detail = f"{channels} channels, allowed {options.max_channels}"
        raise CallError("failed", "too_many_channels", detail)
    return av.AudioResampler(format="fltp", layout=frame.layout, rate=options.sample_rate)


def _drain(resampler: AudioResampler | None, store: _Store) -> None:
    if resampler is not None:
        for piece in resampler.resample(None):
            store.append(piece)


def _frames(container: InputContainer, store: _Store) -> Iterator[AudioFrame]:
    """Frames of the first audio stream; damaged packets are passed over and reported once."""
    import av

    stream = container.streams.audio[0]
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            frames = packet.decode()
        except (av.FFmpegError, ValueError) as error:
            if "damaged_packets" not in store.warnings:
                store.warnings.append("damaged_packets")
            if isinstance(error, EOFError):
                return
            continue
        yield from frames
