"""Rehearses what would be executed, on full copies of the databases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TypeVar

from db_migrate.execute.progress import Observer
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.results import Plan, Rehearsal, RunResult
from db_migrate.workspace.ordering import Ordered
from db_migrate.workspace.sides import Sides

W = TypeVar("W", bound=Sides)

_FAILED = 4


@dataclass(frozen=True, slots=True)
class Rehearse:
    """Rehearse only; ``on`` is the URL of another server for the copies, None: the target's own."""

    on: str | None = None


def rehearsed(ordered: Sequence[Ordered[W]], plan: Plan, verb: str, on: str | None, observer: Observer) -> RunResult:
    """Each database on a copy of it; ``on`` is the URL of another server. The targets are not changed."""
    from db_migrate.execute.rehearse import Rehearsed, rehearse

    elsewhere = ConnInfo.from_url(on) if on else None
    done: list[Rehearsal] = []
    for _, members in groupby(ordered, key=lambda each: each.place):
        wanted = [each for each in members if each.plan.revisions]
        if not wanted:
            continue
        order = [Rehearsed(each.plan, each.part.project, each.part.target) for each in wanted]
        done += rehearse(order, wanted[0].part.settings, verb, elsewhere, observer)
        if done[-1].error is not None:
            break
    return _result(plan, done)


def _result(plan: Plan, done: Sequence[Rehearsal]) -> RunResult:
    error = next((each.error for each in done if each.error is not None), None)
    return RunResult(
        target=plan.target,
        warnings=tuple(dict.fromkeys(warning for each in done for warning in each.warnings)),
        run="",
        state="unchanged",
        from_=plan.current,
        to=plan.current,
        steps=(),
        kept=(),
        restored=(),
        verify=None,
        plan=plan,
        error=None if error is None else replace(error, state=f"on the copy {error.state}; the target was not changed"),
        exit_code=_FAILED if error is not None else 1 if any(each.problems for each in done) else 0,
        rehearsals=tuple(done),
    )
