"""One call as a reviewer's sheet, and the first look at a database."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from rich.markup import escape
from rich.table import Table as RichTable

from pipeline.cards import ReasonTexts, parse_reasons, render_reason
from pipeline.cli.console import out
from pipeline.cli.inspect import print_table
from pipeline.config import resources
from pipeline.types import Language

if TYPE_CHECKING:
    from pipeline.store import Store
    from pipeline.types import Answer, CallResult

_ROLES = {
    "ru": {"operator": "Оператор", "caller": "Заявитель", "ivr": "Автомат", "unknown": "?"},
    "kk": {"operator": "Оператор", "caller": "Өтініш беруші", "ivr": "Автомат", "unknown": "?"},
    "en": {"operator": "Operator", "caller": "Caller", "ivr": "IVR", "unknown": "?"},
}
_COLOURS = {"operator": "cyan", "caller": "white", "ivr": "magenta", "unknown": "yellow"}
_VALUES = {
    "ru": {"yes": "да", "no": "НЕТ", "na": "неприменимо", "unknown": "неизвестно"},
    "kk": {"yes": "иә", "no": "ЖОҚ", "na": "қолданылмайды", "unknown": "белгісіз"},
    "en": {"yes": "yes", "no": "NO", "na": "n/a", "unknown": "unknown"},
}
_STYLES = {"yes": "green", "no": "bold red", "na": "dim", "unknown": "yellow"}
_HEADS = {
    "ru": ("Критерий", "Ответ", "Доказательство", "Причина"),
    "kk": ("Критерий", "Жауап", "Дәлел", "Себеп"),
    "en": ("Criterion", "Answer", "Evidence", "Reason"),
}
_DIMENSIONS = {
    "ru": {"consultation_quality": "Качество консультации",
           "operator_competence": "Компетентность оператора"},
    "kk": {"consultation_quality": "Кеңес сапасы",
           "operator_competence": "Оператордың құзыреттілігі"},
    "en": {"consultation_quality": "Consultation quality",
           "operator_competence": "Operator competence"},
}  # fmt: skip
_SCORE = {
    "ru": ("оценка", "покрытие", "критических ошибок", "нет оценки"),
    "kk": ("баға", "қамту", "өрескел қате", "баға жоқ"),
    "en": ("score", "coverage", "critical errors", "no score"),
}

_FIRST_LOOK = {
    "Calls by status": """
        SELECT status, status_reason, count(*) AS calls FROM v_call
        GROUP BY ALL ORDER BY calls DESC""",
    "Calls": """
        SELECT file, round(duration) AS seconds, language AS lang, call_type, topic, outcome,
            round(consultation_quality) AS quality, round(operator_competence) AS competence,
            round(coverage, 2) AS coverage, critical_errors AS critical
        FROM v_call ORDER BY critical DESC NULLS LAST, quality NULLS LAST LIMIT 20""",
    "Outcomes": "SELECT * FROM v_outcome",
    "Sent elsewhere without help": """
        SELECT file, kind, to_agency, to_number, reason_given
        FROM v_redirect WHERE kind <> 'warm' LIMIT 10""",
    "Criteria most often missed": """
        SELECT criterion_id, dimension, count(*) FILTER (value = 'no') AS no,
            count(*) FILTER (value = 'yes') AS yes, count(*) FILTER (value = 'unknown') AS unknown
        FROM v_answer GROUP BY ALL HAVING no > 0 ORDER BY no DESC LIMIT 8""",
}


def overview(store: Store, db: Path) -> None:
    """What an analyst looks at first."""
    for title, sql in _FIRST_LOOK.items():
        out().print(f"\n[bold]{title}[/]")
        print_table(store.query(sql))
    found = store.query("SELECT file FROM v_call WHERE status = 'done' ORDER BY file LIMIT 1").rows
    example = f'"{found[0][0]}"' if found else "CALL"
    hints = (f"One call with its evidence:  sapa show {example} --db {db}",
             f'Your own question:           sapa query "FROM v_call" --db {db}')  # fmt: skip
    out().print("\n" + "\n".join(hints), soft_wrap=True, markup=False)


def sheet(result: CallResult, store: Store, language: str, *, with_transcript: bool) -> None:
    """The call's facts, transcript, card and scores."""
    _facts(result, cast(Language, language))
    if with_transcript and result.transcript is not None:
        _transcript(result, language)
    if result.answers:
        _card(result, store, language)
        _scores(result, language)


def _facts(result: CallResult, language: Language) -> None:
    call = result.call
    out().rule(escape(call.path))
    reason = f" ({result.status_reason})" if result.status_reason else ""
    started = call.started_at.isoformat(sep=" ", timespec="seconds") if call.started_at else "–"
    out().print(
        f"{started}   {call.duration or 0:.0f} s   queue {call.queue or '–'}   "
        f"agent {call.agent_id or '–'}   status {result.status}{reason}",
        markup=False,
    )
    reasons = _reasons()
    for label in result.labels:
        sure = "" if label.probability is None else f" ({label.probability:.2f})"
        reason = render_reason(label.reason, reasons, language)
        out().print(f"  {label.name}: {label.value or 'unknown'}{sure}  {reason}", markup=False)
    for redirect in result.redirects:
        where = redirect.to_agency or redirect.to_number or "?"
        out().print(f"  redirect {redirect.kind} → {where}  «{redirect.quote}»", markup=False)


def _transcript(result: CallResult, language: str) -> None:
    assert result.transcript is not None
    names = _ROLES[language]
    out().print()
    for turn, text in zip(result.transcript.turns, result.transcript.texts(), strict=True):
        out().print(
            f"[dim]{turn.index:>3} {_clock(turn.start)}[/] "
            f"[{_COLOURS[turn.role]}]{names[turn.role]}:[/] {escape(text) or '[dim]…[/]'}",
            soft_wrap=True,
        )


def _card(result: CallResult, store: Store, language: str) -> None:
    texts = _criterion_texts(result, store, language)
    reasons = _reasons()
    tongue = cast(Language, language)
    table = RichTable(*_HEADS[language], header_style="bold", show_lines=False)
    for answer in result.answers:
        style = _STYLES[answer.value]
        table.add_row(
            escape(texts.get(answer.criterion, answer.criterion)),
            f"[{style}]{_VALUES[language][answer.value]}[/]",
            escape(_evidence(answer)),
            escape(render_reason(answer.reason, reasons, tongue)),
        )
    out().print()
    out().print(table)


def _criterion_texts(result: CallResult, store: Store, language: str) -> dict[str, str]:
    rows = store.query(
        f"SELECT criterion_id, text_{language} FROM criterion "  # noqa: S608 - ru, kk or en
        "WHERE card_id = $1 AND card_version = $2",
        [result.card_id, result.card_version],
    ).rows
    return {str(criterion): str(text) for criterion, text in rows}


@cache
def _reasons() -> ReasonTexts:
    path = resources() / "configs" / "taxonomy.toml"
    return parse_reasons(path.read_text(encoding="utf-8"), path.name)


def _evidence(answer: Answer) -> str:
    if answer.quote is None or answer.quote_start is None:
        return ""
    return f"{_clock(answer.quote_start)} «{answer.quote}»"


def _scores(result: CallResult, language: str) -> None:
    score, coverage, critical, none = _SCORE[language]
    for card in result.scorecards:
        value = card.score(result.minimum_coverage)
        shown = none if value is None else f"{value:.0f} / 100"
        share = "–" if card.coverage is None else f"{100 * card.coverage:.0f} %"
        out().print(
            f"{_DIMENSIONS[language][card.dimension]}: {score} {shown}, {coverage} {share}, "
            f"{critical}: {card.critical}",
            markup=False,
        )


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"
