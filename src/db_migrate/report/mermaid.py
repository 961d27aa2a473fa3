"""Entity-relationship diagrams in Mermaid (https://mermaid.js.org/syntax/entityRelationshipDiagram.html)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from db_migrate.catalog.change import Action, Change
from db_migrate.catalog.tokens import reference
from db_migrate.report.style import Style, name
from db_migrate.report.text.changes import value_text
from db_migrate.report.text.schema import short
from db_migrate.results import Schema, SchemaEntry

_TABLES = frozenset({"table", "foreign_table"})
_NOT_A_WORD = re.compile(r"[^A-Za-z0-9_()\[\]\u00C0-\uFFFF-]+")
_BEGINS = re.compile(r"[A-Za-z_\u00C0-\uFFFF]")
_KEYS = frozenset({"PK", "FK", "UK"})
_SPECIAL = re.compile(r'["%\\#]')


def schema_mermaid(schema: Schema, _style: Style) -> str:
    """The tables with their columns, and a line for every foreign key."""
    tables = [each for each in schema.objects if each.kind in _TABLES]
    lines = ["erDiagram"]
    for table in tables:
        rows = [(_type(each), short(each, table), "") for each in table.columns if each.kind == "column"]
        lines += entity(table.object, rows)
    known = {each.object for each in tables}
    for table in tables:
        lines += [_relation(table, each) for each in table.columns if referenced_table(each) in known]
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


def _change_type(change: Change) -> str:
    for each in change.attributes:
        if each.name == "type":
            return f"{value_text(each.from_)}_to_{value_text(each.to)}"
    return {Action.CREATED: "new", Action.DROPPED: "gone"}.get(change.action, "column")


def _relation(table: SchemaEntry, foreign_key: SchemaEntry) -> str:
    """``"public.invoices" }o--|| "public.users" : "invoices_user_id_fkey"``."""
    ends = f'"{_quoted(table.object)}" }}o--|| "{_quoted(referenced_table(foreign_key))}"'
    return f'    {ends} : "{_quoted(short(foreign_key, table))}"'


def referenced_table(entry: SchemaEntry) -> str:
    """The table that a foreign key refers to; empty for whatever else."""
    referenced = entry.attributes.get("referenced") if entry.kind == "foreign_key" else None
    return reference(referenced)[0].strip() if isinstance(referenced, str) else ""


def _word(text: str) -> str:
    """Mermaid takes words for types and columns: a letter first, no blanks, and none of its own for keys."""
    word = _NOT_A_WORD.sub("_", text)
    return word if _BEGINS.match(word) and word.upper() not in _KEYS else f"_{word}"


def _quoted(text: str) -> str:
    """What may stand between Mermaid's double quotes, which have no escapes but the numbers of characters."""
    return _SPECIAL.sub(lambda found: f"#{ord(found[0])};", name(text)).replace("#34;", "#quot;")
