"""What goes into the store and comes out of it beside `CallResult`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

RunStatus = Literal["done", "interrupted", "failed"]


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What produces the rows: one start of the pipeline.

    `model_digests` holds (model, sha256) pairs; `time_zone` is the IANA zone whose wall clock
    analysts see.
    """

    run_id: str
    started_at: datetime
    version: str
    git_commit: str | None
    config_toml: str
    model_digests: tuple[tuple[str, str], ...]
    machine: str
    command: str
    time_zone: str = "Asia/Almaty"

    def __post_init__(self) -> None:
        if self.started_at.tzinfo is None:
            raise ValueError(f"RunInfo: started_at needs a time zone, got {self.started_at!r}")
        ZoneInfo(self.time_zone)


@dataclass(frozen=True, slots=True)
class Counts:
    """Stored calls by status."""

    done: int = 0
    partial: int = 0
    failed: int = 0
    not_evaluable: int = 0

    @property
    def calls(self) -> int:
        return self.done + self.partial + self.failed + self.not_evaluable


@dataclass(frozen=True, slots=True)
class Table:
    """The answer to a query. Cells are what DuckDB's types become in Python."""

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
