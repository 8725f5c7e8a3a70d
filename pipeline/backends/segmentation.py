"""pyannote.audio's segmentation model as a source of local speaker activity."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np

from pipeline.diarize import LocalActivity
from pipeline.errors import ModelError
from pipeline.types import Samples


class PyannoteSegmentation:
    """segmentation-3.0 with windows of its own length, every half window."""

    def __init__(self, checkpoint: Path, *, device: str = "cpu", batch_size: int = 8) -> None:
        os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
        import torch

        with warnings.catch_warnings():
            # torchcodec is absent beside a CPU torch; samples are passed decoded, it is not needed
            warnings.filterwarnings("ignore", message="(?s).*torchcodec", category=UserWarning)
            from pyannote.audio import Inference, Model

        model = Model.from_pretrained(checkpoint)
        if model is None or isinstance(model.specifications, tuple):
            raise ModelError(f"{checkpoint.name} is no segmentation model of one task")
        self._window = float(model.specifications.duration)
        self._inference = Inference(
            model,
            duration=self._window,
            step=self._window / 2,
            skip_aggregation=True,
            batch_size=batch_size,
            device=torch.device(device),
        )

    def __call__(self, samples: Samples, sample_rate: int) -> LocalActivity:
        import torch
        from pyannote.core import SlidingWindowFeature

        shortfall = max(0, round(self._window * sample_rate) - len(samples))
        padded = np.pad(samples, (0, shortfall)) if shortfall else samples
        found = self._inference(
            {"waveform": torch.from_numpy(padded).unsqueeze(0), "sample_rate": sample_rate}
        )
        if not isinstance(found, SlidingWindowFeature):
            raise ModelError("the segmentation model did not answer window by window")
        activity = np.asarray(found.data, dtype=np.float32)  # (windows, frames, local speakers)
        starts = tuple(float(found.sliding_window[i].start) for i in range(len(activity)))
        return LocalActivity(activity, starts, self._window / activity.shape[1])
