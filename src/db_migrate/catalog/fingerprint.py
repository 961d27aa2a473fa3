"""A digest of exactly what ``drift`` would call drift.

What differs in name only (constraints, indexes, a serial's sequence), in physical order, or is only stored
differently (a unique constraint and a plain unique index) has the same digest. Where such a name is mentioned
elsewhere (a comment on a constraint, ``REPLICA IDENTITY USING INDEX``), a digest of what it names stands for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace

import msgspec

from db_migrate.catalog.comparing import (
    SUBJECT_KINDS,
    chosen_not_null,
    comparable,
    depends_on_others,
    identity,
    is_name_only,
    loosely,
    subject_of,
    uniqueness,
    without_check_names,
)
from db_migrate.catalog.objects import TABLE_KINDS, Catalog, Kind, SchemaObject, Value
from db_migrate.catalog.tokens import last_part, replace_names

_INDEX_MENTIONS = ("replica_identity", "cluster_on")


Rows = dict[int, tuple[SchemaObject, bytes]]
"""What stands for objects in a digest, by ``id`` of the object, which is kept so that no other has its number."""

_encode = msgspec.json.Encoder().encode


def fingerprint(catalog: Catalog, known: Rows | None = None) -> str:
    """The SHA-256 of the catalog's drift-relevant content, 64 hexadecimal digits.

    ``known`` has what earlier catalogs have been found to consist of, and is added to: those that share most of their
    objects, as the ones of a history do, need not be looked through one by one.
    """
    rows = sorted(_rows(catalog, {} if known is None else known))
    return hashlib.sha256(b"\n".join(rows)).hexdigest()


def _rows(catalog: Catalog, known: Rows) -> Iterator[bytes]:
    stand_ins = _stand_ins(catalog)
    mentioning = SUBJECT_KINDS | TABLE_KINDS if stand_ins else frozenset()
    for item in catalog:
        if (found := known.get(id(item))) is not None and item.kind not in mentioning:
            yield found[1]
        elif not chosen_not_null(item):
            row = _encode(_row(item, catalog, stand_ins))
            if item.kind not in mentioning and not depends_on_others(item):
                known[id(item)] = (item, row)
            yield row


def _row(item: SchemaObject, catalog: Catalog, stand_ins: Mapping[str, str]) -> object:
    if is_name_only(item, catalog):
        return _nameless_row(item, catalog)
    if item.kind in SUBJECT_KINDS and subject_of(item) in stand_ins:
        return (item.kind, stand_ins[subject_of(item)], _nameless_definition(item))
    attributes = comparable(item, catalog)
    if item.kind is Kind.DOMAIN:
        attributes = {"definition": without_check_names(str(attributes["definition"]))}
    if item.kind in TABLE_KINDS and stand_ins:
        attributes = {n: _stand_in(item, n, v, stand_ins) for n, v in attributes.items()}
    return (item.kind, item.name, item.parent, sorted((n, loosely(n, v)) for n, v in attributes.items()))


def _nameless_row(item: SchemaObject, catalog: Catalog) -> object:
    unique = uniqueness(item)
    if unique is not None:
        return unique
    attributes = {name: loosely(name, value) for name, value in item.attributes.items()}
    return (
        identity(replace(item, attributes=attributes), catalog)
        if attributes != item.attributes
        else identity(item, catalog)
    )


def _stand_ins(catalog: Catalog) -> Mapping[str, str]:
    """For each name that does not count and is mentioned elsewhere, a digest of what it names."""
    mentioned = {subject_of(o) for o in catalog if o.kind in SUBJECT_KINDS}
    for table in catalog:
        if table.kind in TABLE_KINDS:
            mentioned |= {_index_name(table, n) for n in _INDEX_MENTIONS if table.attributes.get(n)}
    found: dict[str, str] = {}
    if not mentioned:
        return found
    for item in catalog:
        if is_name_only(item, catalog) and (item.name in mentioned or _as_index(item) in mentioned):
            digest = hashlib.sha256(msgspec.json.encode(_nameless_row(item, catalog))).hexdigest()
            found[item.name] = found[_as_index(item)] = digest
    return found


def _as_index(item: SchemaObject) -> str:
    """The name under which a table's attributes mention the index of an object."""
    return f"{item.parent} {last_part(item.name)}"


def _index_name(table: SchemaObject, attribute: str) -> str:
    return f"{table.name} {str(table.attributes[attribute]).removeprefix('USING INDEX ')}"


def _stand_in(table: SchemaObject, name: str, value: Value, stand_ins: Mapping[str, str]) -> Value:
    if name not in _INDEX_MENTIONS or not isinstance(value, str):
        return value
    return stand_ins.get(_index_name(table, name), value)


def _nameless_definition(item: SchemaObject) -> Value:
    """A comment's, an owner's or a grant's definition without the name of what it is about."""
    text = item.attributes.get("definition")
    names = {last_part(subject_of(item)): "<name>"}
    if isinstance(text, tuple):
        return tuple(replace_names(part, names) for part in text)
    return replace_names(text, names) if isinstance(text, str) else text
