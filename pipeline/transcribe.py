"""Words of turns: turns are packed into windows, recognised, and cut back to their turns here.

A window holds neighbouring turns of one speaker, so that its language is the speaker's; a turn
that came out doubtful is heard again alone, with a language of its own.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np

from pipeline.types import (
    Audio,
    DroppedText,
    Language,
    Samples,
    Transcript,
    Turn,
    TurnLanguage,
    Word,
)

VERSION = "1"

#: s that Whisper hears at once
LONGEST = 30.0


@dataclass(frozen=True, slots=True)
class TranscribeOptions:
    #: "faster-whisper", "openai-whisper", or "auto": the faster of those installed
    engine: str = "auto"
    #: model of the manifest for each engine
    faster_whisper_model: str = "whisper-base-ct2"
    openai_whisper_model: str = "whisper-base-openai"
    #: languages the centre serves; recognition picks among them for every window
    languages: tuple[Language, ...] = ("ru", "kk", "en")
    #: the language that stands for every guess outside `languages`, or "" for none: a small
    #: Whisper hears Kazakh as a scatter of other languages, never as Kazakh
    residual_language: Language | Literal[""] = "kk"
    #: beams of the search; 1 is greedy
    beam_size: int = 5
    #: windows decoded together
    batch_size: int = 8
    #: s of turns packed into one window (Whisper hears 30 s at a time)
    window: float = 28.0
    #: s of silence between turns in a window
    gap: float = 0.5
    #: s added around a turn where the recording allows
    padding: float = 0.15
    #: s; shorter turns are not recognised
    turn_minimum: float = 0.2
    #: temperatures tried in turn while a text repeats itself or is improbable; above 0 words are
    #: drawn at random, and the same call may give other words
    temperatures: tuple[float, ...] = (0.0,)
    #: zlib ratio above which text is a loop (Whisper's own threshold)
    compression_maximum: float = 2.4
    #: mean log probability below which text is doubtful (Whisper's own threshold)
    logprob_minimum: float = -1.0
    #: no-speech probability above which doubtful text is not believed (Whisper's own threshold)
    no_speech_maximum: float = 0.6
    #: s; a shorter turn is never heard alone: its language would be a guess
    alone_minimum: float = 1.5
    #: mean word probability below which a turn is heard again alone
    doubtful: float = 0.5
    #: words a second above which text is not believed; fast speech reaches 5
    words_per_second_maximum: float = 8.0

    def __post_init__(self) -> None:
        if not self.languages or not self.temperatures:
            raise ValueError("languages and temperatures must each hold at least one value")
        if not 0 < self.window <= LONGEST - self.gap:
            raise ValueError(
                f"window {self.window} and gap {self.gap} must fit in {LONGEST:g} s together"
            )


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A word of a window; seconds from the start of the window."""

    start: float
    end: float
    text: str
    probability: float


@dataclass(frozen=True, slots=True)
class Heard:
    """What a recogniser made of one window."""

    language: Language
    language_probability: float
    words: tuple[HeardWord, ...]
    logprob: float
    no_speech: float

    @property
    def compression(self) -> float:
        text = " ".join(word.text for word in self.words).encode()
        return len(text) / len(zlib.compress(text)) if text else 0.0


class Recogniser(Protocol):
    """Hears windows of 16 kHz samples (n,), each at most 30 s, at one temperature."""

    engine: str

    def __call__(self, windows: Sequence[Samples], temperature: float) -> tuple[Heard, ...]: ...


@dataclass(frozen=True, slots=True)
class Piece:
    """A turn, or a part of a long one, inside a window: seconds in call and in window."""

    turn: int
    start: float
    end: float
    offset: float


@dataclass(frozen=True, slots=True)
class Window:
    pieces: tuple[Piece, ...]

    @property
    def duration(self) -> float:
        last = self.pieces[-1]
        return last.offset + last.end - last.start


def choose_language(
    probabilities: Mapping[str, float], options: TranscribeOptions
) -> tuple[Language, float]:
    """The served language of a window and its probability.

    Probability on languages that the centre does not serve goes to `residual_language`.

    >>> choose_language({"ru": 0.05, "en": 0.2, "hu": 0.5, "tr": 0.25}, TranscribeOptions())
    ('kk', 0.75)
    """
    served = {language: probabilities.get(language, 0.0) for language in options.languages}
    if options.residual_language in options.languages and options.residual_language:
        others = sum(
            probability for code, probability in probabilities.items() if code not in served
        )
        served[options.residual_language] += others
    best = max(served, key=lambda language: served[language])
    return best, min(1.0, round(served[best], 4))


def transcribe(
    audio: Audio, turns: Sequence[Turn], recogniser: Recogniser, *, options: TranscribeOptions
) -> Transcript:
    """Words, language and dropped texts of turns; channels follow `Turn.channel`."""
    windows = pack(turns, audio.duration, options)
    heard = _hear(audio, turns, windows, recogniser, options)
    by_turn = _by_turn(windows, heard, turns)
    shared = {
        piece.turn
        for window in windows
        for piece in window.pieces
        if len({other.turn for other in window.pieces}) > 1
    }
    doubtful = [
        turn
        for turn in turns
        if turn.index in shared and _is_doubtful(turn, by_turn[turn.index], options)
    ]
    alone = [window for turn in doubtful for window in pack((turn,), audio.duration, options)]
    again = _by_turn(alone, _hear(audio, turns, alone, recogniser, options), turns)
    for turn in doubtful:
        by_turn[turn.index] = _better(by_turn[turn.index], again[turn.index], options)
    return _assemble(turns, by_turn, recogniser.engine, options)


def pack(turns: Sequence[Turn], duration: float, options: TranscribeOptions) -> list[Window]:
    """Windows of up to `window` seconds, each of one speaker's turns in order of time."""
    windows: list[Window] = []
    for speaker in sorted({turn.speaker for turn in turns}):
        pieces: list[Piece] = []
        filled = 0.0
        for turn in turns:
            if turn.speaker != speaker or turn.duration < options.turn_minimum:
                continue
            for start, end in _parts(turn, duration, options):
                if pieces and filled + end - start > options.window:
                    windows.append(Window(tuple(pieces)))
                    pieces, filled = [], 0.0
                pieces.append(Piece(turn.index, start, end, filled))
                filled += end - start + options.gap
        if pieces:
            windows.append(Window(tuple(pieces)))
    return windows


def _parts(turn: Turn, duration: float, options: TranscribeOptions) -> list[tuple[float, float]]:
    start = max(0.0, turn.start - options.padding)
    end = min(duration, turn.end + options.padding)
    count = max(1, int(np.ceil((end - start) / options.window)))
    length = (end - start) / count
    return [(start + i * length, start + (i + 1) * length) for i in range(count)]


def _hear(
    audio: Audio,
    turns: Sequence[Turn],
    windows: Sequence[Window],
    recogniser: Recogniser,
    options: TranscribeOptions,
) -> list[Heard]:
    """Each window at the first temperature that gives plausible text, else the best of all."""
    heard: dict[int, Heard] = {}
    pending = list(range(len(windows)))
    for temperature in options.temperatures:
        for first in range(0, len(pending), options.batch_size):
            batch = pending[first : first + options.batch_size]
            samples = [_cut(audio, turns, windows[i], options) for i in batch]
            for i, result in zip(batch, recogniser(samples, temperature), strict=True):
                if i not in heard or _rank(result, options) > _rank(heard[i], options):
                    heard[i] = result
        pending = [i for i in pending if _implausible(heard[i], options)]
    return [heard[i] for i in range(len(windows))]


def _cut(
    audio: Audio, turns: Sequence[Turn], window: Window, options: TranscribeOptions
) -> Samples:
    """Samples (n,) of a window: its pieces with silence between."""
    rate = audio.sample_rate
    samples = np.zeros(round((window.duration + options.gap) * rate), dtype=np.float32)
    channel_of = {turn.index: turn.channel or 0 for turn in turns}
    for piece in window.pieces:
        part = audio.samples[
            channel_of[piece.turn], round(piece.start * rate) : round(piece.end * rate)
        ]
        first = round(piece.offset * rate)
        samples[first : first + len(part)] = part[: len(samples) - first]
    return samples


def _loops(heard: Heard, options: TranscribeOptions) -> bool:
    return heard.compression > options.compression_maximum


def _rank(heard: Heard, options: TranscribeOptions) -> tuple[bool, float]:
    return not _loops(heard, options), heard.logprob


def _implausible(heard: Heard, options: TranscribeOptions) -> bool:
    silent = heard.no_speech > options.no_speech_maximum
    return _loops(heard, options) or (heard.logprob < options.logprob_minimum and not silent)


@dataclass(frozen=True, slots=True)
class _Part:
    """What one window holds of a turn. `own` has the turn's words alone, in seconds of the call."""

    start: float
    end: float
    own: Heard
    window: Heard


_Parts = tuple[_Part, ...]


def _by_turn(
    windows: Sequence[Window], heard: Sequence[Heard], turns: Sequence[Turn]
) -> list[_Parts]:
    """Cut every window's words back to its turns by the middle of the word."""
    found: list[_Parts] = [()] * len(turns)
    for window, result in zip(windows, heard, strict=True):
        for piece in window.pieces:
            turn = turns[piece.turn]
            start, end = max(piece.start, turn.start), min(piece.end, turn.end)
            words = tuple(
                _place(word, piece.start - piece.offset, start, end)
                for word in result.words
                if _nearest(word, window) == piece
            )
            part = _Part(start, end, replace(result, words=words), result)
            found[piece.turn] = (*found[piece.turn], part)
    return found


def _nearest(word: HeardWord, window: Window) -> Piece:
    middle = (word.start + word.end) / 2

    def distance(piece: Piece) -> float:
        return max(piece.offset - middle, middle - piece.offset - (piece.end - piece.start), 0.0)

    return min(window.pieces, key=distance)


def _place(word: HeardWord, shift: float, start: float, end: float) -> HeardWord:
    """In seconds of the call, inside the turn: padding lends context, no time."""
    begin = min(max(word.start + shift, start), end)
    finish = min(max(word.end + shift, begin), end)
    return HeardWord(begin, finish, word.text, word.probability)


def _is_doubtful(turn: Turn, parts: _Parts, options: TranscribeOptions) -> bool:
    if not parts or turn.duration < options.alone_minimum:
        return False
    looping = any(_loops(part.window, options) for part in parts)
    return looping or _probability(parts) < options.doubtful


def _probability(parts: _Parts) -> float:
    known = [word.probability for part in parts for word in part.own.words]
    return sum(known) / len(known) if known else 0.0


def _better(first: _Parts, second: _Parts, options: TranscribeOptions) -> _Parts:
    """The more probable of two hearings; a loop is sure of itself, so any other text beats it."""

    def rank(parts: _Parts) -> tuple[bool, float]:
        looping = any(_loops(part.own, options) for part in parts)
        return not looping and any(part.own.words for part in parts), _probability(parts)

    return second if rank(second) > rank(first) else first


def _assemble(
    turns: Sequence[Turn], hearings: Sequence[_Parts], engine: str, options: TranscribeOptions
) -> Transcript:
    """What is believed of every turn; its language is that of the part with the most words."""
    words: list[Word] = []
    languages: list[TurnLanguage] = []
    dropped: list[DroppedText] = []
    for turn, parts in zip(turns, hearings, strict=True):
        believed: list[Heard] = []
        for part in parts:
            reason = _disbelief(part, options)
            if reason is not None:
                dropped.append(DroppedText(turn.index, part.start, part.end, reason))
            elif part.own.words:
                believed.append(part.own)
        if believed:
            main = max(believed, key=lambda heard: len(heard.words))
            languages.append(TurnLanguage(turn.index, main.language, main.language_probability))
        words += [
            Word(word.start, word.end, word.text, min(1.0, word.probability), turn.index)
            for heard in believed
            for word in heard.words
        ]
    return Transcript(tuple(turns), tuple(words), tuple(languages), tuple(dropped), engine)


def _disbelief(part: _Part, options: TranscribeOptions) -> str | None:
    """Why the text of a part is not believed, or None."""
    own = part.own
    if not own.words:
        return None
    if _loops(own, options):
        return "repetition"
    if len(own.words) > 3 + options.words_per_second_maximum * (part.end - part.start):
        return "too_many_words"
    silent = own.no_speech > options.no_speech_maximum
    if own.logprob < options.logprob_minimum and silent:
        return "no_speech"
    return None
