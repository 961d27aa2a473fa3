"""Columns as Python: ``sa.Column``, ``op.add_column``, ``op.drop_column``, ``op.alter_column``."""

from __future__ import annotations

import re
from collections.abc import Mapping

from db_migrate.catalog.objects import Catalog, SchemaObject
from db_migrate.catalog.sql.steps import comment, own_not_null, text
from db_migrate.catalog.tokens import last_part, unquoted
from db_migrate.generate.naming import Names
from db_migrate.generate.pieces import Piece
from db_migrate.generate.types import Types, Written
from db_migrate.rules.python_text import call, string, text_clause

_IDENTITY = re.compile(r"(START WITH|INCREMENT BY|MINVALUE|MAXVALUE|CACHE|CYCLE)(?: (-?\d+))?")
_IDENTITY_OPTIONS: Mapping[str, str] = {
    "START WITH": "start",
    "INCREMENT BY": "increment",
    "MINVALUE": "minvalue",
    "MAXVALUE": "maxvalue",
    "CACHE": "cache",
}
_PHYSICAL = ("options", "inherited")


def column(
    item: SchemaObject, catalog: Catalog, types: Types, *, serial: bool = False, key: bool = False
) -> Written | None:
    """``sa.Column(…)``; None where SQLAlchemy cannot say all of it.

    ``serial``: the sequence is left to SQLAlchemy. ``key``: SQLAlchemy would take it for one whose numbers it makes.
    """
    written = types.of(item, catalog)
    if written is None or own_not_null(item, catalog) is not None or any(n in item.attributes for n in _PHYSICAL):
        return None
    attributes = item.attributes
    default = None if serial else attributes.get("default")
    described = attributes.get("comment")
    python = call(
        "sa.Column",
        string(unquoted(last_part(item.name))),
        written.python,
        _identity(str(attributes["identity"])) if attributes.get("identity") is not None else None,
        _computed(str(attributes["generated"])) if attributes.get("generated") is not None else None,
        autoincrement="True" if serial and not key else "False" if key and not serial and _counts(item) else None,
        server_default=None if default is None else text_clause(str(default)),
        nullable=str(bool(attributes["nullable"])),
        comment=None if described is None else string(str(described)),
    )
    return Written(python, written.imports)


def _counts(item: SchemaObject) -> bool:
    """Whether SQLAlchemy would make the numbers of such a key by itself."""
    attributes = item.attributes
    plain = all(attributes.get(name) is None for name in ("default", "identity", "generated"))
    return plain and text(item, "type") in ("smallint", "integer", "bigint")


def _identity(identity: str) -> str:
    mode, _, options = identity.partition(" (")
    given: dict[str, str | None] = {"always": str(mode == "ALWAYS")}
    for name, value in _IDENTITY.findall(options):
        given["cycle" if name == "CYCLE" else _IDENTITY_OPTIONS[name]] = "True" if name == "CYCLE" else value
    return call("sa.Identity", **given)


def _computed(generated: str) -> str:
    stored, _, expression = generated.partition(" ")
    return call("sa.Computed", text_clause(expression[1:-1]), persisted=str(stored == "STORED"))


def add(item: SchemaObject, catalog: Catalog, types: Types, names: Names, piece: Piece) -> list[Written] | None:
    """``op.add_column`` for ``ADD COLUMN`` and its comment; what else is said about the column stays SQL."""
    if not piece.statements or " ADD COLUMN " not in piece.statements[0]:
        return None
    written = column(item, catalog, types)
    if written is None:
        return None
    table, options = names.of(item.parent or "")
    described = item.attributes.get("comment")
    said = comment(f"COLUMN {item.name}", described) if described is not None else ""
    rest = [names.execute(each) for each in piece.statements[1:] if each != said]
    return [Written(call("op.add_column", table, written.python, **options), written.imports), *rest]


def drop(item: SchemaObject, names: Names, piece: Piece) -> list[Written] | None:
    """``op.drop_column``."""
    if piece.statements != (f"ALTER TABLE {item.parent} DROP COLUMN {last_part(item.name)}",):
        return None
    table, options = names.of(item.parent or "")
    return [Written(call("op.drop_column", table, string(unquoted(last_part(item.name))), **options))]


def alter(
    before: SchemaObject,
    after: SchemaObject,
    sides: tuple[Catalog, Catalog],
    types: tuple[Types, Types],
    names: Names,
    piece: Piece,
) -> list[Written]:
    """Each statement as ``op.alter_column`` where that says the same."""
    table, options = names.of(after.parent or "")
    target = [table, string(unquoted(last_part(after.name)))]
    old, new = types[0].of(before, sides[0]), types[1].of(after, sides[1])
    head = f"ALTER TABLE {after.parent} ALTER COLUMN {last_part(after.name)}"
    found = []
    typed = old
    for statement in piece.statements:
        clause = statement.removeprefix(f"{head} ")
        existing = {"existing_type": typed.python if typed else None}
        imports = typed.imports if typed else frozenset()
        given: dict[str, str | None] = {}
        if clause in ("SET NOT NULL", "DROP NOT NULL"):
            given = {**existing, "nullable": str(clause.startswith("DROP"))}
        elif clause == "DROP DEFAULT" and clause != statement:
            given = {**existing, "server_default": "None"}
        elif clause.startswith("SET DEFAULT ") and clause != statement:
            given = {**existing, "server_default": text_clause(clause.removeprefix("SET DEFAULT "))}
        elif statement == comment(f"COLUMN {after.name}", after.attributes.get("comment")):
            described = after.attributes.get("comment")
            given = {**existing, "comment": "None" if described is None else string(str(described))}
        elif clause.startswith("TYPE ") and clause != statement and old and new and old.python != new.python:
            _, _, using = clause.partition(" USING ")
            given = {**existing, "type_": new.python, "postgresql_using": string(using) if using else None}
            imports, typed = imports | new.imports, new
        if given:
            found.append(Written(call("op.alter_column", *target, **given, **options), imports))
        else:
            found.append(names.execute(statement))
    return found
