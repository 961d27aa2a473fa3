"""Which change each statement is part of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from db_migrate.catalog.change import Action, Change
from db_migrate.catalog.comparing import SUBJECT_KINDS, subject_of
from db_migrate.catalog.consequences import not_null_column, parents
from db_migrate.catalog.objects import RELATION_KINDS, ROUTINE_KINDS, TYPE_KINDS, Key, Kind, SchemaObject
from db_migrate.catalog.sql.steps import Sides, text
from db_migrate.catalog.tokens import last_part, reference, without_last


class Owners:
    """The changes of a list, found by the objects that they are about or whose differences follow from them."""

    def __init__(self, changes: Sequence[Change], sides: Sides, names: Mapping[Key, Key]) -> None:
        """``names`` has the keys of objects that the changes call otherwise than the sides do, by what those say."""
        self._changes = changes
        self._sides = sides
        self._altering: dict[Key, int] = {}
        self._renaming: dict[Key, int] = {}
        for place, change in enumerate(changes):
            table = self._renaming if change.action is Action.RENAMED else self._altering
            for name in (change.object, change.from_object):
                if name is not None:
                    key = (change.kind, name)
                    table.setdefault(key if table is self._renaming else names.get(key, key), place)
        self._columns: dict[str, list[int]] = {}
        for place, change in enumerate(changes):
            if change.kind is Kind.COLUMN and change.parent is not None:
                _, column = names.get((Kind.COLUMN, change.object), (Kind.COLUMN, change.object))
                self._columns.setdefault(without_last(column), []).append(place)

    def of_rename(self, kind: Kind, new: str) -> int | None:
        """The change that a rename is."""
        return self._renaming.get((kind, new))

    def of(self, key: Key) -> int | None:
        """The change that an object's statements are part of, or None when no change of the list is about it."""
        item = self._sides.after.objects.get(key) or self._sides.before.objects.get(key)
        if item is None:
            return None
        for candidate in self._candidates(item):
            if candidate in self._altering:
                return self._altering[candidate]
        return self._renaming.get(key)

    def _candidates(self, item: SchemaObject, seen: frozenset[Key] = frozenset()) -> Iterator[Key]:
        if item.key in seen:
            return
        seen |= {item.key}
        yield item.key
        for key in self._wholes(item):
            whole = self._sides.after.objects.get(key) or self._sides.before.objects.get(key)
            if whole is not None:
                yield from self._candidates(whole, seen)
        yield from (key for key in item.needs if key[0] in (Kind.COLUMN, Kind.ENUM))

    def _wholes(self, item: SchemaObject) -> Iterator[Key]:
        """What an object is part of."""
        if item.kind is Kind.NOT_NULL:
            yield (Kind.COLUMN, not_null_column(item))
        if item.parent is not None:
            yield from ((kind, item.parent) for kind in RELATION_KINDS)
        if item.kind is Kind.COLUMN:
            for side in (self._sides.after, self._sides.before):
                names = parents(item.parent or "", side)
                yield from ((Kind.COLUMN, f"{parent}.{last_part(item.name)}") for parent in sorted(names))
            yield from self._primary_keys(item)
        owner = item.attributes.get("owned_by")
        if item.kind is Kind.SEQUENCE and isinstance(owner, str):
            yield (Kind.COLUMN, owner)
            yield from ((kind, without_last(owner)) for kind in RELATION_KINDS)
        if (partition_of := item.attributes.get("partition_of")) is not None:
            yield from ((kind, str(partition_of)) for kind in (Kind.TABLE, Kind.PARTITION))
        if item.kind in SUBJECT_KINDS:
            subject = subject_of(item)
            kinds = (*RELATION_KINDS, *TYPE_KINDS, *ROUTINE_KINDS)
            yield from ((kind, subject) for kind in Kind if kind not in SUBJECT_KINDS and kind not in kinds)
            yield from ((kind, subject) for kind in kinds)

    def _primary_keys(self, column: SchemaObject) -> Iterator[Key]:
        for side in (self._sides.after, self._sides.before):
            for item in side.children.get(column.parent or "", ()):
                if item.kind is Kind.PRIMARY_KEY and last_part(column.name) in (item.attributes["columns"] or ()):  # type: ignore[operator]
                    yield item.key

    def by_column(self, key: Key) -> int | None:
        """A change of a column of the same table, which an object's other text follows from; None where none is."""
        item = self._sides.after.objects.get(key) or self._sides.before.objects.get(key)
        if item is None:
            return None
        tables = (item.parent or "", reference(text(item, "referenced"))[0])
        return next((place for table in tables for place in self._columns.get(table, ())), None)
