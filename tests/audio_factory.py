"""Tiny recordings in every format that archives hold, written on the spot."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np

from pipeline.types import Audio, Samples

# A GSM 06.10 frame that decodes to silence (the frame that telephony software sends for it).
GSM_SILENCE = bytes.fromhex("d820a2e15a50004924924924500049249249245000492492492450004924924924")

# Ending of the file → (encoder, sample format, sample rate of the encoder)
ENCODERS = {
    "alaw.wav": ("pcm_alaw", "s16", 8000),
    "ulaw.wav": ("pcm_mulaw", "s16", 8000),
    "s16.wav": ("pcm_s16le", "s16", 8000),
    "s24.wav": ("pcm_s24le", "s32", 44100),
    "u8.wav": ("pcm_u8", "u8", 8000),
    "float.wav": ("pcm_f32le", "flt", 16000),
    "adpcm.wav": ("adpcm_ima_wav", "s16p", 8000),
    "x.au": ("pcm_mulaw", "s16", 8000),
    "x.mp3": ("libmp3lame", "fltp", 8000),
    "x.opus": ("libopus", "flt", 48000),
    "x.flac": ("flac", "s16", 16000),
    "x.m4a": ("aac", "fltp", 16000),
    "x.aac": ("aac", "fltp", 16000),
    "x.amr": ("libopencore_amrnb", "s16", 8000),
}
_CONTAINERS = {".m4a": "ipod", ".aac": "adts", ".opus": "ogg"}


def tone(frequency: float, seconds: float, rate: int = 16000, level: float = 0.3) -> Samples:
    """A sine wave: (n,)."""
    time = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def noise(seconds: float, level: float, seed: int, rate: int = 16000) -> Samples:
    """White noise of a given RMS: (n,)."""
    generator = np.random.default_rng(seed)
    return (level * generator.standard_normal(round(seconds * rate))).astype(np.float32)


def bursts(seconds: float, seed: int, rate: int = 16000, level: float = 0.1) -> Samples:
    """Speech-like noise: bursts of half a second with pauses between them, telephone band: (n,)."""
    from scipy.signal import lfilter

    generator = np.random.default_rng(seed)
    gates = np.repeat(generator.random(int(seconds / 0.5) + 1) < 0.5, rate // 2)
    gates[: rate // 2] = True
    gates[rate // 2 : rate] = False
    count = round(seconds * rate)
    voice = lfilter([1.0, 0.0, -1.0], [1.0, -1.6, 0.7], generator.standard_normal(count))
    voice *= gates[:count]
    return (level * voice / np.std(voice)).astype(np.float32)


def stack(*rows: Samples, rate: int = 16000) -> Audio:
    return Audio(np.stack(rows).astype(np.float32), rate)


def encode(path: Path, audio: Audio, name: str, metadata: Sequence[tuple[str, str]] = ()) -> Path:
    """Write audio as one of ENCODERS; `name` is its key."""
    codec, sample_format, rate = ENCODERS[name]
    layout = "mono" if audio.channels == 1 else "stereo"
    resampler = av.AudioResampler(format=sample_format, layout=layout, rate=rate)
    container = av.open(str(path), "w", format=_CONTAINERS.get(path.suffix))
    with container:
        container.metadata.update(dict(metadata))
        stream = container.add_stream(codec, rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(audio.samples), format="fltp", layout=layout
        )
        frame.sample_rate = audio.sample_rate
        size = stream.codec_context.frame_size or 1024
        fifo = av.AudioFifo()
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            piece.pts = None
            fifo.write(piece)
        while (piece := fifo.read(size, partial=True)) is not None:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


def wav_header(
    *, tag: int, channels: int, rate: int, bits: int, data_size: int, block: int | None = None
) -> bytes:
    """A RIFF header of 44 bytes with whatever values, truthful or not."""
    block = channels * bits // 8 if block is None else block
    body = struct.pack("<HHIIHH", tag, channels, rate, rate * block & 0xFFFFFFFF, block, bits)
    riff = min(36 + data_size, 0xFFFFFFFF)
    return (
        b"RIFF" + struct.pack("<I", riff) + b"WAVEfmt " + struct.pack("<I", 16) + body
        + b"data" + struct.pack("<I", data_size)
    )  # fmt: skip


def write_alaw(path: Path, seconds: float, channels: int = 1, rate: int = 8000) -> Path:
    """A-law silence with a truthful header; fast for long recordings."""
    size = round(seconds * rate) * channels
    header = wav_header(tag=6, channels=channels, rate=rate, bits=8, data_size=size)
    path.write_bytes(header + b"\xd5" * size)
    return path


def write_wav49(path: Path, blocks: int) -> Path:
    """Microsoft GSM: blocks of 65 bytes, 320 samples each; the content is arbitrary."""
    data = bytes(65 * blocks)
    fmt = struct.pack("<HHIIHHHH", 0x31, 1, 8000, 1625, 65, 0, 2, 320)
    body = b"WAVEfmt " + struct.pack("<I", len(fmt)) + fmt
    body += b"fact" + struct.pack("<II", 4, 320 * blocks) + b"data" + struct.pack("<I", len(data))
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body) + len(data)) + body + data)
    return path
