"""What of another side's schema the models can be held against: the metadata's own, and tables that it should have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from db_migrate.catalog.comparing import SUBJECT_KINDS
from db_migrate.catalog.objects import CONSTRAINT_KINDS, Catalog, Kind, SchemaObject
from db_migrate.catalog.tokens import plain, split_name, unquoted, without_last
from db_migrate.schemas.models import Models

_PARTS = CONSTRAINT_KINDS | {Kind.COLUMN, Kind.INDEX}

_STAND_INS = (Kind.VIEW, Kind.MATERIALIZED_VIEW, Kind.FOREIGN_TABLE, Kind.PARTITION)
"""What may stand in for a mapped table: it is then not missing."""

_INEXPRESSIBLE: Mapping[Kind, frozenset[str]] = {
    Kind.TABLE: frozenset({"row_security", "replica_identity", "cluster_on"}),
    Kind.COLUMN: frozenset({"storage", "compression", "statistics", "storage_parameters"}),
    Kind.INDEX: frozenset({"statistics"}),
}
"""Attributes that SQLAlchemy has no word for: compared only where the models set them, by DDL events."""


def comparable_with_models(other: Catalog, models: Models) -> tuple[Catalog, Catalog]:
    """The other side and the models, each reduced to what may be compared.

    Things that models cannot express are not missing from them: of triggers, policies, views, functions and the like
    only those count that the models made themselves, through DDL events. A table that the metadata does not know
    counts unless env.py's filters hide it, it is a partition, or its schema is none of the metadata's. An enum that no
    model has counts where nothing needs it but columns that go, or that get another type.
    """
    declared = models.catalog
    kept_tables = {o.name for o in other.of_kinds(Kind.TABLE) if _counts(o, models)}
    kept_tables |= {o.name for o in other.of_kinds(Kind.PARTITION, Kind.FOREIGN_TABLE) if o.key in declared.objects}
    theirs_only = [other.objects[key] for key in other.objects.keys() - declared.objects.keys()]

    def keep(item: SchemaObject) -> bool:
        if item.kind is Kind.TABLE:
            return item.name in kept_tables
        if item.kind in _PARTS:
            return item.parent in kept_tables
        if item.kind is Kind.SEQUENCE:
            owner = item.attributes.get("owned_by")
            return isinstance(owner, str) and without_last(owner) in kept_tables
        return False

    foreign = [o for o in theirs_only if not keep(o)]
    enums = {o.key for o in foreign if o.kind is Kind.ENUM and _in_schemas(o, models)}
    if enums:
        enums -= {(Kind.ENUM, name) for name in _types_in_use(declared, foreign)}
    left_out = models.hidden | _stand_ins(other, declared)
    gone = [o.key for o in foreign if o.key not in enums]
    wanted = _without_their_enums(_apart(declared, left_out), declared, other)
    return _expressible(_apart(other.without(gone), left_out), declared), wanted


def _without_their_enums(wanted: Catalog, declared: Catalog, other: Catalog) -> Catalog:
    """What is wanted of the declared, without the enums that only what is left out has, and that are not there."""
    gone, kept = (
        {_element(column) for column in side.of_kinds(Kind.COLUMN)}
        for side in (declared.without(wanted.objects), wanted)
    )
    enums = {(Kind.ENUM, name) for name in gone - kept} if wanted is not declared else set()
    return wanted.without(enums - other.objects.keys())


def _types_in_use(declared: Catalog, foreign: Iterable[SchemaObject]) -> set[str]:
    """The types that what stays needs: columns of the models, and what the models have no word for."""
    in_use = {_element(column) for column in declared.of_kinds(Kind.COLUMN)}
    for item in foreign:
        if item.kind not in SUBJECT_KINDS:
            in_use |= {name for kind, name in item.needs if kind is Kind.ENUM}
            in_use |= {_element(item)} if item.kind is Kind.COLUMN else set()
    return in_use


def _apart(catalog: Catalog, names: frozenset[str]) -> Catalog:
    """The catalog without the objects of these names and what belongs to them."""
    return catalog.only(lambda o: not _is_of(o, names)) if names else catalog


def _element(column: SchemaObject) -> str:
    """A column's type, or that of its array's elements."""
    return str(column.attributes["type"]).removesuffix("[]")


def _stand_ins(other: Catalog, declared: Catalog) -> frozenset[str]:
    """The mapped tables in whose place the other side has a view, a foreign table or a partition."""
    return frozenset(
        o.name
        for o in other.of_kinds(*_STAND_INS)
        if o.key not in declared.objects and (Kind.TABLE, o.name) in declared.objects
    )


def _is_of(item: SchemaObject, names: frozenset[str]) -> bool:
    """Whether the object has one of the names, or belongs to what has."""
    owner = item.attributes.get("owned_by")
    of_column = isinstance(owner, str) and (owner in names or without_last(owner) in names)
    return item.name in names or item.parent in names or of_column


def _counts(table: SchemaObject, models: Models) -> bool:
    if table.key in models.catalog.objects:
        return True
    if plain(table.name) in models.facts.version_tables:
        return False
    return _in_schemas(table, models)


def _in_schemas(item: SchemaObject, models: Models) -> bool:
    schema = unquoted(split_name(item.name)[0])
    return models.facts.include_schemas or schema in ("public", *models.facts.schemas)


def _expressible(theirs: Catalog, declared: Catalog) -> Catalog:
    """The catalog without attributes that the models have no word for and did not set."""
    found = {}
    for item in theirs.of_kinds(*_INEXPRESSIBLE):
        names, key = _INEXPRESSIBLE[item.kind], item.key
        if names.isdisjoint(item.attributes):
            continue
        twin = declared.objects.get(key)
        hidden = {n for n in names if twin is None or n not in twin.attributes}
        found[key] = replace(item, attributes={n: v for n, v in item.attributes.items() if n not in hidden})
    return replace(theirs, objects=MappingProxyType({**theirs.objects, **found})) if found else theirs
