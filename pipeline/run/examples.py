"""The examples of a card, run by the patterns alone."""

from __future__ import annotations

from functools import cache

from pipeline.config import resources
from pipeline.label import Registry, label, parse_registry
from pipeline.score import ScoreOptions, answer
from pipeline.tag import Lexicon, TagOptions, parse_lexicon, tag
from pipeline.types import Answer, CardExample, Interaction, QualityCard, Transcript, Turn, Word

#: s that a word takes, and between two turns
_WORD, _PAUSE = 0.4, 0.3


@cache
def _data() -> tuple[Lexicon, Registry]:
    configs = resources() / "configs"
    return (
        parse_lexicon((configs / "lexicon.toml").read_text(encoding="utf-8")),
        parse_registry((configs / "agencies.toml").read_text(encoding="utf-8")),
    )


def lexicon_names() -> tuple[str, ...]:
    """The acts that a card can ask for."""
    return tuple(_data()[0].names())


def run_example(card: QualityCard, criterion: str, example: CardExample) -> Answer:
    """The answer that the card gives to one criterion of a small dialogue."""
    lexicon, registry = _data()
    transcript = _spoken(example)
    tags = tag(transcript, lexicon, None, TagOptions())
    facts = label(transcript, tags, None, registry)
    counted = Interaction(example.metrics)
    answers = answer(card, transcript, tags, facts, counted, ScoreOptions())
    return next(item for item in answers if item.criterion == criterion)


def _spoken(example: CardExample) -> Transcript:
    turns, words, clock = [], [], 0.0
    for index, (role, text) in enumerate(example.turns):
        parts = text.split()
        end = clock + len(parts) * _WORD
        turns.append(Turn(index, clock, end, role, None, role, 0.99))
        words += [
            Word(clock + i * _WORD, clock + (i + 1) * _WORD, part, 0.9, index)
            for i, part in enumerate(parts)
        ]
        clock = end + _PAUSE
    return Transcript(tuple(turns), tuple(words), engine="example")
