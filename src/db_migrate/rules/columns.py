"""Section A: columns that are added to tables with rows."""

from __future__ import annotations

from collections.abc import Iterator

from db_migrate.catalog.change import Action
from db_migrate.catalog.objects import Kind, SchemaObject
from db_migrate.rules import advice
from db_migrate.rules.context import Context, Hit, Place
from db_migrate.rules.estimate import in_words
from db_migrate.rules.finding import Severity
from db_migrate.rules.names import owner_of
from db_migrate.rules.registry import About, Section, rule


def added(context: Context, place: Place, *, to_empty: bool = False) -> Iterator[SchemaObject]:
    """The columns that the statement added to tables which existed before the run (and hold rows)."""
    for change in place.changes(Kind.COLUMN, Action.CREATED):
        column = place.find(Kind.COLUMN, change.object)
        relation = owner_of(change.object)
        if column is None or context.fresh(place, relation):
            continue
        if to_empty or not context.exempt(place, relation):
            yield column


def fills_itself(column: SchemaObject) -> bool:
    """Whether existing rows and old INSERTs get a value without naming the column."""
    return any(column.attributes.get(name) is not None for name in ("default", "identity", "generated"))


def is_rewritten(place: Place, relation: str) -> bool:
    """Whether the statement wrote the table anew."""
    return any(each.relation == relation for each in place.effects.rewrites)


@rule(
    "add-column-not-null-no-default",
    Section.ADD_COLUMN,
    About(
        catches="a NOT NULL column without a default is added to a table that has rows",
        effect="PostgreSQL refuses it (23502) as soon as the table has one row",
        why="it fails on any table with rows; on an empty one the INSERTs of the running release would break",
        instead="add it with a server default, or nullable first, fill it, and set NOT NULL in a later revision",
        bad='op.add_column("users", sa.Column("plan", sa.Text(), nullable=False))',
        good='op.add_column("users", sa.Column("plan", sa.Text(), nullable=False, server_default="free"))',
    ),
)
def add_column_not_null_no_default(context: Context) -> Iterator[Hit]:
    """Judged by the column as PostgreSQL stored it: a domain's own default counts only if it is the column's."""
    for place in context.places:
        for column in added(context, place):
            relation = owner_of(column.name)
            filled = fills_itself(column) or relation in place.effects.writes  # by the same piece of code
            if column.attributes.get("nullable") is not False or filled:
                continue
            table = context.table(place, relation)
            type_ = advice.text(column, "type")
            message = f"adds {column.name} ({type_}) NOT NULL without a default to {relation}"
            if table is not None:
                message = f"{message}; the table has {in_words(table.rows)} rows"
            yield Hit(
                place,
                column.name,
                message,
                advice.filled_column(column, _labels(place, type_)),
                Severity.WARNING if table is None else Severity.ERROR,
            )


def _labels(place: Place, type_: str) -> tuple[str, ...]:
    enum = place.find(Kind.ENUM, type_)
    return advice.texts(enum, "labels") if enum is not None else ()
