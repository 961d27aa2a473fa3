"""Runs revisions on a scratch database and returns what they did."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping

from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.lost import scratch_broken
from db_migrate.postgres.session import connect
from db_migrate.project import events
from db_migrate.project.child_process import Handler
from db_migrate.project.graph import Graph
from db_migrate.schemas.scratch import Scratch, read
from db_migrate.trace.effects import Direction, RevisionError, Trace, TracedRevision
from db_migrate.trace.observation import SCRATCH_SCHEMA, install_script
from db_migrate.trace.tracer import Place, RevisionSource, Tracer
from db_migrate.trace.unseen import LOG_SETTING, TELL_SETTING

_WITHOUT_VALUES = "statements about rows are shown without values, since scratch had rows of the target"


def install(database: ConnInfo) -> None:
    """Put the observers into a scratch database; ``database`` is the superuser's address of it.

    For sessions that begin later, every statement is written to the server's log, and the server explains itself.
    Raises ``Failed`` (``scratch.broken``) where the server has lost its files.
    """
    from psycopg import errors, sql

    # PostgreSQL reads functions when they are first called, too: to read all of them here took almost half of the time.
    unchecked = {"check_function_bodies": "off"}
    with contextlib.closing(connect(database, settings=unchecked, told=True)) as connection:
        try:
            connection.execute(install_script(connection.info.server_version // 10000).encode())
        except errors.UndefinedFile as error:
            raise scratch_broken(database, error) from error
        for setting in (LOG_SETTING, TELL_SETTING):
            connection.execute(sql.SQL(setting).format(sql.Identifier(database.dbname)))


def uninstall(database: ConnInfo) -> None:
    """Take the observers out of a scratch database again."""
    with contextlib.closing(connect(database, told=True)) as connection:
        connection.execute(f"DROP SCHEMA {SCRATCH_SCHEMA} CASCADE".encode())


def trace(
    scratch: Scratch,
    graph: Graph,
    database: ConnInfo,
    direction: Direction,
    target: str,
    *,
    steps: int | None = None,
    commits: bool = False,
    sampled: frozenset[str] = frozenset(),
    around: Callable[[Tracer], Handler] = lambda tracer: tracer,
) -> Trace:
    """Run Alembic's steps to ``target`` on a scratch database that has the observers, and record their effects.

    With ``commits`` the schema at every commit within a revision is kept, and not only at the revision's end. Where
    tables were ``sampled``, no value of a row gets into the trace: statements about rows are without constants, and
    each is there once. A revision that fails ends the trace; its error is in its record. Raises ``ChildError`` when
    Alembic or env.py refuses before any revision ran. ``around`` may put a handler of its own between the child and
    the tracer.
    """
    superuser = scratch.server.conninfo(database.dbname)
    place = Place(superuser, scratch.server.version, scratch.server.log)
    tracer = Tracer(place, sources(graph), commits=commits, sampled=bool(sampled))
    outcome = scratch.migrate(direction.value, target, database, around(tracer), steps)
    if outcome.failure is not None:
        if not tracer.running:
            outcome.raise_for_failure()
        failure = outcome.failure
        error = RevisionError(
            failure.type, failure.message, failure.sqlstate or "", failure.file or "", failure.line or 0
        )
        tracer.fail(error, read(superuser))
    revisions = tuple(tracer.revisions)
    warnings = (*_refusals(tracer.refused), *unseen_warnings(revisions), *([_WITHOUT_VALUES] if sampled else ()))
    before = revisions[0].before if revisions else tracer.catalog
    after = revisions[-1].after if revisions else tracer.catalog
    return Trace(
        revisions,
        scratch.server.version,
        before,
        after,
        warnings,
        sampled,
        refused=bool(tracer.refused),
        prepared=tuple(tracer.prepared),
        connections=len(tracer.configured),
    )


def _refusals(refused: Iterable[events.Refused]) -> Iterator[str]:
    for each in refused:
        yield f"the revision tried to reach {each.address}, which was refused"


def unseen_warnings(revisions: Iterable[TracedRevision]) -> Iterator[str]:
    """What to say of revisions that send statements behind SQLAlchemy's back."""
    for each in revisions:
        if each.unseen:
            yield (
                f"revision {each.revision} sends {len(each.unseen)} statements past SQLAlchemy, by the driver itself;"
                " they can be checked only after they have run"
            )


def sources(graph: Graph) -> Mapping[str, RevisionSource]:
    """What the files say of each revision."""
    return {
        name: RevisionSource(each.down_revision, each.message, str(each.file), each.allow)
        for name, each in graph.revisions.items()
    }
