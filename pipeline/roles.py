"""Who is the operator: from the channel map of the source, from the words, with a probability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import exp, log

import numpy as np
import numpy.typing as npt

from pipeline.types import Role, RoleCorrection, Transcript, Turn

VERSION = "4"

PARTIES: tuple[Role, ...] = ("operator", "caller", "ivr")


@dataclass(frozen=True, slots=True)
class RoleOptions:
    #: role probability below which the role is "unknown"
    threshold: float = 0.75
    #: probability given to a channel map of the source, before the words are heard
    channel_map: float = 0.99
    #: log odds that whoever speaks first (announcements aside) is the operator
    first_speaker: float = 0.7
    #: log odds that one typical phrase of a party is worth
    phrase: float = 1.0
    #: weight of the trained head beside the phrases
    head: float = 0.6
    #: bound on what a single turn can say, log odds
    turn_maximum: float = 2.5
    #: words at which a turn counts in full for the trained head
    full_words: int = 6
    #: mean word probability below which words say nothing of roles, and from which they count in
    #: full, of the call and of the turn
    doubted: float = 0.5
    believed: float = 0.65
    #: s of pause that part an announcement from the operator who then answers
    answer_pause: float = 1.5
    #: probability that what is said before such a pause is an announcement
    answer_probability: float = 0.8
    #: s that a voice must speak, before all others and never again, to be an announcement
    opening_voice: float = 2.0
    #: probability of such an announcement
    opening_probability: float = 0.9
    #: probability left to a channel map below which the words are believed instead: the channels
    #: are swapped
    swapped: float = 0.01
    #: compare with the agent's voice in earlier calls; needs diarize.keep_voices
    agent_voices: bool = False
    #: cosine to the agent's voice that says nothing: one voice gave 0.74 to 0.95 between its
    #: parts, two voices 0.05 to 0.77
    agent_voice_even: float = 0.75
    #: log odds operator : caller for 0.1 of cosine
    agent_voice_weight: float = 1.0
    #: probability of an announcement before the caller has spoken, and after
    announcement_before: float = 0.6
    announcement_after: float = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class RoleEvidence:
    """What the words say of each turn.

    head: (turns, 3) probabilities of operator, caller, ivr, or None without a head;
    phrases: for each turn the parties whose typical phrases occur in it; voices: speakers with
    the cosine of their voice to that of the agent who took the call.
    """

    head: npt.NDArray[np.float32] | None
    phrases: tuple[tuple[Role, ...], ...]
    voices: tuple[tuple[str, float], ...] = ()


def assign_roles(
    transcript: Transcript,
    evidence: RoleEvidence,
    *,
    operator_channel: int | None,
    options: RoleOptions,
) -> Transcript:
    """The transcript with a role for every turn.

    `operator_channel` None: the parties are not on separate channels, or the map is unknown.
    Announcements are found turn by turn, parties by all that a speaker says. Of several speakers
    the least operator-like one is the caller; the others are operators where their words agree.
    """
    turns = transcript.turns
    texts = transcript.texts()
    reliability = _reliability(transcript, options)
    announcements = _announcements(turns, texts, evidence, options)
    announcements |= _opening_voice(turns, evidence, announcements, options)
    live = [turn for turn in turns if turn.index not in announcements]
    odds = _speaker_odds(live, texts, evidence, options, reliability)
    roles = _by_channel(live, odds, operator_channel, options)
    if roles is None:
        roles = _by_words(odds)
    assigned = [
        _with_role(turn, "ivr", announcements[turn.index], options)
        if turn.index in announcements
        else _with_role(turn, *roles[turn.speaker], options)
        for turn in turns
    ]
    return replace(transcript, turns=tuple(assigned))


def correct(transcript: Transcript, corrections: Sequence[RoleCorrection]) -> Transcript:
    """The transcript with the roles that a person has named; announcements stay announcements.

    Speakers that no correction names keep their role.
    """
    named = {item.speaker: item.role for item in corrections}
    return replace(
        transcript,
        turns=tuple(
            replace(turn, role=named[turn.speaker], role_probability=1.0)
            if turn.speaker in named and turn.role != "ivr"
            else turn
            for turn in transcript.turns
        ),
    )


def swapped(turns: Sequence[Turn]) -> tuple[RoleCorrection, ...]:
    """The corrections that make operators callers and callers operators."""
    other: dict[Role, Role] = {"operator": "caller", "caller": "operator"}
    roles = {turn.speaker: turn.role for turn in turns if turn.role in other}
    return tuple(RoleCorrection(speaker, other[role]) for speaker, role in roles.items())


def _reliability(transcript: Transcript, options: RoleOptions) -> tuple[float, ...]:
    """How far the words of each turn can be believed, 0 to 1; words without probability: 1."""
    known = [word.probability for word in transcript.words if word.probability is not None]
    whole = _ramp(sum(known) / len(known), options) if known else 1.0
    parts: list[list[float]] = [[] for _ in transcript.turns]
    for word in transcript.words:
        if word.probability is not None:
            parts[word.turn].append(word.probability)
    return tuple(whole * (_ramp(sum(part) / len(part), options) if part else 1.0) for part in parts)


def _ramp(value: float, options: RoleOptions) -> float:
    return min(1.0, max(0.0, (value - options.doubted) / (options.believed - options.doubted)))


def _opening_voice(
    turns: Sequence[Turn],
    evidence: RoleEvidence,
    announcements: dict[int, float],
    options: RoleOptions,
) -> dict[int, float]:
    """Turns of a third voice that speaks before all others and never again.

    An operator answers and goes on; only a machine speaks once. Operators' words speak against it.
    """
    speakers = list(dict.fromkeys(turn.speaker for turn in turns))
    if len(speakers) < 3:
        return {}
    own = [turn for turn in turns if turn.speaker == speakers[0]]
    rest = [turn for turn in turns if turn.speaker != speakers[0]]
    if own[-1].index > rest[0].index:
        return {}
    spoken = sum(turn.duration for turn in own)
    operator = any("operator" in evidence.phrases[turn.index] for turn in own)
    if spoken < options.opening_voice or operator:
        return {}
    return {
        turn.index: max(options.opening_probability, announcements.get(turn.index, 0.0))
        for turn in own
    }


def _with_role(turn: Turn, role: Role, probability: float, options: RoleOptions) -> Turn:
    known = role if probability >= options.threshold else "unknown"
    return replace(turn, role=known, role_probability=round(probability, 4))


def _announcements(
    turns: Sequence[Turn], texts: Sequence[str], evidence: RoleEvidence, options: RoleOptions
) -> dict[int, float]:
    """Turns of a machine with their probability.

    Operators use some of the same phrases, so that after the caller has spoken more is asked for.
    """
    found: dict[int, float] = {}
    caller_spoke = False
    before, greeting = _before_the_answer(turns, evidence, options)
    for turn in turns:
        head = 0.0 if evidence.head is None else float(evidence.head[turn.index, 2])
        phrases = sum(role == "ivr" for role in evidence.phrases[turn.index])
        others = len(evidence.phrases[turn.index]) - phrases
        probability = 1 - (1 - head) * exp(-options.phrase * phrases)
        if evidence.head is None and others:
            probability /= 1 + others
        late = caller_spoke or turn.index == greeting
        needed = options.announcement_after if late else options.announcement_before
        if turn.index in before:
            found[turn.index] = max(probability, options.answer_probability)
        elif texts[turn.index] and probability >= needed and (phrases or head >= 0.8):
            found[turn.index] = max(probability, options.threshold)
        elif texts[turn.index]:
            caller_spoke = caller_spoke or _odds(turn.index, texts, evidence, options) < 0
    return found


def _before_the_answer(
    turns: Sequence[Turn], evidence: RoleEvidence, options: RoleOptions
) -> tuple[frozenset[int], int | None]:
    """Of one side's turns before the other side speaks: what a machine said, and the greeting.

    The last of them is the operator's answer if that side goes on speaking afterwards. What came
    before it, after the length of a sentence and before a pause, was said while nobody answered.
    """
    if not turns:
        return frozenset(), None
    side = turns[0].speaker
    run = [turn for turn in turns if turn.speaker == side]
    others = [turn.index for turn in turns if turn.speaker != side]
    opening = [turn for turn in run if not others or turn.index < others[0]]
    if not others or len(opening) == len(run):
        return frozenset(), None
    before = frozenset(
        turn.index
        for turn, after in pairwise(opening)
        if after.start - turn.end >= options.answer_pause
        and turn.duration >= options.opening_voice
        and "operator" not in evidence.phrases[turn.index]
    )
    return before, opening[-1].index


def _odds(index: int, texts: Sequence[str], evidence: RoleEvidence, options: RoleOptions) -> float:
    """Log odds operator : caller of one turn's words."""
    phrases = evidence.phrases[index]
    value = options.phrase * (
        sum(role == "operator" for role in phrases) - sum(role == "caller" for role in phrases)
    )
    if evidence.head is not None and texts[index]:
        operator, caller = (float(evidence.head[index, i]) + 1e-3 for i in (0, 1))
        share = min(1.0, len(texts[index].split()) / options.full_words)
        value += options.head * share * log(operator / caller)
    return max(-options.turn_maximum, min(options.turn_maximum, value))


def _speaker_odds(
    live: Sequence[Turn],
    texts: Sequence[str],
    evidence: RoleEvidence,
    options: RoleOptions,
    reliability: Sequence[float],
) -> dict[str, float]:
    odds: dict[str, float] = {}
    for place, turn in enumerate(live):
        first = options.first_speaker if place == 0 else 0.0
        said = reliability[turn.index] * _odds(turn.index, texts, evidence, options)
        odds[turn.speaker] = odds.get(turn.speaker, 0.0) + first + said
    for speaker, cosine in evidence.voices:
        if speaker in odds:
            said = options.agent_voice_weight * (cosine - options.agent_voice_even) / 0.1
            odds[speaker] += max(-options.turn_maximum, min(options.turn_maximum, said))
    return odds


def _by_channel(
    live: Sequence[Turn],
    odds: dict[str, float],
    operator_channel: int | None,
    options: RoleOptions,
) -> dict[str, tuple[Role, float]] | None:
    """Roles from the channel map, doubted where the words of the call contradict it.

    Where the words leave the map next to no chance, the channels are swapped.
    """
    channels = {turn.speaker: turn.channel for turn in live}
    if operator_channel is None:
        return None
    roles: dict[str, Role] = {
        speaker: "operator" if channel == operator_channel else "caller"
        for speaker, channel in channels.items()
    }
    words = sum(
        odds[speaker] * (1 if role == "operator" else -1) for speaker, role in roles.items()
    )
    prior = log(options.channel_map / (1 - options.channel_map))
    probability = _sigmoid(prior + words)
    if probability < options.swapped and len(roles) > 1:
        roles = {s: "caller" if role == "operator" else "operator" for s, role in roles.items()}
        probability = 1 - probability
    return {speaker: (role, probability) for speaker, role in roles.items()}


def _by_words(odds: dict[str, float]) -> dict[str, tuple[Role, float]]:
    if not odds:
        return {}
    if len(odds) == 1:
        ((speaker, value),) = odds.items()
        return {speaker: ("operator" if value >= 0 else "caller", _sigmoid(abs(value)))}
    ordered = sorted(odds, key=lambda speaker: odds[speaker])
    caller, operator = ordered[0], ordered[-1]
    certain = _sigmoid(odds[operator] - odds[caller])
    roles: dict[str, tuple[Role, float]] = {
        caller: ("caller", certain), operator: ("operator", certain),
    }  # fmt: skip
    for speaker in ordered[1:-1]:
        to_operator = odds[speaker]
        role: Role = "operator" if to_operator >= 0 else "caller"
        roles[speaker] = (role, min(certain, _sigmoid(abs(to_operator))))
    return roles


def _sigmoid(value: float) -> float:
    """Safe for any log odds: those of a long call exceed what exp can hold."""
    return 1 / (1 + exp(-value)) if value >= 0 else 1 - 1 / (1 + exp(value))
