"""The scratch database's catalog while a trace runs: read once, then only what a statement may have changed.

What a statement may have changed is told by the rows that PostgreSQL counts in its system catalogs and by the locks
that it took: nothing of a relation changes without a lock stronger than those of reading and writing rows. Reading all
of a catalog takes PostgreSQL 30 ms for 20 tables and 350 ms for 500; reading two tables of either takes 5 ms.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain

import msgspec

from db_migrate.catalog.change import Change
from db_migrate.catalog.diff import diff
from db_migrate.catalog.objects import RELATION_KINDS, TABLE_KINDS, Catalog, Key, Kind, SchemaObject
from db_migrate.catalog.reader import QUERIES, objects_in
from db_migrate.trace.observation import BY_RELATION, CatalogRows, Relation, asking, part, whole

Query = Callable[[str], str | None]
"""Runs one query with one value as its answer on the connection that is being looked through."""

_OWN: Mapping[str, frozenset[str]] = {
    "schemas": frozenset({"pg_namespace"}),
    "extensions": frozenset({"pg_extension"}),
    "types": frozenset({"pg_type", "pg_enum", "pg_range"}),
    "functions": frozenset({"pg_proc", "pg_aggregate"}),
    "operators": frozenset(
        {"pg_operator", "pg_cast", "pg_collation", "pg_ts_config", "pg_ts_config_map", "pg_ts_dict"}
    ),
    "publications": frozenset({"pg_publication", "pg_publication_rel", "pg_publication_namespace"}),
    "foreign": frozenset({"pg_foreign_data_wrapper", "pg_foreign_server"}),
    "comments": frozenset({"pg_description"}),
    "sequences": frozenset({"pg_sequence"}),
    "tables": frozenset({"pg_inherits", "pg_description", "pg_partitioned_table", "pg_foreign_table"}),
    "columns": frozenset({"pg_attrdef", "pg_description", "pg_sequence", "pg_inherits"}),
    "constraints": frozenset({"pg_constraint"}),
    "indexes": frozenset({"pg_index", "pg_inherits"}),
    "statistics": frozenset({"pg_statistic_ext"}),
    "views": frozenset({"pg_rewrite", "pg_attrdef"}),
    "triggers": frozenset({"pg_trigger", "pg_policy", "pg_rewrite", "pg_event_trigger"}),
}
"""The catalogs whose rows show in each part, but for the four below that show in many."""

_BY_KIND: Mapping[str, frozenset[str]] = {
    "sequences": frozenset("S"),
    "tables": frozenset("rpf"),
    "constraints": frozenset("iI"),
    "indexes": frozenset("iI"),
    "views": frozenset("vm"),
}
"""The kinds of relation whose own row in pg_class shows in each part, apart from its name."""

_TYPES_TOO = frozenset({"pg_constraint", "pg_attribute"})
"""Where the checks of domains and the attributes of composite types are."""

_NAMED_ELSEWHERE = ("schemas", "extensions", "types", "functions", "operators", "foreign")
"""Parts whose objects are mentioned in the printed form of others, which nobody locks when one of them is renamed."""

_NAMING = ("comments", "publications", "functions")
"""Parts whose objects mention relations, and what belongs to them, by name."""

_IGNORED = frozenset({"pg_statistic", "pg_statistic_ext_data"})
_LINKS = frozenset({"pg_depend", "pg_shdepend", "pg_init_privs"})
_MENTIONED = ("pg_enum", "pg_authid", "pg_tablespace", "pg_am", "pg_language", "pg_opclass")
"""When a row of these is updated, the printed form of anything may change."""

_TABLE = re.compile(r'(?:"(?:[^"]|"")*"|[^"(])+')

_Row = tuple[int, str, str, int | None, int, int | None, bool, bool]


class Unreadable(Exception):
    """Another session's lock is in the way of printing the catalog."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What reading again has found: the changes, and the relations before and after that were concerned.

    ``validated`` are the foreign keys among the changes that now hold for every row: table and referenced table.
    ``objects`` are what the changes left of the objects that they are about, and all that was read beside them.
    """

    changes: tuple[Change, ...] = ()
    objects: Catalog | None = None
    before: Mapping[int, Relation] = field(default_factory=dict)
    after: Mapping[int, Relation] = field(default_factory=dict)
    validated: frozenset[tuple[str, str]] = frozenset()


_Owned = dict[str, tuple[SchemaObject, ...]]
"""Objects by the relation that they belong to; those of no relation under the empty name."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What was read again: the relations that could have changed, and parts of the catalog with all that is in them."""

    reach: frozenset[int]
    relations: dict[int, Relation]
    wholes: Mapping[str, tuple[SchemaObject, ...]]
    owned: Mapping[str, _Owned]

    @property
    def keys(self) -> frozenset[Key]:
        """What identifies the objects that belong to relations."""
        return frozenset(o.key for groups in self.owned.values() for group in groups.values() for o in group)

    def with_more(self, other: _Found) -> _Found:
        """Both together."""
        return replace(self, wholes={**self.wholes, **other.wholes}, owned={**self.owned, **other.owned})


class Snapshot:
    """A catalog that is kept up to date."""

    def __init__(self, server_version: int) -> None:
        self.server_version = server_version
        self._whole: dict[str, tuple[SchemaObject, ...]] = {}
        self._owned: dict[str, _Owned] = {name: {} for name in BY_RELATION}
        self._catalog: Catalog | None = None
        self.relations: dict[int, Relation] = {}

    @property
    def catalog(self) -> Catalog:
        """The catalog as last read."""
        if self._catalog is None:
            owned = (group for groups in self._owned.values() for group in groups.values())
            self._catalog = Catalog.of(chain.from_iterable((*self._whole.values(), *owned)), self.server_version)
        return self._catalog

    def refresh(
        self,
        query: Query,
        changed: Mapping[str, CatalogRows] | None,
        strong: frozenset[int] = frozenset(),
        touched: frozenset[int] | None = None,
    ) -> Refreshed:
        """Read again what may have changed when these catalogs' rows did; everything when None.

        ``strong`` are the relations that the transaction holds so that it could change them, ``touched`` those of them
        that the last statement was about, where that is known (see ``touched.py``). Raises ``Unreadable``; the snapshot
        is then as it was.
        """
        if changed is None:
            return self._refresh_all(query)
        changed = {name: rows for name, rows in changed.items() if name not in _IGNORED}
        if not changed:
            return Refreshed()
        updated = (changed[name].updated for name in _MENTIONED if name in changed)
        if changed.keys() <= _LINKS or "pg_extension" in changed or any(updated):
            return self._refresh_all(query)
        if "pg_inherits" in changed:
            touched = None
        return self._refresh_some(query, self._stale(changed, strong), touched)

    def _refresh_all(self, query: Query) -> Refreshed:
        before, old_relations = self.catalog, self.relations
        *texts, relations = _answers(query, asking([whole(name) for name in (*QUERIES, "relations")]))
        for name, text in zip(QUERIES, texts, strict=True):
            found = _as_known(objects_in(_text(text)), before)
            if name in BY_RELATION:
                self._owned[name] = _by_owner(found)
            else:
                self._whole[name] = found
        self.relations = _relations(relations)
        self._catalog = None
        return _refreshed(before, self.catalog, old_relations, self.relations)

    def _refresh_some(self, query: Query, stale: frozenset[str], touched: frozenset[int] | None) -> Refreshed:
        found = self._ask(query, stale, touched)
        if any(self._loses(name, found.wholes[name]) for name in _NAMED_ELSEWHERE if name in found.wholes):
            return self._refresh_all(query)
        old_relations = {o: r for o, r in self.relations.items() if o in found.reach or r.table in found.reach}
        owners = {r.name for r in (*old_relations.values(), *found.relations.values())} | {""}
        lost = {o.key for o in self._belonging(owners, found.owned)} - found.keys
        if lost:  # what was renamed or dropped is mentioned by what belongs to the same relations, and by its name
            rest = {name for name in BY_RELATION if self._owned[name]} | {name for name in _NAMING if self._whole[name]}
            found = found.with_more(self._ask(query, frozenset(rest - stale), touched))
        old = [*self._belonging(owners), *chain.from_iterable(self._whole[name] for name in found.wholes)]
        self._replace(found.owned, owners)
        self._whole |= found.wholes
        new = [*self._belonging(owners), *chain.from_iterable(found.wholes.values())]
        self.relations = {o: r for o, r in self.relations.items() if o not in old_relations} | found.relations
        self._catalog = None
        before, after = (Catalog.of(objects, self.server_version) for objects in (old, new))
        return _refreshed(before, after, old_relations, found.relations)

    def _ask(self, query: Query, names: frozenset[str], touched: frozenset[int] | None) -> _Found:
        wholes = [name for name in QUERIES if name in names and name not in BY_RELATION]
        owned = [name for name in BY_RELATION if name in names]
        reach, *texts, relations = _answers(
            query, asking([*map(whole, wholes), *map(part, owned), part("relations")], reach=True, touched=touched)
        )
        objects = [objects_in(_text(text)) for text in texts]
        return _Found(
            reach=frozenset(msgspec.json.decode(reach, type=list[int])),
            relations=_relations(relations),
            wholes=dict(zip(wholes, objects[: len(wholes)], strict=True)),
            owned={name: _by_owner(each) for name, each in zip(owned, objects[len(wholes) :], strict=True)},
        )

    def _stale(self, changed: Mapping[str, CatalogRows], strong: frozenset[int]) -> frozenset[str]:
        """The parts to be read again, as long as nothing turns out to be renamed."""
        none = CatalogRows()
        relations, columns, constraints, indexes, types = (
            changed.get(name, none) for name in ("pg_class", "pg_attribute", "pg_constraint", "pg_index", "pg_type")
        )
        found = {name for name, own in _OWN.items() if not own.isdisjoint(changed)}
        if self._whole["types"] and not _TYPES_TOO.isdisjoint(changed):
            found.add("types")
        if relations.updated:
            kinds = {self.relations[oid].kind for oid in strong if oid in self.relations}
            found |= {name for name, own in _BY_KIND.items() if not own.isdisjoint(kinds)}
        if relations.deleted or types.inserted or indexes.updated:
            found.add("tables")
        if constraints.inserted:  # USING INDEX: the index is the constraint's from then on
            found.add("indexes")
        if columns.updated or columns.deleted or relations.updated or types.inserted or constraints.updated:
            found.add("columns")
        return frozenset(found | ({"columns"} if constraints.deleted else set()))

    def _loses(self, name: str, found: tuple[SchemaObject, ...]) -> bool:
        return bool({o.key for o in self._whole[name]} - {o.key for o in found})

    def _belonging(self, owners: set[str], parts: Iterable[str] = BY_RELATION) -> Iterator[SchemaObject]:
        for name in parts:
            groups = self._owned[name]
            for owner in owners & groups.keys():
                yield from groups[owner]

    def _replace(self, found: Mapping[str, _Owned], owners: set[str]) -> None:
        for name, groups in found.items():
            for owner in owners & self._owned[name].keys():
                del self._owned[name][owner]
            self._owned[name].update(groups)


def _as_known(found: Iterable[SchemaObject], before: Catalog) -> tuple[SchemaObject, ...]:
    """What was read, with the object itself that was known where it is as it was: catalogs of a history share most."""
    known = before.objects
    return tuple(old if (old := known.get(each.key)) == each and old is not None else each for each in found)


def _refreshed(before: Catalog, after: Catalog, old: Mapping[int, Relation], new: Mapping[int, Relation]) -> Refreshed:
    changes = diff(before, after, known=_renamed(old, new))
    keys = (after.get(c.kind, c.object) for c in changes if c.kind is Kind.FOREIGN_KEY)
    validated = (
        (key.parent or "", _referenced_table(str(key.attributes["referenced"])))
        for key in keys
        if key is not None and key.attributes["validated"] and key.attributes["enforced"]
    )
    return Refreshed(changes, after, old, new, frozenset(validated))


def _renamed(old: Mapping[int, Relation], new: Mapping[int, Relation]) -> dict[Key, str]:
    """The tables that have another name than before, which need not look alike."""
    names = ((old[oid].name, new[oid].name) for oid in old.keys() & new.keys())
    return {(kind, one): other for one, other in names if one != other for kind in TABLE_KINDS}


def _referenced_table(referenced: str) -> str:
    """The table of ``schema.table(column, …)``."""
    found = _TABLE.match(referenced)
    return found[0] if found else referenced


def _answers(query: Query, question: str) -> list[msgspec.Raw]:
    text = query(question)
    if text is None:
        raise Unreadable
    return msgspec.json.decode(text, type=list[msgspec.Raw])


def _by_owner(objects: tuple[SchemaObject, ...]) -> _Owned:
    found: dict[str, list[SchemaObject]] = {}
    for each in objects:
        own = each.kind in RELATION_KINDS or each.kind is Kind.SEQUENCE
        found.setdefault(each.name if own else each.parent or "", []).append(each)
    return {owner: tuple(group) for owner, group in found.items()}


def _relations(answer: msgspec.Raw) -> dict[int, Relation]:
    return {row[0]: Relation(*row[1:]) for row in msgspec.json.decode(answer, type=list[_Row])}


def _text(answer: msgspec.Raw) -> str:
    return bytes(answer).decode()
