"""Expressions that differ in their text, put before PostgreSQL: does it store both the same way?

Two catalogs that reached us by different ways may print one expression in two ways. Each text is parsed again over
the columns of its table, in a table that nobody keeps, and printed; what then is the same was no change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from db_migrate.catalog.canonical import canonical_expression
from db_migrate.catalog.change import Action, AttributeChange, Change
from db_migrate.catalog.objects import Catalog, Kind, SchemaObject
from db_migrate.catalog.tokens import last_part

Judge = Callable[[str], str | None]
"""Runs a script of several statements with ``search_path = pg_catalog``, of which the last returns one text, rolls it
back, and returns the text; None when PostgreSQL refuses the script."""

_TABLE = "pg_temp.db_migrate_settle"
_CONSTRAINT = f"SELECT pg_get_expr(conbin, conrelid) FROM pg_constraint WHERE conrelid = '{_TABLE}'::regclass"
_DEFAULT = f"SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = '{_TABLE}'::regclass"


def settle(changes: Iterable[Change], to: Catalog, judge: Judge) -> tuple[Change, ...]:
    """The changes without those attributes, and then without those changes, that PostgreSQL says are the same.

    ``to`` is the catalog that the changes lead to; ``judge`` runs on a database that has its types and functions.
    Only expressions are judged: of checks, defaults, generated columns and index predicates.
    """
    settled = []
    for change in changes:
        if change.action is not Action.ALTERED:
            settled.append(change)
            continue
        rest = tuple(each for each in change.attributes if not _is_same(change, each, to, judge))
        if rest:
            settled.append(change if rest == change.attributes else replace(change, attributes=rest))
    return tuple(settled)


def _is_same(change: Change, attribute: AttributeChange, to: Catalog, judge: Judge) -> bool:
    old, new = attribute.from_, attribute.to
    if not isinstance(old, str) or not isinstance(new, str):
        return False
    printed = []
    for text in (old, new):
        script = _script(change, attribute.name, text, to)
        answer = judge(script) if script else None
        if answer is None:
            return False
        printed.append(canonical_expression(answer))
    return printed[0] == printed[1]


def _script(change: Change, attribute: str, text: str, to: Catalog) -> str:
    """What parses an expression and prints it; empty for what is no expression."""
    relation = change.parent or ""
    columns = [c for c in to.columns(relation) if c.attributes.get("generated") is None or c.name == change.object]
    generated = change.kind is Kind.COLUMN and attribute == "generated"
    declared = ", ".join(_declared(c) for c in columns if not generated or c.name != change.object)
    table = f"CREATE TEMPORARY TABLE db_migrate_settle ({declared});"
    if (change.kind, attribute) in (
        (Kind.CHECK, "expression"),
        (Kind.INDEX, "predicate"),
        (Kind.EXCLUSION, "predicate"),
    ):
        return f"{table} ALTER TABLE {_TABLE} ADD CHECK ({text}); {_CONSTRAINT} AND contype = 'c'"
    if change.kind is not Kind.COLUMN:
        return ""
    name = last_part(change.object)
    if attribute == "default":
        return f"{table} ALTER TABLE {_TABLE} ALTER COLUMN {name} SET DEFAULT {text}; {_DEFAULT}"
    if generated:
        stored, _, expression = text.partition(" ")
        item = to.objects[Kind.COLUMN, change.object]
        added = f"ADD COLUMN {_declared(item)} GENERATED ALWAYS AS {expression} {stored}"
        return f"{table} ALTER TABLE {_TABLE} {added}; {_DEFAULT}"
    return ""


def _declared(column: SchemaObject) -> str:
    collation = column.attributes.get("collation")
    return f"{last_part(column.name)} {column.attributes['type']}" + (f" COLLATE {collation}" if collation else "")
