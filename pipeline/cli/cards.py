"""sapa cards: the quality cards, and help for writing one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.console import fail, out

if TYPE_CHECKING:
    from pipeline.types import CardExample, Condition, Criterion, QualityCard, Texts

app = typer.Typer(no_args_is_help=True, help="Quality cards: what is shipped, and your own.")
Card = Annotated[Path, typer.Argument(help="A card's file, or the name of a shipped card.")]
Tongue = Annotated[str, typer.Option("--language", "-l", help="ru, kk or en.")]


@app.command("list")
def list_cards(language: Tongue = "ru") -> None:
    """Name the shipped cards; copy one from configs/cards or extend it (docs/cards.md)."""
    from pipeline.config import resources

    for path in sorted((resources() / "configs" / "cards").glob("*.toml")):
        card = _read(path)
        out().print(
            f"{path.stem:<8} version {card.version:<4} {len(card.criteria):>3} criteria   "
            f"{_said(card.title, language)}",
            soft_wrap=True,
        )


@app.command("explain")
def explain(card: Card, language: Tongue = "ru") -> None:
    """Say in words what each criterion looks for, when it applies and what it weighs."""
    parsed = _read(card)
    out().print(f"[bold]{_said(parsed.title, language)}[/]   {parsed.card_id} {parsed.version}")
    out().print(f"no score below a coverage of {parsed.minimum_coverage:.0%}")
    for dimension in dict.fromkeys(item.dimension for item in parsed.criteria):
        own = [item for item in parsed.criteria if item.dimension == dimension]
        whole = sum(item.weight for item in own)
        out().print(f"\n[bold]{dimension}[/]")
        for heading in dict.fromkeys(item.block for item in own):
            if heading is not None:
                out().print(f" [bold]{_said(heading, language)}[/]")
            for item in own:
                if item.block == heading:
                    _explain(item, whole, language)


@app.command("check")
def check(card: Card) -> None:
    """Read a card strictly and run its examples with the patterns; exit code 1 if one fails.

    An example is a small dialogue with the answer that is expected. Patterns alone answer: the
    trained heads may find more in a real call.
    """
    from pipeline.run import run_example

    parsed = _read(card)
    failed = tried = 0
    for criterion in parsed.criteria:
        for place, example in enumerate(criterion.examples, start=1):
            tried += 1
            answer = run_example(parsed, criterion.criterion_id, example)
            if answer.value != example.expected:
                failed += 1
                fail(
                    f"{criterion.criterion_id}, example {place}: expected {example.expected}, "
                    f"got {answer.value} ({answer.reason})"
                )
        _warn_one_sided(criterion, criterion.examples)
    out().print(f"{len(parsed.criteria)} criteria, {tried} examples, {failed} failed")
    if failed:
        raise typer.Exit(1)


def _warn_one_sided(criterion: Criterion, examples: tuple[CardExample, ...]) -> None:
    missing = {"yes", "no"} - {example.expected for example in examples}
    if missing:
        wanted = " and ".join(sorted(missing))
        out().print(f"{criterion.criterion_id}: no example with the answer {wanted}")


def _read(card: Path) -> QualityCard:
    from pipeline.run import lexicon_names, read_card

    return read_card(card, lexicon_names())


def _said(texts: Texts, language: str) -> str:
    from pipeline.errors import ConfigError

    if language not in ("ru", "kk", "en"):
        raise ConfigError(f"--language {language}: allowed are ru, kk and en")
    return str(getattr(texts, language))


def _explain(item: Criterion, whole: float, language: str) -> None:
    out().print(
        f"  {item.criterion_id}: {_said(item.text, language)}   "
        f"[dim]{item.severity}, {item.weight:g} of {whole:g} points[/]",
        soft_wrap=True,
    )
    lists: tuple[tuple[str, tuple[Condition, ...]], ...] = (
        ("yes when found" if item.evidence == "required" else "no when found", item.signals),
        ("all of", item.all_of),
        ("any of", item.any_of),
        ("none of", item.none_of),
        ("applies if any of", item.applies_if),
        ("does not apply if any of", item.na_if),
        ("not counted in a turn with", item.ignore_if),
        ("forgiven in the same turn by", item.excused_by),
        ("forgiven in the operator's next turn by", item.excused_next),
    )
    for heading, conditions in lists:
        if conditions:
            out().print(
                f"      [dim]{heading}:[/] {', '.join(map(str, conditions))}", soft_wrap=True
            )
    where = item.window.part + (f" {item.window.turns}" if item.window.turns else "")
    notes = [f"searched: {where} operator turns"] * (where != "all")
    notes += ["not asked of a wrong number"] * item.content
    notes += ["not asked when the line drops"] * item.at_end
    if notes:
        out().print(f"      [dim]{'; '.join(notes)}[/]")
