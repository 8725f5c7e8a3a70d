"""What a diarization is compared with: references of calls and samples, errors, pitch of voices."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.backends.decode import DecodeOptions, decode
from pipeline.evaluate.measures import DiarizationErrors
from pipeline.evaluate.truth import parse_truth
from pipeline.types import Audio, Samples

Kind = Literal["mono", "stereo mixed", "pyannote sample"]

#: Hz; median pitch above which a voice counts as a woman's
FEMALE_FROM = 165.0
#: s; frame and hop of the pitch, and Hz between which it is looked for
FRAME, HOP = 0.06, 0.02
LOWEST, HIGHEST = 60.0, 400.0
#: Boersma's thresholds: height of the peak of a voiced frame, cost of an octave
VOICED, OCTAVE_COST = 0.45, 0.01
#: steps of the lag a sample: between two samples the peak would be lower than at its multiples
FINER = 4


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Seconds in which a speaker talks; spans may overlap."""

    start: float
    end: float
    speaker: str


@dataclass(frozen=True, slots=True)
class Case:
    """A recording with its reference."""

    name: str
    kind: Kind
    path: Path
    reference: tuple[Span, ...]

    @property
    def speakers(self) -> int:
        return len({span.speaker for span in self.reference})


# ---------------------------------------------------------------- recordings


def call_cases(folder: Path) -> tuple[tuple[Case, ...], tuple[str, ...]]:
    """The calls of a folder by `truth/*.json`, and the names of those without a spoken turn."""
    cases, silent = [], []
    for path in sorted((folder / "truth").glob("*.json")):
        truth = parse_truth(path.read_text(encoding="utf-8"), path.name)
        spans = [Span(turn.start, turn.end, turn.speaker) for turn in truth.turns]
        if spans:
            kind: Kind = "stereo mixed" if truth.layout == "stereo" else "mono"
            cases.append(Case(path.stem, kind, folder / truth.file, tuple(sorted(spans))))
        else:
            silent.append(path.stem)
    return tuple(cases), tuple(silent)


def package_case() -> Case:
    """The 30 s sample inside the package of pyannote.audio: a conversation by telephone."""
    found = importlib.util.find_spec("pyannote.audio")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("pyannote.audio is not installed: run `make setup`")
    folder = Path(found.submodule_search_locations[0]) / "sample"
    text = (folder / "sample.rttm").read_text(encoding="utf-8")
    return Case("sample", "pyannote sample", folder / "sample.wav", spans_of_rttm(text))


def spans_of_rttm(text: str) -> tuple[Span, ...]:
    """The SPEAKER lines of an RTTM: type, file, channel, start, duration, …, speaker.

    >>> spans_of_rttm("SPEAKER call 1 1.5 2.0 <NA> <NA> anna <NA> <NA>")
    (Span(start=1.5, end=3.5, speaker='anna'),)
    """
    fields = [line.split() for line in text.splitlines() if line.startswith("SPEAKER ")]
    return tuple(
        sorted(Span(float(row[3]), float(row[3]) + float(row[4]), row[7]) for row in fields)
    )


def mono_audio(case: Case) -> Audio:
    """The recording as one channel, the mean of all."""
    audio = decode(case.path, DecodeOptions()).audio
    return Audio(audio.samples.mean(axis=0, keepdims=True, dtype=np.float32), audio.sample_rate)


# ---------------------------------------------------------------- errors


def errors_of(
    reference: Sequence[Span], found: Sequence[Span], duration: float, *, collar: float
) -> DiarizationErrors:
    """Missed speech, false alarm and confusion by pyannote.metrics; overlapped speech is scored.

    collar: seconds left out on each side of every border of the reference, as NIST counts it;
    pyannote.metrics counts both sides together.
    """
    from pyannote.core import Segment, Timeline
    from pyannote.metrics.diarization import DiarizationErrorRate

    metric = DiarizationErrorRate(collar=2 * collar, skip_overlap=False)
    parts = metric(
        _annotation(reference),
        _annotation(found),
        uem=Timeline([Segment(0.0, duration)]),
        detailed=True,
    )
    return DiarizationErrors(
        float(parts["total"]),
        float(parts["missed detection"]),
        float(parts["false alarm"]),
        float(parts["confusion"]),
    )


def _annotation(spans: Iterable[Span]) -> object:
    from pyannote.core import Annotation, Segment

    made = Annotation()
    for track, span in enumerate(spans):
        made[Segment(span.start, span.end), track] = span.speaker
    return made


def with_pauses_joined(spans: Sequence[Span], pause: float) -> tuple[Span, ...]:
    """Spans that follow each other, of one speaker, joined across a pause of up to so many s.

    >>> with_pauses_joined([Span(0, 1, "a"), Span(1.5, 2, "a"), Span(2.1, 3, "b")], 1.0)
    (Span(start=0, end=2, speaker='a'), Span(start=2.1, end=3, speaker='b'))
    """
    joined: list[Span] = []
    for span in sorted(spans):
        last = joined[-1] if joined else None
        if last and last.speaker == span.speaker and span.start - last.end <= pause:
            joined[-1] = Span(last.start, max(last.end, span.end), span.speaker)
        else:
            joined.append(span)
    return tuple(joined)


# ---------------------------------------------------------------- pitch


def pitches(case: Case, audio: Audio) -> dict[str, float]:
    """Speaker -> median pitch in Hz where the speaker talks alone; none without a voiced frame."""
    found: dict[str, float] = {}
    for speaker in sorted({span.speaker for span in case.reference}):
        pitch = median_pitch(_alone(case.reference, speaker, audio), audio.sample_rate)
        if pitch is not None:
            found[speaker] = pitch
    return found


def _alone(reference: Sequence[Span], speaker: str, audio: Audio) -> Samples:
    """Samples (n,) of one channel in which the speaker talks and nobody else does."""
    own = np.zeros(audio.samples.shape[1], dtype=bool)
    others = np.zeros_like(own)
    for span in reference:
        mask = own if span.speaker == speaker else others
        mask[round(span.start * audio.sample_rate) : round(span.end * audio.sample_rate)] = True
    samples: Samples = audio.samples[0][own & ~others]
    return samples


def median_pitch(samples: Samples, rate: int) -> float | None:
    """Hz, the median over voiced frames of (n,); None where there is no voiced frame.

    The highest peak of the autocorrelation, divided by that of the window, with a cost of
    octaves below (Boersma, "Accurate short-term analysis of the fundamental frequency",
    IFA Proceedings 17, 1993).
    """
    length, hop = round(FRAME * rate), round(HOP * rate)
    if len(samples) < length:
        return None
    frames = np.lib.stride_tricks.sliding_window_view(samples, length)[::hop].astype(np.float64)
    window = np.hanning(length)
    frames = (frames - frames.mean(axis=1, keepdims=True)) * window  # (frames, length)
    rate *= FINER
    lags = np.arange(int(rate / HIGHEST), int(rate / LOWEST) + 1)
    own = _autocorrelation(frames, lags) / _autocorrelation(window[None], lags)
    strength = own - OCTAVE_COST * np.log2(LOWEST * lags / rate)
    best = strength.argmax(axis=1)
    voiced = own[np.arange(len(own)), best] > VOICED
    return float(np.median(rate / lags[best[voiced]])) if voiced.any() else None


def _autocorrelation(
    frames: npt.NDArray[np.float64], lags: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Of (frames, n) at some lags, 1 at lag 0; (frames, lags). A sample is FINER lags."""
    size = 2 * frames.shape[1]
    spectrum = np.fft.rfft(frames, size)
    whole = np.fft.irfft(np.abs(spectrum) ** 2, FINER * size)
    return np.asarray(whole[:, lags] / (whole[:, :1] + 1e-12), dtype=np.float64)
