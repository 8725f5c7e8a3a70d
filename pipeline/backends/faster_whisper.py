"""Whisper under CTranslate2 (faster-whisper), batched, with word times and temperature."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.transcribe import Heard, HeardWord, TranscribeOptions, choose_language
from pipeline.types import Language, Samples

if TYPE_CHECKING:
    import ctranslate2

SEGMENT_FRAMES = 3000


class FasterWhisper:
    """A recogniser over a CTranslate2 folder; every window gets its own language."""

    engine = "faster-whisper"

    def __init__(
        self,
        folder: Path,
        options: TranscribeOptions,
        *,
        device: str = "cpu",
        compute_type: str = "int8",
        threads: int = 0,
    ) -> None:
        from faster_whisper import WhisperModel

        self._options = options
        self._model = WhisperModel(
            str(folder), device=device, compute_type=compute_type, cpu_threads=threads,
            local_files_only=True,
        )  # fmt: skip

    def __call__(self, windows: Sequence[Samples], temperature: float) -> tuple[Heard, ...]:
        encoded = [self._encode(window) for window in windows]
        choices = [self._language(view) for view in encoded]
        heard: dict[int, Heard] = {}
        for language in self._options.languages:
            members = [i for i, choice in enumerate(choices) if choice[0] == language]
            if members:
                views = np.concatenate([encoded[i] for i in members])
                frames = [min(SEGMENT_FRAMES, len(windows[i]) // 160) for i in members]
                texts = self._decode(views, language, frames, temperature)
                for i, (words, logprob, no_speech) in zip(members, texts, strict=True):
                    heard[i] = Heard(language, choices[i][1], words, logprob, no_speech)
        return tuple(heard[i] for i in range(len(windows)))

    def _encode(self, samples: Samples) -> Samples:
        """Encoder output (1, 1500, d) float32, in main memory whatever the device."""
        import ctranslate2
        from faster_whisper.audio import pad_or_trim

        features = pad_or_trim(self._model.feature_extractor(samples))[None]  # (1, mels, 3000)
        encoded = self._model.model.encode(_view(features), to_cpu=True)
        return np.array(encoded.to(ctranslate2.DataType.float32), dtype=np.float32)

    def _language(self, encoded: Samples) -> tuple[Language, float]:
        found = self._model.model.detect_language(_view(encoded))[0]
        return choose_language(
            {token[2:-2]: float(probability) for token, probability in found}, self._options
        )

    def _decode(
        self, encoded: Samples, language: Language, frames: Sequence[int], temperature: float
    ) -> list[tuple[tuple[HeardWord, ...], float, float]]:
        from faster_whisper.tokenizer import Tokenizer

        tokenizer = Tokenizer(
            self._model.hf_tokenizer, multilingual=True, task="transcribe", language=language
        )
        prompt = self._model.get_prompt(tokenizer, [], without_timestamps=True)
        results = self._model.model.generate(
            _view(encoded),
            [prompt] * len(encoded),
            beam_size=self._options.beam_size if temperature == 0 else 1,
            max_length=self._model.max_length,
            suppress_blank=True,
            suppress_tokens=[-1],
            return_scores=True,
            return_no_speech_prob=True,
            sampling_temperature=temperature,
            sampling_topk=1 if temperature == 0 else 0,
        )
        texts = [
            [token for token in result.sequences_ids[0] if token < tokenizer.eot]
            for result in results
        ]
        aligned = [
            self._model.find_alignment(tokenizer, [tokens], _view(encoded[i : i + 1]), frames[i])
            for i, tokens in enumerate(texts)
        ]
        return [
            (
                _words(alignment[0] if alignment else []),
                float(result.scores[0]) * len(result.sequences_ids[0])
                / (len(result.sequences_ids[0]) + 1),
                float(result.no_speech_prob),
            )
            for result, alignment in zip(results, aligned, strict=True)
        ]  # fmt: skip


def _view(array: Samples) -> ctranslate2.StorageView:
    import ctranslate2

    return ctranslate2.StorageView.from_array(np.ascontiguousarray(array))


def _words(alignment: Sequence[dict[str, object]]) -> tuple[HeardWord, ...]:
    return join_pieces(
        [
            (str(item["word"]), float(str(item["start"])), float(str(item["end"])),
             float(str(item["probability"])))
            for item in alignment
        ]
    )  # fmt: skip


def join_pieces(pieces: Sequence[tuple[str, float, float, float]]) -> tuple[HeardWord, ...]:
    """Words from (text, start, end, probability); text without a leading space or letter joins."""
    words: list[HeardWord] = []
    for text, start, end, probability in pieces:
        bare = text.strip()
        if not bare:
            continue
        attached = not text.startswith(" ") or not any(letter.isalnum() for letter in bare)
        if words and attached:
            last = words[-1]
            words[-1] = HeardWord(
                last.start, max(last.end, end), last.text + bare, last.probability
            )
        else:
            words.append(HeardWord(start, max(start, end), bare, probability))
    return tuple(words)
