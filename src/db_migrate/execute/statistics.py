"""What the planner knows of tables that a run has rewritten: gone for the columns whose type changed, until ANALYZE."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from db_migrate.execute.blockers import statement
from db_migrate.results import PlannedRevision

if TYPE_CHECKING:
    from psycopg import Connection


def rewritten(revisions: Iterable[PlannedRevision]) -> tuple[str, ...]:
    """The relations that a plan rewrites, each once."""
    found = (each.relation for r in revisions for s in r.statements for each in s.effects.rewrites)
    return tuple(dict.fromkeys(found))


def refresh(connection: Connection[tuple[object, ...]], relations: Iterable[str]) -> Iterator[tuple[str, str]]:
    """ANALYZE those tables of ``relations`` that have columns without statistics; each with why it failed, or empty.

    ANALYZE reads a sample and stops neither reads nor writes. ``connection`` is in autocommit mode, with
    ``search_path = pg_catalog``.
    """
    from psycopg import Error, sql

    rows = connection.execute(statement("without_statistics"), {"relations": list(relations)}).fetchall()
    for schema, table in rows:
        shown = sql.Identifier(str(schema), str(table))
        try:
            connection.execute(sql.SQL("ANALYZE {}").format(shown))
        except Error as error:
            yield shown.as_string(None), str(error).strip()
        else:
            yield shown.as_string(None), ""
