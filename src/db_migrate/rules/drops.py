"""Section B: what is dropped, renamed or emptied, and who still reads it."""

from __future__ import annotations

from collections.abc import Iterator

from db_migrate.catalog.change import Action, Change
from db_migrate.catalog.objects import Kind
from db_migrate.rules import advice
from db_migrate.rules.context import Context, Hit, Place
from db_migrate.rules.finding import Severity
from db_migrate.rules.names import owner_of
from db_migrate.rules.registry import About, Section, rule
from db_migrate.trace.effects import Direction

TABLES = (Kind.TABLE, Kind.PARTITION, Kind.FOREIGN_TABLE)


def dropped_tables(place: Place) -> tuple[str, ...]:
    """The tables that the statement dropped and that this run had not made itself, in order."""
    named = [c.object for kind in TABLES for c in place.changes(kind, Action.DROPPED)]
    named += [name for name in place.effects.dropped if any(place.revision.before.get(k, name) for k in TABLES)]
    return tuple(name for name in dict.fromkeys(named) if not _made_here(place, name))


def dropped_columns(place: Place) -> tuple[str, ...]:
    """The columns that the statement dropped from tables that stay, but for those that this run had made."""
    named = [c.object for c in place.changes(Kind.COLUMN, Action.DROPPED)]
    named += [name for name in place.effects.dropped if place.revision.before.get(Kind.COLUMN, name)]
    gone = set(place.effects.dropped)
    return tuple(
        name
        for name in dict.fromkeys(named)
        if owner_of(name) not in gone and not _made_here(place, name) and _holds_rows(place, name)
    )


def _holds_rows(place: Place, column: str) -> bool:
    """Not so a view's column, which is catalogued only for its default."""
    return any(place.find(kind, owner_of(column)) is not None for kind in TABLES)


def _made_here(place: Place, name: str) -> bool:
    """Whether the run made the object in an earlier statement; not when this one makes another of that name."""
    return name in place.before.created or owner_of(name) in place.before.created


def severity_of_loss(place: Place) -> Severity:
    """Going back drops what going forward made; its consent is asked by rollback itself."""
    return Severity.WARNING if place.revision.direction is Direction.DOWNGRADE else Severity.ERROR


@rule(
    "drop-table",
    Section.DROP,
    About(
        severity=Severity.ERROR,
        catches="a table that existed before the run is dropped",
        effect="ACCESS EXCLUSIVE on the table and on every table that its foreign keys reference",
        why="the rows are gone, and the running release fails on every statement that still names the table",
        instead="stop using the table in a release, then drop it in a later revision with a written intent",
        bad='op.drop_table("audit")',
        good='op.rename_table("audit", "audit_until_2025")',
    ),
)
def drop_table(context: Context) -> Iterator[Hit]:
    """Every table that goes, whatever statement it goes with."""
    for place in context.places:
        for name in dropped_tables(place):
            yield Hit(
                place,
                name,
                f"drops the table {context.size(place, name)}",
                advice.intent("drop-table", name, "which release stopped reading it, and where the rows went"),
                severity_of_loss(place),
            )


@rule(
    "drop-column",
    Section.DROP,
    About(
        severity=Severity.ERROR,
        catches="a column that existed before the run is dropped",
        effect="ACCESS EXCLUSIVE on the table for an instant; nothing is rewritten",
        why="the values are gone, and a running release that maps the column names it in every SELECT and INSERT",
        instead="stop mapping the column in a release, then drop it in a later revision with a written intent",
        bad='op.drop_column("users", "legacy_email")',
        good='op.alter_column("users", "legacy_email", comment="unread since release 4.2")',
    ),
)
def drop_column(context: Context) -> Iterator[Hit]:
    """Every column that goes from a table that stays."""
    for place in context.places:
        for name in dropped_columns(place):
            yield Hit(
                place,
                name,
                f"drops the column {name} of {context.size(place, owner_of(name))}",
                advice.intent("drop-column", name, "where the values went, and which release stopped reading it"),
                severity_of_loss(place),
            )


@rule(
    "truncate",
    Section.DROP,
    About(
        severity=Severity.ERROR,
        catches="a table that existed before the run is emptied by TRUNCATE",
        effect="ACCESS EXCLUSIVE on the table; its storage is replaced",
        why="the rows are gone, and readers wait or find nothing",
        instead="DELETE in batches what is really meant, or write the intent",
        bad='op.execute("TRUNCATE audit")',
        good="op.execute(\"DELETE FROM audit WHERE happened_at < '2020-01-01'\")",
    ),
)
def truncate(context: Context) -> Iterator[Hit]:
    """Every table that a statement truncated."""
    for place in context.places:
        for name in place.effects.truncated:
            if not context.fresh(place, name):
                yield Hit(
                    place,
                    name,
                    f"empties {context.size(place, name)}",
                    advice.intent("truncate", name, "why nobody needs these rows"),
                    severity_of_loss(place),
                )


def renames(place: Place, kind: Kind) -> Iterator[Change]:
    """Objects of the kind that got another name; one that was dropped and made anew elsewhere is none."""
    return (c for c in place.changes(kind, Action.RENAMED) if c.from_object not in place.effects.dropped)
