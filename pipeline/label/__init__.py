"""Labels of the whole call: its kind, topic, outcome, redirects and promises."""

from __future__ import annotations

from pipeline.label.calls import LabelOptions, label
from pipeline.label.promises import Days
from pipeline.label.registry import Agency, Registry, Topic, parse_registry

VERSION = "4"

__all__ = [
    "VERSION",
    "Agency",
    "Days",
    "LabelOptions",
    "Registry",
    "Topic",
    "label",
    "parse_registry",
]
