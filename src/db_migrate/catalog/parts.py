"""What comes and goes with another object, and so is not a change of its own."""

from __future__ import annotations

from collections.abc import Collection

from db_migrate.catalog.comparing import SUBJECT_KINDS, subject_of
from db_migrate.catalog.objects import RELATION_KINDS, Catalog, Key, Kind, SchemaObject
from db_migrate.catalog.tokens import without_last


def is_part_of_another(item: SchemaObject, objects: Collection[Key], names: Collection[str], side: Catalog) -> bool:
    """Whether an object comes and goes with another one of ``objects`` (``names`` are theirs)."""
    if item.parent is not None and any((kind, item.parent) in objects for kind in RELATION_KINDS):
        return True
    if item.kind is Kind.SEQUENCE:
        owner = item.attributes.get("owned_by")
        return isinstance(owner, str) and _has_gone(owner, objects)
    if item.kind in SUBJECT_KINDS:
        subject = subject_of(item)
        return any((kind, subject) in objects for kind in Kind if kind not in SUBJECT_KINDS) or (
            item.kind is Kind.GRANT and (Kind.COLUMN, subject) not in side.objects and without_last(subject) in names
        )
    parent = item.attributes.get("partition_of")
    return isinstance(parent, str) and any((kind, parent) in objects for kind in RELATION_KINDS)


def _has_gone(column: str, objects: Collection[Key]) -> bool:
    table = without_last(column)
    return (Kind.COLUMN, column) in objects or any((kind, table) in objects for kind in RELATION_KINDS)
