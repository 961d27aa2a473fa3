"""The pending revisions, run on a copy of the target as it is now: what would stop them there, and what would help."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from db_migrate.catalog.change import Action, Change
from db_migrate.catalog.objects import Kind
from db_migrate.errors import ConnectionLost, DbMigrateError, Failed
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.lacking import EXTENSION, lacking
from db_migrate.postgres.session import connect
from db_migrate.repair.position import Place, is_foreign, locate
from db_migrate.repair.privileges import INSUFFICIENT, Lacking, grant_for
from db_migrate.repair.rows import in_the_way
from db_migrate.repair.view import View
from db_migrate.repair.where import version_rows
from db_migrate.repair.words import summary_of
from db_migrate.rules.data import Offence
from db_migrate.schemas.live import copy_of_live
from db_migrate.schemas.scratch import Scratch
from db_migrate.trace.effects import Direction, Trace, TracedRevision
from db_migrate.trace.run import install, trace

_MOST_GRANTS = 20
_NEWER = frozenset({"42601", "42704", "42883", "42703", "0A000", "22023", "42P17"})
"""What an older server says of what it does not know: syntax, a name, a function, a parameter, a feature."""


@dataclass(frozen=True)
class Trial:
    """How it went. ``failed`` is the revision that did not run, even with the ``grants`` that were given on the copy.

    ``newer`` is the major version on which it runs, where the target's does not. ``why``: no trial could be made.
    ``rows`` are those of the target that it would fail on there; ``sent`` are the statements of what ran.
    """

    pending: tuple[str, ...] = ()
    failed: TracedRevision | None = None
    grants: tuple[str, ...] = ()
    newer: int | None = None
    extensions: tuple[str, ...] = ()
    why: str = ""
    rows: tuple[Offence, ...] = ()
    sent: tuple[tuple[str, str], ...] = ()

    @property
    def well(self) -> bool:
        """Whether all of them would run now."""
        return not (self.failed or self.grants or self.extensions or self.why or self.rows)


def waiting(view: View) -> tuple[str, ...]:
    """The revisions that wait to be applied; none where nobody can say where the target is."""
    if not view.known:
        return ()
    position = view.once(locate)
    lost = not view.current and position.nearest is not None and position.nearest.heads
    if len(view.once(version_rows)) != len(view.heads):
        return ()  # Alembic refuses to go on from there, whatever is pending
    if position.place not in (Place.RIGHT, Place.NEAR) or lost or position.begun or view.once(is_foreign):
        return ()
    return view.graph.between(view.heads, view.graph.effective_heads)


def trial(view: View) -> Trial:
    """Run what is pending on a copy of the target."""
    pending = view.once(waiting)
    if not pending:
        return Trial()
    try:
        failed, grants, ran = _tried(view, view.scratch)
        rows = in_the_way(view, ran)
    except ConnectionLost:
        raise
    except DbMigrateError as error:
        return Trial(pending, why=error.message + (f": {error.why}" if error.why else ""))
    newer = _newer(view, failed) if failed is not None else None
    done = (*ran.revisions, *([failed] if failed else []))
    sent = tuple((each.revision, statement.sql) for each in ran.revisions for statement in each.statements)
    unavailable, lacked = _unavailable(view, done), _lacking_here(view, failed)
    return Trial(pending, failed, grants, newer, unavailable, lacked, rows, sent)


def _tried(view: View, scratch: Scratch) -> tuple[TracedRevision | None, tuple[str, ...], Trace]:
    """The revision that fails, if one does; what was granted for others to run; all that ran, as one run."""
    grants: list[str] = []
    runs: list[Trace] = []
    with copy_of_live(scratch, view.target, view.live_state) as copy:
        install(copy.superuser)
        while True:
            found = _run(view, scratch, copy.runner)
            unlike = () if runs or scratch is not view.scratch else _unlike(view, found)
            if unlike:
                raise Failed("copy.differs", "a copy of the target is not like it", why=summary_of(unlike))
            runs.append(found)
            failed = next((each for each in found.revisions if each.error is not None), None)
            grant = _grant(view, failed)
            if not grant or grant in grants or len(grants) == _MOST_GRANTS or not _given(copy.superuser, grant):
                return failed, tuple(grants), _as_one(runs)
            grants.append(grant)


def _as_one(runs: list[Trace]) -> Trace:
    """Runs that went on where the one before had failed, without what failed."""
    revisions = tuple(each for run in runs for each in run.revisions if each.error is None)
    return replace(runs[-1], revisions=revisions, before=runs[0].before)


def _unlike(view: View, found: Trace) -> tuple[Change, ...]:
    """How the copy was other than the target, so that running there says nothing."""
    return view.differences(view.live, view.plain(found.before))


def _run(view: View, scratch: Scratch, database: ConnInfo) -> Trace:
    return trace(scratch, view.graph, database, Direction.UPGRADE, "heads")


def _grant(view: View, failed: TracedRevision | None) -> str:
    if failed is None or failed.error is None or failed.error.sqlstate not in INSUFFICIENT:
        return ""
    sql = failed.statements[-1].sql if failed.statements else ""
    there = Lacking(view.live_state.role, view.database, view.live, view.once(_trusted))
    return grant_for(failed.error.message, sql, there)


def _trusted(view: View) -> frozenset[str]:
    if view.live_state.server_version < 130000:
        return frozenset()
    query = "SELECT DISTINCT name FROM pg_available_extension_versions WHERE trusted"
    with view.session() as connection:
        return frozenset(str(name) for (name,) in connection.execute(query).fetchall())


def _given(database: ConnInfo, grant: str) -> bool:
    """Whether the superuser of the copy could give the privilege."""
    from psycopg import Error, sql

    name = sql.Identifier(database.dbname).as_string(None)
    with contextlib.closing(connect(database, told=True)) as connection, contextlib.suppress(Error):
        connection.execute(_on_database(grant, name).encode())
        return True
    return False


def _on_database(grant: str, copy: str) -> str:
    """The statement as the copy needs it, whose name is another one."""
    head, found, tail = grant.partition(" ON DATABASE ")
    return f"{head}{found}{copy} TO {tail.rpartition(' TO ')[2]}" if found else grant


def _newer(view: View, failed: TracedRevision) -> int | None:
    """The newest major version that we have, where the revisions run on that one and not on the target's."""
    newest = view.newest
    if failed.error is None or failed.error.sqlstate not in _NEWER or newest.major <= view.scratch.major:
        return None
    try:
        again, _grants, _ran = _tried(view, newest)
    except ConnectionLost:
        raise
    except DbMigrateError:
        return None
    return newest.major if again is None or again.revision != failed.revision else None


def _unavailable(view: View, done: tuple[TracedRevision, ...]) -> tuple[str, ...]:
    """The extensions that are wanted and that the target's server does not have."""
    wanted = set(_extensions(done))
    if not wanted:
        return ()
    with view.session() as connection:
        rows = connection.execute("SELECT name FROM pg_available_extensions").fetchall()
    return tuple(sorted(wanted - {str(name) for (name,) in rows}))


def _lacking_here(view: View, failed: TracedRevision | None) -> str:
    """What of the scratch server's own keeps us from telling: an extension that the target has."""
    error = failed.error if failed is not None else None
    missing = lacking("scratch.extension", error.message, "") if error is not None else None
    return "" if missing is None or (failed and _unavailable(view, (failed,))) else missing.message


def _extensions(done: tuple[TracedRevision, ...]) -> Iterator[str]:
    for revision in done:
        if revision.error is not None and (found := EXTENSION.search(revision.error.message)) is not None:
            yield found["name"]
        for statement in revision.statements:
            for change in statement.effects.changes:
                if change.kind is Kind.EXTENSION and change.action is Action.CREATED:
                    yield change.object.strip('"')
