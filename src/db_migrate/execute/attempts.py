"""Runs the child over the plan, again where a lock was not to be had and nothing is lost by beginning anew."""

from __future__ import annotations

from collections.abc import Callable

from db_migrate import gentle
from db_migrate.execute.conductor import Conductor
from db_migrate.execute.discipline import BudgetSpent, Intention, Retrying, Sleep, back_off, drive
from db_migrate.execute.interruption import InterruptedByUser
from db_migrate.execute.opening import state_of
from db_migrate.execute.outcome import Ending
from db_migrate.execute.progress import ProgressKind
from db_migrate.execute.route import find_route
from db_migrate.project.child_process import Child, ChildDied, Handler
from db_migrate.schemas.target import Target


def carry_out(
    child: Child,
    conductor: Conductor,
    verb: str,
    target: Target,
    around: Callable[[Handler], Handler] = lambda handler: handler,
) -> Ending | None:
    """Run until the plan is done or cannot go on; None when it is done. ``around`` stands before the conductor."""
    handler = around(conductor)
    while True:
        ending = _attempt(child, conductor, handler, verb, target)
        if ending is None or not _again(ending, conductor):
            return ending
        try:
            conductor.clear_debris()
            drive(back_off(conductor.position.attempt, conductor.budget), lambda each: _perform(each, conductor))
        except (BudgetSpent, InterruptedByUser) as error:
            return Ending(verb, ending.revision, error=error)
        conductor.position.attempt += 1


def _attempt(child: Child, conductor: Conductor, handler: Handler, verb: str, target: Target) -> Ending | None:
    """One go over what is left of the plan, in as many calls of Alembic as its own words need."""
    conductor.begin_attempt()
    database = None if target.as_is else target.conninfo.as_libpq()
    while conductor.revision is not None:
        current = state_of(conductor.watch, target).current
        route = find_route(child, conductor.plan, conductor.position.at, current)
        for number, step in enumerate(route.steps, conductor.position.at):
            conductor.heads_after[number] = step.to_heads
        try:
            with gentle.suspended(child.pid):
                outcome = child.migrate(route.direction, route.target, database, handler, steps=len(route.steps))
        except ChildDied as error:
            return Ending(verb, _running(conductor), error=error)
        if conductor.ending is not None or outcome.failure is not None:
            failure = conductor.position.last_failure
            return Ending(
                verb,
                _running(conductor),
                outcome.failure,
                conductor.ending or (InterruptedByUser() if conductor.interruption.asked else None),
                conductor.position.failed_sql if failure else "",
                failure.message if failure else "",
                (failure.sqlstate or "") if failure else "",
                conductor.position.limit if failure else "",
            )
        if not outcome.revisions:
            return Ending(verb, _running(conductor), error=InterruptedByUser())
    return None


def _running(conductor: Conductor) -> str:
    return conductor.revision.revision if conductor.revision else ""


def _again(ending: Ending, conductor: Conductor) -> bool:
    """Whether it was only a lock, and the revision can be begun anew."""
    return ending.error is None and conductor.lock_was_busy and not conductor.position.committed


def _perform(intention: Intention, conductor: Conductor) -> None:
    match intention:
        case Sleep(seconds):
            conductor.interruption.sleep(seconds)
        case Retrying(attempt, pause):
            conductor.recorder.tell(ProgressKind.RETRY, revision=_running(conductor), attempt=attempt, seconds=pause)
        case _:
            raise AssertionError(f"backing off does not ask for {intention}")
