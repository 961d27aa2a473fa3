"""Makes a plan: the revisions are run on a copy of the live schema, forwards and back, and weighed with facts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType

from db_migrate.catalog.diff import diff, drifted
from db_migrate.catalog.objects import TABLE_KINDS, Catalog, Kind
from db_migrate.config import Settings
from db_migrate.config.values import Runner
from db_migrate.errors import ConfigurationError
from db_migrate.execute.keep.reach import concerned
from db_migrate.execute.keep.store import Kept
from db_migrate.plan.ahead import Ahead, go_ahead
from db_migrate.plan.document import Subject, assemble
from db_migrate.plan.facts import read_facts
from db_migrate.plan.keeping import Ground, due_back, returning, with_kept
from db_migrate.plan.proofs import downgrades, proofs_of, trace_back
from db_migrate.plan.replica import replica_of
from db_migrate.plan.running import changed_with, running_release
from db_migrate.plan.sample import sample_for, touched_tables
from db_migrate.plan.twice import differing
from db_migrate.plan.ways_back import History, WaysBack, look_at_ways_back
from db_migrate.postgres.session import read_only
from db_migrate.project.graph import Graph
from db_migrate.project.jobs import Step
from db_migrate.project.outcomes import ChildError
from db_migrate.results import DowngradeProof, Plan
from db_migrate.rules.context import RuleSettings
from db_migrate.rules.facts import Difference, Facts, Mapped, Relationship
from db_migrate.rules.intents import Intent
from db_migrate.rules.judge import check_names, judge
from db_migrate.rules.names import owner_of, rebase
from db_migrate.rules.questions import questions
from db_migrate.schemas.live import copy_of_live
from db_migrate.schemas.scratch import Scratch, read_through
from db_migrate.schemas.target import LiveState, Target, look_at, without_version_tables
from db_migrate.trace.effects import Direction, Lock, Trace, TracedRevision
from db_migrate.trace.run import install, trace


@dataclass(frozen=True)
class Proved:
    """A plan and what it was made from. ``before`` is the live catalog as the target prints it.

    ``ways_back`` are the downgrades of a rollback, held against the history; ``due`` is what is kept that may go back.
    """

    plan: Plan
    before: Catalog
    trace: Trace
    ways_back: WaysBack = field(default_factory=WaysBack)
    due: tuple[Kept, ...] = ()


@dataclass(frozen=True)
class Request:
    """What is to be planned: Alembic's name for the destination, which way, and the intents given by hand.

    Without ``values`` nothing of any row, such as an offending key, is read into the plan. ``derived`` are downgrades
    that are run in place of the files', by revision; with ``history`` downgrades are held against it.
    """

    revision: str
    direction: Direction
    allow: tuple[Intent, ...] = ()
    relationships: tuple[Relationship, ...] = ()
    mapped: Mapped = field(default_factory=Mapped)
    values: bool = True
    derived: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    history: History | None = None
    ahead: tuple[Ahead, ...] = ()
    """Other schemas of the database that are going to be migrated before."""

    @property
    def way(self) -> tuple[str, str]:
        """The direction and the destination."""
        return self.direction.value, self.revision


def make_plan(scratch: Scratch, graph: Graph, target: Target, settings: Settings, request: Request) -> Proved:
    """Prove the way from where the target stands to the requested revision.

    Raises ``ChildError`` with Alembic's words when there is no such way, and what reading the target raises.
    """
    with scratch.child.going_back_by(request.derived):
        return _make_plan(scratch, graph, target, settings, request)


def _make_plan(scratch: Scratch, graph: Graph, target: Target, settings: Settings, request: Request) -> Proved:
    _check_one(target, ())
    with read_only(target.conninfo, again=True) as connection:
        live = look_at(connection, target)
        before = read_through(connection)
    steps = _steps(scratch, graph, request, live.current)
    destination = steps[-1].to_heads if steps else live.current
    release = running_release(scratch, settings.running_release, before) if steps else None
    ran = _run(_Place(scratch, graph, target, live, before), settings, request, commits=release is not None)
    done, ways_back = ran.trace, WaysBack()
    if request.ahead:  # the target will then be as the copy was
        before = done.before
    if request.history is not None and request.direction is Direction.DOWNGRADE:
        hidden = without_version_tables(table for table, _ in live.heads)
        unread = {each.name for each in before.not_covered if each.kind == "table"}
        ways_back = look_at_ways_back(done, steps, request.history, hidden | unread)
    facts = replace(
        facts_for(target, done, request, settings),
        release=release,
        mapped=request.mapped,
        changed_with=changed_with(done),
        differing=ran.differing,
        downgrades={**downgrades(ran.proofs, ran.back), **ways_back.downgrades},
    )
    findings = judge(done, facts, rule_settings(settings), allow=request.allow)
    subject = Subject(
        live.summary,
        live.current,
        destination,
        request.direction.value,
        before.fingerprint,
        request.derived,
        target.version_tables[0].path,
        settings.budget("lock_timeout") if settings.runner is Runner.DB_MIGRATE else None,
    )
    unsure = [each for each in (_from_several(request, live.current), ways_back.unknown) if each]
    warnings = (*_copy_warnings(before, done, live), *ran.warnings, *unsure)
    plan = assemble(subject, done, ran.proofs, facts, findings, warnings=warnings)
    ground = Ground(scratch, target, live, before, request.ahead)
    plan = with_kept(plan, done, facts, settings, ground, request.revision)
    return Proved(plan, before, done, ways_back, due_back(plan, target) if ways_back.unusable else ())


def _steps(scratch: Scratch, graph: Graph, request: Request, current: tuple[str, ...]) -> tuple[Step, ...]:
    """The way; where Alembic knows none, our own words come before its own: they name what is near."""
    try:
        return scratch.child.steps(request.direction.value, request.revision, current)
    except ChildError as error:
        if all(each in graph.revisions for each in current):
            graph.resolve(request.revision, current)
        else:
            error.next = ("db-migrate doctor",)
        raise


def _from_several(request: Request, current: tuple[str, ...]) -> str:
    """What to know of ``-1`` where there are several heads."""
    if not (request.revision.startswith("-") and len(current) > 1):
        return ""
    first, *others = current
    named = ", ".join(f"{each}@{request.revision}" for each in others)
    return f"{request.revision} from several heads goes back from {first}; from another one it is written {named}"


@dataclass(frozen=True)
class _Place:
    """Where revisions are run: a copy of ``target``, which is as ``live`` and ``before`` say."""

    scratch: Scratch
    graph: Graph
    target: Target
    live: LiveState
    before: Catalog


@dataclass(frozen=True)
class _Ran:
    """What came of it: the trace, and forwards what the downgrades did and prove."""

    trace: Trace
    back: Mapping[str, TracedRevision]
    proofs: Mapping[str, DowngradeProof]
    warnings: tuple[str, ...]
    differing: Mapping[str, Difference]


def _run(place: _Place, settings: Settings, request: Request, *, commits: bool) -> _Ran:
    """Run the revisions on a copy; with rows where they are wanted, of all tables that turn out to be touched."""
    scratch, graph, target, live = place.scratch, place.graph, place.target, place.live
    run = partial(trace, scratch, graph, direction=request.direction, target=request.revision)
    versions = without_version_tables(table for table, _ in live.heads)
    touched: frozenset[str] = frozenset()
    while True:
        with copy_of_live(scratch, target, live) as copy:
            sampled = sample_for(settings, target.conninfo, copy.superuser, place.before, touched)
            go_ahead(scratch, copy, request.way, request.ahead)
            install(copy.superuser)
            done = run(database=copy.runner, commits=commits, sampled=sampled.relations)
            _check_one(target, [each.revision for each in done.revisions])
            more = touched_tables(done) - versions - touched if settings.sample else frozenset()
            if not more:  # else what it has touched needs rows as well, and with them it may come further
                upgrading = request.direction is Direction.UPGRADE
                back = trace_back(scratch, graph, copy.runner, live.current, done) if upgrading else {}
                proofs = proofs_of(done, back) if upgrading else {}
                break
            touched |= more

    def again(other: Scratch) -> Trace:
        with copy_of_live(other, target, live) as copy, other.child.going_back_by(request.derived):
            rows = sample_for(settings, target.conninfo, copy.superuser, place.before, touched)
            go_ahead(other, copy, request.way, request.ahead)
            install(copy.superuser)
            way = request.direction
            return trace(other, graph, copy.runner, way, request.revision, sampled=rows.relations)

    differ = differing(scratch, done, again)
    return _Ran(_without_places(done, request.derived), back, proofs, sampled.warnings, differ)


def _without_places(done: Trace, derived: Mapping[str, str]) -> Trace:
    """The trace, whose derived downgrades are in no file."""

    def placed(revision: TracedRevision) -> TracedRevision:
        if revision.revision not in derived:
            return revision
        return replace(revision, statements=tuple(replace(s, file="", line=0) for s in revision.statements))

    return replace(done, revisions=tuple(placed(each) for each in done.revisions))


def _check_one(target: Target, revisions: Sequence[str]) -> None:
    """Raise ``ConfigurationError`` (``target.several``) when one run of env.py migrates several schemas.

    ``revisions`` are those that ran: in a loop over schemas each comes by again. A plan is about one of them, with its
    version table: executed for the first alone it would leave the others behind, where nobody looks.
    """
    tables = [table.qualified for table in target.version_tables]
    if len(tables) < 2 and len(set(revisions)) == len(revisions):
        return
    raise ConfigurationError(
        "target.several",
        "env.py migrates several schemas in one run",
        why=f"its version tables are {', '.join(tables)}"
        if len(tables) > 1
        else "it runs the same revisions more than once",
        state="nothing was changed",
        next=[
            "name in the setting `scratch_data` the tables in which env.py looks for its schemas",
            "db-migrate status",
        ],
    )


def rule_settings(settings: Settings) -> RuleSettings:
    """The part of the settings that rules look at. Raises ConfigurationError (``rules.unknown``) for no rule's name."""
    check_names(settings.rules)
    return RuleSettings(
        block_budget_s=settings.chosen.budgets.get("block_budget", settings.block_budget),
        severities={name: level.value for name, level in settings.rules.items()},
        runner=settings.runner.value,
    )


def facts_for(target: Target, done: Trace, request: Request, settings: Settings) -> Facts:
    """What the rules ask the target, and its replica where the settings name one, about a trace."""
    asked = questions(done, returning=returning(target, done) if request.direction is Direction.DOWNGRADE else {})
    relations = {o for r in done.revisions for s in r.statements for o in _relations(s.effects.held)} | concerned(done)
    relations |= {name for r in done.revisions for s in r.statements for name in s.effects.reads}
    relations |= set(_former(done, relations))
    with read_only(target.conninfo, again=True) as connection, replica_of(settings, connection) as (replica, problem):
        facts = read_facts(
            connection,
            sorted(relations),
            asked,
            values=request.values,
            relationships=request.relationships,
            replica=replica,
            given=settings.chosen.throughput,
        )
    return replace(facts, warnings=(*facts.warnings, problem)) if problem else facts


def _former(done: Trace, relations: Collection[str]) -> Iterator[str]:
    """What tables were called before they, or their schemas, got another name in the run."""
    changes = [c for r in done.revisions for s in r.statements for c in s.effects.changes if c.from_object]
    names = list(relations)
    for change in reversed(changes):
        old = str(change.from_object)
        found = [old] if change.kind in TABLE_KINDS else []
        if change.kind is Kind.SCHEMA:
            found = [rebase(name, change.object, old) for name in names if owner_of(name) == change.object]
        names += found
        yield from found


def _relations(locks: Iterable[Lock]) -> Iterator[str]:
    for lock in locks:
        yield lock.relation


def _copy_warnings(before: Catalog, done: Trace, live: LiveState) -> Iterator[str]:
    """What of the live schema did not come out the same on scratch, where both are of one major version."""
    if before.server_version // 10000 != done.server_version // 10000:
        yield (
            f"proved on PostgreSQL {done.server_version // 10000}, the target is {before.server_version // 10000}: "
            "what only the newer one can do would fail there"
        )
        return
    own = without_version_tables(table for table, _ in live.heads)  # made by Alembic before its first step
    for change in drifted(diff(before, done.before)):
        if change.object in own:
            continue
        yield f"the scratch copy differs from the target: {change.kind} {change.object} {change.action}"
