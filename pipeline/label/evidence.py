"""The call as the labels see it: turns, texts and tags, with the questions asked of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipeline.types import Role, Tag, Transcript, Turn


@dataclass(frozen=True, slots=True)
class Evidence:
    """Texts are per turn; tags are those that are believed at all."""

    turns: tuple[Turn, ...]
    texts: tuple[str, ...]
    tags: tuple[Tag, ...]

    def of(self, *names: str) -> tuple[Tag, ...]:
        return tuple(tag for tag in self.tags if tag.name in names)

    def at(self, turn: int, *names: str) -> tuple[Tag, ...]:
        return tuple(tag for tag in self.tags if tag.turn == turn and tag.name in names)

    def best(self, *names: str) -> float:
        """The highest probability of any of the acts, 0 without one."""
        return max((tag.probability for tag in self.of(*names)), default=0.0)

    def spoken(self, role: Role) -> tuple[Turn, ...]:
        """Turns of the role in which words were recognised."""
        return tuple(turn for turn in self.turns if turn.role == role and self.texts[turn.index])

    def next_operator(self, turn: int) -> Turn | None:
        return next((item for item in self.spoken("operator") if item.index > turn), None)

    def previous_operator(self, turn: int) -> Turn | None:
        before = [item for item in self.spoken("operator") if item.index < turn]
        return before[-1] if before else None


def gather(transcript: Transcript, tags: tuple[Tag, ...], trust: float) -> Evidence:
    """The evidence of one call; what only a model says counts `trust` times as much."""
    weighed = tuple(
        replace(tag, probability=trust * tag.probability) if tag.source == "model" else tag
        for tag in tags
    )
    return Evidence(transcript.turns, transcript.texts(), weighed)


def either(probabilities: tuple[float, ...]) -> float:
    """Noisy or: the probability that at least one independent sign is true."""
    missing = 1.0
    for probability in probabilities:
        missing *= 1 - probability
    return 1 - missing


def turns_of(tags: tuple[Tag, ...]) -> tuple[int, ...]:
    """The turns of the tags, in order, each once."""
    return tuple(sorted({tag.turn for tag in tags}))
