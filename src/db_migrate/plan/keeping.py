"""The part of a plan that is about kept data: what is kept and how, proved on scratch together with the revisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
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
from db_migrate.postgres.session import read_only
from db_migrate.results import KeptObject, Plan, Restored, TableWork
from db_migrate.rules.estimate import seconds_in_words
from db_migrate.rules.facts import Facts, TableFacts
from db_migrate.schemas.live import copy_of_live
from db_migrate.schemas.scratch import KEPT_SCHEMA, PARKED, Scratch
from db_migrate.schemas.target import LiveState, Target, without_version_tables
from db_migrate.trace.effects import Trace
from db_migrate.trace.resuming import Committed
from db_migrate.trace.run import install

_MOMENT_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a plan is proved, and on whom it will be executed.

    ``committed``: the plan is what is left of a revision of which this is committed.
    """

    scratch: Scratch
    target: Target
    live: LiveState
    before: Catalog
    ahead: tuple[Ahead, ...] = ()
    committed: Committed | None = None


def with_kept(plan: Plan, trace: Trace, facts: Facts, settings: Settings, ground: Ground, revision: str) -> Plan:
    """The plan with what it keeps and puts back. ``revision`` is Alembic's name of where it leads."""
    if any(each.error is not None for each in trace.revisions):
        return plan
    back = due_back(plan, ground.target)
    own = without_version_tables(table for table, _ in ground.live.heads)
    sizes = {(each.label.revision, each.label.table): _size(each) for each in back if each.is_whole_table}
    choice = choose(trace, facts, settings, own, sizes)
    if not choice.kept and not back:
        return _finished(plan, choice, (), (), facts)
    while True:
        done = _rehearse(plan, trace, choice.kept, ground, settings, revision)
        if not done.failure:
            return _finished(plan, choice, back, done.restored, facts)
        if not choice.kept:
            warning = f"what was kept cannot be put back: {done.failure}"
            return _finished(replace(plan, warnings=(*plan.warnings, warning)), choice, back, (), facts)
        choice = _weaker(choice, trace, done)


def _size(kept: Kept) -> TableFacts:
    """How big a table is when its rows are back."""
    size = kept.bytes or 0
    return TableFacts(kept.label.table, kept.label.rows, exact=True, bytes=size, table_bytes=size)


def _rehearse(
    plan: Plan, trace: Trace, kept: tuple[KeptObject, ...], ground: Ground, settings: Settings, revision: str
) -> Rehearsed:
    target, way = ground.target, (plan.direction, revision)
    with copy_of_live(ground.scratch, target, ground.live, kept=True) as copy:
        sample_for(replace(settings, sample=None), target.conninfo, copy.superuser, ground.before, frozenset())
        go_ahead(ground.scratch, copy, way, ground.ahead)
        install(copy.superuser)
        catalogs = ground.before, trace.after
        return rehearse(ground.scratch, copy, way, plan.revisions, kept, catalogs, target.schema, ground.committed)


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
    return replace(choice, kept=tuple(kept), left_out=tuple(left_out))


def due_back(plan: Plan, target: Target) -> tuple[Kept, ...]:
    """What is kept on the target that the plan's revisions make room for."""
    return _due(target, ((each.revision, each.direction) for each in plan.revisions))


def returning(target: Target, trace: Trace) -> dict[str, str]:
    """The tables that come back with the rows that are kept of them, and where these are."""
    back = _due(target, ((each.revision, each.direction.value) for each in trace.revisions))
    return {each.label.table: each.qualified for each in back if each.is_whole_table}


def _due(target: Target, steps: Iterable[tuple[str, str]]) -> tuple[Kept, ...]:
    """What is kept and has to go back with these revisions, each with its direction."""
    with read_only(target.conninfo, again=True) as connection:
        found = kept_objects(lambda sql: _texts(connection.execute(sql.encode()).fetchall()))
    return tuple(each for step in steps for each in due(found, *step, target.schema))


def _texts(rows: list[tuple[object, ...]]) -> list[list[str | None]]:
    return [[None if value is None else str(value) for value in row] for row in rows]


def _finished(plan: Plan, choice: Choice, back: tuple[Kept, ...], restored: tuple[Restored, ...], facts: Facts) -> Plan:
    found = {each.object: each for each in restored}
    latest = {(each.label.revision, each.label.object): each for each in back}
    due = tuple(_weighed(each, found[name], facts) for (_, name), each in latest.items() if name in found)
    homeless = list(dict.fromkeys(name for _, name in latest if name not in found))
    kept = {each.label.object: each for each in back}
    warnings = (*plan.warnings, *_warnings(choice, homeless), *_waits(due, kept))
    plan = replace(plan, kept=choice.kept, if_filled=choice.if_filled, restored=due, warnings=warnings)
    return replace(plan, hash=plan_hash(plan))


def _weighed(kept: Kept, foreseen: Restored, facts: Facts) -> Restored:
    """What is put back as the plan says it, with the time for which its table is locked.

    What takes but a moment is not worth building an index before: that waits for whoever is in an older transaction.
    """
    plain = Restored(kept.label.object, kept.label.rows, left=foreseen.left)
    table, speed = facts.tables.get(kept.parked_in), facts.throughput
    if not kept.parked_in or table is None:
        return replace(plain, ahead=foreseen.ahead, under_lock=foreseen.under_lock)
    rates = {
        TableWork.SCAN: speed.scan,
        TableWork.INDEX_BUILD: speed.index_build,
        TableWork.REWRITE: speed.rewrite,
    }
    build = table.table_bytes / speed.index_build
    seconds = sum(table.table_bytes / rates[each.work] for each in foreseen.under_lock)
    if seconds + build * len(foreseen.ahead) < _MOMENT_SECONDS:
        return plain
    return replace(plain, ahead=foreseen.ahead, under_lock=foreseen.under_lock, seconds=round(seconds, 3))


def _waits(due: Iterable[Restored], kept: Mapping[str, Kept]) -> Iterator[str]:
    """How long tables are locked for what comes back to them."""
    for each in due:
        if each.under_lock and (each.seconds is None or each.seconds >= _MOMENT_SECONDS):
            works = Counter(done.work.value for done in each.under_lock)
            what = ", ".join(f"{times} {work}{'s' if times > 1 else ''}" for work, times in works.items())
            long = "for a time that is not known" if each.seconds is None else f"about {seconds_in_words(each.seconds)}"
            yield (
                f"{kept[each.object].parked_in} is locked with ACCESS EXCLUSIVE while {each.object} comes back: "
                f"{what}, {long}"
            )


def _warnings(choice: Choice, homeless: list[str]) -> Iterator[str]:
    for each in choice.left_out:
        yield f"{each.object} is not kept: {each.reason}"
    for name in homeless:
        yield f"what is kept of {name} has no place after this, or other rows are there, and stays kept"
    yield from choice.notes
    if any(each.strategy == PARK for each in choice.kept):
        yield (
            f"a parked column stays in its table, as {PARKED}…: plain `alembic check` sees it as a removed column, and "
            "an INSERT without a list of columns counts it. env.py hides it with include_name="
            f"lambda name, kind, parents: not (name or '').startswith('{KEPT_SCHEMA}')"
        )
