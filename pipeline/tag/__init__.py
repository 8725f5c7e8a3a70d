"""Dialogue acts: what each turn does, with the words that show it."""

from __future__ import annotations

from pipeline.tag.fuse import TagOptions, tag
from pipeline.tag.lexicon import ActLexicon, Lexicon, Match, parse_lexicon
from pipeline.text.patterns import fold_text

VERSION = "3"

__all__ = [
    "VERSION",
    "ActLexicon",
    "Lexicon",
    "Match",
    "TagOptions",
    "fold_text",
    "parse_lexicon",
    "tag",
]
