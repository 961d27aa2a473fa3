"""What a rule looks at: the trace statement by statement, the facts, and what earlier statements of the run did."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import itemgetter
from types import MappingProxyType

from db_migrate.catalog.change import Action, Change
from db_migrate.catalog.objects import Kind, SchemaObject, Value
from db_migrate.rules.called import may_make_routines, texts_of
from db_migrate.rules.estimate import Work, bytes_in_words, estimate, in_words
from db_migrate.rules.facts import Facts, TableFacts
from db_migrate.rules.finding import Severity
from db_migrate.rules.known import Known
from db_migrate.rules.names import is_version_table, owner_of, rebase
from db_migrate.rules.source import Source, read_source
from db_migrate.trace.effects import (
    Direction,
    Effects,
    Lock,
    LockMode,
    StatementError,
    Trace,
    TracedRevision,
    TracedStatement,
)
from db_migrate.trace.grammar import sort_of

_IN_FAILED_TRANSACTION = "25P02"


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """How to judge.

    ``block_budget_s``: for how long reads or writes may be blocked before it is an error. ``severities`` maps a
    rule's name to ``error``, ``warning``, ``note``, ``off``, or ``on`` (the rule's own severity, for policy rules).
    ``runner`` is what will run the revisions: ``db-migrate`` (which sets timeouts) or ``alembic``. ``search_path`` is
    where unqualified names of intents are looked up.
    ``large_bytes`` and ``busy_writes_per_second`` say from when on a table counts as large or busy."""

    block_budget_s: float = 1.0
    severities: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    runner: str = "db-migrate"
    search_path: tuple[str, ...] = ("public",)
    large_bytes: int = 10 * 1024**3
    busy_writes_per_second: float = 100.0


@dataclass(frozen=True, slots=True)
class Place:
    """One statement of one revision, as a rule sees it, with what was known before it and is known with it."""

    revision: TracedRevision
    index: int
    statement: TracedStatement
    before: Known
    known: Known
    previous: Place | None = field(default=None, compare=False, repr=False)
    """The statement before it in the whole run."""
    looked: frozenset[str] = frozenset()
    """The tables whose rows the revision has read before it."""
    makers: tuple[TracedStatement, ...] = ()
    """The statements of the revision before it that may have made routines."""

    @property
    def effects(self) -> Effects:
        """What the statement did."""
        return self.statement.effects

    def follows_a_look_at(self, relation: str) -> bool:
        """Whether the revision has read the relation's rows by then: what it does to them may depend on what it saw."""
        return relation in self.looked

    @property
    def texts(self) -> tuple[str, ...]:
        """The statement's text, and those that it runs by DO blocks and routines as far as they stand in them."""
        return texts_of(self.revision.before, (*self.makers, self.statement))

    @property
    def error(self) -> StatementError | None:
        """What PostgreSQL refused and the revision failed of; an error that it caught, to go on, is none."""
        stopped = self.revision.error
        if self.revision.file.endswith(".sql"):
            return self.statement.error
        if stopped is None or (
            stopped.sqlstate != _IN_FAILED_TRANSACTION and stopped.statement not in (None, self.index)
        ):
            return None
        return self.statement.error

    @property
    def locks(self) -> Mapping[str, LockMode]:
        """The strongest lock that is held on each relation when the statement is done or while it ran."""
        strongest: dict[str, LockMode] = {}
        for lock in self.effects.held:  # of each relation the strongest comes first
            strongest.setdefault(lock.relation, lock.mode)
        return _with(strongest, self.effects.locks)

    @property
    def gained(self) -> Mapping[str, LockMode]:
        """Those of ``locks`` that were not the same after the statement before it in the same transaction."""
        last = self.previous
        here = (self.revision.revision, self.statement.transaction)
        if last is None or (last.revision.revision, last.statement.transaction) != here:
            return self.locks
        if last.effects.held is self.effects.held:
            return _with({}, self.effects.locks)
        before = last.locks
        return {name: mode for name, mode in self.locks.items() if before.get(name) is not mode}

    def changes(self, kind: Kind, action: Action) -> Iterator[Change]:
        """The statement's changes of that kind and action."""
        return (c for c in self.effects.changes if c.kind is kind and c.action is action)

    def find(self, kind: Kind, name: str) -> SchemaObject | None:
        """The object as this statement left it, as far as the changes after it tell; else as the revision found it.

        An index that is gone when the revision ends is as it was made.
        """
        current, at = name, (self.index + 1, 0)
        later: dict[str, Value] = {}
        while (step := _next_step(self.revision, kind, current, at)) is not None:
            at, change = step
            if change.action is Action.RENAMED:
                current = change.object
            else:
                later = {**{a.name: a.from_ for a in change.attributes}, **later}
        found = self.revision.after.get(kind, current) or self.revision.before.get(kind, name)
        if found is None:
            made = (o for at, o in reversed(self.revision.passing) if o.key == (kind, name) and at <= self.index)
            return next(made, None)
        if current == name and not later:
            return found
        attributes = {key: value for key, value in {**found.attributes, **later}.items() if value is not None}
        return replace(found, name=name, attributes=attributes)


def _with(strongest: dict[str, LockMode], locks: Iterable[Lock]) -> dict[str, LockMode]:
    for lock in locks:
        known = strongest.get(lock.relation)
        if known is None or lock.mode.strength > known.strength:
            strongest[lock.relation] = lock.mode
    return strongest


def _next_step(
    revision: TracedRevision, kind: Kind, name: str, at: tuple[int, int]
) -> tuple[tuple[int, int], Change] | None:
    """The first thing from ``at`` on that alters or renames the object of that name, and the place behind it."""
    steps = revision.steps_of.get((kind, name), ())
    following = bisect_left(steps, at, key=itemgetter(0))
    if following == len(steps):
        return None
    (statement, number), change = steps[following]
    return (statement, number + 1), change


@dataclass(frozen=True, slots=True)
class Hit:
    """What a check found; the registry adds the rule's name and its reasons.

    ``severity`` None means the rule's own. ``also`` are further rules whose intent for the same object allows this.
    """

    place: Place | TracedRevision
    object: str
    message: str
    fix: str = ""
    severity: Severity | None = None
    line: int = 0
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Context:
    """All that a check may look at."""

    trace: Trace
    facts: Facts
    settings: RuleSettings

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Every statement in order, with what was known before it."""
        return tuple(places(self.trace, self.facts))

    @cached_property
    def exclusive_since(self) -> Mapping[tuple[int, int], Mapping[str, int]]:
        """By a revision's identity and its transaction: from which statement on ACCESS EXCLUSIVE is held on what."""
        found: dict[tuple[int, int], dict[str, int]] = {}
        for place in self.places:
            since = found.setdefault((id(place.revision), place.statement.transaction), {})
            for name, mode in place.gained.items():
                if mode is LockMode.ACCESS_EXCLUSIVE:
                    since.setdefault(name, place.index)
        return found

    @cached_property
    def upgrading(self) -> bool:
        """Whether the run goes forwards."""
        return all(each.direction is Direction.UPGRADE for each in self.trace.revisions)

    @property
    def major(self) -> int:
        """The major version to judge for: the target's, else the scratch server's."""
        return (self.facts.server_version or self.trace.server_version) // 10000

    def table(self, place: Place, relation: str) -> TableFacts | None:
        """The facts of a relation, whatever this run has renamed it to."""
        return self.facts.tables.get(place.known.origins.get(relation, relation))

    def fresh(self, place: Place, name: str) -> bool:
        """Whether this run itself created the relation or column."""
        return name in place.known.created

    def exempt(self, place: Place, relation: str) -> bool:
        """Whether locking or scanning the relation harms nobody: it is new in this run, or certainly empty."""
        if self.fresh(place, relation):
            return True
        table = self.table(place, relation)
        return table is not None and table.empty

    def work(self, place: Place) -> Work:
        """The statement's work on the target."""
        return estimate(
            place.effects,
            self.facts,
            origins=place.known.origins,
            fresh=place.known.created,
        )

    def block_severity(self, place: Place) -> Severity:
        """How bad it is to block reads or writes while this statement works: by the budget, if that is known."""
        seconds = self.work(place).seconds
        too_long = seconds is not None and seconds > self.settings.block_budget_s
        return Severity.ERROR if too_long else Severity.WARNING

    def size(self, place: Place, relation: str) -> str:
        """The relation with its measured size: ``public.orders (92 M rows, 48 GB)``."""
        table = self.table(place, relation)
        if table is None:
            return relation
        about = "" if table.exact else "about "
        return f"{relation} ({about}{in_words(table.rows)} rows, {bytes_in_words(table.bytes)})"

    def source(self, revision: TracedRevision) -> Source | None:
        """The revision's file as a syntax tree; None where there is none (an SQL file, or the file is gone)."""
        return read_source(revision.file)


_STEERING = frozenset({"select_stmt", "execute_stmt", "fetch_stmt", "do_stmt", "call_stmt"})


def looked_at(statement: TracedStatement) -> tuple[str, ...]:
    """The tables whose rows may decide what comes next: what a query, a DO block or a procedure has read."""
    nodes = set(sort_of(statement.sql).nodes)
    if not nodes or not nodes <= _STEERING or (nodes == {"select_stmt"} and statement.ddl):  # SELECT INTO tells nothing
        return ()
    return tuple(name for name in statement.effects.reads if not is_version_table(name))


def is_table(place: Place, name: str) -> bool:
    """Whether the name is a relation that holds rows and that people read and write."""
    kinds = (Kind.TABLE, Kind.PARTITION, Kind.MATERIALIZED_VIEW, Kind.FOREIGN_TABLE)
    return any(place.find(kind, name) is not None for kind in kinds)


def locked(place: Place, relation: str, at_least: LockMode) -> LockMode | None:
    """The mode held on the relation if it is as strong as ``at_least``."""
    mode = place.locks.get(relation)
    return mode if mode is not None and mode.strength >= at_least.strength else None


def places(trace: Trace, facts: Facts) -> Iterator[Place]:
    """The places of a run, for a target or without one."""
    return walk(trace, per_revision=not facts.known)


def walk(trace: Trace, *, per_revision: bool) -> Iterator[Place]:
    """The places; without a target each revision may be deployed alone, so nothing counts as new beyond its own."""
    known, place = Known(), None
    for revision in trace.revisions:
        if per_revision:
            known = Known()
        looked, makers = frozenset[str](), tuple[TracedStatement, ...]()
        for index, statement in enumerate(revision.statements):
            before, known = known, known.after(statement.effects)
            place = Place(revision, index, statement, before, known, place, looked, makers)
            yield place
            makers = (*makers, statement) if may_make_routines(statement) else makers
            looked = looked if looked.issuperset(looks := looked_at(statement)) else looked.union(looks)


def column_origin(place: Place, column: str) -> str:
    """What a column is called on the target now."""
    origins = place.known.origins
    if column in origins:
        return origins[column]
    relation = owner_of(column)
    return rebase(column, relation, origins.get(relation, relation))
