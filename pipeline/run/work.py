"""One call through the stages, from where its stored result is stale; every error becomes a row."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from traceback import extract_tb
from typing import cast

from pipeline.audio import assess
from pipeline.backends.decode import decode
from pipeline.backends.working_days import days_of
from pipeline.diarize import voices
from pipeline.errors import CallError, SapaError
from pipeline.interaction import Recording, measure
from pipeline.label import label
from pipeline.roles import PARTIES, RoleEvidence, assign_roles, correct
from pipeline.run.models import Embeddings, Models, models_of
from pipeline.run.plan import IMPORTED, STAGES, Plan, fingerprints, first_stale
from pipeline.score import answer, scorecards
from pipeline.sounds import find_sounds
from pipeline.speech import find_speech, outside, turns_by_channel
from pipeline.tag import Lexicon, fold_text, tag
from pipeline.timeline import union
from pipeline.transcribe import transcribe
from pipeline.types import (
    ActScores,
    Audio,
    Call,
    CallFacts,
    CallResult,
    CallStatus,
    Interaction,
    Label,
    Role,
    StageResult,
    Transcript,
    Turn,
)


@dataclass(frozen=True, slots=True)
class Item:
    """A call to process: where its bytes lie, and what is stored of it."""

    call: Call
    location: str
    stored: CallResult | None = None


@dataclass(slots=True)
class _Progress:
    """The result so far. Inside this module alone; what leaves it is frozen."""

    result: CallResult
    audio: Audio | None = None
    warnings: tuple[str, ...] = ()
    turns: tuple[Turn, ...] = ()
    embeddings: Embeddings | None = None
    scores: ActScores | None = None


def process(item: Item, plan: Plan) -> CallResult:
    """The full result of a call; stages whose fingerprint is stored are not repeated."""
    wanted = fingerprints(item.call, plan, item.stored)
    models = models_of(plan)
    state = _resumed(item, wanted)
    kept = {stage.stage: stage for stage in state.result.stages}
    for name in STAGES:
        if name in kept:
            continue
        started = time.perf_counter()
        error, lasting = _attempt(name, state, (item, plan, models))
        seconds = round(time.perf_counter() - started, 3)
        status = "done" if error is None else "failed"
        fingerprint = wanted[name] if lasting else ""
        stage = StageResult(name, fingerprint, status, error and str(error), seconds)  # type: ignore[arg-type]
        state.result = replace(state.result, stages=(*state.result.stages, stage))
        if error is not None:
            return _failed(state, error, name)
    return _concluded(state, plan)


def failure(item: Item, plan: Plan, code: str, detail: str, seconds: float) -> CallResult:
    """The row of a call whose worker died or ran out of time; it is tried again next time."""
    stage = StageResult("worker", "", "failed", f"{code}: {detail}", seconds)
    return CallResult(
        item.call, "failed", code, stages=(stage,), minimum_coverage=plan.card.minimum_coverage
    )


_Inputs = tuple[Item, Plan, Models]


def _attempt(name: str, state: _Progress, inputs: _Inputs) -> tuple[CallError | None, bool]:
    """The error of a stage, if any, and whether it would be the same next time.

    What the call itself is to blame for lasts; a lack of memory or a missing file may not.
    """
    try:
        _STEPS[name](state, inputs)
    except CallError as error:
        return error, True
    except SapaError as error:
        return CallError("failed", type(error).__name__, str(error)), False
    except MemoryError:
        return CallError("failed", "out_of_memory", f"in stage {name}"), False
    except Exception as error:
        place = extract_tb(error.__traceback__)[-1]
        where = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
        return CallError("failed", "internal_error", where), False
    return None, True


def _resumed(item: Item, wanted: dict[str, str]) -> _Progress:
    """What is stored, up to the first stale stage; everything after it is forgotten.

    Audio and turns leave nothing to go on from but the words.
    """
    stored = item.stored
    fresh = CallResult(item.call, "failed", None, corrections=stored.corrections if stored else ())
    stale = first_stale(stored.stages, wanted) if stored is not None else "audio"
    if stored is None or stale in ("audio", "turns", "words") or stored.transcript is None:
        return _Progress(fresh)
    before = STAGES[: STAGES.index(stale)] if stale else STAGES
    stages = tuple(stage for stage in stored.stages if stage.stage in before)
    kept = replace(
        stored,
        call=replace(
            item.call,
            duration=stored.call.duration,
            channels=stored.call.channels,
            codec=stored.call.codec,
        ),
        stages=stages,
    )
    warnings = ("truncated",) if stored.status_reason == "truncated" else ()
    return _Progress(kept, warnings=warnings)


def _audio(state: _Progress, inputs: _Inputs) -> None:
    item, plan, _ = inputs
    decoded = decode(Path(item.location), plan.config.decode)
    quality = assess(decoded.audio, plan.config.audio)
    call = replace(
        item.call,
        duration=round(decoded.audio.duration, 3),
        channels=decoded.audio.channels,
        codec=decoded.codec,
    )
    state.audio, state.warnings = decoded.audio, decoded.warnings
    state.result = replace(state.result, call=call, quality=quality)


def _turns(state: _Progress, inputs: _Inputs) -> None:
    _, plan, models = inputs
    audio, quality, config = state.audio, state.result.quality, plan.config
    assert audio is not None
    assert quality is not None
    if quality.layout != "stereo":
        loudest = max(range(audio.channels), key=lambda channel: quality.level[channel])
        audio = Audio(audio.samples[loudest : loudest + 1], audio.sample_rate)
    segments = find_speech(audio, models.voice_activity, options=config.speech)
    sounds = find_sounds(audio, segments, options=config.sounds)
    noise = union([(s.start, s.end) for s in sounds if s.kind != "silence"])
    if audio.channels == 1:
        segments = outside(segments, noise, options=config.speech)
    if audio.channels == 2:
        state.turns = turns_by_channel(segments, options=config.speech)
    else:
        turns = models.diarizer(audio, segments)
        state.turns = tuple(replace(turn, channel=loudest) for turn in turns)
    kept = (
        voices(audio, state.turns, models.embedder, options=config.diarize)
        if config.diarize.keep_voices
        else ()
    )
    state.result = replace(state.result, sounds=sounds, voices=kept)
    if not state.turns:
        raise CallError("not_evaluable", "no_speech", "no speech was found")


def _words(state: _Progress, inputs: _Inputs) -> None:
    _, plan, models = inputs
    assert state.audio is not None
    transcript = transcribe(
        state.audio, state.turns, models.recogniser, options=plan.config.transcribe
    )
    state.result = replace(state.result, transcript=transcript)


def _roles(state: _Progress, inputs: _Inputs) -> None:
    item, plan, models = inputs
    transcript = _transcript(state)
    texts = transcript.texts()
    head = models.heads.role(_embeddings(state, models))
    phrases = tuple(_phrases(text, plan.lexicon) for text in texts)
    evidence = RoleEvidence(head, phrases, _agent_cosines(state.result, plan))
    quality = state.result.quality
    stereo = quality is not None and quality.layout == "stereo"
    assigned = assign_roles(
        transcript,
        evidence,
        operator_channel=item.call.operator_channel if stereo else None,
        options=plan.config.roles,
    )
    corrected = correct(assigned, state.result.corrections)
    state.result = replace(state.result, transcript=corrected)


def _agent_cosines(result: CallResult, plan: Plan) -> tuple[tuple[str, float], ...]:
    """How like the agent's voice in earlier calls each speaker sounds."""
    known = dict(plan.agent_voices).get(result.call.agent_id or "")
    if known is None:
        return ()
    return tuple(
        (voice.speaker, sum(a * b for a, b in zip(voice.embedding, known, strict=True)))
        for voice in result.voices
    )


def _phrases(text: str, lexicon: Lexicon) -> tuple[Role, ...]:
    """The parties whose typical phrases occur in a text; phrases of several parties say nothing."""
    folded = fold_text(text)
    found = []
    for act in lexicon.acts:
        if len(act.roles) == 1 and act.roles[0] in PARTIES:
            match = act.find(folded)
            if match is not None and not match.weak:
                found.append(act.roles[0])
    return tuple(found)


def _metrics(state: _Progress, inputs: _Inputs) -> None:
    _, plan, _ = inputs
    state.result = replace(state.result, metrics=_measured(state, plan).metrics)


def _measured(state: _Progress, plan: Plan) -> Interaction:
    result = state.result
    imported = any(stage.fingerprint.startswith(IMPORTED) for stage in result.stages)
    recording = Recording(
        duration=result.call.duration or 0.0,
        separate=result.quality is not None and result.quality.layout == "stereo",
        sounds=None if imported else result.sounds,
    )
    return measure(_transcript(state), recording, options=plan.config.interaction)


def _tags(state: _Progress, inputs: _Inputs) -> None:
    _, plan, models = inputs
    transcript = _transcript(state)
    found = tag(transcript, plan.lexicon, _scores(state, models), plan.config.tag)
    state.result = replace(state.result, tags=found)


def _embeddings(state: _Progress, models: Models) -> Embeddings:
    """Roles, tags and labels read the same sentences: they are encoded once a call."""
    if state.embeddings is None:
        state.embeddings = models.embed(_transcript(state))
    return state.embeddings


def _scores(state: _Progress, models: Models) -> ActScores:
    if state.scores is None:
        embeddings = _embeddings(state, models)
        state.scores = models.act_scores(_transcript(state), embeddings)
    return state.scores


def _labels(state: _Progress, inputs: _Inputs) -> None:
    _, plan, models = inputs
    transcript = _transcript(state)
    facts = label(
        transcript,
        state.result.tags,
        _scores(state, models),
        plan.agencies,
        plan.config.label,
        days=days_of(state.result.call),
    )
    share = _understood(state.result)
    if share < plan.config.score.minimum_asr_confidence:
        facts = _withheld(facts, share)
    state.result = replace(
        state.result, labels=facts.labels, redirects=facts.redirects, promises=facts.promises
    )


def _withheld(facts: CallFacts, share: float) -> CallFacts:
    """Every label unknown: too little was understood to say anything of the call."""
    reason = f"speech_unreliable share={share:.2f}"
    return CallFacts(tuple(Label(item.name, None, None, (), reason) for item in facts.labels))


def _card(state: _Progress, inputs: _Inputs) -> None:
    _, plan, _ = inputs
    result = state.result
    facts = CallFacts(result.labels, result.redirects, result.promises)
    answers = answer(
        plan.card, _transcript(state), result.tags, facts, _measured(state, plan), plan.config.score
    )
    state.result = replace(
        result,
        card_id=plan.card.card_id,
        card_version=plan.card.version,
        minimum_coverage=plan.card.minimum_coverage,
        answers=answers,
        scorecards=scorecards(plan.card, answers),
    )


_STEPS: dict[str, Callable[[_Progress, _Inputs], None]] = {
    "audio": _audio,
    "turns": _turns,
    "words": _words,
    "roles": _roles,
    "metrics": _metrics,
    "tags": _tags,
    "labels": _labels,
    "card": _card,
}


def _transcript(state: _Progress) -> Transcript:
    assert state.result.transcript is not None
    return state.result.transcript


def _failed(state: _Progress, error: CallError, stage: str) -> CallResult:
    """What is known up to the failure; a call whose words are known is partial."""
    status = "partial" if state.result.transcript is not None else error.status
    return replace(
        state.result, status=cast(CallStatus, status), status_reason=f"{stage}: {error.code}"
    )


def _concluded(state: _Progress, plan: Plan) -> CallResult:
    """The status of a call that went through every stage."""
    result = state.result
    call_type = next((item.value for item in result.labels if item.name == "call_type"), None)
    if _understood(result) < plan.config.score.minimum_asr_confidence:
        return replace(result, status="not_evaluable", status_reason="recognition_unreliable")
    if call_type == "no_dialogue":
        return replace(result, status="not_evaluable", status_reason="no_dialogue")
    if "truncated" in state.warnings:
        return replace(result, status="partial", status_reason="truncated")
    return replace(result, status="done", status_reason=None)


def _understood(result: CallResult) -> float:
    """Share of the parties' speech that was probably recognised right: text share x confidence.

    Imported words carry no confidence: they are taken at their word.
    """
    metrics = {metric.name: metric.value for metric in result.metrics}
    confidence = metrics.get("asr_confidence")
    return (1.0 if confidence is None else confidence) * (metrics.get("text_share") or 0.0)
