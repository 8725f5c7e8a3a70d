"""Who spoke when, in which role and language, and what was said: the score of one transcript."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pipeline.evaluate.measures import (
    DiarizationErrors,
    ErrorRate,
    Hits,
    cp_word_errors,
    diarization_errors,
    word_errors,
)
from pipeline.evaluate.truth import Truth, TruthTurn
from pipeline.text import tokens
from pipeline.timeline import Interval, intersection, overlap, subtract, total, union
from pipeline.types import Language, Transcript, Turn


@dataclass(frozen=True, slots=True)
class SpeechScores:
    """Pools with `+`. role_turns, language: turns; role_time: seconds."""

    calls: int = 0
    wer: ErrorRate = field(default_factory=ErrorRate)
    cpwer: ErrorRate = field(default_factory=ErrorRate)
    der: DiarizationErrors = field(default_factory=DiarizationErrors)
    role_turns: Hits = field(default_factory=Hits)
    role_time: Hits = field(default_factory=Hits)
    language: Hits = field(default_factory=Hits)

    def __add__(self, other: SpeechScores) -> SpeechScores:
        return SpeechScores(
            self.calls + other.calls,
            self.wer + other.wer,
            self.cpwer + other.cpwer,
            self.der + other.der,
            self.role_turns + other.role_turns,
            self.role_time + other.role_time,
            self.language + other.language,
        )


def score_speech(truth: Truth, transcript: Transcript) -> SpeechScores:
    """Score one call; an empty transcript is a call that is missing: everything is wrong."""
    return SpeechScores(
        calls=1,
        wer=_wer(truth, transcript),
        cpwer=_cpwer(truth, transcript),
        der=diarization_errors(_by_speaker(truth.turns), _by_speaker(transcript.turns)),
        role_turns=_role_turns(truth, transcript),
        role_time=_role_time(truth, transcript),
        language=_language(truth, transcript),
    )


def _wer(truth: Truth, transcript: Transcript) -> ErrorRate:
    ordered = sorted(truth.turns, key=lambda turn: (turn.start, turn.end))
    reference = [token for turn in ordered for token in tokens(turn.text)]
    spoken = [(turn.start, turn.end, text) for turn, text in _spoken(transcript)]
    return word_errors(reference, [token for *_, text in sorted(spoken) for token in tokens(text)])


def _cpwer(truth: Truth, transcript: Transcript) -> ErrorRate:
    reference: dict[str, list[str]] = {}
    for turn in sorted(truth.turns, key=lambda turn: turn.start):
        reference.setdefault(turn.speaker, []).extend(tokens(turn.text))
    hypothesis: dict[str, list[str]] = {}
    for found, text in sorted(_spoken(transcript), key=lambda pair: pair[0].start):
        hypothesis.setdefault(found.speaker, []).extend(tokens(text))
    return cp_word_errors(reference, hypothesis)


def _spoken(transcript: Transcript) -> list[tuple[Turn, str]]:
    return list(zip(transcript.turns, transcript.texts(), strict=True))


def _by_speaker(turns: Iterable[TruthTurn | Turn]) -> dict[str, list[Interval]]:
    spans: dict[str, list[Interval]] = {}
    for turn in turns:
        spans.setdefault(turn.speaker, []).append((turn.start, turn.end))
    return spans


def _role_turns(truth: Truth, transcript: Transcript) -> Hits:
    right = sum(_found_role(turn, truth, transcript) == turn.role for turn in truth.turns)
    return Hits(right, len(truth.turns))


def _role_time(truth: Truth, transcript: Transcript) -> Hits:
    """Of the reference speech that any turn covers, the seconds with a turn of the right role.

    A reference turn that nothing covers counts in full as wrong.
    """
    pooled = Hits()
    for turn in truth.turns:
        span = [(turn.start, turn.end)]
        near = [found for found in transcript.turns if _overlap(turn, found) > 0]
        covered = total(intersection(span, [(found.start, found.end) for found in near]))
        same = [(found.start, found.end) for found in near if found.role == turn.role]
        pooled += Hits(total(intersection(span, same)), covered or turn.end - turn.start)
    return pooled


def _language(truth: Truth, transcript: Transcript) -> Hits:
    spoken = {item.turn: item.language for item in transcript.languages}
    known = [turn for turn in truth.turns if turn.language is not None]
    right = 0
    for turn in known:
        role = _found_role(turn, truth, transcript)
        weights: dict[Language | None, float] = {}
        for found in transcript.turns:
            if found.role == role and (shared := _overlap(turn, found)) > 0:
                language = spoken.get(found.index)
                weights[language] = weights.get(language, 0.0) + shared
        right += bool(weights) and max(weights, key=lambda key: weights[key]) == turn.language
    return Hits(right, len(known))


def _found_role(turn: TruthTurn, truth: Truth, transcript: Transcript) -> str | None:
    """The role that the transcript gives to a reference turn; None when nothing overlaps it.

    Judged where nobody of another role speaks at the same time, if that is at least half of the
    turn: the role with most of that time. Else by intersection over union with each role's turns,
    so that a short «угу» under a long turn is not given to the long turn.
    """
    near: dict[str, list[Interval]] = {}
    for found in transcript.turns:
        if _overlap(turn, found) > 0:
            near.setdefault(found.role, []).append((found.start, found.end))
    span = [(turn.start, turn.end)]
    alone = subtract(span, [(o.start, o.end) for o in truth.turns if o.role != turn.role])
    if 2 * total(alone) >= total(span):
        weights = {role: total(intersection(alone, spans)) for role, spans in near.items()}
    else:
        weights = {
            role: total(intersection(span, spans)) / total(union([*span, *spans]))
            for role, spans in near.items()
        }
    best = max(weights, key=lambda role: weights[role], default=None)
    return best if best is not None and weights[best] > 0 else None


def _overlap(turn: TruthTurn, found: Turn) -> float:
    return overlap((turn.start, turn.end), (found.start, found.end))
