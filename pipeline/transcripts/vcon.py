"""vCon (draft-ietf-vcon-vcon-container): one JSON object a conversation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from pipeline.errors import TruthError
from pipeline.text.tree import Node, parse_tree
from pipeline.transcripts.made import ROLE_NAMES, Imported, Spoken, imported
from pipeline.types import LANGUAGES, Role

_LONGEST = 1e6
#: the keys under which transcription tools keep their lines
_LINES = ("segments", "turns", "utterances", "transcript")


def parse_vcon(json_text: str, name: str) -> tuple[Imported, ...]:
    """One conversation: dialog objects of type "text", else an analysis of type "transcript".

    A transcript's body is a list of lines, or holds one under segments, turns, utterances or
    transcript; a line has start, end or duration, speaker or party, and text. The standard leaves
    that body to vendors. Raises TruthError.
    """
    root = parse_tree(json_text, name, "a vCon")
    if root.known("vcon") is None:
        raise root.get("vcon").error("a vCon version; this is no vCon")
    parties = _parties(root)
    dialogs = root.get("dialog").items() if root.known("dialog") else []
    begin = _start_of(dialogs)
    lines = _texts(dialogs, parties, begin) or _transcript(root, parties)
    try:
        transcript, corrections = imported(lines, "imported vcon")
    except TruthError as error:
        raise TruthError(f"{name}: {error}") from None
    caller = next((p for p in parties if p.role == "caller"), None)
    agent = next((p for p in parties if p.role == "operator"), None)
    created = root.known("created_at")
    recording = next((d for d in dialogs if d.known("filename")), None)
    return (
        Imported(
            file=recording.get("filename").text() if recording else name,
            transcript=transcript,
            corrections=corrections,
            duration=max(turn.end for turn in transcript.turns),
            started_at=begin.isoformat() if begin else created.text() if created else None,
            agent_name=agent.name if agent else None,
            caller=caller.number if caller else None,
        ),
    )


class _Party:
    def __init__(self, node: Node, place: int) -> None:
        def read(key: str) -> str | None:
            found = node.known(key)
            return found.text() if found else None

        self.name = read("name")
        self.number = (read("tel") or "").removeprefix("tel:") or None
        meta = node.known("meta")
        given = read("role") or (_read(meta, "role") if meta else None) or self.name or ""
        self.role: Role | None = ROLE_NAMES.get(given.casefold())
        self.speaker = f"P{place}"


def _read(node: Node, key: str) -> str | None:
    found = node.known(key)
    return found.text() if found else None


def _parties(root: Node) -> list[_Party]:
    nodes = root.get("parties").items() if root.known("parties") else []
    return [_Party(node, place) for place, node in enumerate(nodes)]


def _moment(node: Node) -> datetime:
    try:
        found = datetime.fromisoformat(node.text())
    except ValueError:
        raise node.error("an RFC 3339 time") from None
    if found.tzinfo is None:
        raise node.error("an RFC 3339 time with its offset")
    return found


def _start_of(dialogs: Sequence[Node]) -> datetime | None:
    return min((_moment(d.get("start")) for d in dialogs if d.known("start")), default=None)


def _texts(
    dialogs: Sequence[Node], parties: Sequence[_Party], begin: datetime | None
) -> list[Spoken]:
    """Dialog objects of type text: each is one line, at its own time."""
    lines = []
    for node in dialogs:
        if node.get("type").text() != "text" or node.known("body") is None or begin is None:
            continue
        start = (_moment(node.get("start")) - begin).total_seconds()
        length = node.known("duration")
        end = start + (length.number(0, _LONGEST) if length else 0.0)
        who = node.get("originator") if node.known("originator") else node.get("parties")
        place = who.items()[0] if isinstance(who.value, list) else who
        lines.append(_line(node, start, end, parties, place))
    return lines


def _transcript(root: Node, parties: Sequence[_Party]) -> list[Spoken]:
    for analysis in root.get("analysis").items() if root.known("analysis") else []:
        if analysis.get("type").text() != "transcript":
            continue
        body = analysis.get("body")
        if isinstance(body.value, str):
            body = Node(_json(body), body.name, body.path)
        while isinstance(body.value, dict):
            inner = next((body.get(key) for key in _LINES if body.known(key)), None)
            if inner is None:
                raise body.error(f"a list of lines under one of {', '.join(_LINES)}")
            body = inner
        lines = []
        for node in body.items():
            start = node.get("start").number(0, _LONGEST)
            if end := node.known("end"):
                stop = end.number(start, _LONGEST)
            else:
                stop = start + node.get("duration").number(0, _LONGEST)
            who = node.get("party") if node.known("party") else node.get("speaker")
            lines.append(_line(node, start, stop, parties, who))
        return lines
    raise TruthError(
        f"{root.name}: neither dialog of type text nor an analysis of type transcript; a recording "
        "without a transcript is run with `sapa run`"
    )


def _json(body: Node) -> object:
    try:
        return json.loads(body.text())
    except ValueError:
        raise body.error("a transcript as JSON; plain text has no times") from None


def _line(node: Node, start: float, end: float, parties: Sequence[_Party], who: Node) -> Spoken:
    text = node.get("text") if node.known("text") else node.get("body")
    language = node.known("language")
    known = language is not None and language.value in LANGUAGES
    role: Role | None = None
    if isinstance(who.value, int) and not isinstance(who.value, bool):
        place = who.place(len(parties))
        speaker, role = parties[place].speaker, parties[place].role
    else:
        speaker = who.text()
    return Spoken(
        start, end, speaker, text.text(), role,
        language.text() if language is not None and known else None,  # type: ignore[arg-type]
    )  # fmt: skip
