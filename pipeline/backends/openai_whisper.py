"""OpenAI's Whisper in torch, on the same weights, batched, with word times."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.backends.convert_whisper import ALIGNMENT_HEADS
from pipeline.backends.faster_whisper import join_pieces
from pipeline.transcribe import Heard, HeardWord, TranscribeOptions, choose_language
from pipeline.types import Language, Samples

if TYPE_CHECKING:
    from torch import Tensor
    from whisper.model import ModelDimensions

HOP = 160
#: (mel bands, width, text layers) -> name in the table of alignment heads
SIZES = {
    (80, 512, 6): "base",
    (80, 768, 12): "small",
    (80, 1024, 24): "medium",
    (128, 1280, 32): "large-v3",
    (128, 1280, 4): "large-v3-turbo",
}


class OpenAIWhisper:
    """A recogniser over a `whisper.load_model` checkpoint; every window gets its own language."""

    engine = "openai-whisper"

    def __init__(
        self,
        checkpoint: Path,
        options: TranscribeOptions,
        *,
        device: str = "cpu",
    ) -> None:
        import whisper

        self._options = options
        self._model = whisper.load_model(str(checkpoint), device=device)
        heads = _alignment_heads(self._model.dims)
        if heads is not None:
            self._model.set_alignment_heads(heads)

    def __call__(self, windows: Sequence[Samples], temperature: float) -> tuple[Heard, ...]:
        import torch
        import whisper

        with torch.inference_mode():
            mels = torch.stack(
                [
                    whisper.pad_or_trim(
                        whisper.log_mel_spectrogram(
                            window, self._model.dims.n_mels, padding=480000
                        ),
                        3000,
                    )
                    for window in windows
                ]
            ).to(self._model.device)  # (windows, mels, 3000)
            encoded = self._model.embed_audio(mels)  # (windows, 1500, d)
            _, found = self._model.detect_language(encoded)
            heard = [self._hear(mels[i], encoded[i], window, found[i], temperature)
                     for i, window in enumerate(windows)]  # fmt: skip
        return tuple(heard)

    def _hear(
        self,
        mel: Tensor,
        encoded: Tensor,
        window: Samples,
        probabilities: dict[str, float],
        temperature: float,
    ) -> Heard:
        from whisper.decoding import DecodingOptions, decode

        language, certainty = choose_language(probabilities, self._options)
        options = DecodingOptions(
            language=language,
            temperature=temperature,
            beam_size=self._options.beam_size if temperature == 0 else None,
            without_timestamps=True,
            fp16=False,
        )
        result = decode(self._model, encoded.unsqueeze(0), options)[0]
        words = self._align(mel, result.tokens, language, min(3000, len(window) // HOP))
        return Heard(
            language, certainty, words, float(result.avg_logprob),
            float(result.no_speech_prob),
        )  # fmt: skip

    def _align(
        self, mel: Tensor, tokens: Sequence[int], language: Language, frames: int
    ) -> tuple[HeardWord, ...]:
        from whisper.timing import find_alignment
        from whisper.tokenizer import get_tokenizer

        tokenizer = get_tokenizer(
            self._model.is_multilingual,
            num_languages=self._model.num_languages,
            language=language,
            task="transcribe",
        )
        text = [token for token in tokens if token < tokenizer.eot]
        timings = find_alignment(self._model, tokenizer, text, mel, frames)
        return join_pieces(
            [(item.word, item.start, item.end, float(item.probability)) for item in timings]
        )


def _alignment_heads(dims: ModelDimensions) -> bytes | None:
    """The cross-attention heads that follow time; None: all of the upper half, as Whisper does."""
    name = SIZES.get((dims.n_mels, dims.n_text_state, dims.n_text_layer))
    return None if name is None else ALIGNMENT_HEADS[name]
