"""The part of a plan that is about kept data: what is kept and how, proved on scratch together with the revisions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace

from db_migrate.catalog.objects import Catalog
from db_migrate.config import Settings
from db_migrate.execute.keep.choose import PARK, Choice, LeftOut, choose, weaker
from db_migrate.execute.keep.rehearsal import Rehearsed, rehearse
from db_migrate.execute.keep.store import Kept, kept_objects
from db_migrate.execute.keeping import due
from db_migrate.plan.ahead import Ahead, go_ahead
from db_migrate.plan.document import plan_hash
from db_migrate.plan.sample import sample_for
from db_migrate.postgres.session import connect
from db_migrate.results import KeptObject, Plan, Restored
from db_migrate.rules.facts import Facts
from db_migrate.schemas.live import copy_of_live
from db_migrate.schemas.scratch import KEPT_SCHEMA, PARKED, Scratch
from db_migrate.schemas.target import LiveState, Target, without_version_tables
from db_migrate.trace.effects import Trace
from db_migrate.trace.run import install


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a plan is proved, and on whom it will be executed."""

    scratch: Scratch
    target: Target
    live: LiveState
    before: Catalog
    ahead: tuple[Ahead, ...] = ()


def with_kept(plan: Plan, trace: Trace, facts: Facts, settings: Settings, ground: Ground, revision: str) -> Plan:
    """The plan with what it keeps and puts back. ``revision`` is Alembic's name of where it leads."""
    if any(each.error is not None for each in trace.revisions):
        return plan
    choice = choose(trace, facts, settings, without_version_tables(table for table, _ in ground.live.heads))
    back = due_back(plan, ground.target)
    if not choice.kept and not back:
        return _finished(plan, choice, (), ())
    while True:
        done = _rehearse(plan, trace, choice.kept, ground, settings, revision)
        if not done.failure:
            return _finished(plan, choice, back, done.restored)
        if not choice.kept:
            warning = f"what was kept cannot be put back: {done.failure}"
            return _finished(replace(plan, warnings=(*plan.warnings, warning)), choice, back, ())
        choice = _weaker(choice, trace, done)


def _rehearse(
    plan: Plan, trace: Trace, kept: tuple[KeptObject, ...], ground: Ground, settings: Settings, revision: str
) -> Rehearsed:
    target, way = ground.target, (plan.direction, revision)
    with copy_of_live(ground.scratch, target, ground.live, kept=True) as copy:
        sample_for(replace(settings, sample=None), target.conninfo, copy.superuser, ground.before, frozenset())
        go_ahead(ground.scratch, copy, way, ground.ahead)
        install(copy.superuser)
        return rehearse(ground.scratch, copy, way, plan.revisions, kept, trace.after, target.schema)


def _weaker(choice: Choice, trace: Trace, done: Rehearsed) -> Choice:
    """The next best choice for what had been kept when the rehearsal failed; for everything, if that was nothing."""
    concerned = set(done.reached) or {each.object for each in choice.kept}
    kept, left_out = [], list(choice.left_out)
    for each in choice.kept:
        if each.object not in concerned:
            kept.append(each)
            continue
        instead = weaker(each, (revision.before for revision in trace.revisions))
        if instead is not None:
            kept.append(instead)
        else:
            left_out.append(LeftOut(each.object, f"keeping it would break the run: {done.failure}"))
    return Choice(tuple(kept), tuple(left_out))


def due_back(plan: Plan, target: Target) -> tuple[Kept, ...]:
    """What is kept on the target that the plan's revisions make room for."""
    with closing(connect(target.conninfo)) as connection:
        found = kept_objects(lambda sql: _texts(connection.execute(sql.encode()).fetchall()))
    return tuple(each for r in plan.revisions for each in due(found, r.revision, r.direction, target.schema))


def _texts(rows: list[tuple[object, ...]]) -> list[list[str | None]]:
    return [[None if value is None else str(value) for value in row] for row in rows]


def _finished(plan: Plan, choice: Choice, back: tuple[Kept, ...], restored: tuple[Restored, ...]) -> Plan:
    found = {each.object for each in restored}
    rows = {each.label.object: Restored(each.label.object, each.label.rows) for each in back}
    plan = replace(
        plan,
        kept=choice.kept,
        restored=tuple(each for name, each in rows.items() if name in found),
        warnings=(*plan.warnings, *_warnings(choice, [name for name in rows if name not in found])),
    )
    return replace(plan, hash=plan_hash(plan))


def _warnings(choice: Choice, homeless: list[str]) -> Iterator[str]:
    for each in choice.left_out:
        yield f"{each.object} is not kept: {each.reason}"
    for name in homeless:
        yield f"what is kept of {name} has no place after this, or other rows are there, and stays kept"
    if any(each.strategy == PARK for each in choice.kept):
        yield (
            f"a parked column stays in its table, as {PARKED}…: plain `alembic check` sees it as a removed column, and "
            "an INSERT without a list of columns counts it. env.py hides it with include_name="
            f"lambda name, kind, parents: not (name or '').startswith('{KEPT_SCHEMA}')"
        )
