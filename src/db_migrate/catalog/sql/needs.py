"""What each object of a catalog needs: what ``pg_depend`` said, and what follows from its place and its attributes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property

from db_migrate.catalog.comparing import SUBJECT_KINDS, subject_of
from db_migrate.catalog.objects import (
    RELATION_KINDS,
    TABLE_KINDS,
    Catalog,
    Key,
    Kind,
    SchemaObject,
    Value,
)
from db_migrate.catalog.sql.steps import parents_of, text, texts
from db_migrate.catalog.tokens import last_part, mentions, reference, split_name

_MENTIONING = ("columns", "include", "expression", "predicate", "definition", "on_delete")
_TABLE_RANKS = (*RELATION_KINDS, Kind.SEQUENCE)


class Needs:
    """Who needs whom within one catalog. Worked out for those who are asked about: a change concerns few of many."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._relations = {o.name: o.key for o in catalog.of_kinds(*_TABLE_RANKS)}
        self._schemas = {o.name: o.key for o in catalog.of_kinds(Kind.SCHEMA)}
        self._found: dict[Key, frozenset[Key]] = {}

    def of(self, key: Key) -> frozenset[Key]:
        """The keys of the objects that an object needs directly; none where there is no such object."""
        if key not in self._found:
            item = self._catalog.objects.get(key)
            self._found[key] = frozenset(self._of(item)) - {key} if item is not None else frozenset()
        return self._found[key]

    def dependents(self, key: Key) -> frozenset[Key]:
        """The keys of the objects that need an object directly."""
        if key not in self._catalog.objects:
            return frozenset()
        return frozenset(each for each in self._candidates(key) if key in self.of(each))

    def _candidates(self, key: Key) -> Iterable[Key]:
        """All that may need an object, and more."""
        kind, name = key
        if kind is Kind.SCHEMA:
            return self._catalog.objects
        item = self._catalog.objects[key]
        relation = name if kind in _TABLE_RANKS else item.parent
        around = self._around.get(name, []) + (self._around.get(relation, []) if relation and relation != name else [])
        children = self._catalog.children.get(relation or "", ())
        return {*self._named.get(key, ()), *around, *(each.key for each in children)}

    @cached_property
    def _by_name(self) -> Mapping[str, list[Key]]:
        """Whatever somebody may say something about, by name."""
        found: dict[str, list[Key]] = defaultdict(list)
        for item in self._catalog:
            if item.kind not in SUBJECT_KINDS:
                found[item.name].append(item.key)
        return found

    @cached_property
    def _named(self) -> Mapping[Key, list[Key]]:
        """For each key those who have it from ``pg_depend``."""
        found: dict[Key, list[Key]] = defaultdict(list)
        for own, item in self._catalog.objects.items():
            for key in item.needs:
                found[key].append(own)
        return found

    @cached_property
    def _around(self) -> Mapping[str, list[Key]]:
        """By name: who is about it, inherits from it, is attached to it, refers to it, or needed a column it had."""
        found: dict[str, list[Key]] = defaultdict(list)
        for key, item in self._catalog.objects.items():
            if item.kind in SUBJECT_KINDS:
                found[subject_of(item)].append(key)
            elif item.kind in TABLE_KINDS:
                for parent in parents_of(item):
                    found[parent].append(key)
            elif item.kind is Kind.FOREIGN_KEY:
                found[reference(text(item, "referenced"))[0]].append(key)
            elif (attached := item.attributes.get("attached_to")) is not None:
                found[str(attached)].append(key)
            for kind, name in item.needs:
                if kind is Kind.COLUMN:
                    found[_table_of(name)].append(key)
        return found

    def _of(self, item: SchemaObject) -> Iterator[Key]:
        for key in item.needs:
            if key in self._catalog.objects:
                yield key
            elif key[0] is Kind.COLUMN:
                yield from self._relation(_table_of(key[1]))
        if item.kind in SUBJECT_KINDS:
            yield from self._by_name.get(subject_of(item), ())
        else:
            yield from self._schema(item)
        if item.parent is not None:
            yield from self._relation(item.parent)
            if item.kind is not Kind.COLUMN:
                yield from self._mentioned_columns(item)
        yield from self._from_attributes(item)

    def _schema(self, item: SchemaObject) -> Iterator[Key]:
        schema = self._schemas.get(split_name(item.name)[0])
        if schema is not None and schema != item.key:
            yield schema

    def _relation(self, name: str) -> Iterator[Key]:
        if name in self._relations:
            yield self._relations[name]

    def _mentioned_columns(self, item: SchemaObject) -> Iterator[Key]:
        mentioned = [item.attributes[n] for n in _MENTIONING if n in item.attributes]
        for column in self._catalog.children.get(item.parent or "", ()):
            if column.kind is Kind.COLUMN and any(_mentions(value, last_part(column.name)) for value in mentioned):
                yield column.key

    def _from_attributes(self, item: SchemaObject) -> Iterator[Key]:
        if item.kind in TABLE_KINDS:
            for parent in parents_of(item):
                yield from self._relation(parent)
        elif item.kind is Kind.FOREIGN_KEY:
            yield from self._referenced(item)
        elif item.kind is Kind.COLUMN:
            generated = text(item, "generated")
            for other in self._catalog.children.get(item.parent or "", ()) if generated else ():
                if other.kind is Kind.COLUMN and other is not item and mentions(generated, last_part(other.name)):
                    yield other.key
        elif (attached := item.attributes.get("attached_to")) is not None:
            yield (Kind.INDEX, str(attached))

    def _referenced(self, item: SchemaObject) -> Iterator[Key]:
        table, columns = reference(text(item, "referenced"))
        yield from self._relation(table)
        names = [name.removesuffix(" PERIOD") for name in columns]
        yield from ((Kind.COLUMN, f"{table}.{name}") for name in names)
        yield from _unique_keys(self._catalog.children.get(table, ()), frozenset(names))


def _table_of(column: str) -> str:
    return column[: -len(last_part(column)) - 1]


def _mentions(value: Value, name: str) -> bool:
    if isinstance(value, str):
        return mentions(value, name)
    return isinstance(value, tuple) and any(mentions(part, name) for part in value)


def _unique_keys(items: Iterable[SchemaObject], names: frozenset[str]) -> Iterator[Key]:
    """The constraints and unique indexes of a table over these columns: what a foreign key can refer to."""
    for item in items:
        unique = item.kind in (Kind.PRIMARY_KEY, Kind.UNIQUE) or (
            item.kind is Kind.INDEX and item.attributes["unique"] and item.attributes.get("predicate") is None
        )
        if unique:
            columns = (name.removesuffix(" WITHOUT OVERLAPS") for name in texts(item.attributes["columns"]))
            if frozenset(columns) == names:
                yield item.key


def closure(start: Iterable[Key], needs: Callable[[Key], Iterable[Key]]) -> set[Key]:
    """All that can be reached from some keys, themselves included."""
    found: set[Key] = set()
    waiting = list(start)
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting += needs(key)
    return found
