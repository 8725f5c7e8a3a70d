"""The models of one worker, each loaded when it is first needed and kept."""

from __future__ import annotations

from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.config import Config
from pipeline.diarize import Diarizer, Segmentation, VoiceEmbedder, diarize
from pipeline.run.plan import ModelPlan, Plan
from pipeline.speech import VoiceActivity
from pipeline.transcribe import Recogniser
from pipeline.types import ActScores, Transcript

if TYPE_CHECKING:
    from pipeline.backends.encoder import Encoder
    from pipeline.backends.heads import Heads


Embeddings = npt.NDArray[np.float32]


class Models:
    """Lazily loaded models behind the protocols of the stages."""

    def __init__(self, plan: ModelPlan, config: Config) -> None:
        self._plan = plan
        self._config = config

    @cached_property
    def voice_activity(self) -> VoiceActivity:
        from pipeline.backends.vad import SileroVoiceActivity

        return SileroVoiceActivity(self._config.speech)

    @cached_property
    def diarizer(self) -> Diarizer:
        options = self._config.diarize
        if options.method == "pyannote":
            from pipeline.backends.stock_diarization import StockDiarizer

            return StockDiarizer(
                Path(self._plan.segmentation),
                self.embedder,
                source=options.pyannote_source or None,
                device=self._plan.device,
            )
        return partial(diarize, models=(self.segmentation, self.embedder), options=options)

    @cached_property
    def segmentation(self) -> Segmentation:
        from pipeline.backends.segmentation import PyannoteSegmentation

        return PyannoteSegmentation(Path(self._plan.segmentation), device=self._plan.device)

    @cached_property
    def embedder(self) -> VoiceEmbedder:
        from pipeline.backends.campplus import CampplusEmbedder

        return CampplusEmbedder(Path(self._plan.speaker), device=self._plan.device)

    @cached_property
    def recogniser(self) -> Recogniser:
        plan = self._plan
        if plan.engine == "openai-whisper":
            from pipeline.backends.openai_whisper import OpenAIWhisper

            return OpenAIWhisper(Path(plan.asr), self._config.transcribe, device=plan.device)
        from pipeline.backends.faster_whisper import FasterWhisper

        return FasterWhisper(
            Path(plan.asr),
            self._config.transcribe,
            device=plan.device,
            compute_type=plan.compute_type,
            threads=plan.threads,
        )

    @cached_property
    def encoder(self) -> Encoder:
        from pipeline.backends.encoder import Encoder, EncoderOptions

        return Encoder(Path(self._plan.encoder), EncoderOptions(device=self._plan.device))

    @cached_property
    def heads(self) -> Heads:
        from pipeline.backends.heads import load_heads

        return load_heads(Path(self._plan.heads))

    def embed(self, transcript: Transcript) -> Embeddings:
        """One sentence embedding a turn, (turns, d) float32."""
        return self.encoder.encode(transcript.texts())

    def act_scores(self, transcript: Transcript, embeddings: Embeddings) -> ActScores:
        """What the heads say of every turn; a turn without words has probability 0."""
        texts = transcript.texts()
        acts = self.heads.acts(embeddings, [turn.role for turn in transcript.turns])
        empty = [place for place, text in enumerate(texts) if not text]
        acts[empty] = 0
        return ActScores(
            acts=self.heads.act_names,
            probabilities=acts,
            thresholds=tuple(map(float, self.heads.threshold)),
            certain=tuple(map(float, self.heads.high)),
            topics=self.heads.topic_names,
            topic_probabilities=self.heads.topic(embeddings),
        )


@lru_cache(maxsize=1)
def _loaded(plan: ModelPlan, config: Config) -> Models:
    import torch

    if plan.threads:
        torch.set_num_threads(plan.threads)
    return Models(plan, config)


def models_of(plan: Plan) -> Models:
    """The models of this process for a plan; the last plan's stay loaded."""
    return _loaded(plan.models, plan.config)
