"""The values that a catalog is made of. Pure: nothing here talks to a server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType

Value = None | bool | int | str | tuple[str, ...]
"""What an attribute can hold: a scalar as PostgreSQL prints it, or an ordered list of such texts."""


class Kind(StrEnum):
    """The kinds of object that a catalog tells apart, in the order in which they can be created."""

    SCHEMA = "schema"
    EXTENSION = "extension"
    COLLATION = "collation"
    ENUM = "enum"
    DOMAIN = "domain"
    COMPOSITE_TYPE = "composite_type"
    RANGE_TYPE = "range_type"
    FOREIGN_DATA_WRAPPER = "foreign_data_wrapper"
    FOREIGN_SERVER = "foreign_server"
    SEQUENCE = "sequence"
    FUNCTION = "function"
    PROCEDURE = "procedure"
    AGGREGATE = "aggregate"
    OPERATOR = "operator"
    CAST = "cast"
    TEXT_SEARCH = "text_search"
    TABLE = "table"
    FOREIGN_TABLE = "foreign_table"
    PARTITION = "partition"
    COLUMN = "column"
    NOT_NULL = "not_null"
    PRIMARY_KEY = "primary_key"
    UNIQUE = "unique"
    CHECK = "check"
    EXCLUSION = "exclusion"
    INDEX = "index"
    FOREIGN_KEY = "foreign_key"
    STATISTICS = "statistics"
    VIEW = "view"
    MATERIALIZED_VIEW = "materialized_view"
    RULE = "rule"
    TRIGGER = "trigger"
    POLICY = "policy"
    EVENT_TRIGGER = "event_trigger"
    PUBLICATION = "publication"
    SUBSCRIPTION = "subscription"
    COMMENT = "comment"
    OWNER = "owner"
    GRANT = "grant"
    DEFAULT_PRIVILEGE = "default_privilege"


CONSTRAINT_KINDS = frozenset(
    {Kind.PRIMARY_KEY, Kind.UNIQUE, Kind.CHECK, Kind.EXCLUSION, Kind.FOREIGN_KEY, Kind.NOT_NULL}
)
RELATION_KINDS = frozenset({Kind.TABLE, Kind.FOREIGN_TABLE, Kind.PARTITION, Kind.VIEW, Kind.MATERIALIZED_VIEW})
TABLE_KINDS = frozenset({Kind.TABLE, Kind.FOREIGN_TABLE, Kind.PARTITION})
TYPE_KINDS = frozenset({Kind.ENUM, Kind.DOMAIN, Kind.COMPOSITE_TYPE, Kind.RANGE_TYPE})
ROUTINE_KINDS = frozenset({Kind.FUNCTION, Kind.PROCEDURE, Kind.AGGREGATE})
RANK = MappingProxyType({kind: index for index, kind in enumerate(Kind)})
"""The place of each kind in the order of creation."""

Key = tuple[Kind, str]
"""What identifies an object within a catalog."""

EMPTY: Mapping[str, Value] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class SchemaObject:
    """One object of a schema as PostgreSQL stores it.

    ``name`` is fully qualified and quoted only where SQL needs it (``public.users.email``; an index, a type or a
    view is ``schema.name``; a function ``schema.name(integer, text)``). ``parent`` is the qualified relation that a
    column, constraint, index, trigger, policy or rule belongs to. ``attributes`` are what is compared, under the
    names of the published JSON. ``definition`` is the SQL that makes the object where PostgreSQL prints one.
    ``position`` orders columns within their table; it is reported, and is not drift. ``needs`` are the keys of
    objects elsewhere that this one cannot do without, as ``pg_depend`` knows them: they order SQL and are not compared.
    """

    kind: Kind
    name: str
    parent: str | None = None
    attributes: Mapping[str, Value] = field(default_factory=lambda: EMPTY)
    definition: str = ""
    position: int = 0
    needs: tuple[tuple[Kind, str], ...] = ()

    @property
    def key(self) -> tuple[Kind, str]:
        """What identifies the object within a catalog."""
        return (self.kind, self.name)


@dataclass(frozen=True, slots=True)
class NotCovered:
    """Something that exists and that the catalog says nothing about, with the reason."""

    kind: str
    name: str
    reason: str


@dataclass(frozen=True)
class Catalog:
    """An immutable, ordered description of a schema.

    ``server_version`` is PostgreSQL's ``server_version_num``; texts of two catalogs may be compared only when both
    come from one major version.
    """

    server_version: int
    objects: Mapping[tuple[Kind, str], SchemaObject]
    not_covered: tuple[NotCovered, ...] = ()

    @classmethod
    def of(
        cls, objects: Iterable[SchemaObject], server_version: int, not_covered: Iterable[NotCovered] = ()
    ) -> Catalog:
        """Build a catalog with its objects in the canonical order: by kind, then by name."""
        ordered = sorted(objects, key=lambda o: (RANK[o.kind], o.name))
        return cls.in_order(ordered, server_version, not_covered)

    @classmethod
    def in_order(
        cls, objects: Iterable[SchemaObject], server_version: int, not_covered: Iterable[NotCovered] = ()
    ) -> Catalog:
        """As ``of``, for objects that are in the canonical order already."""
        return cls(server_version, MappingProxyType({(o.kind, o.name): o for o in objects}), tuple(not_covered))

    def __iter__(self) -> Iterator[SchemaObject]:
        return iter(self.objects.values())

    def __len__(self) -> int:
        return len(self.objects)

    def get(self, kind: Kind, name: str) -> SchemaObject | None:
        """The object of that kind and qualified name, or None."""
        return self.objects.get((kind, name))

    @cached_property
    def by_kind(self) -> Mapping[Kind, tuple[SchemaObject, ...]]:
        """The objects of each kind, in the canonical order."""
        found: dict[Kind, list[SchemaObject]] = {}
        for each in self:
            found.setdefault(each.kind, []).append(each)
        return MappingProxyType({kind: tuple(members) for kind, members in found.items()})

    def of_kinds(self, *kinds: Kind) -> Iterator[SchemaObject]:
        """The objects of these kinds, in the canonical order."""
        for kind, members in self.by_kind.items():
            if kind in kinds:
                yield from members

    @cached_property
    def children(self) -> Mapping[str, tuple[SchemaObject, ...]]:
        """The objects that belong to each relation, by the relation's qualified name."""
        found: dict[str, list[SchemaObject]] = {}
        for each in self:
            if each.parent is not None:
                found.setdefault(each.parent, []).append(each)
        return MappingProxyType({name: tuple(members) for name, members in found.items()})

    def columns(self, relation: str) -> tuple[SchemaObject, ...]:
        """The columns of a relation in their physical order."""
        members = (o for o in self.children.get(relation, ()) if o.kind is Kind.COLUMN)
        return tuple(sorted(members, key=lambda o: o.position))

    @cached_property
    def fingerprint(self) -> str:
        """A digest of exactly what ``drift`` would call drift: SHA-256, 64 hexadecimal digits."""
        from db_migrate.catalog.fingerprint import fingerprint

        return fingerprint(self)

    def where(self, keep: Iterable[SchemaObject]) -> Catalog:
        """The same catalog with only the given objects, in whatever order."""
        return Catalog.of(keep, self.server_version, self.not_covered)

    def without(self, gone: Iterable[tuple[Kind, str]]) -> Catalog:
        """The same catalog without the objects of these keys; itself where there is none of them."""
        there = [key for key in gone if key in self.objects]
        if not there:
            return self
        kept = dict(self.objects)
        for key in there:
            kept.pop(key, None)
        return replace(self, objects=MappingProxyType(kept))

    def only(self, keep: Callable[[SchemaObject], bool]) -> Catalog:
        """The same catalog with only the objects that ``keep`` is true of; itself where that is all of them."""
        kept = {key: item for key, item in self.objects.items() if keep(item)}
        return self if len(kept) == len(self.objects) else replace(self, objects=MappingProxyType(kept))
