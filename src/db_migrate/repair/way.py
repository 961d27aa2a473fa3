"""The way through one revision, statement by statement: what the schema is after each of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from db_migrate.catalog.objects import Catalog
from db_migrate.errors import DbMigrateError
from db_migrate.project import events
from db_migrate.project.child_process import Child, Link
from db_migrate.repair.view import View
from db_migrate.schemas.history import replay, template_of
from db_migrate.trace.effects import Direction, RevisionError, Trace
from db_migrate.trace.grammar import fills_gaps, sort_of, sort_of_sent
from db_migrate.trace.resuming import is_own, key_of
from db_migrate.trace.run import install, trace
from db_migrate.trace.tracer import Tracer

_BLOCKS = frozenset({"do_stmt", "call_stmt"})


@dataclass(frozen=True, slots=True)
class Passed:
    """One statement that does something, and the schema around it.

    ``place`` is its index among all that the revision sends, as plans and the journal count; ``key`` its text, see
    :func:`db_migrate.trace.resuming.key_of`. ``data``: it is not DDL. ``written`` are tables whose rows it wrote.
    """

    place: int
    sql: str
    key: str
    data: bool
    connection: int
    transaction: int
    autocommit: bool
    line: int
    written: tuple[str, ...]
    before: Catalog
    after: Catalog

    @property
    def matters(self) -> bool:
        """Whether sending it twice may do harm that nobody sees: it writes rows, or is a block that may."""
        if self.repeatable:
            return False
        return self.data or bool(self.written) or bool(_BLOCKS & set(sort_of(self.sql).nodes))

    @property
    def repeatable(self) -> bool:
        """Whether it gives values to rows that have none, in batches perhaps: begun again, it goes on where it was."""
        return self.data and fills_gaps(self.key)


@dataclass(frozen=True, slots=True)
class Way:
    """A revision's way in one direction, from the heads ``start`` to the heads ``end``.

    ``failure``: it comes to a statement, or a line of Python, that fails there too, so that it leads only as far as
    that; ``last`` is the number of the transaction in which it ends.
    """

    revision: str
    direction: Direction
    target: str
    start: tuple[str, ...]
    end: tuple[str, ...]
    file: str
    statements: tuple[Passed, ...]
    before: Catalog
    after: Catalog
    last: int
    failure: str


@dataclass(frozen=True, slots=True)
class Leg:
    """One step that Alembic would take: ``target`` is its word for it."""

    direction: Direction
    revision: str
    target: str
    start: tuple[str, ...]
    end: tuple[str, ...]


def legs(view: View) -> Iterator[Leg]:
    """The steps that may be half-done: what comes next, what led here, and what leads back from here."""
    graph, current = view.graph, view.heads
    done = graph.ancestors(*current)
    for revision in graph.ordered():
        if revision not in done and set(graph.parents(revision)) <= done:
            yield from _up(view, revision, current)
    for head in current:
        back = _back(view.scratch.child, head, current)
        if back is not None:
            yield from _up(view, head, back.end)
            yield back


def _up(view: View, revision: str, start: tuple[str, ...]) -> Iterator[Leg]:
    try:
        steps = view.scratch.child.steps("upgrade", revision, start)
    except DbMigrateError:
        return
    if [each.revision for each in steps] == [revision]:
        yield Leg(Direction.UPGRADE, revision, revision, start, tuple(sorted(steps[0].to_heads)))


def _back(child: Child, head: str, current: tuple[str, ...]) -> Leg | None:
    for target in (f"{head}-1", "-1", "base", f"{head}@base"):
        try:
            steps = child.steps("downgrade", target, current)
        except DbMigrateError:
            continue
        if steps and steps[0].revision == head:
            return Leg(Direction.DOWNGRADE, head, target, current, tuple(sorted(steps[0].to_heads)))
    return None


def follow(view: View, leg: Leg) -> Way | None:
    """Run the step on a copy of the history where it begins, and look after each statement. None: there is none."""
    scratch = view.scratch
    begun = replay(scratch, view.graph, leg.start)
    followers: list[_Follower] = []

    def around(tracer: Tracer) -> _Follower:
        followers.append(_Follower(tracer))
        return followers[0]

    with (
        scratch.child.going_back_by(view.derived),
        scratch.database(f"the way through {leg.revision}", template=template_of(scratch, begun)) as database,
    ):
        install(database)
        found = trace(scratch, view.graph, database, leg.direction, leg.target, steps=1, around=around)
    return _way(view, leg, found, followers[0]) if found.revisions else None


def _way(view: View, leg: Leg, found: Trace, follower: _Follower) -> Way:
    traced = found.revisions[0]
    seen = traced.statements
    catalogs = [view.plain(each.after) for each in follower.looks]
    before = view.plain(traced.before)
    statements = []
    for look, earlier, after in zip(follower.looks, [before, *catalogs], catalogs, strict=False):
        statement = seen[look.place]
        written = (*statement.effects.writes, *statement.effects.truncated)
        if not (statement.ddl or written or sort_of_sent(statement.sql, look.key).writes):
            continue
        statements.append(
            Passed(
                look.place,
                statement.sql,
                look.key,
                not statement.ddl,
                look.connection,
                statement.transaction,
                statement.autocommit,
                statement.line,
                written,
                earlier,
                after,
            )
        )
    return Way(
        revision=leg.revision,
        direction=leg.direction,
        target=leg.target,
        start=leg.start,
        end=leg.end,
        file=str(view.graph.revisions[leg.revision].file),
        statements=tuple(statements),
        before=before,
        after=view.plain(traced.after),
        last=seen[-1].transaction if seen else 0,
        failure=_failure(traced.error),
    )


def _failure(error: RevisionError | None) -> str:
    if error is None:
        return ""
    place = f"line {error.line}: " if error.line else ""
    return f"{place}{error.message}".strip()


@dataclass(frozen=True, slots=True)
class _Look:
    """The catalog after the statement at ``place``."""

    place: int
    key: str
    connection: int
    after: Catalog


@dataclass(slots=True)
class _Follower:
    """Hands all on to the tracer, and remembers the catalog after each statement that does something."""

    tracer: Tracer
    looks: list[_Look] = field(default_factory=list)
    _sent: dict[int, tuple[int, str]] = field(default_factory=dict)
    _count: int = 0

    def event(self, event: events.Event, link: Link) -> None:
        """Take in one event of the child."""
        self.tracer.event(event, link)
        if isinstance(event, events.Statement):
            if is_own(event):
                self._sent[event.connection] = (self._count, key_of(event))
            self._count += self.tracer.running
        elif isinstance(event, events.StatementDone) and event.connection in self._sent:
            place, key = self._sent.pop(event.connection)
            self.looks.append(_Look(place, key, event.connection, self.tracer.catalog))
        elif isinstance(event, events.StatementFailed):
            self._sent.pop(event.connection, None)
