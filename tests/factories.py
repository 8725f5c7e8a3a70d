"""Builders of values for tests: sensible defaults, every field open to override."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

from pipeline.store import RunInfo
from pipeline.types import (
    Answer,
    AudioQuality,
    Call,
    CallResult,
    Criterion,
    DroppedText,
    Label,
    Language,
    Metric,
    Promise,
    QualityCard,
    Redirect,
    Role,
    RoleCorrection,
    Scorecard,
    SoundEvent,
    StageResult,
    Tag,
    Texts,
    Transcript,
    Turn,
    TurnLanguage,
    Voice,
    Word,
)

ALMATY = timezone(timedelta(hours=5))

#: (role, language, text) of a short made-up call.
LINES: tuple[tuple[Role, Language, str], ...] = (
    ("operator", "ru", "Добрый день, чем могу помочь?"),
    ("caller", "kk", "Сәлеметсіз бе, өтінішім туралы сұрайын деп едім."),
    ("operator", "ru", "Это не к нам, звоните по номеру 1414."),
    ("caller", "ru", "Мне уже дважды так говорили."),
    ("operator", "ru", "Хорошо, мы перезвоним вам до пятницы."),
)


def call_id(number: int) -> str:
    return hashlib.sha256(f"recording {number}".encode()).hexdigest()


def call(number: int = 0, **fields: Any) -> Call:
    made = Call(
        call_id=call_id(number),
        path=f"2026/09/call-{number:05}.wav",
        sha256=call_id(number),
        size=64_044 + number,
        paths=(f"2026/09/call-{number:05}.wav", f"inbox/copy {number}.wav"),
        started_at=datetime(2026, 9, 4, 17, 48, 12, tzinfo=ALMATY) + timedelta(minutes=number),
        started_at_source="file_name",
        duration=40.0,
        channels=2,
        codec="pcm_alaw",
        queue="740",
        agent_id=f"10{number % 3}",
        agent_name=f"Agent {number % 3}",
        caller_key=f"caller-{number % 7}",
        direction="in",
        uniqueid=f"1788526092.{number}",
        operator_channel=0,
    )
    return replace(made, **fields)


def transcript(
    lines: tuple[tuple[Role, Language, str], ...] = LINES,
    *,
    turn_seconds: float = 6.0,
    gap: float = 0.5,
) -> Transcript:
    """One turn per line, words spread evenly over it."""
    turns, words, languages = [], [], []
    for index, (role, language, text) in enumerate(lines):
        start = index * (turn_seconds + gap)
        channel = 0 if role == "operator" else 1
        turns.append(Turn(index, start, start + turn_seconds, f"S{channel}", channel, role, 0.97))
        languages.append(TurnLanguage(index, language, 0.93))
        parts = text.split()
        step = turn_seconds / len(parts) if parts else turn_seconds
        words.extend(
            Word(start + step * place, start + step * (place + 1), part, 0.8, index)
            for place, part in enumerate(parts)
        )
    return Transcript(tuple(turns), tuple(words), tuple(languages), engine="fake")


def answer(criterion: str = "greeting", **fields: Any) -> Answer:
    made = Answer(
        criterion=criterion,
        value="yes",
        probability=0.9,
        turns=(0,),
        quote="Добрый день",
        quote_start=0.0,
        reason="said in the first turn",
        method="rule",
    )
    return replace(made, **fields)


def result(number: int = 0, **fields: Any) -> CallResult:
    """A complete call with at least one row of every kind."""
    made = CallResult(
        call=call(number),
        status="done",
        status_reason=None,
        quality=AudioQuality(
            "stereo", (-21.5, -30.25), (18.0, None), (0.0, 0.001), (3400.0, 3100.0), 0.02
        ),
        sounds=(
            SoundEvent("music", 20.0, 28.5, 0),
            SoundEvent("silence", 30.0, 34.0),
            SoundEvent("busy", 38.0, 40.0, 1, "425 Hz"),
        ),
        voices=(Voice("S0", 21.5, (0.6, 0.8)), Voice("S1", 9.0, (0.0, 1.0))),
        corrections=(RoleCorrection("S0", "operator"),),
        transcript=replace(
            transcript(), dropped=(DroppedText(3, 19.5, 21.0, "repeated"),)
        ),
        metrics=(
            Metric("silence_share", 0.125, "measured", 0.7),
            Metric("longest_silence", 4.5, "measured"),
            Metric("talk_share_operator", 0.6, "measured"),
            Metric("interruptions_operator", 2.0, "estimated", 0.3),
            Metric("hold_seconds", None, "estimated"),
            Metric("asr_confidence", 0.8, "measured"),
            Metric("role_confidence", 0.97, "measured"),
        ),
        tags=(Tag("redirect", 0.85, 2, 13.0, 19.0, "звоните по номеру", "pattern"),),
        labels=(
            Label("call_type", "previous_appeal", 0.8, (1,), "asks about an appeal"),
            Label("topic", ("taxes", "energy", "labour")[number % 3], 0.7, (1, 2), "words"),
            Label("outcome", "redirected_cold", 0.75, (2,), "sent to another number"),
            Label("repeat_contact", "true", 0.9, (3,), "says so"),
            Label("caller_upset", None, None, (), "recognition unreliable"),
        ),
        redirects=(
            Redirect(2, "verbal_number", None, "1414", False, None, "звоните по номеру 1414"),
        ),
        promises=(Promise(4, "callback", "до пятницы", date(2026, 9, 11), "мы перезвоним вам"),),
        card_id="card",
        card_version="1",
        answers=(
            answer(),
            answer("no_cold_redirect", value="no", turns=(2,), quote="Это не к нам",
                   quote_start=13.0, reason="sent away"),
            answer("farewell", value="no", turns=(), quote=None, quote_start=None,
                   probability=None, reason="not in turns 3-4"),
            answer("empathy", value="unknown", turns=(), quote=None, quote_start=None,
                   probability=None, reason="roles unsure", method="model"),
        ),
        scorecards=(
            Scorecard("consultation_quality", 3.0, 5.0, 1.0, 1),
            Scorecard("operator_competence", 2.0, 2.5, 0.0, 0),
        ),
        minimum_coverage=0.5,
        stages=(
            StageResult("speech", "f-speech", "done", None, 0.25),
            StageResult("transcribe", "f-transcribe", "done", None, 3.5),
            StageResult("score", "f-score", "failed", "no card", 0.0),
        ),
    )  # fmt: skip
    return replace(made, **fields)


def not_evaluable(number: int = 0, reason: str = "no_speech", **fields: Any) -> CallResult:
    return replace(CallResult(call(number), "not_evaluable", reason), **fields)


def run(run_id: str = "run-1", **fields: Any) -> RunInfo:
    made = RunInfo(
        run_id=run_id,
        started_at=datetime(2026, 11, 24, 8, 0, tzinfo=UTC),
        version="0.1.0",
        git_commit="0123abc",
        config_toml='profile = "cpu"\n',
        model_digests=(("vad", "a" * 64), ("asr", "b" * 64)),
        machine="2 cores",
        command="sapa run archive",
    )
    return replace(made, **fields)


def card(version: str = "1", **fields: Any) -> QualityCard:
    """Four criteria, those that `result` answers."""
    absence = frozenset({"no_cold_redirect"})
    kinds = (
        ("greeting", "operator_competence", "minor", 1.0),
        ("farewell", "operator_competence", "minor", 1.5),
        ("empathy", "consultation_quality", "major", 1.0),
        ("no_cold_redirect", "consultation_quality", "critical", 5.0),
    )
    criteria = tuple(
        Criterion(
            criterion_id=name,
            dimension=dimension,  # type: ignore[arg-type]
            severity=severity,  # type: ignore[arg-type]
            weight=weight,
            text=Texts(f"{name} (ru)", f"{name} (kk)", f"{name} (en)"),
            method="tag",
            evidence="absence" if name in absence else "required",
        )
        for name, dimension, severity, weight in kinds
    )
    made = QualityCard("card", version, Texts("Карта", "Карта", "Card"), 0.5, criteria)
    return replace(made, **fields)
