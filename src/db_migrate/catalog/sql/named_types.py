"""Enums, domains, composite and range types, and collations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from db_migrate.catalog.objects import Kind, SchemaObject
from db_migrate.catalog.sql.columns import retype
from db_migrate.catalog.sql.steps import Steps, text, texts
from db_migrate.catalog.tokens import inside_brackets, last_part, literal, quoted, split_list, top_level, unquoted

_WORDS = {Kind.DOMAIN: "DOMAIN", Kind.COLLATION: "COLLATION"}
_REMOVED = "a row that still holds a label that is gone makes it fail"


def create(item: SchemaObject) -> Steps:
    """``CREATE TYPE``, ``CREATE DOMAIN`` or ``CREATE COLLATION``."""
    return Steps((creation(item),))


def creation(item: SchemaObject) -> str:
    """The statement that makes the type."""
    if item.kind is not Kind.ENUM:
        return item.definition
    return f"CREATE TYPE {item.name} AS ENUM ({', '.join(map(literal, texts(item.attributes['labels'])))})"


def word(kind: Kind) -> str:
    """What DDL calls a type of that kind."""
    return _WORDS.get(kind, "TYPE")


def drop(item: SchemaObject) -> Steps:
    """``DROP TYPE``, ``DROP DOMAIN`` or ``DROP COLLATION``."""
    return Steps((f"DROP {word(item.kind)} {item.name}",))


def in_place(before: SchemaObject, after: SchemaObject, renamed: Mapping[str, str]) -> Steps | None:
    """What changes a type without touching the columns that use it, or None where that cannot be.

    ``renamed`` are new labels of an enum by the old ones.
    """
    if after.kind is Kind.ENUM:
        return _enum(before, after, renamed)
    if after.kind is Kind.DOMAIN:
        return _domain(before, after)
    if after.kind is Kind.COMPOSITE_TYPE:
        return _composite(before, after)
    return None


def _enum(before: SchemaObject, after: SchemaObject, renamed: Mapping[str, str]) -> Steps | None:
    old, new = texts(before.attributes["labels"]), texts(after.attributes["labels"])
    statement = f"ALTER TYPE {after.name}"
    if renamed:
        return Steps(tuple(rename_label(after.name, a, b) for a, b in renamed.items()))
    if tuple(label for label in new if label in old) != old:
        return None
    main = []
    for place, label in enumerate(new):
        if label not in old:
            where = f" AFTER {literal(new[place - 1])}" if place else f" BEFORE {literal(old[0])}" if old else ""
            last = place and all(later not in old for later in new[place:])
            main.append(f"{statement} ADD VALUE {literal(label)}{'' if last else where}")
    return Steps(tuple(main))


def rename_label(enum: str, old: str, new: str) -> str:
    """``RENAME VALUE``, which touches no row."""
    return f"ALTER TYPE {enum} RENAME VALUE {literal(old)} TO {literal(new)}"


@dataclass(frozen=True, slots=True)
class _Domain:
    """A domain's definition, taken apart."""

    base: str
    default: str | None
    not_null: bool
    checks: dict[str, str]


_CHECK = re.compile(r'("(?:[^"]|"")*"|\S+) (.*)', re.DOTALL)


def _parse_domain(item: SchemaObject) -> _Domain:
    rest = item.definition.removeprefix(f"CREATE DOMAIN {item.name} AS ")
    words = list(top_level(rest))
    marks = [(at, w) for at, w in words if w in ("DEFAULT", "CONSTRAINT")]
    marks += [(at, "NOT NULL") for (at, w), (_, following) in pairwise(words) if (w, following) == ("NOT", "NULL")]
    marks.sort()
    ends = [*(at for at, _ in marks[1:]), len(rest)][: len(marks)]
    base = rest[: marks[0][0]].strip() if marks else rest
    default, not_null, checks = None, False, {}
    for (at, mark), end in zip(marks, ends, strict=True):
        clause = rest[at + len(mark) : end].strip()
        if mark == "DEFAULT":
            default = clause
        elif mark == "NOT NULL":
            not_null = True
        elif (found := _CHECK.match(clause)) is not None:
            checks[found[1]] = found[2]
    return _Domain(base, default, not_null, checks)


def _domain(before: SchemaObject, after: SchemaObject) -> Steps | None:
    old, new = _parse_domain(before), _parse_domain(after)
    if old.base != new.base:
        return None
    statement = f"ALTER DOMAIN {after.name}"
    main = [*_checks(statement, old.checks, new.checks)]
    if old.not_null != new.not_null:
        main.append(f"{statement} {'SET' if new.not_null else 'DROP'} NOT NULL")
    if old.default != new.default:
        main.append(f"{statement} " + ("DROP DEFAULT" if new.default is None else f"SET DEFAULT {new.default}"))
    return Steps(tuple(main))


def _checks(statement: str, old: dict[str, str], new: dict[str, str]) -> Iterator[str]:
    waiting = {check: name for name, check in old.items() if name not in new}
    for name, check in new.items():
        before = old.get(name)
        if before == check:
            continue
        if before is not None and before == f"{check} NOT VALID":
            yield f"{statement} VALIDATE CONSTRAINT {name}"
            continue
        if before is None and check in waiting:
            yield f"{statement} RENAME CONSTRAINT {waiting.pop(check)} TO {name}"
            continue
        if before is not None:
            yield f"{statement} DROP CONSTRAINT {name}"
        yield f"{statement} ADD CONSTRAINT {name} {check}"
    yield from (f"{statement} DROP CONSTRAINT {name}" for name in waiting.values())


def _composite(before: SchemaObject, after: SchemaObject) -> Steps | None:
    old, new = (_attributes_of(item) for item in (before, after))
    kept = [name for name in old if name in new]
    if list(new)[: len(kept)] != kept:
        return None
    statement = f"ALTER TYPE {after.name}"
    main = [f"{statement} DROP ATTRIBUTE {name}" for name in old if name not in new]
    main += [f"{statement} ALTER ATTRIBUTE {n} TYPE {new[n]}" for n in kept if old[n] != new[n]]
    main += [f"{statement} ADD ATTRIBUTE {name} {declared}" for name, declared in new.items() if name not in old]
    return Steps(tuple(main))


_ATTRIBUTE = re.compile(r'("(?:[^"]|"")*"|\S+) (.*)', re.DOTALL)


def _attributes_of(item: SchemaObject) -> dict[str, str]:
    declared = (_ATTRIBUTE.match(part) for part in split_list(inside_brackets(item.definition)))
    return {match[1]: match[2] for match in declared if match is not None}


def aside(name: str) -> str:
    """The unqualified name under which an old type waits until nothing uses it."""
    return quoted(f"{unquoted(last_part(name))[:28]} (old)")


def swap(before: SchemaObject, after: SchemaObject, users: Iterable[tuple[SchemaObject, SchemaObject]]) -> Steps:
    """Put the old type aside, make the new one, move each column over by its text, and drop the old one.

    ``users`` are the columns that have the type on both sides.
    """
    users = list(users)
    if after.kind is Kind.RANGE_TYPE:
        return _by_way_of_text(after, [column for _, column in users])
    kept = f"{after.name[: len(after.name) - len(last_part(after.name))]}{aside(after.name)}"
    main = [f"ALTER {word(after.kind)} {after.name} RENAME TO {aside(after.name)}", creation(after)]
    for _, column in users:
        main.append(_move(column))
    removed = set(texts(before.attributes.get("labels"))) - set(texts(after.attributes.get("labels")))
    return Steps(tuple(main), purge=(f"DROP {word(after.kind)} {kept}",), note=_REMOVED if removed else "")


def _by_way_of_text(after: SchemaObject, users: Iterable[SchemaObject]) -> Steps:
    """A range type cannot wait under another name: its constructor functions would keep theirs."""
    users = list(users)
    main = [f"ALTER TABLE {c.parent} ALTER COLUMN {last_part(c.name)} TYPE text" for c in users]
    main += [f"DROP TYPE {after.name}", creation(after), *map(_move, users)]
    return Steps(tuple(main))


def _move(column: SchemaObject) -> str:
    if text(column, "collation"):
        return retype(column, column)
    name, type_ = last_part(column.name), text(column, "type")
    through = "text[]" if type_.endswith("[]") else "text"
    return f"ALTER TABLE {column.parent} ALTER COLUMN {name} TYPE {type_} USING {name}::{through}::{type_}"
