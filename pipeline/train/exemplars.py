"""Training sentences: reading and checking the tables of `data/exemplars` and corrections."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.backends.heads import ACT_OWNERS, SPEAKING_ROLES
from pipeline.errors import TruthError
from pipeline.types import LANGUAGES, TOPICS, Role

ACT_COLUMNS = ("text", "language", "role", "acts", "situation")
TOPIC_COLUMNS = ("text", "language", "topic")
TOPIC_FILE = "topics.tsv"


@dataclass(frozen=True, slots=True)
class Exemplar:
    """A turn as it is spoken and the acts it carries; () is a hard negative.

    Rows of one `situation` resemble each other and never stand on both sides of a split.
    """

    text: str
    language: str
    role: Role
    acts: tuple[str, ...]
    situation: str


@dataclass(frozen=True, slots=True)
class TopicExemplar:
    text: str
    language: str
    topic: str


def read_exemplars(directory: Path, corrections: Path | None = None) -> tuple[Exemplar, ...]:
    """Every acts_*.tsv of the directory, then the corrections, a CSV with the same columns.

    Raises TruthError naming the file and line of the first row that cannot be used.
    """
    paths = sorted(directory.glob("acts_*.tsv"))
    if not paths:
        raise TruthError(f"training: no acts_*.tsv in {directory}; name the exemplar folder")
    if corrections is not None:
        paths.append(corrections)
    return tuple(_exemplar(where, row) for path in paths for where, row in _rows(path, ACT_COLUMNS))


def read_topics(directory: Path) -> tuple[TopicExemplar, ...]:
    """The rows of topics.tsv. Raises TruthError as `read_exemplars` does."""
    path = directory / TOPIC_FILE
    return tuple(_topic(where, row) for where, row in _rows(path, TOPIC_COLUMNS))


def digest(acts: tuple[Exemplar, ...], topics: tuple[TopicExemplar, ...]) -> str:
    """sha256 of the training data, whatever files they came from."""
    total = hashlib.sha256()
    for row in acts:
        total.update("\t".join((row.text, row.language, row.role, *row.acts)).encode())
        total.update(f"\t{row.situation}\n".encode())
    for topic in topics:
        total.update(f"{topic.text}\t{topic.language}\t{topic.topic}\n".encode())
    return total.hexdigest()


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    tabbed = path.suffix == ".tsv"
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TruthError(f"training: {path} cannot be read as UTF-8 text ({error})") from error
    reader = csv.reader(
        lines,
        delimiter="\t" if tabbed else ",",
        quoting=csv.QUOTE_NONE if tabbed else csv.QUOTE_MINIMAL,
    )
    header = tuple(next(reader, ()))
    missing = [name for name in columns if name not in header]
    if missing:
        raise TruthError(
            f"training: {path} has the columns {', '.join(header) or 'none'}; "
            f"it lacks {', '.join(missing)}"
        )
    for cells in reader:
        if not any(cells):
            continue
        where = f"{path.name}:{reader.line_num}"
        if len(cells) != len(header):
            raise TruthError(f"training: {where} has {len(cells)} cells, needs {len(header)}")
        yield where, dict(zip(header, (cell.strip() for cell in cells), strict=True))


def _exemplar(where: str, row: dict[str, str]) -> Exemplar:
    acts = tuple(sorted({name.strip() for name in row["acts"].split(",") if name.strip()}))
    role = next((known for known in SPEAKING_ROLES if known == row["role"]), None)
    if role is None:
        raise TruthError(
            f"training: {where}: role {row['role']!r} is none of {', '.join(SPEAKING_ROLES)}"
        )
    for act in acts:
        if act not in ACT_OWNERS:
            raise TruthError(
                f"training: {where}: act {act!r} is unknown; known: {', '.join(ACT_OWNERS)}"
            )
        if role not in ACT_OWNERS[act]:
            raise TruthError(f"training: {where}: {act} cannot be an act of the role {role}")
    _check(where, row)
    return Exemplar(row["text"], row["language"], role, acts, row["situation"] or row["text"])


def _topic(where: str, row: dict[str, str]) -> TopicExemplar:
    if row["topic"] not in TOPICS:
        raise TruthError(
            f"training: {where}: topic {row['topic']!r} is none of {', '.join(TOPICS)}"
        )
    _check(where, row)
    return TopicExemplar(row["text"], row["language"], row["topic"])


def _check(where: str, row: dict[str, str]) -> None:
    if not row["text"]:
        raise TruthError(f"training: {where}: the text is empty; remove the row")
    if row["language"] not in LANGUAGES:
        raise TruthError(
            f"training: {where}: language {row['language']!r} is none of {', '.join(LANGUAGES)}"
        )
