"""Two plain formats: one JSON object a call, and NIST's STM."""

from __future__ import annotations

from pipeline.errors import TruthError
from pipeline.text.tree import Node, parse_tree
from pipeline.transcripts.made import Imported, Spoken, imported
from pipeline.types import LANGUAGES, ROLES, RoleCorrection, Transcript

_LONGEST = 1e6


def parse_json(json_text: str, name: str) -> tuple[Imported, ...]:
    """One call: `turns` with start, end, speaker, text, and optional role and language.

    Optional: file, duration, layout ("stereo": the parties were recorded apart), and meta with
    started_at, queue, did, agent_id, agent_name, caller_phone, direction, uniqueid. Everything
    else, labels above all, is not looked at. Raises TruthError.
    """
    root = parse_tree(json_text, name, "a transcript")
    transcript, corrections = _checked(
        [_line(node) for node in root.get("turns").items()], "imported json", name
    )
    meta = root.known("meta")
    duration = root.known("duration")
    return (
        Imported(
            file=_text(root, "file") or name,
            transcript=transcript,
            corrections=corrections,
            duration=duration.number(0, _LONGEST) if duration else transcript.turns[-1].end,
            overlapping=_text(root, "layout") == "stereo",
            started_at=_text(meta, "started_at"),
            queue=_text(meta, "queue"),
            did=_text(meta, "did"),
            agent_id=_text(meta, "agent_id"),
            agent_name=_text(meta, "agent_name"),
            caller=_text(meta, "caller_phone"),
            direction=_text(meta, "direction"),
            uniqueid=_text(meta, "uniqueid"),
        ),
    )


def _text(node: Node | None, key: str) -> str | None:
    """A text, or a number written as one; None where the key is absent."""
    found = node.known(key) if node else None
    if found is None:
        return None
    if isinstance(found.value, int) and not isinstance(found.value, bool):
        return str(found.value)
    return found.text()


def _line(node: Node) -> Spoken:
    start = node.get("start").number(0, _LONGEST)
    role, language = node.known("role"), node.known("language")
    return Spoken(
        start=start,
        end=node.get("end").number(start, _LONGEST),
        speaker=node.get("speaker").text(),
        text=node.get("text").text(),
        role=role.one_of(ROLES) if role else None,  # type: ignore[arg-type]
        language=language.one_of(LANGUAGES) if language else None,  # type: ignore[arg-type]
    )


def parse_stm(text: str, name: str) -> tuple[Imported, ...]:
    """Every recording of an STM file: `recording channel speaker start end [<labels>] words`.

    Lines that begin with ;; are comments; words in brackets and `ignore_time_segment_in_scoring`
    are not speech. Raises TruthError naming the line.
    """
    calls: dict[str, list[Spoken]] = {}
    for number, row in enumerate(text.splitlines(), start=1):
        if not row.strip() or row.startswith(";;"):
            continue
        parts = row.split(maxsplit=5)
        where = f"{name}: line {number}"
        if len(parts) < 5:
            raise TruthError(f"{where}: recording, channel, speaker, start, end, words are wanted")
        start, end = _seconds(parts[3], where), _seconds(parts[4], where)
        if end < start:
            raise TruthError(f"{where}: ends at {end:g}, before its start at {start:g}")
        words = parts[5] if len(parts) > 5 else ""
        if words.startswith("<"):
            words = words.partition(">")[2]
        said = " ".join(w for w in words.split() if w[0] not in "[(<{")
        lines = calls.setdefault(parts[0], [])
        if said.casefold() != "ignore_time_segment_in_scoring":
            lines.append(Spoken(start, end, parts[2], said))
    if not calls:
        raise TruthError(f"{name}: no line of an STM file was found")
    found = []
    for recording, lines in calls.items():
        transcript, corrections = _checked(lines, "imported stm", f"{name}: {recording}")
        found.append(
            Imported(recording, transcript, corrections, duration=transcript.turns[-1].end)
        )
    return tuple(found)


def _seconds(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= _LONGEST:
        raise TruthError(f"{where}: seconds are wanted, got {text!r:.20}")
    return value


def _checked(
    lines: list[Spoken], engine: str, name: str
) -> tuple[Transcript, tuple[RoleCorrection, ...]]:
    try:
        return imported(lines, engine)
    except TruthError as error:
        raise TruthError(f"{name}: {error}") from None
