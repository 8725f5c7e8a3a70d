"""Calls written as lines of dialogue, with the shipped lexicon, registry and card."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import cast

from pipeline.label import Registry, label, parse_registry
from pipeline.run import read_card
from pipeline.score import answer
from pipeline.tag import Lexicon, parse_lexicon, tag
from pipeline.types import (
    Answer,
    CallFacts,
    Interaction,
    QualityCard,
    Role,
    Tag,
    Transcript,
    Turn,
    Word,
)

CONFIGS = Path(__file__).parents[1] / "configs"
SECONDS_PER_WORD = 0.4
NOTHING_COUNTED = Interaction()


@cache
def lexicon() -> Lexicon:
    return parse_lexicon((CONFIGS / "lexicon.toml").read_text(encoding="utf-8"))


@cache
def registry() -> Registry:
    return parse_registry((CONFIGS / "agencies.toml").read_text(encoding="utf-8"))


@cache
def card(name: str = "1414") -> QualityCard:
    return read_card(Path(name), lexicon().names())


def dialogue(
    *lines: str, role_probability: float | None = 0.99, word_probability: float | None = 0.9
) -> Transcript:
    """`operator: text`, `caller: text`, …; four tenths of a second per word."""
    turns: list[Turn] = []
    words: list[Word] = []
    clock = 0.0
    for index, line in enumerate(lines):
        role, _, text = line.partition(": ")
        spoken = text.split()
        end = clock + max(1, len(spoken)) * SECONDS_PER_WORD
        speaker = role
        role = "operator" if role == "operator2" else role
        turns.append(Turn(index, clock, end, speaker, None, cast("Role", role), role_probability))
        for place, word in enumerate(spoken):
            start = clock + place * SECONDS_PER_WORD
            words.append(Word(start, start + SECONDS_PER_WORD, word, word_probability, index))
        clock = end + 0.3
    return Transcript(tuple(turns), tuple(words), engine="test")


def tags_of(transcript: Transcript) -> tuple[Tag, ...]:
    return tag(transcript, lexicon(), None)


def facts_of(*lines: str) -> CallFacts:
    transcript = dialogue(*lines)
    return label(transcript, tags_of(transcript), None, registry())


def answers_to(
    transcript: Transcript, interaction: Interaction = NOTHING_COUNTED
) -> dict[str, Answer]:
    tags = tags_of(transcript)
    facts = label(transcript, tags, None, registry())
    answers = answer(card(), transcript, tags, facts, interaction)
    return {item.criterion: item for item in answers}


def acts(transcript: Transcript, turn: int) -> Sequence[str]:
    return [item.name for item in tags_of(transcript) if item.turn == turn]
