"""Columns: their definition within CREATE TABLE, ADD COLUMN, and every change of an attribute in place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from db_migrate.catalog.comparing import own_sequence
from db_migrate.catalog.objects import Catalog, Kind, SchemaObject
from db_migrate.catalog.sql.steps import (
    Sides,
    Steps,
    comment,
    differing,
    own_not_null,
    set_parameters,
    table_of,
    text,
)
from db_migrate.catalog.tokens import last_part, literal, split_list

_STRINGS = frozenset({"text", "character varying", "character", "name"})
_NUMBERS = frozenset({"smallint", "integer", "bigint", "numeric", "real", "double precision", "money"})
_TIMES = frozenset({"date", "timestamp without time zone", "timestamp with time zone"})
_IN_TWO_STEPS = "the column is dropped and added again: its values are computed anew, or lost where they are not"


def definition(column: SchemaObject, catalog: Catalog) -> str:
    """The column as CREATE TABLE and ADD COLUMN take it."""
    parts = [last_part(column.name), text(column, "type")]
    if (collation := column.attributes.get("collation")) is not None:
        parts.append(f"COLLATE {collation}")
    if (fdw := column.attributes.get("options")) is not None:
        parts.append(f"OPTIONS ({fdw})")
    parts += _value_clauses(column)
    if not column.attributes["nullable"]:
        parts += _not_null_clause(column, catalog)
    return " ".join(parts)


def _value_clauses(column: SchemaObject) -> Iterator[str]:
    attributes = column.attributes
    if (default := attributes.get("default")) is not None:
        yield f"DEFAULT {default}"
    if (identity := attributes.get("identity")) is not None:
        yield f"GENERATED {_identity_clause(str(identity))}"
    if (generated := attributes.get("generated")) is not None:
        stored, _, expression = str(generated).partition(" ")
        yield f"GENERATED ALWAYS AS {expression} {stored}"


def _identity_clause(identity: str) -> str:
    mode, bracket, rest = identity.partition(" (")
    return f"{mode} AS IDENTITY{bracket}{rest}"


def _not_null_clause(column: SchemaObject, catalog: Catalog) -> Iterator[str]:
    named = own_not_null(column, catalog)
    if named is None:
        yield "NOT NULL"
    elif named.attributes["validated"]:
        suffix = " NO INHERIT" if named.attributes["no_inherit"] else ""
        yield f"CONSTRAINT {last_part(named.name)} NOT NULL{suffix}"


def extras(column: SchemaObject) -> Iterator[str]:
    """What CREATE TABLE and ADD COLUMN cannot say about a column."""
    alter = _alter(column)
    attributes = column.attributes
    if (storage := attributes.get("storage")) is not None:
        yield f"{alter} SET STORAGE {storage}"
    if (compression := attributes.get("compression")) is not None:
        yield f"{alter} SET COMPRESSION {compression}"
    if (statistics := attributes.get("statistics")) is not None:
        yield f"{alter} SET STATISTICS {statistics}"
    yield from set_parameters(alter, None, attributes.get("storage_parameters"))
    if (described := attributes.get("comment")) is not None:
        yield comment(f"COLUMN {column.name}", described)


def _alter(column: SchemaObject) -> str:
    return f"ALTER TABLE {column.parent} ALTER COLUMN {last_part(column.name)}"


def create(column: SchemaObject, sides: Sides) -> Steps:
    """Add the column to its table, or give a view's column its default."""
    if table_of(column.parent or "", sides.after) is None:
        return Steps(
            (f"ALTER VIEW {column.parent} ALTER COLUMN {last_part(column.name)} SET DEFAULT {column.definition}",)
        )
    if (Kind.PARTITION, column.parent) in sides.after.objects:
        return Steps(tuple(override(column, sides.after)))
    note = ""
    attributes = column.attributes
    valued = any(attributes.get(name) is not None for name in ("default", "identity", "generated"))
    if not attributes["nullable"] and not valued:
        note = "NOT NULL without a default: adding it fails on a table that has rows"
    statement = f"ALTER TABLE {column.parent} ADD COLUMN {definition(column, sides.after)}"
    return Steps((statement, *extras(column)), note=note)


def override(column: SchemaObject, catalog: Catalog) -> Iterator[str]:
    """What makes a partition's column differ from the column of its parent."""
    partition = catalog.objects[Kind.PARTITION, column.parent or ""]
    parent = catalog.get(Kind.COLUMN, f"{partition.attributes['partition_of']}.{last_part(column.name)}")
    if parent is None:
        return
    alter = _alter(column)
    if column.attributes.get("default") != parent.attributes.get("default"):
        yield _set_default(column)
    if parent.attributes["nullable"] and not column.attributes["nullable"] and own_not_null(column, catalog) is None:
        yield f"{alter} SET NOT NULL"
    yield from _physical(parent, column, alter)


def _set_default(column: SchemaObject) -> str:
    default = column.attributes.get("default")
    return f"{_alter(column)} " + ("DROP DEFAULT" if default is None else f"SET DEFAULT {default}")


def drop(column: SchemaObject, sides: Sides) -> Steps:
    """Drop the column, or take a view's column's default away."""
    if table_of(column.parent or "", sides.before) is None:
        return Steps((f"ALTER VIEW {column.parent} ALTER COLUMN {last_part(column.name)} DROP DEFAULT",))
    if (Kind.PARTITION, column.parent) in sides.before.objects:
        return Steps(tuple(_as_parent(column, sides)))
    return Steps((f"ALTER TABLE {column.parent} DROP COLUMN {last_part(column.name)}",))


def _as_parent(column: SchemaObject, sides: Sides) -> Iterator[str]:
    """What makes a partition's column again like the column of its parent."""
    partition = sides.after.get(Kind.PARTITION, column.parent or "")
    parent = (
        sides.after.get(Kind.COLUMN, f"{partition.attributes['partition_of']}.{last_part(column.name)}")
        if partition is not None
        else None
    )
    if parent is None:
        return
    alter = _alter(column)
    if column.attributes.get("default") != parent.attributes.get("default"):
        default = parent.attributes.get("default")
        yield f"{alter} " + ("DROP DEFAULT" if default is None else f"SET DEFAULT {default}")
    if column.attributes["nullable"] != parent.attributes["nullable"] and own_not_null(column, sides.before) is None:
        yield f"{alter} {'DROP' if parent.attributes['nullable'] else 'SET'} NOT NULL"
    yield from _physical(column, parent, alter, f"COLUMN {column.name}")


def alter(before: SchemaObject, after: SchemaObject, sides: Sides) -> Steps:
    """Change the column in place where PostgreSQL can; else drop it and add it again."""
    names = set(differing(before, after)) - {"inherited"}
    if before.attributes.get("default") == after.attributes.get("default") and _own_sequences(before, after, sides):
        names.add("default")
    if table_of(after.parent or "", sides.after) is None:
        return create(after, sides)
    generated = _generated(before, after, sides.major) if "generated" in names else ()
    if generated is None or (generated and _is_checked_virtual(after, sides)):
        return Steps(replace=True, note=_IN_TWO_STEPS)
    retyped = bool(names & {"type", "collation"})
    if retyped and before.attributes.get("generated") and after.attributes.get("generated"):
        return Steps(replace=True, note=_IN_TWO_STEPS)
    main = [*generated]
    if retyped:
        main.append(retype(before, after))
    main += _nullability(before, after, sides)
    main += _values(before, after, names, retyped, sides)
    main += _physical(before, after, _alter(after), f"COLUMN {after.name}")
    main += _again_for_heirs(after, names, sides)
    return Steps(tuple(main), release=tuple(_release(before, after, names, retyped)), note=_note(names, before, after))


def _is_checked_virtual(column: SchemaObject, sides: Sides) -> bool:
    """Whether the column is virtual and its table has checks, where PostgreSQL 18 has no SET EXPRESSION."""
    virtual = text(column, "generated").startswith("VIRTUAL")
    return virtual and any(
        o.kind is Kind.CHECK for side in (sides.before, sides.after) for o in side.children.get(column.parent or "", ())
    )


def _own_sequences(before: SchemaObject, after: SchemaObject, sides: Sides) -> bool:
    return (own_sequence(before, sides.before) is None) is not (own_sequence(after, sides.after) is None)


def _note(names: set[str], before: SchemaObject, after: SchemaObject) -> str:
    if "type" in names and needs_using(text(before, "type"), text(after, "type")):
        return "values that cannot be converted make it fail"
    if "generated" in names and after.attributes.get("generated") is None:
        return "the values stay as they were last computed"
    return ""


def _release(before: SchemaObject, after: SchemaObject, names: set[str], retyped: bool) -> Iterator[str]:
    alter = _alter(after)
    if "identity" in names and after.attributes.get("identity") is None:
        yield f"{alter} DROP IDENTITY"
    if before.attributes.get("default") is not None and ("default" in names or retyped):
        yield f"{alter} DROP DEFAULT"


def _generated(before: SchemaObject, after: SchemaObject, major: int) -> tuple[str, ...] | None:
    """What changes a generated column in place; None where it has to be made again."""
    old, new = (str(c.attributes.get("generated") or "").partition(" ") for c in (before, after))
    if not new[0]:
        return (f"{_alter(after)} DROP EXPRESSION",) if old[0] == "STORED" and major >= 13 else None
    if old[0] == new[0] and major >= 17:
        return (f"{_alter(after)} SET EXPRESSION AS {new[2]}",)
    return None


def retype(before: SchemaObject, after: SchemaObject) -> str:
    """``ALTER COLUMN … TYPE`` with the collation and, where the cast is not automatic, how values are converted."""
    statement = f"{_alter(after)} TYPE {after.attributes['type']}"
    if (collation := after.attributes.get("collation")) is not None:
        statement += f" COLLATE {collation}"
    using = needs_using(text(before, "type"), text(after, "type"))
    return f"{statement} USING {using.format(column=last_part(after.name))}" if using else statement


def needs_using(old: str, new: str) -> str:
    """How values of one type become those of another where PostgreSQL does not do so by itself; else empty."""
    old_base, new_base = _base(old), _base(new)
    if "money" in (old_base, new_base) and {old_base, new_base} <= _NUMBERS - {"numeric"}:
        return f"{{column}}::numeric::{new}"  # the one number that is cast to money and back
    if (
        old_base == new_base
        or new_base in _STRINGS
        or {old_base, new_base} <= _NUMBERS
        or {old_base, new_base} <= _TIMES
    ):
        return ""
    if old_base in _STRINGS or {old_base, new_base} in ({"boolean", "integer"}, {"json", "jsonb"}):
        return f"{{column}}::{new}"
    return f"{{column}}::text::{new}"


def _base(name: str) -> str:
    return re.sub(r"\([^)]*\)", "", name).strip()


def _nullability(before: SchemaObject, after: SchemaObject, sides: Sides) -> Iterator[str]:
    if before.attributes["nullable"] == after.attributes["nullable"]:
        return
    listed = own_not_null(before, sides.before), own_not_null(after, sides.after)
    if listed == (None, None):
        yield f"{_alter(after)} {'DROP' if after.attributes['nullable'] else 'SET'} NOT NULL"


def _values(before: SchemaObject, after: SchemaObject, names: set[str], retyped: bool, sides: Sides) -> Iterator[str]:
    attributes = after.attributes
    old_sequence, new_sequence = own_sequence(before, sides.before), own_sequence(after, sides.after)
    if ("default" in names or retyped) and attributes.get("default") is not None:
        yield f"{_alter(after)} SET DEFAULT {attributes['default']}"
        if new_sequence is not None and old_sequence is None:
            yield _numbers_go_on(after, literal(new_sequence.name), None)
    if "identity" in names and attributes.get("identity") is not None:
        new = str(attributes["identity"])
        if before.attributes.get("identity") is None:
            if old_sequence is not None:  # else it would still be the one that pg_get_serial_sequence finds
                yield f"ALTER SEQUENCE {old_sequence.name} OWNED BY NONE"
            yield f"{_alter(after)} ADD GENERATED {_identity_clause(new)}"
            own = f"pg_catalog.pg_get_serial_sequence({literal(after.parent or '')}, {literal(_plain_name(after))})"
            yield _numbers_go_on(after, own, old_sequence)
        else:
            yield from _alter_identity(before, after)


def _plain_name(column: SchemaObject) -> str:
    name = last_part(column.name)
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _numbers_go_on(column: SchemaObject, sequence: str, old: SchemaObject | None, least: int | None = None) -> str:
    """A new sequence goes on after the highest number in the table, and after the last one that ``old`` gave.

    Numbers below ``least`` are none of the sequence's.
    """
    name = last_part(column.name)
    if old is None:
        counts = "IS NOT NULL" if least is None else f">= {least}"
        return (
            f"SELECT pg_catalog.setval({sequence}, pg_catalog.max({name})) FROM {column.parent}"
            f" HAVING pg_catalog.max({name}) {counts}"
        )
    return (
        f"SELECT pg_catalog.setval({sequence}, GREATEST(s.last_value, m.highest), s.is_called OR m.highest IS NOT NULL)"
        f" FROM {old.name} AS s, (SELECT pg_catalog.max({name}) AS highest FROM {column.parent}) AS m"
    )


_IDENTITY_OPTION = re.compile(r"(START WITH|INCREMENT BY|MINVALUE|MAXVALUE|CACHE|CYCLE)(?: (-?\d+))?")
_LARGEST = {"smallint": 32767, "integer": 2147483647, "bigint": 9223372036854775807}


@dataclass(frozen=True, slots=True)
class _Numbers:
    """The options of an identity as they are in force, whether they were said or not."""

    mode: str
    increment: int
    low: int
    high: int
    start: int
    cache: int
    cycle: bool

    @classmethod
    def of(cls, column: SchemaObject) -> _Numbers:
        identity = text(column, "identity")
        said = {name: int(value or 1) for name, value in _IDENTITY_OPTION.findall(identity)}
        largest, increment = _LARGEST[text(column, "type")], said.get("INCREMENT BY", 1)
        low = said.get("MINVALUE", 1 if increment > 0 else -largest - 1)
        high = said.get("MAXVALUE", largest if increment > 0 else -1)
        start = said.get("START WITH", low if increment > 0 else high)
        mode = identity.partition(" (")[0]
        return cls(mode, increment, low, high, start, said.get("CACHE", 1), "CYCLE" in said)


def _alter_identity(before: SchemaObject, after: SchemaObject) -> Iterator[str]:
    old, new = _Numbers.of(before), _Numbers.of(after)
    clauses = [f"SET GENERATED {new.mode}"] if old.mode != new.mode else []
    turned = (old.increment > 0) != (new.increment > 0)
    clauses += [f"SET INCREMENT BY {new.increment}"] if old.increment != new.increment else []
    # Limits that were the usual ones of the other direction or type stay what they were unless they are said again.
    said = turned or text(before, "type") != text(after, "type")
    clauses += [_limit("MINVALUE", new.low, after)] if said or old.low != new.low else []
    clauses += [_limit("MAXVALUE", new.high, after)] if said or old.high != new.high else []
    clauses += [f"SET START WITH {new.start}"] if old.start != new.start else []
    clauses += [f"SET CACHE {new.cache}"] if old.cache != new.cache else []
    clauses += [f"SET {'' if new.cycle else 'NO '}CYCLE"] if old.cycle != new.cycle else []
    excluded = not new.low <= old.start <= new.high
    if turned or excluded:
        clauses.append("RESTART")
    if clauses:
        yield f"{_alter(after)} {' '.join(clauses)}"
    if excluded and new.increment > 0:
        own = f"pg_catalog.pg_get_serial_sequence({literal(after.parent or '')}, {literal(_plain_name(after))})"
        yield _numbers_go_on(after, own, None, new.low)


def _limit(option: str, value: int, column: SchemaObject) -> str:
    """``NO MINVALUE`` and the like where that is what it would be anyway."""
    said = _IDENTITY_OPTION.findall(text(column, "identity"))
    return f"SET {option} {value}" if any(name == option for name, _ in said) else f"SET NO {option}"


def _physical(before: SchemaObject, after: SchemaObject, alter: str, described: str = "") -> Iterator[str]:
    """Storage, compression, statistics, options and comment."""
    old, new = before.attributes, after.attributes
    if old.get("storage") != new.get("storage"):
        yield f"{alter} SET STORAGE {new.get('storage') or _usual_storage(after)}"
    if old.get("compression") != new.get("compression"):
        yield f"{alter} SET COMPRESSION {new.get('compression') or 'default'}"
    if old.get("statistics") != new.get("statistics"):
        yield f"{alter} SET STATISTICS {-1 if new.get('statistics') is None else new['statistics']}"
    yield from set_parameters(alter, old.get("storage_parameters"), new.get("storage_parameters"))
    if old.get("options") != new.get("options"):
        yield f"{alter} OPTIONS ({change_options(text(before, 'options'), text(after, 'options'))})"
    if old.get("comment") != new.get("comment"):
        yield comment(described or f"COLUMN {after.name}", new.get("comment"))


def _usual_storage(column: SchemaObject) -> str:
    """How values of the column's type are usually stored; ``SET STORAGE DEFAULT`` exists only since 16."""
    return "MAIN" if _base(text(column, "type")) in ("numeric", "inet", "cidr", "tsquery") else "EXTENDED"


def change_options(before: str, after: str) -> str:
    """What ``OPTIONS (…)`` takes to lead from one list of options to another."""
    old, new = (dict(split_list(option, " ")[:2] for option in split_list(options)) for options in (before, after))
    parts = [f"DROP {name}" for name in old if name not in new]
    parts += [
        f"{'SET' if name in old else 'ADD'} {name} {value}" for name, value in new.items() if old.get(name) != value
    ]
    return ", ".join(parts)


def _again_for_heirs(column: SchemaObject, names: set[str], sides: Sides) -> Iterator[str]:
    """Setting a default reaches the heirs too; those that have their own get it back."""
    if "default" not in names:
        return
    waiting = list(sides.after_heirs.get(column.parent or "", ()))
    while waiting:
        heir = waiting.pop()
        own = sides.after.get(Kind.COLUMN, f"{heir}.{last_part(column.name)}")
        if own is not None and own.attributes.get("default") != column.attributes.get("default"):
            yield _set_default(own)
        waiting += sides.after_heirs.get(heir, ())
