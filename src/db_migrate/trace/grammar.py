"""What sort of statement a text is, told apart by PostgreSQL's own grammar; never what it does."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_DATA = frozenset(
    {
        "select_stmt",
        "insert_stmt",
        "update_stmt",
        "delete_stmt",
        "merge_stmt",
        "copy_stmt",
        "explain_stmt",
        "variable_set_stmt",
        "variable_show_stmt",
        "prepare_stmt",
        "execute_stmt",
        "deallocate_stmt",
        "declare_cursor_stmt",
        "fetch_stmt",
        "close_portal_stmt",
        "notify_stmt",
        "listen_stmt",
        "unlisten_stmt",
        "discard_stmt",
    }
)
_WRITES = frozenset({"insert_stmt", "update_stmt", "delete_stmt", "merge_stmt", "copy_stmt"})
_NEVER_IN_A_BLOCK = frozenset(
    {
        "createdb_stmt",
        "drop_db_stmt",
        "create_table_space_stmt",
        "drop_table_space_stmt",
        "alter_system_stmt",
        "vacuum_stmt",
        "create_subscription_stmt",
        "drop_subscription_stmt",
    }
)

_REINDEX_MANY = frozenset({3, 4, 5})
"""``ReindexObjectType``: a schema, the system catalogs, a database; each table gets a transaction of its own."""


@dataclass(frozen=True, slots=True)
class StatementSort:
    """What the grammar says of a text of one or several statements.

    ``ddl``: at least one is neither SELECT, DML nor SET, so it must be sent exactly as it was planned. ``writes``: it
    is DML that writes. ``transaction``: it only begins or ends a transaction or a savepoint. ``alone``: it cannot run
    inside a transaction block. ``nodes`` are the names of the grammar's nodes.
    """

    ddl: bool
    writes: bool
    transaction: bool
    alone: bool
    nodes: tuple[str, ...]


@lru_cache(maxsize=4096)
def sort_of(sql: str) -> StatementSort:
    """Sort a text; one that PostgreSQL's grammar cannot read counts as DDL, the careful choice."""
    import postgast

    try:
        parsed = postgast.parse(sql)
    except postgast.PgQueryError:
        return StatementSort(True, False, False, False, ("unreadable",))
    nodes = tuple(str(raw.stmt.WhichOneof("node")) for raw in parsed.stmts)
    return StatementSort(
        ddl=any(_is_ddl(raw.stmt, node) for raw, node in zip(parsed.stmts, nodes, strict=True)),
        writes=any(node in _WRITES for node in nodes),
        transaction=bool(nodes) and all(node == "transaction_stmt" for node in nodes),
        alone=any(_alone(raw.stmt) for raw in parsed.stmts),
        nodes=nodes,
    )


def _is_ddl(statement: Any, node: str) -> bool:
    if node == "select_stmt":
        return bool(statement.select_stmt.HasField("into_clause"))  # SELECT … INTO makes a table
    return node not in _DATA and node != "transaction_stmt"


def _alone(statement: Any) -> bool:
    node = str(statement.WhichOneof("node"))
    body = getattr(statement, node)
    if node in _NEVER_IN_A_BLOCK:
        return True
    if node in ("index_stmt", "drop_stmt"):
        return bool(body.concurrent)
    if node == "reindex_stmt":
        named = {parameter.def_elem.defname for parameter in body.params}
        return "concurrently" in named or body.kind in _REINDEX_MANY
    if node == "alter_table_stmt":
        return any(_detaches_concurrently(command.alter_table_cmd) for command in body.cmds)
    return False


def _detaches_concurrently(command: Any) -> bool:
    definition = getattr(command, "def")
    return definition.WhichOneof("node") == "partition_cmd" and bool(definition.partition_cmd.concurrent)
