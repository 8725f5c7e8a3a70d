"""Answers to a quality card with their evidence, and the two scores."""

from __future__ import annotations

from pipeline.score.answers import answer
from pipeline.score.case import ScoreOptions
from pipeline.score.totals import scorecards

VERSION = "2"

__all__ = ["VERSION", "ScoreOptions", "answer", "scorecards"]
