"""What sort of statement a text is, told apart by PostgreSQL's own grammar; never what it does."""

from __future__ import annotations

import re
from collections.abc import Iterator
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
_WRITING = frozenset({"InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "CopyStmt"})
_BLOCKS = frozenset({"call_stmt", "do_stmt"})
_MAY_BE_ALONE = frozenset({"cluster_stmt", "reindex_stmt", "vacuum_stmt"})
_IN_PHASES = frozenset({"index_stmt", "drop_stmt", "alter_table_stmt"})
_QUERIES = frozenset({"create_table_as_stmt", "select_stmt", "refresh_mat_view_stmt"})
_NEVER_IN_A_BLOCK = frozenset(
    {
        "createdb_stmt",
        "drop_db_stmt",
        "create_table_space_stmt",
        "drop_table_space_stmt",
        "alter_system_stmt",
        "create_subscription_stmt",
        "drop_subscription_stmt",
    }
)

_ROLLBACKS = frozenset({4, 7})
"""``TransactionStmtKind``: ROLLBACK, ROLLBACK TO SAVEPOINT; 0 is that of every other statement."""

_AND, _IS_NULL = 1, 1
"""``BoolExprType`` and ``NullTestType``; 0 stands for neither."""

_REINDEX_MANY = frozenset({3, 4, 5})
"""``ReindexObjectType``: a schema, the system catalogs, a database; each table gets a transaction of its own."""


_PLACEHOLDER = re.compile(r"%\(\w+\)s|%s|\$\d+")
UNREADABLE = "unreadable"
"""Stands for the node of a text that the grammar cannot read."""


@dataclass(frozen=True, slots=True)
class StatementSort:
    """What the grammar says of a text of one or several statements.

    ``ddl``: at least one is neither SELECT, DML nor SET, so it must be sent exactly as it was planned. ``writes``: it
    is DML that writes, in its WITH clause too. ``transaction``: it only begins or ends a transaction or a savepoint.
    ``alone``: it cannot run inside a transaction block. ``nodes`` are the names of the grammar's nodes, ``targets`` the
    tables (schema, empty where none is written, and name) that INSERT, UPDATE, DELETE, MERGE or COPY … FROM in it write
    to. ``rolls_back``: it takes back what the transaction did, in whole or to a savepoint.
    """

    ddl: bool
    writes: bool
    transaction: bool
    alone: bool
    nodes: tuple[str, ...]
    targets: frozenset[tuple[str, str]] = frozenset()
    rolls_back: bool = False

    @property
    def reads(self) -> bool:
        """Whether it may be DDL and yet be about rows: CREATE TABLE … AS, SELECT … INTO, CALL and DO."""
        return self.block or not _QUERIES.isdisjoint(self.nodes)

    @property
    def wrappable(self) -> bool:
        """Whether it does the same in a transaction block as alone, as far as its text tells.

        CLUSTER and REINDEX of a partitioned table give each partition a transaction of its own.
        """
        refuses = self.alone or self.transaction or self.block
        return not refuses and _MAY_BE_ALONE.isdisjoint(self.nodes)

    @property
    def commits_between(self) -> bool:
        """Whether it runs in several transactions, between which it may wait for others."""
        return not _MAY_BE_ALONE.isdisjoint(self.nodes) or (self.alone and not _IN_PHASES.isdisjoint(self.nodes))

    @property
    def block(self) -> bool:
        """Whether it runs code of its own, which may end transactions: CALL and DO."""
        return not _BLOCKS.isdisjoint(self.nodes)


@lru_cache(maxsize=4096)
def sort_of(sql: str) -> StatementSort:
    """Sort a text; one that PostgreSQL's grammar cannot read counts as DDL, the careful choice."""
    import postgast

    try:
        parsed = postgast.parse(sql)
    except postgast.PgQueryError:
        return StatementSort(True, False, False, False, (UNREADABLE,))
    nodes = tuple(str(raw.stmt.WhichOneof("node")) for raw in parsed.stmts)
    targets = frozenset(t for raw, node in zip(parsed.stmts, nodes, strict=True) for t in _targets(raw.stmt, node))
    return StatementSort(
        ddl=any(_is_ddl(raw.stmt, node) for raw, node in zip(parsed.stmts, nodes, strict=True)),
        writes=bool(targets) or any(node in _WRITES for node in nodes),
        transaction=bool(nodes) and all(node == "transaction_stmt" for node in nodes),
        alone=any(_alone(raw.stmt) for raw in parsed.stmts),
        nodes=nodes,
        targets=targets,
        rolls_back=any(raw.stmt.transaction_stmt.kind in _ROLLBACKS for raw in parsed.stmts),
    )


def sort_of_sent(rendered: str | None, sql: str) -> StatementSort:
    """Sort a statement as a driver sends it: ``rendered`` has literals where ``sql`` has placeholders, or is None."""
    found = sort_of(rendered or sql)
    return sort_of(_PLACEHOLDER.sub("NULL", sql)) if found.nodes == (UNREADABLE,) else found


@lru_cache(maxsize=4096)
def without_constants(sql: str) -> str:
    """The text with a placeholder for every constant; all of it hidden where the grammar cannot read it."""
    import postgast

    try:
        return str(postgast.normalize(_PLACEHOLDER.sub("NULL", sql)))
    except postgast.PgQueryError:
        return "-- a statement that PostgreSQL's grammar cannot read, about rows of the target"


@lru_cache(maxsize=4096)
def fills_gaps(sql: str) -> bool:
    """Whether all that it writes are values of columns that are NULL so far, so that it can be run again and again."""
    import postgast

    try:
        parsed = postgast.parse(_PLACEHOLDER.sub("NULL", sql))
    except postgast.PgQueryError:
        return False
    found = [inner for raw in parsed.stmts for _, inner in postgast.walk(raw.stmt) if type(inner).__name__ in _WRITING]
    return bool(found) and all(type(each).__name__ == "UpdateStmt" and _only_gaps(each) for each in found)


def _only_gaps(update: Any) -> bool:
    wanted = {target.res_target.name for target in update.target_list}
    return wanted <= set(_empty_columns(update.where_clause))


def _empty_columns(condition: Any) -> Iterator[str]:
    """The columns that must be NULL for the condition to hold."""
    if condition.HasField("bool_expr") and condition.bool_expr.boolop == _AND:
        for each in condition.bool_expr.args:
            yield from _empty_columns(each)
    elif condition.HasField("null_test") and condition.null_test.nulltesttype == _IS_NULL:
        column = condition.null_test.arg.column_ref
        if column.fields:
            yield str(column.fields[-1].string.sval)


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
    if node == "vacuum_stmt":
        return bool(body.is_vacuumcmd)  # ANALYZE is the same node
    if node == "cluster_stmt":
        return not body.HasField("relation")
    if node == "reindex_stmt":
        named = {parameter.def_elem.defname for parameter in body.params}
        return "concurrently" in named or body.kind in _REINDEX_MANY
    if node == "alter_table_stmt":
        return any(_detaches_concurrently(command.alter_table_cmd) for command in body.cmds)
    return False


def _detaches_concurrently(command: Any) -> bool:
    definition = getattr(command, "def")
    return definition.WhichOneof("node") == "partition_cmd" and bool(definition.partition_cmd.concurrent)


def _targets(statement: Any, node: str) -> Iterator[tuple[str, str]]:
    """The tables that a statement, or one within its WITH clause, writes to."""
    import postgast

    body = getattr(statement, node)
    if node not in _WRITES and not (node == "select_stmt" and body.HasField("with_clause")):
        return
    for _name, inner in postgast.walk(statement):
        kind = type(inner).__name__
        if kind in _WRITING and not (kind == "CopyStmt" and not inner.is_from):
            yield inner.relation.schemaname, inner.relation.relname
