"""Section J: what a statement needs and nobody made."""

from __future__ import annotations

from collections.abc import Iterator

from db_migrate.rules.context import Context, Hit
from db_migrate.rules.finding import Severity
from db_migrate.rules.registry import About, Section, rule

_UNDEFINED = frozenset({"42P01", "42703", "3F000", "42704", "42883"})
"""SQLSTATEs: undefined table, column, schema, object, function (documentation: appendix A)."""


@rule(
    "missing-object",
    Section.PROCESS,
    About(
        severity=Severity.ERROR,
        catches="a statement needs a table, column, type or such that nobody made",
        effect="it fails; when a file of SQL is linted alone, a stand-in with that name takes its place",
        why="what is known of a stand-in is its name: neither its columns nor what depends on it",
        instead="make the object first, or lint the file on top of the history that makes it",
        bad='op.execute("ALTER TABLE nobody_made_this ADD COLUMN colour text")',
        good='op.create_table("made_here", sa.Column("id", sa.BigInteger()))\n'
        'op.execute("ALTER TABLE made_here ADD COLUMN colour text")',
    ),
)
def missing_object(context: Context) -> Iterator[Hit]:
    """An error where the statement fails, a note where a stand-in let it run."""
    for place in context.places:
        error = place.error
        if error is not None and error.sqlstate in _UNDEFINED:
            yield Hit(place, place.revision.revision, error.message)
            continue
        if place.statement.assumed:
            names = ", ".join(place.statement.assumed)
            message = f"{names}: made by nobody; a stand-in took the place"
            yield Hit(place, place.statement.assumed[-1], message, severity=Severity.NOTE)
