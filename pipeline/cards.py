"""Quality cards and reason texts: strict parsers of TOML text.

A condition is written `kind:name[operator value]`:

- `act:hold_announced`: a tag of that act (the signals of a card, or a fact about the call)
- `label:caller_upset=true`, `label:call_type!=complaint`: a label of the call
- `redirect:cold`, `redirect:warm`, `redirect:verbal_number`
- `metric:hold_count>=1`: a counted metric

A card may start from another one: `extends = "1414"` takes its criteria in their order, `drop`
leaves some out, and a [[criterion]] of the same id changes the keys that it names; others are new.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeVar, cast

from pipeline.errors import ConfigError
from pipeline.types import (
    DIMENSIONS,
    ROLES,
    AnswerValue,
    CardExample,
    Condition,
    Criterion,
    CriterionClass,
    Language,
    Metric,
    QualityCard,
    Role,
    Texts,
    Window,
)

_CARD_KEYS = ("id", "version", "title", "minimum_coverage", "criterion", "extends", "drop")
#: a chain of cards longer than this is taken for a circle
_LONGEST_CHAIN = 8
_CRITERION_KEYS = (
    "id", "dimension", "class", "weight", "text", "method", "evidence", "signals", "all_of",
    "any_of", "none_of", "applies_if", "na_if", "ignore_if", "excused_by", "excused_next",
    "window", "content", "at_end", "example", "block",
)  # fmt: skip
_LISTS = (
    "signals", "all_of", "any_of", "none_of", "applies_if", "na_if", "ignore_if", "excused_by",
    "excused_next",
)  # fmt: skip
_EXAMPLE_KEYS = ("turns", "expected", "metrics")
_CLASSES: tuple[CriterionClass, ...] = ("critical", "major", "minor")
_METHODS = ("tag", "metric", "expression")
_EVIDENCE = ("required", "absence")
_VALUES: tuple[AnswerValue, ...] = ("yes", "no", "na", "unknown")
_REDIRECTS = ("cold", "warm", "verbal_number")
_CONDITION = re.compile(
    r"(act|redirect):([a-z_]+)|(label):([a-z_]+)(=|!=)(\w+)|(metric):([a-z_]+)(<=|>=|<|>)([\d.]+)"
)
_WINDOW = re.compile(r"(all|opening)|(first|last):([1-9]\d*)")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_Choice = TypeVar("_Choice", bound=str)
Table = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ReasonTexts:
    """The texts of reason codes, with {placeholders}."""

    items: tuple[tuple[str, Texts], ...]

    def codes(self) -> tuple[str, ...]:
        return tuple(code for code, _ in self.items)


def parse_card(
    text: str,
    file: str,
    acts: Collection[str] | None = None,
    others: Mapping[str, str] = MappingProxyType({}),
) -> QualityCard:
    """The card of a TOML text. ConfigError names the file, the place, and what is allowed.

    `acts`: the acts that exist; with them, a card that asks for another one is refused.
    `others`: name of a card -> its TOML text, for a card that extends another.
    """
    data = _keys(_load(text, file), _CARD_KEYS, file)
    criteria = tuple(_criterion(table, file) for table in _tables(data, file, others, 0))
    if not criteria:
        raise ConfigError(f"{file}: no [[criterion]] table; a card needs at least one")
    if acts is not None:
        _check_acts(criteria, acts, file)
    try:
        return QualityCard(
            _text(data, "id", file),
            _text(data, "version", file),
            _texts(data.get("title"), f"{file}: title"),
            _number(data, "minimum_coverage", file),
            criteria,
        )
    except ValueError as error:
        raise ConfigError(f"{file}: {error}") from error


def _tables(data: Table, file: str, others: Mapping[str, str], depth: int) -> list[Table]:
    """The tables of all criteria, those of the extended card first."""
    own = data.get("criterion", [])
    if not isinstance(own, list) or not all(isinstance(table, dict) for table in own):
        raise ConfigError(f"{file}: criteria are [[criterion]] tables, got {own!r}")
    base, drop = data.get("extends"), _strings(data.get("drop", []), f"{file}: drop")
    if base is None:
        if drop:
            raise ConfigError(f"{file}: drop without extends; there is nothing to leave out")
        return own
    if base not in others or depth >= _LONGEST_CHAIN:
        known = ", ".join(sorted(others)) or "none"
        raise ConfigError(f"{file}: extends {base!r}, which is none of the cards: {known}")
    parent = _keys(_load(others[str(base)], str(base)), _CARD_KEYS, str(base))
    tables = {str(table["id"]): table for table in _tables(parent, str(base), others, depth + 1)}
    strange = sorted(set(drop) - set(tables))
    if strange:
        raise ConfigError(f"{file}: drop: {strange[0]!r} is no criterion of {base}")
    kept = {name: table for name, table in tables.items() if name not in drop}
    for table in own:
        name = str(table.get("id"))
        kept[name] = {**kept.get(name, {}), **table}
    return list(kept.values())


def parse_condition(text: str) -> Condition:
    """One condition of a card; ValueError says how conditions are written.

    >>> str(parse_condition("metric:hold_count>=1"))
    'metric:hold_count>=1'
    """
    match = _CONDITION.fullmatch(text.replace(" ", ""))
    if match is None:
        raise ValueError(
            f"condition {text!r} is none of act:NAME, redirect:KIND, label:NAME=VALUE, "
            f"label:NAME!=VALUE, metric:NAME>=NUMBER (also <=, <, >)"
        )
    act, act_name, label, label_name, equal, value, _, name, operator, number = match.groups()
    if act == "redirect" and act_name not in _REDIRECTS:
        raise ValueError(f"condition {text!r}: redirects are {', '.join(_REDIRECTS)}")
    if act:
        return Condition(cast('Literal["act", "redirect"]', act), act_name)
    if label:
        return Condition("label", label_name, cast('Literal["=", "!="]', equal), value)
    return Condition("metric", name, cast('Literal["<", "<=", ">", ">="]', operator), number)


def parse_reasons(text: str, file: str = "taxonomy.toml") -> ReasonTexts:
    """The [reason] table of the taxonomy."""
    table = _load(text, file).get("reason")
    if not isinstance(table, dict) or not table:
        raise ConfigError(f"{file}: no [reason] table")
    return ReasonTexts(
        tuple((code, _texts(value, f"{file}: reason {code}")) for code, value in table.items())
    )


def render_reason(reason: str, texts: ReasonTexts, language: Language) -> str:
    """A stored reason (`code key=value …`) as a sentence; an unknown code is shown as it is.

    >>> texts = ReasonTexts((("found", Texts("Найдено: {what}.", "…", "Found: {what}.")),))
    >>> render_reason("found what=greeting", texts, "en")
    'Found: greeting.'
    """
    code, *pairs = reason.split(" ")
    known = dict(texts.items)
    if code not in known:
        return reason
    sentence: str = getattr(known[code], language)
    for pair in pairs:
        key, _, value = pair.partition("=")
        sentence = sentence.replace("{" + key + "}", value.replace(",", ", "))
    return sentence


def _load(text: str, file: str) -> Table:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: not valid TOML: {error}") from error


def _keys(value: object, known: tuple[str, ...], place: str) -> Table:
    if not isinstance(value, dict):
        raise ConfigError(f"{place}: must be a table, got {value!r}")
    unknown = sorted(set(value) - set(known))
    if unknown:
        raise ConfigError(f"{place}: unknown key {unknown[0]!r}; known keys: {', '.join(known)}")
    return value


def _criterion(value: object, file: str) -> Criterion:
    name = value.get("id") if isinstance(value, dict) else None
    place = f"{file}: criterion {name}"
    table = _keys(value, _CRITERION_KEYS, place)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigError(f"{place}: id must be lower case letters, digits and _, got {name!r}")
    lists = {key: _conditions(table.get(key, []), f"{place}, {key}") for key in _LISTS}
    method = _choice(
        table, "method", cast('tuple[Literal["tag", "metric", "expression"], ...]', _METHODS), place
    )
    _check_method(method, lists, place)
    try:
        return Criterion(
            criterion_id=name,
            dimension=_choice(table, "dimension", DIMENSIONS, place),
            severity=_choice(table, "class", _CLASSES, place),
            weight=_number(table, "weight", place),
            text=_texts(table.get("text"), f"{place}, text"),
            method=method,
            evidence=_choice(
                table,
                "evidence",
                cast('tuple[Literal["required", "absence"], ...]', _EVIDENCE),
                place,
            ),
            window=_window(table.get("window", "all"), place),
            content=_flag(table, "content", True, place),
            at_end=_flag(table, "at_end", False, place),
            examples=_examples(table.get("example", []), place),
            block=_texts(table["block"], f"{place}, block") if "block" in table else None,
            **lists,
        )
    except ValueError as error:
        raise ConfigError(f"{place}: {error}") from error


def _check_method(method: str, lists: Mapping[str, tuple[Condition, ...]], place: str) -> None:
    """Each method with the lists that it reads, and no others."""
    if method == "tag":
        wrong = [
            kind for item in lists["signals"] if (kind := item.kind) not in ("act", "redirect")
        ]
        if not lists["signals"] or wrong:
            raise ConfigError(f"{place}: method tag needs signals of act: or redirect:")
    elif lists["signals"]:
        raise ConfigError(f"{place}: signals belong to method tag; use all_of, any_of, none_of")
    elif method == "metric" and not all(item.kind == "metric" for item in lists["all_of"]):
        raise ConfigError(f"{place}: method metric takes metric: conditions in all_of")
    elif not (lists["all_of"] or lists["any_of"] or lists["none_of"]):
        raise ConfigError(f"{place}: method {method} needs all_of, any_of or none_of")


def _check_acts(criteria: tuple[Criterion, ...], acts: Collection[str], file: str) -> None:
    for criterion in criteria:
        for key in _LISTS:
            items: tuple[Condition, ...] = getattr(criterion, key)
            for item in items:
                if item.kind == "act" and item.name not in acts:
                    raise ConfigError(
                        f"{file}: criterion {criterion.criterion_id}, {key}: no act "
                        f"{item.name!r}; known acts: {', '.join(sorted(acts))}"
                    )


def _conditions(value: object, place: str) -> tuple[Condition, ...]:
    try:
        return tuple(parse_condition(item) for item in _strings(value, place))
    except ValueError as error:
        raise ConfigError(f"{place}: {error}") from error


def _window(value: object, place: str) -> Window:
    match = _WINDOW.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ConfigError(f"{place}: window must be all, opening, first:N or last:N, got {value!r}")
    whole, part, turns = match.groups()
    if whole:
        return Window(cast('Literal["all", "opening"]', whole))
    return Window(cast('Literal["first", "last"]', part), int(turns))


def _examples(value: object, place: str) -> tuple[CardExample, ...]:
    if not isinstance(value, list):
        raise ConfigError(f"{place}: examples are [[criterion.example]] tables, got {value!r}")
    return tuple(_example(item, f"{place}, example {at}") for at, item in enumerate(value, 1))


def _example(value: object, place: str) -> CardExample:
    table = _keys(value, _EXAMPLE_KEYS, place)
    turns: list[tuple[Role, str]] = []
    for line in _strings(table.get("turns"), f"{place}, turns"):
        role, _, text = line.partition(": ")
        if role not in ROLES or not text:
            raise ConfigError(
                f"{place}: a turn is 'operator: text' or 'caller: text', got {line!r}"
            )
        turns.append((role, text))
    metrics = table.get("metrics", {})
    if not isinstance(metrics, dict):
        raise ConfigError(f"{place}: metrics must be a table of numbers, got {metrics!r}")
    return CardExample(
        tuple(turns),
        _choice(table, "expected", _VALUES, place),
        tuple(Metric(name, _number(metrics, name, place), "measured") for name in metrics),
    )


def _choice(table: Table, key: str, allowed: tuple[_Choice, ...], place: str) -> _Choice:
    value = table.get(key)
    for choice in allowed:
        if value == choice:
            return choice
    raise ConfigError(f"{place}: {key} must be one of {', '.join(allowed)}, got {value!r}")


def _number(table: Table, key: str, place: str) -> float:
    value = table.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{place}: {key} must be a number, got {value!r}")
    return float(value)


def _flag(table: Table, key: str, default: bool, place: str) -> bool:
    value = table.get(key, default)
    if not isinstance(value, bool):
        raise ConfigError(f"{place}: {key} must be true or false, got {value!r}")
    return value


def _text(table: Table, key: str, place: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{place}: {key} must be a text, got {value!r}")
    return value


def _texts(value: object, place: str) -> Texts:
    table = _keys(value, ("ru", "kk", "en"), place)
    return Texts(_text(table, "ru", place), _text(table, "kk", place), _text(table, "en", place))


def _strings(value: object, place: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ConfigError(f"{place}: must be a list of texts, got {value!r}")
    return tuple(str(item) for item in value)
