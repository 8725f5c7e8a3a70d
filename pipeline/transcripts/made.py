"""From spoken lines to the values of the pipeline."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.errors import TruthError
from pipeline.types import (
    Language,
    Role,
    RoleCorrection,
    Transcript,
    Turn,
    TurnLanguage,
    Word,
    mark_overlaps,
)

#: names of speakers that say who they are, in the three languages
ROLE_NAMES: dict[str, Role] = {
    "operator": "operator", "agent": "operator", "employee": "operator", "consultant": "operator",
    "оператор": "operator", "агент": "operator", "консультант": "operator", "маман": "operator",
    "caller": "caller", "customer": "caller", "client": "caller", "citizen": "caller",
    "абонент": "caller", "клиент": "caller", "заявитель": "caller", "қоңыраушы": "caller",
    "ivr": "ivr", "bot": "ivr", "system": "ivr", "автоответчик": "ivr", "робот": "ivr",
}  # fmt: skip

_KAZAKH = re.compile("[әіңғүұқөһ]", re.IGNORECASE)
_CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)
_LATIN = re.compile("[a-z]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Spoken:
    """One line of a transcript; seconds from the start of the call."""

    start: float
    end: float
    speaker: str
    text: str
    role: Role | None = None
    language: Language | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """A call as another recogniser wrote it. `file` names the recording, or the transcript itself.

    `caller` is a telephone number, to be hashed, never stored; `overlapping`: the parties were
    recorded apart, so that overlap can be measured.
    """

    file: str
    transcript: Transcript
    corrections: tuple[RoleCorrection, ...] = ()
    duration: float | None = None
    overlapping: bool = False
    started_at: str | None = None
    queue: str | None = None
    did: str | None = None
    agent_id: str | None = None
    agent_name: str | None = field(default=None, repr=False)
    caller: str | None = field(default=None, repr=False)
    direction: str | None = None
    uniqueid: str | None = None


def imported(
    spoken: Sequence[Spoken], engine: str
) -> tuple[Transcript, tuple[RoleCorrection, ...]]:
    """Turns, words, languages and the roles that are named. Lines without words are left out.

    Raises TruthError when nothing is said.
    """
    lines = sorted((line for line in spoken if line.text.split()), key=lambda line: line.start)
    if not lines:
        raise TruthError("no line has any words")
    turns = mark_overlaps(
        [Turn(i, line.start, line.end, line.speaker) for i, line in enumerate(lines)]
    )
    words = tuple(word for i, line in enumerate(lines) for word in _words(i, line))
    languages = tuple(
        TurnLanguage(i, line.language or language, None)
        for i, line in enumerate(lines)
        if (language := line.language or language_by_letters(line.text)) is not None
    )
    roles = {line.speaker: role for line in lines if (role := _role(line)) is not None}
    corrections = tuple(RoleCorrection(speaker, role) for speaker, role in roles.items())
    return Transcript(turns, words, languages, engine=engine), corrections


def _words(turn: int, line: Spoken) -> list[Word]:
    parts = line.text.split()
    step = (line.end - line.start) / len(parts)
    return [
        Word(line.start + i * step, min(line.end, line.start + (i + 1) * step), part, None, turn)
        for i, part in enumerate(parts)
    ]


def _role(line: Spoken) -> Role | None:
    if line.role is not None:
        return None if line.role == "unknown" else line.role
    name = re.sub(r"[\d_\s-]+$", "", line.speaker.casefold())
    return ROLE_NAMES.get(name)


def language_by_letters(text: str) -> Language | None:
    """Kazakh where its own letters occur, else Russian or English by the alphabet.

    >>> [language_by_letters(t) for t in ("Сәлем", "Добрый день", "Hello", "12")]
    ['kk', 'ru', 'en', None]
    """
    if _KAZAKH.search(text):
        return "kk"
    if _CYRILLIC.search(text):
        return "ru"
    return "en" if _LATIN.search(text) else None
