"""Alembic's own words for the way that is left of a plan, and the heads along it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from db_migrate.errors import Refused
from db_migrate.project.child_process import Child, ChildError
from db_migrate.project.jobs import Step
from db_migrate.results import Plan


@dataclass(frozen=True, slots=True)
class Route:
    """What to ask Alembic for: ``target``, of which the first ``steps`` are wanted; the steps say the heads."""

    direction: str
    target: str
    steps: tuple[Step, ...]


def find_route(child: Child, plan: Plan, at: int, current: Sequence[str]) -> Route:
    """The route from ``current`` through the plan's revisions from number ``at``, or as many of them as one word says.

    Alembic itself is asked what each candidate means. Raises ``Refused`` (``plan.stale``) when none leads there.
    """
    wanted = [each.revision for each in plan.revisions[at:]]
    shorter: Route | None = None
    failure: ChildError | None = None
    for target in dict.fromkeys(_candidates(plan, wanted, current)):
        try:
            steps = child.steps(plan.direction, target, current)
        except ChildError as error:
            failure = error
            continue
        found = [step.revision for step in steps]
        if found[: len(wanted)] == wanted:
            return Route(plan.direction, target, steps[: len(wanted)])
        if shorter is None and found and found[0] == wanted[0]:
            shorter = Route(plan.direction, target, steps[:1])
    if shorter is not None:
        return shorter
    raise Refused(
        "plan.stale",
        "Alembic does not take the planned way any more",
        why=failure.why if failure else f"planned: {', '.join(wanted)}",
        state="nothing was changed",
        next=["db-migrate plan"],
    )


def _candidates(plan: Plan, wanted: Sequence[str], current: Sequence[str]) -> Iterator[str]:
    """Words of Alembic's that may mean the rest of the plan, or at least its next step."""
    new = [each for each in plan.destination if each not in current]
    if plan.direction == "upgrade":
        yield from new if len(new) == 1 else ()
        yield from ("heads", wanted[0])
        return
    if not plan.destination:
        yield "base"
    yield from new
    yield from (f"-{len(wanted)}", f"{wanted[0]}-1", f"{wanted[0]}@base", "-1")
