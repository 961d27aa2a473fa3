"""Many cases in one database: each runs behind a savepoint, is judged as a revision of its own, and is taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import indent

from rules_lab import OWNER, Lab

from db_migrate.catalog.objects import Catalog, SchemaObject
from db_migrate.project import events
from db_migrate.project.child_process import Link
from db_migrate.project.graph import load_graph
from db_migrate.trace.effects import Direction, RevisionError, Trace, TracedRevision, TracedStatement
from db_migrate.trace.run import install, sources
from db_migrate.trace.tracer import Place, Tracer


@dataclass
class _Split:
    """Hands events on to a tracer, and notes what stands between a savepoint of SQLAlchemy's and its end."""

    tracer: Tracer
    before: Catalog | None = None
    start: int = 0
    cases: list[tuple[tuple[TracedStatement, ...], Catalog, Catalog, tuple[tuple[int, SchemaObject], ...]]] = field(
        default_factory=list
    )

    def event(self, event: events.Event, link: Link) -> None:
        """One event of the child's."""
        sql = event.sql if isinstance(event, events.Statement) else ""
        if sql.startswith("ROLLBACK TO SAVEPOINT sa_") and self.before is not None:
            after, running = self.tracer.catalog, self.tracer._running
            passed = running.passing(after) if running is not None else ()
            passing = tuple((at - self.start, made) for at, made in passed)
            self.cases.append((self._statements()[self.start :], self.before, after, passing))
        self.tracer.event(event, link)
        if sql.startswith("SAVEPOINT sa_"):
            if self.tracer._running is not None:
                self.tracer._running.indexes.clear()
            self.start, self.before = len(self._statements()) + 1, self.tracer.catalog

    def _statements(self) -> tuple[TracedStatement, ...]:
        running = self.tracer._running
        return tuple(running.statements) if running is not None else ()


_CASE = """
def case_{number}():
{body}


"""
_UPGRADE = """
def upgrade() -> None:
    for number in range({count}):
        savepoint = op.get_bind().begin_nested()
        try:
            globals()[f"case_{{number}}"]()
        except sa.exc.DBAPIError:
            pass
        savepoint.rollback()


def downgrade() -> None:
    pass
"""


def trace_each(lab: Lab, bodies: Mapping[str, str]) -> dict[str, Trace]:
    """The trace of each body of ``upgrade()``, all in one copy of the schema of the examples, by its name."""
    texts = [_CASE.format(number=n, body=indent(body, "    ")) for n, body in enumerate(bodies.values())]
    revision = lab.add("".join(texts) + _UPGRADE.format(count=len(bodies)))
    with lab.database() as superuser:
        install(superuser)
        graph = load_graph(lab.scratch.project)
        server = lab.scratch.server
        split = _Split(Tracer(Place(superuser, server.version, server.log), sources(graph)))
        database = superuser.replace(user=OWNER)
        lab.scratch.child.migrate("upgrade", revision, database.as_libpq(), split).raise_for_failure()
    assert len(split.cases) == len(bodies)
    file = str(lab.versions / f"{revision}.py")
    return {
        name: _as_trace(f"{revision}_{n}", file, server.version, *case)
        for n, (name, case) in enumerate(zip(bodies, split.cases, strict=True))
    }


def _as_trace(
    revision: str,
    file: str,
    version: int,
    statements: Sequence[TracedStatement],
    before: Catalog,
    after: Catalog,
    passing: tuple[tuple[int, SchemaObject], ...],
) -> Trace:
    failed = statements[-1].error if statements else None
    error = RevisionError("failed", failed.message, failed.sqlstate, statement=len(statements) - 1) if failed else None
    traced = TracedRevision(
        revision, ("-",), "a case", file, Direction.UPGRADE, tuple(statements), before, after, error, passing=passing
    )
    return Trace((traced,), version, before, after)
