"""Section C: changes of a column's type and of whether it may be NULL."""

from __future__ import annotations

from collections.abc import Iterator

from db_migrate.catalog.change import Action
from db_migrate.catalog.objects import Kind
from db_migrate.rules import advice
from db_migrate.rules.context import Context, Hit, Place
from db_migrate.rules.names import owner_of
from db_migrate.rules.registry import About, Section, rule


def type_changes(context: Context, place: Place) -> Iterator[tuple[str, str, str]]:
    """Existing columns whose type the statement changed: the column, the type before, the type after."""
    for change in place.changes(Kind.COLUMN, Action.ALTERED):
        if context.fresh(place, change.object) or context.fresh(place, owner_of(change.object)):
            continue
        for attribute in change.attributes:
            if attribute.name == "type":
                yield change.object, str(attribute.from_), str(attribute.to)


@rule(
    "set-not-null-scan",
    Section.TYPE,
    About(
        catches="SET NOT NULL on a column of a table with rows that has to look at every row",
        effect="ACCESS EXCLUSIVE while the table is scanned; none where a valid CHECK (c IS NOT NULL) proves it",
        why="nobody can read or write the table until every row has been looked at",
        instead="prove it first with a CHECK that is added NOT VALID and validated; then SET NOT NULL scans nothing",
        versions="12 and later take a valid CHECK for proof; 18 also has NOT NULL ... NOT VALID",
        bad='op.alter_column("users", "full_name", nullable=False)',
        good="""
op.create_check_constraint("users_full_name_set", "users", "full_name IS NOT NULL", postgresql_not_valid=True)
with op.get_context().autocommit_block():
    op.execute("ALTER TABLE users VALIDATE CONSTRAINT users_full_name_set")
op.alter_column("users", "full_name", nullable=False)
op.drop_constraint("users_full_name_set", "users", type_="check")
""",
    ),
)
def set_not_null_scan(context: Context) -> Iterator[Hit]:
    """Proved by the scan itself."""
    for place in context.places:
        for column in made_not_null(place):
            relation = owner_of(column)
            if context.exempt(place, relation) or relation not in place.effects.scans:
                continue
            yield Hit(
                place,
                column,
                f"looks at every row of {context.size(place, relation)} while reads and writes wait",
                advice.not_null_by_check(column),
                context.block_severity(place),
            )


def made_not_null(place: Place) -> Iterator[str]:
    """The existing columns that no longer take NULL after the statement."""
    for change in place.changes(Kind.COLUMN, Action.ALTERED):
        if any(a.name == "nullable" and a.to is False for a in change.attributes):
            yield change.object
