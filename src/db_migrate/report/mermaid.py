"""Entity-relationship diagrams in Mermaid (https://mermaid.js.org/syntax/entityRelationshipDiagram.html)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from db_migrate.catalog.change import Action, Change
from db_migrate.report.style import Style, name
from db_migrate.report.text.changes import value_text
from db_migrate.results import Schema, SchemaEntry

_TABLES = frozenset({"table", "foreign_table"})
_NOT_A_WORD = re.compile(r"[^A-Za-z0-9_()\[\],-]+")
_REFERENCES = re.compile(r"REFERENCES (.+?)\s*\(")


def schema_mermaid(schema: Schema, _style: Style) -> str:
    """The tables with their columns, and a line for every foreign key."""
    tables = [each for each in schema.objects if each.kind in _TABLES]
    lines = ["erDiagram"]
    for table in tables:
        rows = [(_type(each), _column(each, table.object), "") for each in table.columns]
        lines += entity(table.object, rows)
    known = {each.object for each in tables}
    for each in schema.objects:
        if each.kind == "foreign_key":
            lines += _relation(each, known)
    return "\n".join(lines) + "\n"


def changes_mermaid(changes: Iterable[Change]) -> str:
    """The tables whose columns change, with only those columns; empty when no table's columns change."""
    tables: dict[str, list[tuple[str, str, str]]] = {}
    for change in changes:
        if change.kind == "table":
            tables.setdefault(change.object, [])
        elif change.kind == "column" and change.parent:
            rows = tables.setdefault(change.parent, [])
            rows.append((_change_type(change), change.object.removeprefix(change.parent + "."), change.action.value))
    lines = [line for table, rows in tables.items() for line in entity(table, rows)]
    return "\n".join(["erDiagram", *lines]) if lines else ""


def entity(table: str, rows: Iterable[tuple[str, str, str]]) -> list[str]:
    """The lines of one table: type, column and a comment for each row."""
    inner = [
        f"        {_word(type_)} {_word(column)}" + (f' "{_quoted(comment)}"' if comment else "")
        for type_, column, comment in rows
    ]
    shown = f'    "{_quoted(table)}"'
    return [f"{shown} {{", *inner, "    }"] if inner else [shown]


def _type(column: SchemaEntry) -> str:
    return value_text(column.attributes.get("type"))


def _column(column: SchemaEntry, table: str) -> str:
    return column.object.removeprefix(table + ".")


def _change_type(change: Change) -> str:
    for each in change.attributes:
        if each.name == "type":
            return f"{value_text(each.from_)}_to_{value_text(each.to)}"
    return {Action.CREATED: "new", Action.DROPPED: "gone"}.get(change.action, "column")


def _relation(foreign_key: SchemaEntry, known: set[str]) -> list[str]:
    """``"public.invoices" }o--|| "public.users" : "invoices_user_id_fkey"``."""
    table, _, constraint = foreign_key.object.rpartition(".")
    found = _REFERENCES.search(foreign_key.definition)
    attribute = foreign_key.attributes.get("referenced")
    referenced = found[1] if found else str(attribute[0] if isinstance(attribute, tuple) and attribute else attribute)
    referenced = next((each for each in known if referenced in (each, each.partition(".")[2])), "")
    if table not in known or not referenced:
        return []
    return [f'    "{_quoted(table)}" }}o--|| "{_quoted(referenced)}" : "{_quoted(constraint)}"']


def _word(text: str) -> str:
    """Mermaid takes words without blanks for types and columns."""
    return _NOT_A_WORD.sub("_", text).strip("_") or "_"


def _quoted(text: str) -> str:
    return name(text).replace('"', "#quot;")
