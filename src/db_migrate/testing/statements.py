"""Which relations and functions a statement uses, by PostgreSQL's own grammar."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from db_migrate.testing.mentions import Relation, mentions

_DATA = frozenset(
    {"select_stmt", "insert_stmt", "update_stmt", "delete_stmt", "merge_stmt", "copy_stmt", "call_stmt"}
    | {"explain_stmt", "declare_cursor_stmt", "prepare_stmt", "lock_stmt", "refresh_mat_view_stmt", "truncate_stmt"}
)
_WRITERS = frozenset({"InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"})
_SYSTEM = frozenset({"pg_catalog", "information_schema"})
_PLACEHOLDER = re.compile(r"%\(\w+\)s|%s|%%|(?<![:\w]):[a-z_]\w*|\?")


@dataclass(frozen=True, slots=True)
class Used:
    """What a statement uses. ``empties``: it only empties tables (TRUNCATE, DELETE without a condition)."""

    relations: frozenset[Relation]
    empties: bool = False


_NOTHING = Used(frozenset())


@lru_cache(maxsize=8192)
def used_by(sql: str) -> Used:
    """What the statements of ``sql`` read, write or call; nothing for DDL, which makes tables and does not use them.

    Placeholders of any driver are understood. In a text that the grammar cannot read, and in the body of a DO
    statement, what stands after FROM, INTO, UPDATE and the like counts.
    """
    import postgast

    try:
        parsed = postgast.parse(sql)
    except postgast.PgQueryError:
        try:
            parsed = postgast.parse(_PLACEHOLDER.sub(_as_parameter, sql))
        except postgast.PgQueryError:
            return Used(mentions(sql))
    used = [_used_by_one(raw.stmt, sql) for raw in parsed.stmts]
    relations = frozenset(relation for each in used for relation in each.relations)
    return Used(relations, bool(used) and all(each.empties for each in used))


def _as_parameter(placeholder: re.Match[str]) -> str:
    return "%" if placeholder[0] == "%%" else "$1"


def _used_by_one(statement: Any, sql: str) -> Used:
    node = str(statement.WhichOneof("node"))
    body = getattr(statement, node)
    if node == "do_stmt":
        return Used(mentions(sql))
    if node not in _DATA:
        return _NOTHING
    empties = node == "truncate_stmt" or (
        node == "delete_stmt" and not body.HasField("where_clause") and not body.using_clause
    )
    found = frozenset(each for each in _relations(body, frozenset()) if not _is_system(each))
    return Used(found, empties)


def _is_system(relation: Relation) -> bool:
    schema, name = relation
    return schema in _SYSTEM or (not schema and name.startswith("pg_"))


def _relations(message: Any, names: frozenset[str]) -> Iterator[Relation]:
    """The relations and functions in a tree; ``names`` are of common table expressions in scope."""
    kind = message.DESCRIPTOR.name
    if kind == "RangeVar":
        if message.schemaname or message.relname not in names:
            yield message.schemaname, message.relname
        return
    if kind == "FuncCall":
        parts = [part.string.sval for part in message.funcname]
        yield (".".join(parts[:-1]), parts[-1])
    fields = message.ListFields()
    for field, value in fields:
        if field.name == "with_clause":
            names = yield from _common(value, names)
    for field, value in fields:
        if field.name == "with_clause" or field.message_type is None:
            continue
        # what is written to is never a common table expression
        scope = frozenset() if field.name == "relation" and kind in _WRITERS else names
        for each in value if field.is_repeated else (value,):
            yield from _relations(each, scope)


def _common(clause: Any, names: frozenset[str]) -> Generator[Relation, None, frozenset[str]]:
    """The relations in a WITH clause; returns the names in scope after it."""
    if clause.recursive:
        names |= {each.common_table_expr.ctename for each in clause.ctes}
    for each in clause.ctes:
        yield from _relations(each.common_table_expr.ctequery, names)
        names |= {each.common_table_expr.ctename}
    return names
