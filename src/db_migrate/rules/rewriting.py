"""A statement's text changed through PostgreSQL's own grammar: the same statement, but for the one thing advised."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from db_migrate.catalog.tokens import top_level
from db_migrate.rules import grammar
from db_migrate.rules.names import made, quote

_RESTRICT, _CASCADE = 1, 2
"""``DropBehavior`` of the grammar's protocol."""
_MAKES = ("CreateStmt", "IndexStmt", "CreateSeqStmt", "CreateSchemaStmt", "CreateExtensionStmt", "CreateTableAsStmt")
_KEYS = {7, 8}
"""``ConstrType``: PRIMARY KEY and UNIQUE."""


def changed(sql: str, kinds: Sequence[str], change: Callable[[Any], None]) -> str:
    """The text after ``change`` of every node of the kinds; empty where the text does not parse or stays what it is."""
    import postgast

    try:
        tree = postgast.parse(sql)
        before = postgast.deparse(tree)
    except postgast.PgQueryError:
        return ""
    for _field, node in list(postgast.walk(tree)):
        if type(node).__name__ in kinds:
            change(node)
    after = postgast.deparse(tree)
    return "" if after == before else str(after)


def without_cascade(sql: str) -> str:
    """DROP that takes nothing along."""
    places = [offset for offset, word in top_level(sql) if word.upper() == "CASCADE"]
    if len(places) == 1:
        return sql[: places[0]].rstrip() + sql[places[0] + len("CASCADE") :]

    def restrict(node: Any) -> None:
        if node.behavior == _CASCADE:
            node.behavior = _RESTRICT

    return changed(sql, ("DropStmt", "AlterTableCmd"), restrict)


def repeatable(sql: str) -> str:
    """What can be run a second time: IF NOT EXISTS, IF EXISTS; empty where the statement has no such words."""

    def allow(node: Any) -> None:
        kind = type(node).__name__
        if kind in _MAKES:
            node.if_not_exists = True
        elif kind == "DropStmt" or _subtype(node) in ("AT_AddColumn", "AT_DropColumn", "AT_DropConstraint"):
            node.missing_ok = True

    return changed(sql, (*_MAKES, "DropStmt", "AlterTableCmd"), allow)


def _subtype(command: Any) -> str:
    return str(command.DESCRIPTOR.fields_by_name["subtype"].enum_type.values_by_number[command.subtype].name)


def without_if_not_exists(sql: str) -> str:
    """An index that is built, whatever there is of its name."""

    def build(node: Any) -> None:
        node.if_not_exists = False

    return changed(sql, ("IndexStmt",), build)


def with_no_data(sql: str) -> str:
    """A materialized view that is not filled."""

    def skip(node: Any) -> None:
        node.skip_data = True

    return changed(sql, ("IntoClause",), skip)


def without_constraints(sql: str) -> str:
    """A domain of nothing but its type and its default."""

    def clear(node: Any) -> None:
        kept = [each for each in node.constraints if each.constraint.contype not in (1, 6)]
        del node.constraints[:]
        node.constraints.extend(kept)

    return changed(sql, ("CreateDomainStmt",), clear)


def combined(statements: Sequence[str]) -> str:
    """Several ALTER TABLE of one table as one."""
    import postgast

    first, *others = (postgast.parse(each) for each in statements)
    for other in others:
        first.stmts[0].stmt.alter_table_stmt.cmds.extend(other.stmts[0].stmt.alter_table_stmt.cmds)
    return str(postgast.deparse(first))


def with_key_columns(sql: str, columns: Sequence[str]) -> str:
    """The primary keys and unique constraints and indexes over these columns (unquoted) as well."""

    def extend(node: Any) -> None:
        if type(node).__name__ == "Constraint":
            if node.contype not in _KEYS or not node.keys:
                return
            have = {key.string.sval for key in node.keys}
            for name in columns:
                if name not in have:
                    node.keys.add().string.sval = name
        elif node.unique:
            have = {param.index_elem.name for param in node.index_params}
            for name in columns:
                if name not in have:
                    node.index_params.add().index_elem.name = name

    return changed(sql, ("Constraint", "IndexStmt"), extend)


def retyped(sql: str, column: str, description: str) -> str:
    """The column (unquoted) made of another type; constraints that the description has come to those that there are."""
    import postgast

    model = postgast.parse(f"CREATE TABLE a (b {description})").stmts[0].stmt.create_stmt.table_elts[0].column_def

    def retype(node: Any) -> None:
        if node.colname == column and node.HasField("type_name"):
            node.type_name.CopyFrom(model.type_name)
            node.constraints.extend(model.constraints)

    return changed(sql, ("ColumnDef",), retype)


_ENDINGS = {6: "check", 7: "pkey", 8: "key", 9: "excl", 10: "fkey"}
"""``ConstrType``, and how PostgreSQL ends the names that it makes up (``ChooseConstraintName`` and others)."""


def with_named_constraints(sql: str) -> str:
    """Names for the constraints that have none, as PostgreSQL would make them up."""
    taken: set[str] = set()

    def name(table: str, constraint: Any, column: str = "") -> None:
        if constraint.contype not in _ENDINGS or constraint.conname:
            return
        keys = [each.string.sval for each in (*constraint.keys, *constraint.fk_attrs)] or ([column] if column else [])
        ending = _ENDINGS[constraint.contype]
        words = (table, *(() if ending == "pkey" else keys), ending)
        found = (made(*words, *number) for number in ((), *((str(n),) for n in range(1, 99))))
        constraint.conname = next(each for each in found if each not in taken)
        taken.add(constraint.conname)

    def each(node: Any) -> None:
        created = type(node).__name__ == "CreateStmt"
        elements = node.table_elts if created else [getattr(c.alter_table_cmd, "def") for c in node.cmds]
        for element in elements:
            for constraint in element.column_def.constraints:
                name(node.relation.relname, constraint.constraint, element.column_def.colname)
            if element.WhichOneof("node") == "constraint":
                name(node.relation.relname, element.constraint)

    return changed(sql, ("CreateStmt", "AlterTableStmt"), each)


def in_order(sql: str, columns: Sequence[str]) -> str:
    """CREATE TABLE with its columns (unquoted) in that order, and what else it has after them."""

    def place(element: Any) -> int:
        name = element.column_def.colname
        return columns.index(name) if name in columns else len(columns)

    def sort(node: Any) -> None:
        elements = sorted(node.table_elts, key=place)
        del node.table_elts[:]
        node.table_elts.extend(elements)

    return changed(sql, ("CreateStmt",), sort)


def each_once(sql: str) -> str:
    """UPDATE in which each column is set once, to what it is set first."""

    def once(node: Any) -> None:
        kept = {target.res_target.name: target for target in reversed(node.target_list)}
        ordered = [target for target in node.target_list if kept[target.res_target.name] is target]
        del node.target_list[:]
        node.target_list.extend(ordered)

    return changed(sql, ("UpdateStmt",), once)


def qualified(sql: str, schemas: Mapping[str, str]) -> str:
    """The text with the schema (unquoted) of each relation that it names without."""
    queries = {node.ctename for node in grammar.nodes(sql, "CommonTableExpr")}

    def qualify(node: Any) -> None:
        kind = type(node).__name__
        if kind == "RangeVar":
            if not node.schemaname and node.relname in schemas and node.relname not in queries:
                node.schemaname = schemas[node.relname]
            return
        for each in (node.object,) if kind == "CommentStmt" else node.objects:
            items = each.list.items
            if len(items) == 1 and items[0].string.sval in schemas:
                name = items[0].string.sval
                del items[:]
                for part in (schemas[name], name):
                    items.add().string.sval = part

    return changed(sql, ("RangeVar", "CommentStmt", "DropStmt"), qualify)


def may_be_cut(sql: str) -> bool:
    """Whether the text is one UPDATE or DELETE that does to each row what it does, whichever rows come with it."""
    statements = grammar.parse(sql)
    if len(statements) != 1 or "--" in sql or "/*" in sql:
        return False
    kind = statements[0].WhichOneof("node")
    if kind not in ("update_stmt", "delete_stmt"):
        return False
    node = getattr(statements[0], kind)
    more = node.HasField("returning_clause") or node.HasField("with_clause")
    return not more and node.where_clause.WhichOneof("node") != "current_of_expr"


def may_be_repeated(sql: str) -> bool:
    """Whether doing it to a row twice is as good as once: DELETE, and an UPDATE that reads nothing that it sets."""
    import postgast

    for node in grammar.nodes(sql, "UpdateStmt"):
        assigned = {target.res_target.name for target in node.target_list}
        for target in node.target_list:
            for _field, part in postgast.walk(target.res_target.val):
                kind = type(part).__name__
                if kind == "SubLink" or (kind == "ColumnRef" and part.fields[-1].string.sval in assigned):
                    return False
    return True


def with_condition(sql: str, condition: str) -> str:
    """An UPDATE or DELETE of the rows of which ``condition`` holds too; ``{table}.`` in it stands for the table."""
    text = sql.strip().removesuffix(";").rstrip()
    statement = grammar.parse(text)[0]
    node = getattr(statement, str(statement.WhichOneof("node")))
    others = len(node.from_clause) if hasattr(node, "from_clause") else len(node.using_clause)
    table = node.relation.alias.aliasname or node.relation.relname
    written = condition.replace("{table}.", f"{quote(table)}." if others else "")
    places = [offset for offset, word in top_level(text) if word.upper() == "WHERE"]
    if not places:
        return f"{text} WHERE {written}"
    end = places[-1] + len("WHERE")
    return f"{text[:end]} ({text[end:].strip()}) AND {written}"
