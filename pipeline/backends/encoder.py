"""Sentence embeddings from a local multilingual-e5 directory (transformers, CPU or GPU)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.errors import ModelError, ModelMissing

if TYPE_CHECKING:
    import torch

Embeddings = npt.NDArray[np.float32]

_WEIGHTS = "model.safetensors"
_DIGESTED = ("config.json", "tokenizer.json", _WEIGHTS)


@dataclass(frozen=True, slots=True)
class EncoderOptions:
    #: texts per forward pass; texts are sorted by length first, so padding stays small
    batch_size: int = 32
    #: tokens; the rest of a longer text is not seen
    max_tokens: int = 128
    #: put before every text; E5 was trained with it and degrades without
    prefix: str = "query: "
    #: torch device name
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.max_tokens < 8:
            raise ValueError(
                f"EncoderOptions: need batch_size >= 1 and max_tokens >= 8, "
                f"got {self.batch_size} and {self.max_tokens}"
            )


class Encoder:
    """multilingual-e5-small: mean pooling over the mask, then L2 norm (Wang et al. 2024).

    Raises ModelMissing when the directory or a file is absent, ModelError when it cannot be
    loaded. Nothing is fetched: only local files are read.
    """

    def __init__(self, directory: Path, options: EncoderOptions | None = None) -> None:
        for name in _DIGESTED:
            if not (directory / name).is_file():
                raise ModelMissing(
                    f"encoder: no {name} in {directory}; run `sapa models fetch` first"
                )
        self.options = options or EncoderOptions()
        self.name = directory.name
        self._directory = directory
        self._load()

    def _load(self) -> None:
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(self._directory, local_files_only=True)
            model = AutoModel.from_pretrained(
                self._directory,
                local_files_only=True,
                use_safetensors=True,
                add_pooling_layer=False,
            )
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(
                f"encoder: {self._directory} cannot be loaded ({error}); "
                f"run `sapa models verify`, then `sapa models fetch`"
            ) from error
        self._model = model.float().to(self.options.device).eval()

    @property
    def size(self) -> int:
        """Length of one embedding (384 for the small model)."""
        return int(self._model.config.hidden_size)

    def digest(self) -> str:
        """sha256 over the weights, the configuration and the tokenizer."""
        total = hashlib.sha256()
        for name in _DIGESTED:
            with (self._directory / name).open("rb") as stream:
                total.update(hashlib.file_digest(stream, "sha256").digest())
        return total.hexdigest()

    def encode(self, texts: Sequence[str]) -> Embeddings:
        """Texts to unit vectors (n, size) float32, in the given order; n = 0 is allowed."""
        out = np.zeros((len(texts), self.size), dtype=np.float32)
        order = sorted(range(len(texts)), key=lambda place: (len(texts[place]), place))
        for start in range(0, len(order), self.options.batch_size):
            places = order[start : start + self.options.batch_size]
            out[places] = self._batch([texts[place] for place in places]).cpu().numpy()
        return out

    def _batch(self, texts: list[str]) -> torch.Tensor:
        import torch

        inputs = self._tokenizer(
            [self.options.prefix + text for text in texts],
            padding=True,
            truncation=True,
            max_length=self.options.max_tokens,
            return_tensors="pt",
        ).to(self.options.device)
        with torch.inference_mode():
            states = self._model(**inputs).last_hidden_state  # (batch, tokens, size)
            mask = inputs["attention_mask"].unsqueeze(-1).to(states.dtype)
            pooled = (states * mask).sum(1) / mask.sum(1)
            return torch.nn.functional.normalize(pooled, dim=-1)
