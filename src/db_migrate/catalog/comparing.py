"""What of an object is compared, and when two objects under different names are the same."""

from __future__ import annotations

import re
from collections.abc import Mapping

from db_migrate.catalog.objects import CONSTRAINT_KINDS, ROUTINE_KINDS, Catalog, Kind, SchemaObject, Value
from db_migrate.catalog.tokens import last_part, replace_names, split_name

NAME_ONLY_KINDS = CONSTRAINT_KINDS | {Kind.INDEX, Kind.STATISTICS, Kind.TRIGGER, Kind.POLICY, Kind.RULE}
"""Kinds whose name nothing depends on: under another name they are the same thing."""

OWN_SEQUENCE = "nextval(<own sequence>)"
SUBJECT_KINDS = frozenset({Kind.COMMENT, Kind.OWNER, Kind.GRANT})
"""Kinds that say something about another object, whose name is the first part of theirs."""


def comparable(item: SchemaObject, catalog: Catalog) -> Mapping[str, Value]:
    """The attributes as they are compared.

    A serial's default does not depend on its own sequence's name; whether a column that its parent has too was also
    declared by the table itself makes no difference to anybody.
    """
    if item.kind is not Kind.COLUMN:
        return item.attributes
    if own_sequence(item, catalog) is not None:
        return {n: OWN_SEQUENCE if n == "default" else v for n, v in item.attributes.items() if n != "inherited"}
    if "inherited" in item.attributes:
        return {n: v for n, v in item.attributes.items() if n != "inherited"}
    return item.attributes


def draws_numbers(item: SchemaObject) -> bool:
    """Whether the default takes numbers from a sequence, which may or may not be the column's own."""
    default = item.attributes.get("default")
    return isinstance(default, str) and default.startswith("nextval('")


def depends_on_others(item: SchemaObject) -> bool:
    """Whether what is compared of the object depends on what else there is: only serials and their sequences do."""
    return item.kind is Kind.SEQUENCE or (item.kind is Kind.COLUMN and draws_numbers(item))


def own_sequence(column: SchemaObject, catalog: Catalog) -> SchemaObject | None:
    """The sequence that a serial column's default uses and that the column owns, or None."""
    if not draws_numbers(column):
        return None
    default = str(column.attributes["default"])
    name = default.removeprefix("nextval('").removesuffix("'::regclass)").replace("''", "'")
    sequence = catalog.get(Kind.SEQUENCE, name)
    owned = sequence is not None and sequence.attributes.get("owned_by") == column.name
    return sequence if owned else None


def is_serial(sequence: SchemaObject, catalog: Catalog) -> bool:
    """Whether a sequence belongs to a serial column."""
    owner = sequence.attributes.get("owned_by")
    column = catalog.get(Kind.COLUMN, owner) if isinstance(owner, str) else None
    return column is not None and own_sequence(column, catalog) is sequence


def is_name_only(item: SchemaObject, catalog: Catalog) -> bool:
    """Whether the object under another name would be the same thing."""
    return item.kind in NAME_ONLY_KINDS or (item.kind is Kind.SEQUENCE and is_serial(item, catalog))


def identity(item: SchemaObject, catalog: Catalog) -> object:
    """What two objects under different names must share to be one object that was renamed."""
    if item.kind is Kind.SEQUENCE and is_serial(item, catalog):
        return (item.kind, item.attributes["owned_by"], _values(item.attributes))
    attributes = dict(comparable(item, catalog))
    if isinstance(text := attributes.get("definition"), str):
        attributes["definition"] = nameless(item, text)
    place = item.position if item.kind is Kind.COLUMN else None
    return (item.kind, item.parent, place, _values(attributes))


def _values(attributes: Mapping[str, Value]) -> tuple[tuple[str, Value], ...]:
    return tuple(sorted(attributes.items()))


def nameless(item: SchemaObject, text: str) -> str:
    """A definition without the object's own name."""
    if item.kind is Kind.STATISTICS:
        lines = (re.sub(r"STATISTICS .*?(?= \(| ON | SET )", "STATISTICS", line, count=1) for line in text.split("\n"))
        return "\n".join(lines)
    if item.kind in ROUTINE_KINDS:
        name = item.name[: item.name.index("(", len(split_name(item.name)[0]))]
        return text.replace(f"{name}(", "<name>(", 1)
    if item.parent is not None:
        return replace_names(text, {last_part(item.name): "<name>"})
    return text.replace(item.name, "<name>", 1)


def uniqueness(item: SchemaObject) -> object | None:
    """What a unique constraint shares with the plain unique index that does the same; None for everything else."""
    attributes = item.attributes
    plain_index = item.kind is Kind.INDEX and attributes.get("unique") and attributes.get("valid")
    if item.kind is not Kind.UNIQUE and not plain_index:
        return None
    special = ("deferrable", "expression", "predicate", "opclass", "order", "collation", "statistics")
    if any(attributes.get(name) for name in special) or attributes.get("method", "btree") != "btree":
        return None
    shared = ("columns", "include", "nulls_not_distinct", "storage_parameters", "tablespace")
    return ("uniqueness", item.parent, *(attributes.get(name) for name in shared))


def subject_of(item: SchemaObject) -> str:
    """The name of the object that a comment, an owner or a grant is about."""
    return item.name.rsplit(" TO ", 1)[0] if item.kind is Kind.GRANT else item.name


def chosen_not_null(item: SchemaObject) -> bool:
    """Whether a NOT NULL constraint differs from what ``NOT NULL`` on the column makes in nothing but its name."""
    return item.kind is Kind.NOT_NULL and bool(item.attributes["validated"]) and not item.attributes["no_inherit"]


_CONSTRAINT_NAME = re.compile(r' CONSTRAINT ("(?:[^"]|"")*"|\S+) CHECK ')


def without_check_names(definition: str) -> tuple[str, ...]:
    """A domain's definition without the names of its checks, and so in no order of theirs."""
    parts = _CONSTRAINT_NAME.split(definition)
    return (parts[0], *sorted(parts[2::2]))


def renamed_constraints(before: SchemaObject, after: SchemaObject) -> bool:
    """Whether two domains differ in nothing but the names of their checks."""
    if before.kind is not Kind.DOMAIN:
        return False
    old, new = (without_check_names(str(o.attributes["definition"])) for o in (before, after))
    return old == new


_EXPRESSIONS = frozenset({"default", "expression", "predicate", "generated"})
_LITERAL_CASTS = (
    (re.compile(r"\(('(?:[^']|'')*')::(?:character varying|text)\)::(?:character varying|text)(?![ (])"), r"\1::text"),
    (re.compile(r"('(?:[^']|'')*')::character varying(?![ (])"), r"\1::text"),
    (re.compile(r"\((-?\d+)\)::(?:bigint|integer|smallint)\b"), r"\1"),
)


def loosely(name: str, value: Value) -> Value:
    """An attribute's value without the casts of literals that a change of a column's type leaves behind.

    ``ALTER COLUMN … TYPE text`` keeps a default as ``'x'::character varying`` where a new table has ``'x'::text``, and
    ``(ARRAY[1, 2])`` where it has ``(ARRAY[(1)::bigint, …])``: stored differently, but the same value.
    """
    if name not in _EXPRESSIONS or not isinstance(value, str) or "::" not in value:
        return value
    for pattern, replacement in _LITERAL_CASTS:
        value = pattern.sub(replacement, value)
    return value
