"""Undoes what is committed of a half-done revision: the differences to its beginning, taken back in one transaction."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from db_migrate.catalog.change import Action, Change
from db_migrate.catalog.comparing import draws_numbers
from db_migrate.catalog.diff import diff
from db_migrate.catalog.objects import Kind, SchemaObject
from db_migrate.catalog.sql import with_sql
from db_migrate.errors import Refused
from db_migrate.postgres.session import read_only
from db_migrate.repair.bridge import refused
from db_migrate.repair.partial import Partial, is_unfinished
from db_migrate.repair.statements import journalled
from db_migrate.repair.view import View
from db_migrate.repair.way import Passed
from db_migrate.repair.words import summary_of
from db_migrate.results import KeptObject, StepResult
from db_migrate.schemas.live import copy_of_live
from db_migrate.schemas.scratch import read
from db_migrate.trace.effects import Direction

_HOLDS_ROWS = frozenset({Kind.TABLE, Kind.PARTITION, Kind.COLUMN, Kind.SEQUENCE, Kind.MATERIALIZED_VIEW})


def undo(
    view: View, partial: Partial, *, accept: bool, confirm: str | None
) -> tuple[str, tuple[StepResult, ...], tuple[KeptObject, ...]]:
    """Take back what is committed; returns the run, its statements, and the tables that went with rows and are kept.

    Those that the revision wrote to are kept too: whose rows are in them, nobody can tell any more.

    ``accept``: rows that the revision changed in tables that stay are not put back, and that is understood. ``confirm``
    is the database's name, where what others wrote would go. Raises ``Refused`` before anything is changed:
    ``repair.data``, ``repair.lost``, ``repair.not-proved``, ``consent.missing``.
    """
    unfinished = tuple(each.name for each in view.live if is_unfinished(each))
    live = view.live.only(lambda each: each.name not in unfinished)
    changes = with_sql(diff(live, partial.way.before), live, partial.way.before)
    _check_gone(partial, changes)
    full = _check_rows(view, partial, changes, confirm)
    if not accept:
        _check_data(partial, changes)
    statements = tuple(each.sql for each in changes if each.sql)
    _prove(view, partial, statements)
    back = "downgrade" if partial.way.direction is Direction.UPGRADE else "upgrade"
    with journalled(view, partial.way.start, partial.way.revision) as run:
        run.alone([f"DROP INDEX CONCURRENTLY IF EXISTS {name}" for name in unfinished])
        kept: tuple[KeptObject, ...] = ()
        if statements:
            aside = {c.sql: c.object for c in changes if c.sql and c.object in full and c.kind is Kind.TABLE}
            kept = run.together(statements, back, aside if view.settings.keep else {})
        run.stands(Path(partial.way.file), back)
        return run.run, tuple(run.steps), kept


def _check_gone(partial: Partial, changes: Sequence[Change]) -> None:
    """What the revision has dropped can be made again, but not what was in it."""
    for change in changes:
        if change.action is Action.CREATED and change.kind in _HOLDS_ROWS:
            raise Refused(
                "repair.lost",
                f"{change.kind} {change.object} was dropped with what was in it, and cannot be brought back",
                why=_dropped_by(partial, change),
                where=partial.way.file,
                state="nothing was changed",
                next=["db-migrate repair"],
            )


def _dropped_by(partial: Partial, change: Change) -> str:
    for each in partial.committed:
        if each.before.get(change.kind, change.object) and not each.after.get(change.kind, change.object):
            return f"committed, line {each.line}: {each.sql}"
    return "a committed statement of the revision did"


def _check_rows(view: View, partial: Partial, changes: Sequence[Change], confirm: str | None) -> list[str]:
    """The tables that would go with rows.

    Rows in tables that the revision did not write to, and columns that would go with values from others than the
    revision, need the database's name.
    """
    written = {name for each in partial.way.statements for name in each.written}
    holds = (Kind.TABLE, Kind.PARTITION)
    dropped = {c.object: c.kind for c in changes if c.action is Action.DROPPED and c.kind in holds}
    full = [name for name in dropped if _has_rows(view, name)]
    others = [name for name in full if name not in written]
    lost = [name for name in others if not view.settings.keep or dropped[name] is Kind.PARTITION]
    lost += [each.name for each in _valued_columns(view, changes) if each.parent not in written]
    if (others or lost) and confirm != view.database:
        raise Refused(
            "consent.missing",
            f"this needs the name of the database: --confirm {view.database}",
            why=_why_rows_matter(others, lost),
            state="nothing was changed",
            next=[f"db-migrate repair --back --confirm {shlex.quote(view.database)}"],
        )
    return full


def _why_rows_matter(full: Sequence[str], lost: Sequence[str]) -> str:
    if lost:
        return f"data would go with {', '.join(lost)} that the revision did not write, and nothing keeps it"
    return f"{', '.join(full)} would go with rows that the revision did not write; they are kept first"


def _has_rows(view: View, table: str) -> bool:
    with read_only(view.target.conninfo, again=True) as connection:
        return connection.execute(f"SELECT FROM {table} LIMIT 1".encode()).fetchone() is not None


def _valued_columns(view: View, changes: Sequence[Change]) -> list[SchemaObject]:
    """The columns that would go from tables that stay, with other values than their defaults."""
    dropped = {c.object for c in changes if c.action is Action.DROPPED}
    columns = [view.live.get(Kind.COLUMN, name) for name in sorted(dropped)]
    return [each for each in columns if each and each.parent not in dropped and _has_values(view, each)]


def _has_values(view: View, column: SchemaObject) -> bool:
    """Numbers that a sequence gave count as values: another try would give others.

    Texts are compared, since not every type has an equality: json has none.
    """
    if column.parent is None or column.attributes.get("generated") is not None:
        return False
    default = "NULL" if draws_numbers(column) else column.attributes.get("default") or "NULL"
    name = column.name.removeprefix(f"{column.parent}.")
    kind = column.attributes["type"]
    query = (
        f"SELECT FROM {column.parent}"
        f" WHERE CAST({name} AS text) IS DISTINCT FROM CAST(CAST(({default}) AS {kind}) AS text) LIMIT 1"
    )
    with read_only(view.target.conninfo, again=True) as connection:
        return connection.execute(query.encode()).fetchone() is not None


def _check_data(partial: Partial, changes: Sequence[Change]) -> None:
    """Rows that were changed in tables that stay cannot be changed back by us."""
    gone = {c.object for c in changes if c.action is Action.DROPPED}
    for each in (*partial.committed, *partial.unclear):
        staying = [name for name in each.written if name not in gone]
        if each.data and staying:
            raise _data_stays(partial, each, staying)


def _data_stays(partial: Partial, each: Passed, tables: Sequence[str]) -> Refused:
    return Refused(
        "repair.data",
        f"rows of {', '.join(tables)} were changed, or may have been, and would not be changed back",
        why=f"line {each.line}: {each.sql}",
        where=partial.way.file,
        state="nothing was changed",
        next=["db-migrate repair", "db-migrate repair --back --data ran"],
    )


def _prove(view: View, partial: Partial, statements: Sequence[str]) -> None:
    """Run the statements on a copy of the target. Raises ``Refused`` (``repair.not-proved``)."""
    with copy_of_live(view.scratch, view.target, view.live_state) as copy:
        why = refused(copy.runner, statements)
        after = view.plain(read(copy.superuser))
    differences = () if why else view.differences(partial.way.before, after)
    if why or differences:
        raise Refused(
            "repair.not-proved",
            f"undoing what is committed of revision {partial.way.revision} was not proved on a copy of the target",
            why=why or f"it would end with another schema: {summary_of(differences)}",
            where=partial.way.file,
            state="nothing was changed",
            next=["db-migrate repair", "db-migrate doctor"],
        )
