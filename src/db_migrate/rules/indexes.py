"""Section E: indexes that are built, dropped and rebuilt."""

from __future__ import annotations

from collections.abc import Iterator

from db_migrate.catalog.change import Action
from db_migrate.catalog.objects import Kind, SchemaObject
from db_migrate.rules import advice
from db_migrate.rules.context import Context, Hit, Place, locked
from db_migrate.rules.registry import About, Section, rule
from db_migrate.trace.effects import LockMode


def built(context: Context, place: Place) -> Iterator[SchemaObject]:
    """The indexes that the statement created on relations which existed before and hold rows."""
    names = {build.index for build in place.effects.index_builds}
    for change in place.changes(Kind.INDEX, Action.CREATED):
        index = place.find(Kind.INDEX, change.object)
        if index is None or index.parent is None or context.exempt(place, index.parent):
            continue
        if index.name in names:
            yield index


@rule(
    "create-index-blocking",
    Section.INDEX,
    About(
        catches="an index is built on a table with rows under a lock that stops writes",
        effect="SHARE on the table until the transaction ends; the build reads the whole table",
        why="every INSERT, UPDATE and DELETE on the table waits until the index is built",
        instead="CREATE INDEX CONCURRENTLY in an autocommit block",
        bad='op.create_index("ix_users_full_name", "users", ["full_name"])',
        good="""
with op.get_context().autocommit_block():
    op.create_index("ix_users_full_name", "users", ["full_name"], postgresql_concurrently=True)
""",
    ),
)
def create_index_blocking(context: Context) -> Iterator[Hit]:
    """CONCURRENTLY holds SHARE UPDATE EXCLUSIVE, which stops nobody; a lock from before the build counts elsewhere."""
    for place in context.places:
        for index in built(context, place):
            relation = index.parent or ""
            mode = locked(place, relation, LockMode.SHARE)
            if mode is None or is_partitioned(place, relation):
                continue
            waiting = " and ".join(mode.blocks)
            yield Hit(
                place,
                index.name,
                f"builds {index.name} on {context.size(place, relation)} under {mode} while {waiting} wait",
                advice.create_index_concurrently(index),
                context.block_severity(place),
            )


def is_partitioned(place: Place, relation: str) -> bool:
    """Whether the relation is a partitioned parent, which has no CONCURRENTLY."""
    table = place.find(Kind.TABLE, relation)
    return table is not None and table.attributes.get("partition_key") is not None
