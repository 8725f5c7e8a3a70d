"""Who spoke when in a mono telephone call: units of one voice, embedded once, then clustered.

The segmentation model proposes where one voice ends and another begins; its local speakers are
no identities, so identity comes from voice embeddings of whole units: long units are clustered,
short ones follow by Viterbi decoding with a cost of changing speaker that falls with the pause.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from pipeline.types import Audio, Samples, SpeechSegment, Turn, Voice, mark_overlaps

VERSION = "3"

#: longest units from which the clustering starts; more than a short call has
SEEDS = 48

Activity = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class LocalActivity:
    """Overlapping windows of local-speaker activity.

    activity: (windows, frames, local speakers) in {0, 1}; starts: (windows,) s; step: s a frame.
    """

    activity: Activity
    starts: tuple[float, ...]
    step: float


class Segmentation(Protocol):
    """Local speaker activity of one channel of samples (n,)."""

    def __call__(self, samples: Samples, sample_rate: int) -> LocalActivity: ...


class VoiceEmbedder(Protocol):
    """Unit-norm embeddings (len(intervals), d) of intervals, in seconds, of samples (n,)."""

    def __call__(
        self, samples: Samples, sample_rate: int, intervals: tuple[tuple[float, float], ...]
    ) -> Samples: ...


@dataclass(frozen=True, slots=True)
class DiarizeOptions:
    #: "telephone" is this module, "pyannote" the stock pipeline of pyannote.audio
    method: Literal["telephone", "pyannote"] = "telephone"
    #: for "pyannote": folder or hub name of a published pipeline, such as
    #: pyannote/speaker-diarization-community-1; "": built from the models above as in 3.1
    pyannote_source: str = ""
    #: keep a voice embedding per speaker in the database; it identifies a person (biometric data)
    keep_voices: bool = False
    #: s of a speaker's longest turns from which a kept voice is taken
    voice_maximum: float = 30.0
    #: s; units at least this long are clustered, shorter ones assigned
    cluster_minimum: float = 1.0
    #: s; shorter units are too short to embed and are left out
    embed_minimum: float = 0.2
    #: s; longer units are cut into equal parts
    unit_maximum: float = 8.0
    #: s around the middle of a unit from which its voice is taken; more costs time, tells little
    embed_maximum: float = 4.0
    #: cosine between the two voices' centroids above which there is only one voice. Stretches of
    #: one voice, split in two, gave 0.74 to 0.95; two voices 0.05 to 0.77
    one_voice: float = 0.82
    #: the same where one of the two is heard in a single unit: one unit is easily an outlier
    one_voice_unit: float = 0.65
    #: cosine to the nearest other voice below which a third voice is accepted
    third_voice: float = 0.7
    #: units that a third voice must have, and s that they must hold …
    third_voice_units: int = 2
    third_voice_minimum: float = 5.0
    #: … unless it opens the recording, as an announcement does, for so many s
    announcement: float = 2.0
    #: share of a unit that voice activity must confirm; the segmentation model also hears voices
    #: in tones and noise
    confirmed_share: float = 0.5
    #: cost of a change of speaker without a pause, in units of cosine
    switch_cost: float = 0.2
    #: s; the pause at which a change of speaker costs 1/e of that
    switch_pause: float = 0.3
    #: factor of that cost where the segmentation model hears another local speaker
    switch_local: float = 0.0
    #: s; units of one voice closer than this are one turn
    turn_pause: float = 1.0


@dataclass(frozen=True, slots=True)
class Unit:
    """A stretch of one local voice, in seconds.

    `local`: the local speaker, followed over the borders of windows while it goes on speaking.
    """

    start: float
    end: float
    local: int = 0

    @property
    def duration(self) -> float:
        return self.end - self.start


class Diarizer(Protocol):
    """Turns of a one-channel call from its speech; speakers S0, S1, … in order of first speech."""

    def __call__(self, audio: Audio, speech: Sequence[SpeechSegment]) -> tuple[Turn, ...]: ...


def diarize(
    audio: Audio,
    speech: Sequence[SpeechSegment],
    models: tuple[Segmentation, VoiceEmbedder],
    *,
    options: DiarizeOptions,
) -> tuple[Turn, ...]:
    """Turns of a one-channel call; speakers S0, S1, … in order of first speech."""
    segmentation, embedder = models
    if audio.channels != 1:
        raise ValueError(f"diarize: one channel expected, got {audio.channels}")
    if not speech:
        return ()
    samples = audio.samples[0]
    local = segmentation(samples, audio.sample_rate)
    voiced = confirmed(units_of(local, audio.duration, options), speech, options)
    if not voiced:
        return ()
    intervals = tuple(_middle(unit, options.embed_maximum) for unit in voiced)
    embeddings = embedder(samples, audio.sample_rate, intervals).astype(np.float64)
    labels = assign(voiced, embeddings, options)
    return _turns(voiced, labels, options)


def voices(
    audio: Audio, turns: Sequence[Turn], embedder: VoiceEmbedder, *, options: DiarizeOptions
) -> tuple[Voice, ...]:
    """The voice of every speaker, from the longest turns in which nobody else speaks."""
    found = []
    for speaker in dict.fromkeys(turn.speaker for turn in turns):
        own = [turn for turn in turns if turn.speaker == speaker and not turn.overlapped]
        long = [turn for turn in own if turn.duration >= options.cluster_minimum]
        picked: list[tuple[float, float]] = []
        for turn in sorted(long, key=lambda turn: -turn.duration):
            if sum(end - start for start, end in picked) < options.voice_maximum:
                picked.append(_middle(Unit(turn.start, turn.end), options.unit_maximum))
        if not picked:
            continue
        channel = min(own[0].channel or 0, audio.channels - 1)
        rows = embedder(audio.samples[channel], audio.sample_rate, tuple(picked))
        weights = np.array([end - start for start, end in picked])
        mean = (rows * weights[:, None]).sum(axis=0)
        mean = mean / np.linalg.norm(mean)
        found.append(Voice(speaker, float(weights.sum()), tuple(float(item) for item in mean)))
    return tuple(found)


def _middle(unit: Unit, length: float) -> tuple[float, float]:
    spare = max(0.0, unit.duration - length) / 2
    return unit.start + spare, unit.end - spare


def confirmed(
    units: Sequence[Unit], speech: Sequence[SpeechSegment], options: DiarizeOptions
) -> list[Unit]:
    """Units that voice activity hears too, from the first to the last speech in them.

    Windows of segmentation end words late, above all near their own ends. `speech` is ordered by
    time.
    """
    ends = [segment.end for segment in speech]
    kept = []
    for unit in units:
        heard: list[tuple[float, float]] = []
        for segment in islice(speech, bisect_right(ends, unit.start), None):
            if segment.start >= unit.end:
                break
            heard.append((max(unit.start, segment.start), min(unit.end, segment.end)))
        if not heard:
            continue
        part = Unit(heard[0][0], heard[-1][1], unit.local)
        share = sum(end - start for start, end in heard) / unit.duration
        if part.duration >= options.embed_minimum and share >= options.confirmed_share:
            kept.append(part)
    return kept


def units_of(local: LocalActivity, duration: float, options: DiarizeOptions) -> list[Unit]:
    """Stretches of one local speaker, ordered by start; units of different voices may overlap.

    Each window speaks for its central part; a stretch that runs over the border between two
    windows is joined when the same voice goes on.
    """
    stretches: list[tuple[float, float, int]] = []
    open_at_border: dict[int, int] = {}
    names: dict[int, int] = {}
    for window in range(len(local.starts)):
        low, high = _centre(local, window, duration)
        mapping = _continues(local, window)
        count = local.activity.shape[2]
        names = {
            speaker: names.get(mapping.get(speaker, -1), window * count + speaker)
            for speaker in range(count)
        }
        now_open: dict[int, int] = {}
        for speaker in range(count):
            first = round((low - local.starts[window]) / local.step)
            last = round((high - local.starts[window]) / local.step)
            frames = local.activity[window, first:last, speaker]
            for start, end in _runs(frames):
                begin, finish = low + start * local.step, min(low + end * local.step, duration)
                previous = open_at_border.get(mapping.get(speaker, -1)) if start == 0 else None
                if previous is not None:
                    stretches[previous] = (stretches[previous][0], finish, stretches[previous][2])
                else:
                    stretches.append((begin, finish, names[speaker]))
                    previous = len(stretches) - 1
                if end == len(frames):
                    now_open[speaker] = previous
        open_at_border = now_open
    return _split_long(
        [Unit(*stretch) for stretch in sorted(stretches) if stretch[1] > stretch[0]], options
    )


def _centre(local: LocalActivity, window: int, duration: float) -> tuple[float, float]:
    starts = local.starts
    length = local.activity.shape[1] * local.step
    low, high = starts[window], min(starts[window] + length, duration)
    if window > 0:
        low = (starts[window] + starts[window - 1] + length) / 2
    if window + 1 < len(starts):
        high = (starts[window + 1] + starts[window] + length) / 2
    return low, max(low, high)


def _continues(local: LocalActivity, window: int) -> dict[int, int]:
    """Local speaker of this window -> the same voice in the previous one, by shared activity."""
    if window == 0:
        return {}
    offset = round((local.starts[window] - local.starts[window - 1]) / local.step)
    before = local.activity[window - 1, offset:]
    after = local.activity[window, : len(before)]
    shared = after.T @ before  # (local speakers, local speakers) frames active in both
    return {
        speaker: int(row.argmax())
        for speaker, row in enumerate(shared)
        if row.max() > 0 and int(shared[:, int(row.argmax())].argmax()) == speaker
    }


def _runs(frames: Activity) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], frames > 0.5, [0]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _split_long(units: Sequence[Unit], options: DiarizeOptions) -> list[Unit]:
    parts: list[Unit] = []
    for unit in units:
        count = max(1, int(np.ceil(unit.duration / options.unit_maximum)))
        length = unit.duration / count
        parts += [
            Unit(unit.start + i * length, unit.start + (i + 1) * length, unit.local)
            for i in range(count)
        ]
    return sorted(parts, key=lambda unit: (unit.start, unit.end))


def assign(
    units: Sequence[Unit], embeddings: npt.NDArray[np.float64], options: DiarizeOptions
) -> list[int]:
    """A voice for every unit: cluster the long ones, decode all against the centroids."""
    long = [i for i, unit in enumerate(units) if unit.duration >= options.cluster_minimum]
    if len(long) < 2:
        long = list(range(len(units)))
    weights = np.array([units[i].duration for i in long])
    centroids = _voices(embeddings[long], weights, options)
    if len(centroids) == 1:
        return [0] * len(units)
    return _viterbi(units, embeddings @ centroids.T, options)


def _voices(
    embeddings: npt.NDArray[np.float64],
    weights: npt.NDArray[np.float64],
    options: DiarizeOptions,
) -> npt.NDArray[np.float64]:
    """Centroids (voices, d) of one to three voices, unit norm; units in order of time."""
    single = _centroids(embeddings, weights, np.zeros(len(embeddings), dtype=np.int64))
    if len(embeddings) < 2:
        return single
    labels = split(embeddings, weights, 2)
    two = _centroids(embeddings, weights, labels)
    alone = np.bincount(labels, minlength=2).min() == 1
    limit = options.one_voice_unit if alone else options.one_voice
    if len(two) < 2 or float(two[0] @ two[1]) > limit:
        return single
    labels = split(embeddings, weights, 3)
    three = _centroids(embeddings, weights, labels)
    return three if len(three) == 3 and _third(three, labels, weights, options) else two


def _third(
    centroids: npt.NDArray[np.float64],
    labels: npt.NDArray[np.int64],
    weights: npt.NDArray[np.float64],
    options: DiarizeOptions,
) -> bool:
    """Whether three clusters are three voices, from what a third voice in a call is.

    An announcement opens the recording and does not come back; a second operator speaks several
    times. A lone unit amid the dialogue is two voices in one stretch, or noise.
    """
    if (centroids @ centroids.T - 2 * np.eye(3)).max() >= options.third_voice:
        return False
    counts = np.bincount(labels, minlength=3)
    rarest = int(np.argmin(np.bincount(labels, weights, minlength=3)))
    opens = bool((labels[: counts[rarest]] == rarest).all())
    held = float(weights[labels == rarest].sum())
    sustained = held >= options.third_voice_minimum
    return (opens and held >= options.announcement) or (
        sustained and int(counts[rarest]) >= options.third_voice_units
    )


def split(
    embeddings: npt.NDArray[np.float64], weights: npt.NDArray[np.float64], count: int
) -> npt.NDArray[np.int64]:
    """Labels (n,) of spherical k-means, weighted by duration, the best of several runs.

    Every run starts from one of the `SEEDS` longest units and the units farthest from it, so that
    the result is deterministic, and the time linear in the units.
    """
    best, best_value = np.zeros(len(embeddings), dtype=np.int64), -np.inf
    for first in sorted(np.argsort(-weights, kind="stable")[:SEEDS].tolist()):
        seeds = [first]
        while len(seeds) < count:
            seeds.append(int((embeddings @ embeddings[seeds].T).max(axis=1).argmin()))
        labels = (embeddings @ embeddings[seeds].T).argmax(axis=1)
        for _ in range(20):
            centroids = _centroids(embeddings, weights, labels)
            updated = (embeddings @ centroids.T).argmax(axis=1)
            if (updated == labels).all():
                break
            labels = updated
        centroids = _centroids(embeddings, weights, labels)
        if len(centroids) < count:
            continue
        value = float((weights * (embeddings * centroids[labels]).sum(axis=1)).sum())
        if value > best_value:
            best, best_value = labels.astype(np.int64), value
    return best


def _centroids(
    embeddings: npt.NDArray[np.float64],
    weights: npt.NDArray[np.float64],
    labels: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    rows = [
        (weights[labels == label, None] * embeddings[labels == label]).sum(axis=0)
        for label in np.unique(labels)
    ]
    stacked = np.stack(rows)
    return np.asarray(stacked / np.linalg.norm(stacked, axis=1, keepdims=True))


def _viterbi(
    units: Sequence[Unit], similarity: npt.NDArray[np.float64], options: DiarizeOptions
) -> list[int]:
    """Best path through similarity (units, voices); short units count for less."""
    weight = np.minimum(1.0, np.array([unit.duration for unit in units]) / options.cluster_minimum)
    emission = similarity * weight[:, None]
    voices = emission.shape[1]
    value, back = emission[0], np.zeros(emission.shape, dtype=np.int64)
    for i in range(1, len(units)):
        pause = units[i].start - units[i - 1].end
        cost = options.switch_cost * float(np.exp(-max(pause, 0.0) / options.switch_pause))
        if pause < -0.1:
            cost = 0.0
        elif units[i].local != units[i - 1].local:
            cost *= options.switch_local
        candidates = value[:, None] - cost * (1 - np.eye(voices))
        back[i] = candidates.argmax(axis=0)
        value = candidates.max(axis=0) + emission[i]
    path = [int(value.argmax())]
    for i in range(len(units) - 1, 0, -1):
        path.append(int(back[i, path[-1]]))
    return path[::-1]


def _turns(
    units: Sequence[Unit], labels: Sequence[int], options: DiarizeOptions
) -> tuple[Turn, ...]:
    """Units of one voice joined across short pauses; no two turns of a voice overlap."""
    merged: list[tuple[float, float, int]] = []
    latest: dict[int, int] = {}
    for unit, label in zip(units, labels, strict=True):
        place = latest.get(label)
        if place is not None:
            start, end, _ = merged[place]
            pause = options.turn_pause if place == len(merged) - 1 else 0.0
            if unit.start - end <= pause:
                merged[place] = (start, max(end, unit.end), label)
                continue
        latest[label] = len(merged)
        merged.append((unit.start, unit.end, label))
    names: dict[int, str] = {}
    for _, _, label in merged:
        names.setdefault(label, f"S{len(names)}")
    return mark_overlaps(
        [Turn(i, start, end, names[label], 0) for i, (start, end, label) in enumerate(merged)]
    )
