"""Silero voice activity detection (weights inside the silero-vad package, MIT)."""

from __future__ import annotations

from pipeline.speech import SpeechOptions
from pipeline.types import Samples


class SileroVoiceActivity:
    """Speech intervals of one channel by the ONNX build of Silero VAD."""

    digest = "silero-vad-6.2.3-onnx"

    def __init__(self, options: SpeechOptions) -> None:
        from silero_vad import load_silero_vad

        self._options = options
        self._model = load_silero_vad(onnx=True)

    def __call__(self, samples: Samples, sample_rate: int) -> tuple[tuple[float, float], ...]:
        import torch
        from silero_vad import get_speech_timestamps

        options = self._options
        found = get_speech_timestamps(
            torch.from_numpy(samples),
            self._model,
            threshold=options.threshold,
            sampling_rate=sample_rate,
            min_speech_duration_ms=round(1000 * options.minimum_speech),
            min_silence_duration_ms=round(1000 * options.minimum_pause),
            speech_pad_ms=round(1000 * options.padding),
        )
        return tuple((item["start"] / sample_rate, item["end"] / sample_rate) for item in found)
