"""pyannote.audio's own SpeakerDiarization pipeline behind the protocol `pipeline.diarize.Diarizer`.

A yardstick for the diarization of this package, and a way to use a complete published pipeline.
"""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from pipeline.diarize import VoiceEmbedder
from pipeline.errors import ModelError
from pipeline.types import Audio, Samples, SpeechSegment, Turn, mark_overlaps

if TYPE_CHECKING:
    from pyannote.audio import Model, Pipeline
    from pyannote.audio.pipelines import SpeakerDiarization
    from torch import Tensor

#: windows of segmentation, and (window, local speaker) pairs of embedding, a batch
BATCH_SIZE = 32
#: the published parameters of pyannote/speaker-diarization-3.1
PARAMETERS = {
    "segmentation": {"min_duration_off": 0.0},
    "clustering": {"method": "centroid", "min_cluster_size": 12, "threshold": 0.7045654963945799},
}
#: ids in the manifest of models
SEGMENTATION, EMBEDDING = "pyannote-segmentation-3.0", "campplus-zh-en"
STORED = "pyannote-community-1"


class StockDiarizer:
    """Turns of a one-channel call by the stock pipeline.

    source: folder or config.yaml of a published pipeline, or its name on the hub (owner/name);
    None: 3.1's agglomerative pipeline from the local `segmentation` and `embedder` (a CAM++
    checkpoint or any embedder), which are not read otherwise. A telephone call has one to three
    voices. exclusive: at every moment one voice alone, where the pipeline offers that; words are
    best aligned with it. False: voices may overlap.

    Raises ModelError when a model or the source cannot be loaded.
    """

    def __init__(  # noqa: PLR0913
        self,
        segmentation: Path | None,
        embedder: VoiceEmbedder | Path | None,
        *,
        source: str | Path | None = None,
        device: str = "cpu",
        minimum_speakers: int = 1,
        maximum_speakers: int = 3,
        exclusive: bool = True,
    ) -> None:
        if not 1 <= minimum_speakers <= maximum_speakers:
            raise ValueError(
                f"StockDiarizer: need 1 <= minimum_speakers <= maximum_speakers, got "
                f"{minimum_speakers} and {maximum_speakers}"
            )
        pipeline = (
            _assembled(segmentation, embedder, device) if source is None else load_pipeline(source)
        )
        import torch

        self._pipeline = pipeline.to(torch.device(device))
        self._speakers = (minimum_speakers, maximum_speakers)
        self._exclusive = exclusive

    def __call__(self, audio: Audio, speech: Sequence[SpeechSegment]) -> tuple[Turn, ...]:
        """Turns with speakers S0, S1, … in order of first speech; () where `speech` is empty.

        Apart from that the pipeline finds speech by itself. `audio` is (1, n) at any rate.
        """
        import torch

        if audio.channels != 1:
            raise ValueError(f"StockDiarizer: one channel expected, got {audio.channels}")
        if not speech:
            return ()
        file = {
            "waveform": torch.from_numpy(audio.samples),
            "sample_rate": audio.sample_rate,
            "uri": "call",
        }
        with warnings.catch_warnings():
            # of single frames without a deviation, and of fewer voices than asked for
            warnings.simplefilter("ignore")
            found: object = self._pipeline(
                file,
                min_speakers=self._speakers[0],
                max_speakers=self._speakers[1],
            )
        return turns_of(_stretches(found, exclusive=self._exclusive), audio.duration)


def turns_of(stretches: Iterable[tuple[float, float, str]], duration: float) -> tuple[Turn, ...]:
    """Turns from (start, end, any label), in seconds, cut to the recording."""
    cut = sorted(
        (max(0.0, start), min(end, duration), label)
        for start, end, label in stretches
        if min(end, duration) > max(0.0, start)
    )
    names: dict[str, str] = {}
    for _, _, label in cut:
        names.setdefault(label, f"S{len(names)}")
    return mark_overlaps(
        [Turn(index, start, end, names[label], 0) for index, (start, end, label) in enumerate(cut)]
    )


def _stretches(found: object, *, exclusive: bool) -> Iterator[tuple[float, float, str]]:
    """(start, end, label) of what a pipeline answered: an annotation, or several in one object."""
    from pyannote.core import Annotation

    chosen = getattr(found, "exclusive_speaker_diarization", None) if exclusive else None
    annotation = getattr(found, "speaker_diarization", found) if chosen is None else chosen
    if not isinstance(annotation, Annotation):
        raise ModelError(
            f"the diarization pipeline answered with {type(found).__name__}; an annotation of "
            "speakers was expected"
        )
    for segment, _, label in annotation.itertracks(yield_label=True):
        yield float(segment.start), float(segment.end), str(label)


def load_pipeline(source: str | Path) -> Pipeline:
    """A complete published pipeline from a folder, a config.yaml or the hub.

    Raises ModelError that says what to do.
    """
    name = str(source)
    on_hub = isinstance(source, str) and _is_hub_name(source) and not Path(source).exists()
    if not on_hub:
        _check_folder(Path(source).expanduser())
        name = str(Path(source).expanduser())
    _quiet_pyannote()
    with warnings.catch_warnings():
        _ignore_torchcodec()
        from pyannote.audio import Pipeline
        from pyannote.audio.pipelines import SpeakerDiarization
    try:
        # where access is refused, pyannote prints what to do in its own terms
        with contextlib.redirect_stdout(io.StringIO()):
            pipeline = Pipeline.from_pretrained(name)
    except Exception as error:
        raise ModelError(_why(name, on_hub=on_hub, error=error)) from error
    if pipeline is None:
        raise ModelError(_why(name, on_hub=on_hub, error=None))
    if isinstance(pipeline, SpeakerDiarization):
        pipeline.segmentation_batch_size = BATCH_SIZE
        pipeline.embedding_batch_size = BATCH_SIZE
    return pipeline


def _is_hub_name(source: str) -> bool:
    """owner/name, as the hub allows it."""
    parts = source.split("/")
    return len(parts) == 2 and all(
        part.strip(".-_") and part.replace("-", "").replace("_", "").replace(".", "").isalnum()
        for part in parts
    )


def _check_folder(place: Path) -> None:
    wanted = place / "config.yaml" if place.is_dir() else place
    if not wanted.is_file():
        seen = "has no config.yaml" if place.is_dir() else "does not exist"
        raise ModelError(
            f"diarization pipeline: {place} {seen}; a folder with the config.yaml of a published "
            f"pipeline, or its name on the hub (owner/name), is allowed. "
            f"Fetch one with `sapa models fetch {STORED}`"
        )


def _why(name: str, *, on_hub: bool, error: Exception | None) -> str:
    seen = "no answer" if error is None else f"{type(error).__name__}: {error}".splitlines()[0]
    if not on_hub:
        return (
            f"diarization pipeline {name} cannot be loaded ({seen:.200}): its files are damaged, "
            "of another version, or name models of a hub that cannot be reached; "
            f"fetch a complete one with `sapa models fetch {STORED}`"
        )
    return (
        f"diarization pipeline {name} cannot be loaded from the hub ({seen:.200}). If it is gated, "
        "accept its conditions on its page and set HF_TOKEN. Without a network, or with "
        f"HF_HUB_OFFLINE set, fetch it elsewhere (`sapa models fetch {STORED}`) and give its "
        "folder instead"
    )


def _quiet_pyannote() -> None:
    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"


def _ignore_torchcodec() -> None:
    # torchcodec is absent beside a CPU torch; samples are passed decoded, it is not needed
    warnings.filterwarnings("ignore", message="(?s).*torchcodec", category=UserWarning)


# ---------------------------------------------------------------- built from local models


def _assembled(
    segmentation: Path | None, embedder: VoiceEmbedder | Path | None, device: str
) -> SpeakerDiarization:
    """3.1's pipeline with its own parameters, from the local models and without the hub."""
    if segmentation is None or embedder is None:
        raise ModelError(
            "the stock diarization needs a segmentation and an embedding model, or the source of "
            "a complete pipeline"
        )
    model = _segmentation_model(segmentation)
    if isinstance(embedder, Path):
        embedder = _campplus(embedder, device)
    from pyannote.audio.core.plda import PLDA
    from pyannote.audio.pipelines import SpeakerDiarization

    pipeline = SpeakerDiarization(
        segmentation=model,
        embedding=model,  # holds the place: the pipeline takes a model of its own kind only
        embedding_exclude_overlap=True,
        plda=PLDA.__new__(PLDA),  # one must be given, agglomerative clustering never asks it
        clustering="AgglomerativeClustering",
        segmentation_batch_size=BATCH_SIZE,
        embedding_batch_size=BATCH_SIZE,
    )
    del pipeline._embedding
    pipeline._embedding = MaskedEmbedding(embedder)
    pipeline.instantiate(PARAMETERS)
    return pipeline


def _segmentation_model(checkpoint: Path) -> Model:
    # a path that is not there would be looked up on the hub
    if not checkpoint.is_file():
        raise ModelError(_unusable(checkpoint, "does not exist", SEGMENTATION))
    _quiet_pyannote()
    with warnings.catch_warnings():
        _ignore_torchcodec()
        from pyannote.audio import Model
    try:
        model = Model.from_pretrained(checkpoint)
    except Exception as error:
        raise ModelError(_unusable(checkpoint, _read_as(error), SEGMENTATION)) from error
    if model is None or isinstance(model.specifications, tuple):
        raise ModelError(_unusable(checkpoint, "is no model of one task", SEGMENTATION))
    return model


def _campplus(checkpoint: Path, device: str) -> VoiceEmbedder:
    from pipeline.backends.campplus import CampplusEmbedder

    try:
        return CampplusEmbedder(checkpoint, device=device)
    except Exception as error:
        raise ModelError(_unusable(checkpoint, _read_as(error), EMBEDDING)) from error


def _read_as(error: Exception) -> str:
    return f"cannot be read ({type(error).__name__})"


def _unusable(checkpoint: Path, seen: str, wanted: str) -> str:
    return f"{checkpoint} {seen}; {wanted} is expected: `sapa models fetch {wanted}`"


class MaskedEmbedding:
    """An embedder as pyannote.audio calls its pretrained speaker embeddings.

    The masked parts of a window are joined and embedded as one stretch; a mask with too little
    speech gives NaN, which the pipeline leaves out.
    """

    sample_rate = 16_000
    metric = "cosine"
    #: three frames of filter banks (25 ms, every 10 ms): the least that CAM++ takes
    min_num_samples = 720

    def __init__(self, embedder: VoiceEmbedder) -> None:
        self._embedder = embedder
        probe = np.zeros(self.sample_rate, dtype=np.float32)
        self.dimension = int(embedder(probe, self.sample_rate, ((0.0, 1.0),)).shape[1])

    def __call__(self, waveforms: Tensor, masks: Tensor | None = None) -> npt.NDArray[np.float32]:
        """Embeddings (batch, dimension) of waveforms (batch, 1, n) under masks (batch, frames)."""
        rows = cast(Samples, waveforms[:, 0].cpu().numpy())
        frames = np.ones((len(rows), 1)) if masks is None else masks.cpu().numpy()
        voiced = [masked(row, mask) for row, mask in zip(rows, frames, strict=True)]
        found = np.full((len(rows), self.dimension), np.nan, dtype=np.float32)
        long = [place for place, part in enumerate(voiced) if len(part) >= self.min_num_samples]
        if long:
            edges = np.cumsum([0, *(len(voiced[place]) for place in long)]) / self.sample_rate
            intervals = tuple(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
            joined = np.concatenate([voiced[place] for place in long])
            found[long] = self._embedder(joined, self.sample_rate, intervals)
        return found


def masked(row: Samples, mask: npt.NDArray[np.floating]) -> Samples:
    """The samples of (n,) in the frames of (frames,) that are above one half, joined."""
    frame_of = np.arange(len(row)) * len(mask) // len(row)
    return row[(mask > 0.5)[frame_of]]
