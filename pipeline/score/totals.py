"""The two scores of a card: pooled points, so that calls and blocks add up."""

from __future__ import annotations

from pipeline.types import Answer, AnswerValue, Criterion, QualityCard, Scorecard


def scorecards(card: QualityCard, answers: tuple[Answer, ...]) -> tuple[Scorecard, Scorecard]:
    """The pooled points of both dimensions: consultation_quality, operator_competence.

    ValueError: an answer to a criterion that the card does not have.
    """
    by_id = {criterion.criterion_id: criterion for criterion in card.criteria}
    quality, competence = Scorecard("consultation_quality"), Scorecard("operator_competence")
    for item in answers:
        criterion = by_id.get(item.criterion)
        if criterion is None:
            raise ValueError(f"scorecards: card {card.card_id} has no criterion {item.criterion}")
        points = _points(criterion, item.value)
        if criterion.dimension == "consultation_quality":
            quality += points
        else:
            competence += points
    return quality, competence


def _points(criterion: Criterion, value: AnswerValue) -> Scorecard:
    weight = criterion.weight
    return Scorecard(
        criterion.dimension,
        earned=weight if value == "yes" else 0.0,
        possible=weight if value in {"yes", "no"} else 0.0,
        unknown=weight if value == "unknown" else 0.0,
        critical=int(value == "no" and criterion.severity == "critical"),
    )
