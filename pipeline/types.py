"""The values that flow through the pipeline: frozen, checked on construction.

Times are seconds from the start of the recording, intervals are half-open [start, end).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Literal

import numpy as np
import numpy.typing as npt

Role = Literal["operator", "caller", "ivr", "unknown"]
Language = Literal["ru", "kk", "en"]
CallStatus = Literal["done", "partial", "failed", "not_evaluable"]
AnswerValue = Literal["yes", "no", "na", "unknown"]
Dimension = Literal["consultation_quality", "operator_competence"]
CriterionClass = Literal["critical", "major", "minor"]
Layout = Literal["mono", "stereo", "dual_mono", "one_sided"]
Samples = npt.NDArray[np.float32]

ROLES: tuple[Role, ...] = ("operator", "caller", "ivr", "unknown")
LANGUAGES: tuple[Language, ...] = ("ru", "kk", "en")
DIMENSIONS: tuple[Dimension, ...] = ("consultation_quality", "operator_competence")
CALL_TYPES = (
    "consultation", "previous_appeal", "new_appeal", "complaint", "misdirected", "no_dialogue",
)  # fmt: skip
TOPICS = (
    "health_drugs", "housing_utilities", "taxes", "social_benefits", "documents_egov",
    "finance_regulation", "labour", "transport_roads", "education", "energy", "trade_consumer",
    "competition", "civil_service", "culture_sport", "defence", "other",
)  # fmt: skip
OUTCOMES = (
    "resolved", "status_informed", "registered", "transferred_warm", "redirected_cold",
    "callback_promised", "refused_with_reason", "unresolved", "disconnected", "not_applicable",
)  # fmt: skip


def _check_interval(owner: str, start: float, end: float) -> None:
    if not 0 <= start <= end:
        raise ValueError(f"{owner}: need 0 <= start <= end, got start={start}, end={end}")


def _check_probability(owner: str, value: float | None) -> None:
    if value is not None and not 0 <= value <= 1:
        raise ValueError(f"{owner}: probability must lie in [0, 1], got {value}")


def _check_one_of(owner: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{owner}: {value!r} is none of {', '.join(allowed)}")


@dataclass(frozen=True, slots=True)
class Call:
    """One recording, identified by the sha256 of its bytes.

    `path` is relative to the archive; `paths` holds every path with the same bytes.
    """

    call_id: str
    path: str
    sha256: str
    size: int
    paths: tuple[str, ...] = ()
    started_at: datetime | None = None
    started_at_source: str | None = None
    duration: float | None = None
    channels: int | None = None
    codec: str | None = None
    queue: str | None = None
    did: str | None = None
    agent_id: str | None = None
    agent_name: str | None = None
    caller_key: str | None = None
    direction: str | None = None
    uniqueid: str | None = None
    linkedid: str | None = None
    operator_channel: int | None = None

    def __post_init__(self) -> None:
        if self.started_at is not None and self.started_at.tzinfo is None:
            raise ValueError(f"Call: started_at needs a time zone, got {self.started_at!r}")
        if self.started_at is not None and self.started_at_source is None:
            raise ValueError("Call: started_at without started_at_source")


@dataclass(frozen=True, slots=True, eq=False)
class Audio:
    """Decoded audio: samples (channels, n) float32 in [-1, 1]."""

    samples: Samples
    sample_rate: int

    def __post_init__(self) -> None:
        if self.samples.ndim != 2 or self.samples.dtype != np.float32:
            raise ValueError(
                f"Audio: samples must be (channels, n) float32, "
                f"got {self.samples.shape} {self.samples.dtype}"
            )

    @property
    def channels(self) -> int:
        return int(self.samples.shape[0])

    @property
    def duration(self) -> float:
        return float(self.samples.shape[1] / self.sample_rate)


@dataclass(frozen=True, slots=True)
class AudioQuality:
    """Facts about the signal; one value per channel in each tuple.

    level: RMS in dBFS; snr: estimated dB; clipping: share of samples at full scale;
    bandwidth: Hz below which 99 % of the energy lies; correlation: of the two channels.
    """

    layout: Layout
    level: tuple[float, ...]
    snr: tuple[float | None, ...]
    clipping: tuple[float, ...]
    bandwidth: tuple[float, ...]
    correlation: float | None


@dataclass(frozen=True, slots=True)
class SpeechSegment:
    start: float
    end: float
    channel: int

    def __post_init__(self) -> None:
        _check_interval("SpeechSegment", self.start, self.end)


@dataclass(frozen=True, slots=True)
class Turn:
    """One party's uninterrupted stretch of speech.

    `speaker` is a label within the call (S0, S1, …, ivr); `role_probability` is how sure the
    role is, None before roles are assigned.
    """

    index: int
    start: float
    end: float
    speaker: str
    channel: int | None = None
    role: Role = "unknown"
    role_probability: float | None = None
    overlapped: bool = False

    def __post_init__(self) -> None:
        _check_interval("Turn", self.start, self.end)
        _check_probability("Turn", self.role_probability)
        _check_one_of("Turn.role", self.role, ROLES)

    @property
    def duration(self) -> float:
        return self.end - self.start


def mark_overlaps(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """The same turns with `overlapped` set where another speaker talks at the same time."""
    return tuple(
        replace(
            turn,
            overlapped=any(
                other.speaker != turn.speaker and other.start < turn.end and turn.start < other.end
                for other in turns
            ),
        )
        for turn in turns
    )


@dataclass(frozen=True, slots=True)
class Word:
    """A recognised word; `turn` is the index of its turn; probability is None when imported."""

    start: float
    end: float
    text: str
    probability: float | None
    turn: int

    def __post_init__(self) -> None:
        _check_interval("Word", self.start, self.end)
        _check_probability("Word", self.probability)


@dataclass(frozen=True, slots=True)
class TurnLanguage:
    turn: int
    language: Language
    probability: float | None

    def __post_init__(self) -> None:
        _check_probability("TurnLanguage", self.probability)
        _check_one_of("TurnLanguage.language", self.language, LANGUAGES)


@dataclass(frozen=True, slots=True)
class DroppedText:
    """Recognised text that was not believed, and why; the text itself is not kept."""

    turn: int
    start: float
    end: float
    reason: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """Turns with their words. Words are ordered by turn, then time."""

    turns: tuple[Turn, ...]
    words: tuple[Word, ...]
    languages: tuple[TurnLanguage, ...] = ()
    dropped: tuple[DroppedText, ...] = ()
    engine: str = ""

    def __post_init__(self) -> None:
        for place, turn in enumerate(self.turns):
            if turn.index != place:
                raise ValueError(f"Transcript: turn {place} carries index {turn.index}")
        for word in self.words:
            if not 0 <= word.turn < len(self.turns):
                raise ValueError(f"Transcript: word of turn {word.turn} of {len(self.turns)}")

    def words_of(self, turn: int) -> tuple[Word, ...]:
        return tuple(word for word in self.words if word.turn == turn)

    def texts(self) -> tuple[str, ...]:
        """The text of every turn, in order of turns; '' where nothing was recognised."""
        parts: list[list[str]] = [[] for _ in self.turns]
        for word in self.words:
            parts[word.turn].append(word.text)
        return tuple(" ".join(part) for part in parts)

    def language_of(self, turn: int) -> Language | None:
        return next((item.language for item in self.languages if item.turn == turn), None)


@dataclass(frozen=True, slots=True)
class Voice:
    """The voice of a speaker: unit-norm embedding, from so many seconds. Biometric data."""

    speaker: str
    seconds: float
    embedding: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class RoleCorrection:
    """Who a speaker is, as a person or the source of a transcript says."""

    speaker: str
    role: Role

    def __post_init__(self) -> None:
        _check_one_of("RoleCorrection.role", self.role, ("operator", "caller", "ivr"))


@dataclass(frozen=True, slots=True)
class Metric:
    """A counted fact. value None: cannot be seen in this recording. Seconds, shares or counts."""

    name: str
    value: float | None
    method: Literal["measured", "estimated"]
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Interruption:
    """The operator starts turn `turn` over the caller; [start, end) is the overlap."""

    turn: int
    start: float
    end: float

    def __post_init__(self) -> None:
        _check_interval("Interruption", self.start, self.end)


@dataclass(frozen=True, slots=True)
class Hold:
    """A stretch in which the caller waits; `kind` says what is heard: silence, music, …."""

    start: float
    end: float
    kind: str

    def __post_init__(self) -> None:
        _check_interval("Hold", self.start, self.end)


SoundKind = Literal["silence", "music", "ringback", "busy", "dtmf"]
SOUND_KINDS: tuple[SoundKind, ...] = ("silence", "music", "ringback", "busy", "dtmf")


@dataclass(frozen=True, slots=True)
class SoundEvent:
    """A sound other than speech that the caller hears; `channel` None: silence of all channels.

    `detail` says more, such as the frequency of a tone. A pressed key (dtmf) has none: dialled
    digits can be personal data, only their number is kept.
    """

    kind: SoundKind
    start: float
    end: float
    channel: int | None = None
    detail: str | None = None

    def __post_init__(self) -> None:
        _check_interval("SoundEvent", self.start, self.end)
        _check_one_of("SoundEvent.kind", self.kind, SOUND_KINDS)
        if self.kind == "dtmf" and self.detail is not None:
            raise ValueError("SoundEvent: dtmf has no detail, dialled digits are not kept")


@dataclass(frozen=True, slots=True)
class Interaction:
    """What was counted from the times alone; `interruptions` None: mono cannot show them."""

    metrics: tuple[Metric, ...] = ()
    interruptions: tuple[Interruption, ...] | None = None
    holds: tuple[Hold, ...] = ()

    def value(self, name: str) -> float | None:
        """The value of a metric; None when it was not counted or cannot be seen."""
        return next((item.value for item in self.metrics if item.name == name), None)


@dataclass(frozen=True, slots=True, eq=False)
class ActScores:
    """What the trained heads say of each turn of one call.

    probabilities: (turns, acts) in [0, 1]; thresholds: one per act, of best F1; certain: one per
    act, from which the head is right nine times in ten, or () when not known;
    topic_probabilities: (turns, topics), or None without a topic head.
    """

    acts: tuple[str, ...]
    probabilities: npt.NDArray[np.float32]
    thresholds: tuple[float, ...]
    topics: tuple[str, ...] = ()
    topic_probabilities: npt.NDArray[np.float32] | None = None
    certain: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.probabilities.ndim != 2 or self.probabilities.shape[1] != len(self.acts):
            raise ValueError(
                f"ActScores: probabilities must be (turns, {len(self.acts)}), "
                f"got {self.probabilities.shape}"
            )
        if len(self.thresholds) != len(self.acts):
            raise ValueError(
                f"ActScores: {len(self.acts)} acts but {len(self.thresholds)} thresholds"
            )
        if len(self.certain) not in {0, len(self.acts)}:
            raise ValueError(f"ActScores: {len(self.acts)} acts but {len(self.certain)} certain")
        topics = self.topic_probabilities
        if topics is not None and topics.shape != (len(self.probabilities), len(self.topics)):
            raise ValueError(
                f"ActScores: topic probabilities must be "
                f"({len(self.probabilities)}, {len(self.topics)}), got {topics.shape}"
            )


@dataclass(frozen=True, slots=True)
class Tag:
    """A dialogue act of one turn, with the words that show it."""

    name: str
    probability: float
    turn: int
    start: float
    end: float
    quote: str
    source: Literal["pattern", "model", "fused"]

    def __post_init__(self) -> None:
        _check_probability("Tag", self.probability)
        _check_interval("Tag", self.start, self.end)


@dataclass(frozen=True, slots=True)
class Label:
    """A statement about the whole call (call_type, topic, outcome, flags).

    `value` None means unknown; flags use "true" and "false".
    """

    name: str
    value: str | None
    probability: float | None
    turns: tuple[int, ...]
    reason: str

    def __post_init__(self) -> None:
        _check_probability("Label", self.probability)


@dataclass(frozen=True, slots=True)
class Redirect:
    """The operator sends the caller elsewhere; `justified` None: the registry is silent."""

    turn: int
    kind: Literal["warm", "cold", "verbal_number"]
    to_agency: str | None
    to_number: str | None
    reason_given: bool
    justified: bool | None
    quote: str


@dataclass(frozen=True, slots=True)
class Promise:
    turn: int
    what: Literal["callback", "reply", "other"]
    due_text: str | None
    due_date: date | None
    quote: str


CallState = Literal["dialogue", "dropped", "misdirected", "no_dialogue"]


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What is known of the call as a whole."""

    labels: tuple[Label, ...] = ()
    redirects: tuple[Redirect, ...] = ()
    promises: tuple[Promise, ...] = ()

    def value(self, name: str) -> str | None:
        """The value of a label; None when unknown or absent."""
        return next((label.value for label in self.labels if label.name == name), None)

    @property
    def state(self) -> CallState:
        """A dialogue, one that the line cut short, a wrong number, or no dialogue at all."""
        call_type = self.value("call_type")
        if call_type == "no_dialogue":
            return "no_dialogue"
        if call_type == "misdirected":
            return "misdirected"
        return "dropped" if self.value("outcome") == "disconnected" else "dialogue"


@dataclass(frozen=True, slots=True)
class Texts:
    """A text in the three languages that reviewers read."""

    ru: str
    kk: str
    en: str


@dataclass(frozen=True, slots=True)
class Condition:
    """One checkable statement about a call: `act:hold_announced`, `label:caller_upset=true`,
    `redirect:cold`, `metric:hold_count>=1`; see `pipeline.cards` for the grammar.

    For a metric, `value` is the number as written; for acts and redirects both are empty.
    """

    kind: Literal["act", "label", "redirect", "metric"]
    name: str
    operator: Literal["", "=", "!=", "<", "<=", ">", ">="] = ""
    value: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}{self.operator}{self.value}"


@dataclass(frozen=True, slots=True)
class Window:
    """Where a criterion looks among the operator's turns.

    all: everywhere; opening: before the caller's first substantial turn; first, last: so many
    turns.
    """

    part: Literal["all", "opening", "first", "last"] = "all"
    turns: int = 0

    def __post_init__(self) -> None:
        if (self.part in ("first", "last")) != (self.turns > 0):
            raise ValueError(f"Window: {self.part} with {self.turns} turns")


@dataclass(frozen=True, slots=True)
class CardExample:
    """A mini dialogue, `("operator", "text")` per turn, with the answer that is expected."""

    turns: tuple[tuple[Role, str], ...]
    expected: AnswerValue
    metrics: tuple[Metric, ...] = ()


@dataclass(frozen=True, slots=True)
class Criterion:
    """One question of a quality card.

    method tag: `signals` are searched in `window`; expression: `all_of`, `any_of`, `none_of`
    must hold; metric: the conditions in `all_of` must hold. evidence "required": a signal is a
    yes and its absence a no; "absence": a signal is a no and its absence a yes.
    `applies_if` (any of them; empty: always) and `na_if` (any) decide whether it applies.
    A signal does not count in a turn with one of `ignore_if`; a "no" signal is forgiven when one
    of `excused_by` stands in the same turn or one of `excused_next` in the operator's next turn.
    `content`: about the substance, so it does not apply to a wrong number; `at_end`: said when a
    call ends, so it does not apply when the line drops; `block`: heading under which it is read.
    """

    criterion_id: str
    dimension: Dimension
    severity: CriterionClass
    weight: float
    text: Texts
    method: Literal["tag", "metric", "expression"]
    evidence: Literal["required", "absence"]
    signals: tuple[Condition, ...] = ()
    all_of: tuple[Condition, ...] = ()
    any_of: tuple[Condition, ...] = ()
    none_of: tuple[Condition, ...] = ()
    applies_if: tuple[Condition, ...] = ()
    na_if: tuple[Condition, ...] = ()
    ignore_if: tuple[Condition, ...] = ()
    excused_by: tuple[Condition, ...] = ()
    excused_next: tuple[Condition, ...] = ()
    window: Window = Window()
    content: bool = True
    at_end: bool = False
    examples: tuple[CardExample, ...] = ()
    block: Texts | None = None

    def __post_init__(self) -> None:
        if self.weight <= 0:
            raise ValueError(f"Criterion {self.criterion_id}: weight must be > 0")
        _check_one_of(f"Criterion {self.criterion_id}", self.dimension, DIMENSIONS)


@dataclass(frozen=True, slots=True)
class QualityCard:
    """A versioned list of criteria; `minimum_coverage` is the share below which no score."""

    card_id: str
    version: str
    title: Texts
    minimum_coverage: float
    criteria: tuple[Criterion, ...]

    def __post_init__(self) -> None:
        ids = [criterion.criterion_id for criterion in self.criteria]
        double = sorted({item for item in ids if ids.count(item) > 1})
        if double:
            raise ValueError(f"QualityCard {self.card_id}: criteria twice: {', '.join(double)}")
        if not 0 <= self.minimum_coverage <= 1:
            raise ValueError(f"QualityCard {self.card_id}: minimum_coverage must lie in [0, 1]")


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one criterion of a card, with its evidence.

    `turns` are the evidence (yes, or a bad utterance) or, for absence, the searched turns are
    named in `reason`; `quote` is a verbatim part of the transcript.
    """

    criterion: str
    value: AnswerValue
    probability: float | None
    turns: tuple[int, ...]
    quote: str | None
    quote_start: float | None
    reason: str
    method: Literal["rule", "model", "metric", "human"]

    def __post_init__(self) -> None:
        _check_probability("Answer", self.probability)
        _check_one_of("Answer.value", self.value, ("yes", "no", "na", "unknown"))
        if (self.quote is None) != (self.quote_start is None):
            raise ValueError(f"Answer {self.criterion}: quote and quote_start go together")


@dataclass(frozen=True, slots=True)
class Scorecard:
    """Pooled points of one dimension; `+` pools calls or blocks.

    earned: weight of answers "yes"; possible: weight of answers yes or no; unknown: weight of
    applicable criteria without an answer; critical: "no" answers to critical criteria.
    """

    dimension: Dimension
    earned: float = 0.0
    possible: float = 0.0
    unknown: float = 0.0
    critical: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.earned <= self.possible or self.unknown < 0:
            raise ValueError(f"Scorecard: 0 <= earned <= possible and unknown >= 0, got {self}")

    @property
    def coverage(self) -> float | None:
        """Share of the applicable weight that has an answer; None if nothing applies."""
        applicable = self.possible + self.unknown
        return self.possible / applicable if applicable else None

    def score(self, minimum_coverage: float) -> float | None:
        """0–100, or None when coverage is below the minimum or nothing applies."""
        coverage = self.coverage
        if coverage is None or coverage < minimum_coverage or not self.possible:
            return None
        return 100 * self.earned / self.possible

    def __add__(self, other: Scorecard) -> Scorecard:
        if self.dimension != other.dimension:
            raise ValueError(f"Scorecard: cannot pool {self.dimension} with {other.dimension}")
        return Scorecard(
            self.dimension,
            self.earned + other.earned,
            self.possible + other.possible,
            self.unknown + other.unknown,
            self.critical + other.critical,
        )


@dataclass(frozen=True, slots=True)
class StageResult:
    stage: str
    fingerprint: str
    status: Literal["done", "failed", "skipped"]
    error: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class CallResult:
    """Everything that is known about one call; what the store writes in one transaction."""

    call: Call
    status: CallStatus
    status_reason: str | None
    quality: AudioQuality | None = None
    sounds: tuple[SoundEvent, ...] = ()
    voices: tuple[Voice, ...] = ()
    corrections: tuple[RoleCorrection, ...] = ()
    transcript: Transcript | None = None
    metrics: tuple[Metric, ...] = ()
    tags: tuple[Tag, ...] = ()
    labels: tuple[Label, ...] = ()
    redirects: tuple[Redirect, ...] = ()
    promises: tuple[Promise, ...] = ()
    card_id: str | None = None
    card_version: str | None = None
    answers: tuple[Answer, ...] = ()
    scorecards: tuple[Scorecard, ...] = ()
    minimum_coverage: float = 0.0
    stages: tuple[StageResult, ...] = field(default=())
