"""sapa roles: who is the operator, told by a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.console import out
from pipeline.cli.running import DEFAULT_DB, Database, Profile, started

if TYPE_CHECKING:
    from pipeline.types import CallResult, RoleCorrection


def roles(
    call: Annotated[str, typer.Argument(help="File name, path or id of a call.")],
    db: Database = DEFAULT_DB,
    swap: Annotated[
        bool,
        typer.Option("--swap", help="Make the operator the caller and the caller the operator."),
    ] = False,
    name: Annotated[
        list[str] | None,
        typer.Option("--set", help="SPEAKER=operator|caller|ivr; may be repeated."),
    ] = None,
    forget: Annotated[bool, typer.Option("--forget", help="Take corrections back.")] = False,
    profile: Profile = None,
) -> None:
    """Show who speaks in a call; with --swap or --set correct it.

    Tags and scores are computed again at once, without the audio. The correction stays with the
    call: later runs keep it.
    """
    from pipeline.config import load_config
    from pipeline.errors import ConfigError
    from pipeline.run import build_plan, correct_roles
    from pipeline.store import open_for_reading

    if swap + bool(name) + forget > 1:
        raise ConfigError("--swap, --set and --forget exclude each other; give one of them")
    with open_for_reading(db) as store:
        call_id = store.find(call)
        result = store.load(call_id)
        assert result is not None
    if swap or name or forget:
        corrections = _wanted(result, swap=swap, named=name or [])
        plan = build_plan(load_config(profile), card=None, threads=0)
        with started(db, plan, "sapa roles") as begun:
            into = (begun.store, begun.run_id)
            result = correct_roles(into, call_id, begun.plan, corrections)
            begun.store.snapshot()
    _print(result)


def _wanted(result: CallResult, *, swap: bool, named: list[str]) -> tuple[RoleCorrection, ...]:
    from pipeline.errors import ConfigError
    from pipeline.roles import swapped
    from pipeline.types import RoleCorrection

    turns = result.transcript.turns if result.transcript else ()
    if swap:
        found = swapped(turns)
        if not found:
            raise ConfigError(
                "neither an operator nor a caller is known here; name them with --set"
            )
        return found
    corrections = {}
    for item in named:
        speaker, _, role = item.partition("=")
        try:
            corrections[speaker] = RoleCorrection(speaker, role)  # type: ignore[arg-type]
        except ValueError as error:
            raise ConfigError(f"--set {item}: {error}; write SPEAKER=operator") from error
    return tuple(corrections.values())


def _print(result: CallResult) -> None:
    corrected = {item.speaker for item in result.corrections}
    seen: dict[tuple[str, str], list[float]] = {}
    for turn in result.transcript.turns if result.transcript else ():
        seen.setdefault((turn.speaker, turn.role), []).append(turn.role_probability or 0.0)
    for (speaker, role), found in seen.items():
        how = (
            "corrected" if speaker in corrected and role != "ivr" else f"probability {found[0]:.2f}"
        )
        out().print(f"{speaker}  {role:<9} {len(found):>3} turns  {how}")
