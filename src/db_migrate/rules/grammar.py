"""What PostgreSQL's own grammar says of a statement's text, for the few rules that are about the source."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

_CONSTR_FOREIGN = 10
"""``ConstrType.CONSTR_FOREIGN`` of the grammar's protocol (checked by a test)."""

_ON_DELETE = re.compile(r"\bON\s+DELETE\b", re.IGNORECASE)
_REACHES_OUT = re.compile(
    r"pg_(?!typeof|column_size|input_is_valid|size)|lo_|dblink|nextval|setval|set_config|query_to_xml|cursor_to_xml"
)


@lru_cache(maxsize=1024)
def parse(sql: str) -> tuple[Any, ...]:
    """The statements of a text as parse trees; empty where the text does not parse (then the server refused it)."""
    import postgast

    try:
        return tuple(raw.stmt for raw in postgast.parse(sql).stmts)
    except postgast.PgQueryError:
        return ()


def nodes(sql: str, kind: str) -> Iterator[Any]:
    """Every node of the kind (``Constraint``, ``IndexStmt``, ...) in the text, in its order."""
    import postgast

    for statement in parse(sql):
        yield from (found for _field, found in postgast.walk(statement) if type(found).__name__ == kind)


def kinds(sql: str) -> tuple[str, ...]:
    """What each statement of the text is, by the grammar's names: ``index_stmt``, ``do_stmt``, ..."""
    return tuple(str(statement.WhichOneof("node")) for statement in parse(sql))


def says_on_delete(sql: str, constraint: str, columns: tuple[str, ...]) -> bool:
    """Whether the text says ON DELETE for the foreign key of that name or over those columns (both unquoted).

    Where the text is no plain SQL that names the key (dynamic SQL, a DO block), any ON DELETE counts.
    """
    keys = list(_foreign_keys(sql))
    for name, over, says in keys:
        if name == constraint or (not name and over == columns):
            return says
    return bool(_ON_DELETE.search(sql))


def _foreign_keys(sql: str) -> Iterator[tuple[str, tuple[str, ...], bool]]:
    """The foreign keys in the text: name, columns, and whether ON DELETE follows before anything else begins."""
    text = sql.encode()
    starts = sorted({each.location for kind in ("Constraint", "ColumnDef") for each in nodes(sql, kind)})
    for constraint in nodes(sql, "Constraint"):
        if constraint.contype != _CONSTR_FOREIGN:
            continue
        end = next((start for start in starts if start > constraint.location), len(text))
        says = _ON_DELETE.search(text[constraint.location : end].decode("utf-8", "replace")) is not None
        over = tuple(each.string.sval for each in constraint.fk_attrs) or _inline_owner(sql, constraint.location)
        yield constraint.conname, over, says


def _inline_owner(sql: str, location: int) -> tuple[str, ...]:
    """The column that a constraint at this place belongs to: the last one that begins before it."""
    before = [column for column in nodes(sql, "ColumnDef") if column.location < location]
    return (max(before, key=lambda column: column.location).colname,) if before else ()


def named_by(sql: str) -> str:
    """The relation or index that the text names first, as far as the grammar says; empty where it does not."""
    for index in nodes(sql, "IndexStmt"):
        return f"{index.relation.schemaname or 'public'}.{index.idxname}"
    for dropped in nodes(sql, "DropStmt"):
        names = [part.string.sval for part in dropped.objects[0].list.items]
        return ".".join(names if len(names) > 1 else ["public", *names])
    for relation in nodes(sql, "RangeVar"):
        return f"{relation.schemaname or 'public'}.{relation.relname}"
    return ""


def calls_user_code(expression: str) -> str:
    """The first function or operator in an expression that is not PostgreSQL's own harmless one; empty for none.

    The expression is PostgreSQL's own print under ``search_path = pg_catalog``, which qualifies everything else.
    """
    text = f"SELECT {expression}"
    for call in nodes(text, "FuncCall"):
        names = [part.string.sval for part in call.funcname]
        if (len(names) > 1 and names[0] != "pg_catalog") or _REACHES_OUT.match(names[-1]):
            return ".".join(names)
    for operation in nodes(text, "A_Expr"):
        names = [part.string.sval for part in operation.name]
        if len(names) > 1 and names[0] != "pg_catalog":
            return ".".join(names)
    return ""


def nodes_in(expression: str, kind: str) -> bool:
    """Whether an expression contains such a node."""
    return any(True for _ in nodes(f"SELECT {expression}", kind))


def deletes_everything(sql: str) -> bool:
    """Whether the text is one DELETE without WHERE."""
    statements = parse(sql)
    if len(statements) != 1 or statements[0].WhichOneof("node") != "delete_stmt":
        return False
    return not statements[0].delete_stmt.HasField("where_clause")


def using_of(sql: str, column: str) -> str:
    """How the text's ALTER COLUMN ... TYPE of the column gets its values.

    ``plain`` (no USING, or the grammar does not see the statement), ``cast`` (USING a plain cast of the column) or
    ``computed``.
    """
    for command in nodes(sql, "AlterTableCmd"):
        definition = getattr(command, "def")
        if command.name != column or definition.WhichOneof("node") != "column_def":
            continue
        expression = definition.column_def.raw_default
        kind = expression.WhichOneof("node")
        if kind is None:
            return "plain"
        while kind == "type_cast":
            expression = expression.type_cast.arg
            kind = expression.WhichOneof("node")
        return "cast" if kind == "column_ref" else "computed"
    return "plain"
