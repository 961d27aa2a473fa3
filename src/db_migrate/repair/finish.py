"""Finishes a half-done revision: its own function runs again, without what is committed; first on a copy."""

from __future__ import annotations

from dataclasses import dataclass, replace

from db_migrate.catalog.objects import Catalog
from db_migrate.errors import Refused
from db_migrate.execute.consent import LOSS
from db_migrate.plan.document import Subject, assemble
from db_migrate.plan.keeping import Ground, with_kept
from db_migrate.plan.make import Request, facts_for, rule_settings
from db_migrate.postgres.session import read_only
from db_migrate.repair.partial import Partial
from db_migrate.repair.view import View
from db_migrate.repair.words import summary_of
from db_migrate.results import Plan
from db_migrate.rules.judge import judge
from db_migrate.schemas.live import copy_of_live
from db_migrate.schemas.scratch import read_through
from db_migrate.schemas.target import LiveState, look_at
from db_migrate.trace.effects import Direction, Effects, Trace, TracedStatement
from db_migrate.trace.resuming import Resuming
from db_migrate.trace.run import install, trace


@dataclass(frozen=True)
class Proof:
    """What is left of a revision, proved on a copy. ``why`` it does not lead to the revision's schema, else empty.

    ``placed``: the target's state, with the version table where the revision begins.
    """

    trace: Trace
    why: str
    live: Catalog
    placed: LiveState


def prove(view: View, partial: Partial, ran: int | None) -> Proof:
    """Run what is left on a copy of the target, as it would run there."""
    way, scratch = partial.way, view.scratch
    committed = partial.settled(ran)
    with read_only(view.target.conninfo, again=True) as connection:
        state = look_at(connection, view.target)
        before = read_through(connection)
    placed = _placed(state, way.start)
    with scratch.child.going_back_by(view.derived), copy_of_live(scratch, view.target, placed) as copy:
        install(copy.superuser)
        found = trace(
            scratch,
            view.graph,
            copy.runner,
            way.direction,
            way.target,
            steps=1,
            around=lambda tracer: Resuming(tracer, committed),
        )
    return Proof(found, _why(view, partial, found), before, placed)


def _placed(state: LiveState, heads: tuple[str, ...]) -> LiveState:
    """The state with the version table at ``heads``, where somebody has stamped it otherwise."""
    if state.current == heads:
        return state
    (table, _), *others = state.heads
    return replace(state, heads=((table, heads), *others))


def _why(view: View, partial: Partial, found: Trace) -> str:
    """What keeps the rest of a revision from leading to its schema; empty where it does."""
    if partial.way.failure:
        return partial.way.failure
    failed = found.revisions[0].error if found.revisions else None
    if failed is not None:
        place = f"line {failed.line}: " if failed.line else ""
        return f"{place}{failed.message}".strip()
    differences = view.differences(partial.way.after, view.plain(found.after))
    if differences:
        return f"it would end with another schema than the revision's: {summary_of(differences)}"
    return "" if found.revisions else "Alembic takes no step"


def plan_of(view: View, partial: Partial, proof: Proof, ran: int | None) -> Plan:
    """What is left of the revision as a plan. Raises ``Refused`` (``repair.not-proved``) where it was not proved."""
    way = partial.way
    if proof.why:
        raise Refused(
            "repair.not-proved",
            f"what is left of revision {way.revision} does not lead to its schema on a copy of the target",
            why=proof.why,
            where=way.file,
            state="nothing was changed",
            next=["db-migrate repair --back", "db-migrate doctor"],
        )
    proved = _with_data(partial, proof.trace, ran)
    request = Request(way.target, way.direction)
    facts = facts_for(view.target, proved, request, view.settings)
    findings = judge(proved, facts, rule_settings(view.settings))
    summary, fingerprint = view.live_state.summary, proof.live.fingerprint
    derived = view.derived if way.direction is Direction.DOWNGRADE else {}
    subject = Subject(summary, way.start, way.end, way.direction.value, fingerprint, derived)
    # The revision was begun by somebody who wanted it; only what is lost for good still asks for the database's name.
    loss = tuple(each for each in findings if each.rule in LOSS)
    plan = assemble(subject, proved, {}, facts, loss)
    ground = Ground(view.scratch, view.target, proof.placed, proof.live, committed=partial.settled(ran))
    with view.scratch.child.going_back_by(view.derived):
        return with_kept(plan, proved, facts, view.settings, ground, way.target)


def _with_data(partial: Partial, found: Trace, ran: int | None) -> Trace:
    """The proof, with what is open of the data that the history's rows made the revision write: a copy has no rows."""
    revision = found.revisions[0]
    sent = {each.sql for each in revision.statements}
    last = revision.statements[-1].transaction if revision.statements else 0
    more = tuple(
        TracedStatement(
            sql=each.sql,
            parameters=(),
            file=partial.way.file,
            line=each.line,
            transaction=last,
            autocommit=False,
            effects=Effects(writes=each.written),
            seconds=0.0,
            ddl=False,
        )
        for each, done in partial.decided(ran)
        if each.data and each.written and not done and each.sql not in sent
    )
    return replace(found, revisions=(replace(revision, statements=(*revision.statements, *more)),))
