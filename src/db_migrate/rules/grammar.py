"""What PostgreSQL's own grammar says of a statement's text, for the few rules that are about the source."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from db_migrate.rules.blocks import TEXTS, in_blocks
from db_migrate.rules.names import parts, quote

_CONSTR_FOREIGN = 10
"""``ConstrType.CONSTR_FOREIGN`` of the grammar's protocol (checked by a test)."""

_ON_DELETE = re.compile(r"\bON\s+DELETE\b", re.IGNORECASE)
_REACHES_OUT = re.compile(
    r"pg_(?!typeof|column_size|input_is_valid|size)|lo_|dblink|nextval|setval|set_config|query_to_xml|cursor_to_xml"
)


_TREES = 1024
"""Of how many texts the trees are kept: that of a large table takes 90 KB."""


@lru_cache(maxsize=_TREES)
def parse(sql: str) -> tuple[Any, ...]:
    """The statements of a text as parse trees; empty where the text does not parse (then the server refused it)."""
    import postgast

    try:
        return tuple(raw.stmt for raw in postgast.parse(sql).stmts)
    except postgast.PgQueryError:
        return ()


def statements(sql: str) -> tuple[str, ...]:
    """The statements of a text, each as it is written; empty where the text does not parse."""
    import postgast

    return tuple(postgast.split(sql)) if parse(sql) else ()


def nodes(sql: str, kind: str) -> Iterator[Any]:
    """Every node of the kind (``Constraint``, ``IndexStmt``, ...) in the text, in its order."""
    if kind in _kinds_of(sql):
        yield from _by_kind(sql)[kind]


@lru_cache(maxsize=TEXTS)
def _kinds_of(sql: str) -> frozenset[str]:
    """The kinds of nodes in the text: so that it is not parsed again by each rule that looks for what is not in it."""
    return _same(frozenset(_by_kind(sql)))


@cache
def _same(kinds: frozenset[str]) -> frozenset[str]:
    """One value for all that are equal: few kinds of statements make a history of thousands."""
    return kinds


@lru_cache(maxsize=_TREES)
def _by_kind(sql: str) -> Mapping[str, Sequence[Any]]:
    """All nodes of the text; many rules ask for theirs, and one walk answers all."""
    import postgast

    found: dict[str, list[Any]] = {}
    for statement in parse(sql):
        for _field, node in postgast.walk(statement):
            found.setdefault(type(node).__name__, []).append(node)
    return found


def _all_nodes(texts: Iterable[str], kind: str) -> Iterator[Any]:
    """The same in several texts."""
    for text in texts:
        yield from nodes(text, kind)


@lru_cache(maxsize=TEXTS)
def kinds(sql: str) -> tuple[str, ...]:
    """What each statement of the text is, by the grammar's names: ``index_stmt``, ``do_stmt``, ..."""
    return tuple(str(statement.WhichOneof("node")) for statement in parse(sql))


def view_columns(definition: str) -> tuple[str, ...]:
    """The unquoted names of the columns that a view has, by its definition as PostgreSQL prints it; empty if unread."""
    for statement in parse(definition):
        if statement.WhichOneof("node") != "view_stmt":
            continue
        if statement.view_stmt.aliases:
            return tuple(each.string.sval for each in statement.view_stmt.aliases)
        query = statement.view_stmt.query.select_stmt
        while query.HasField("larg"):
            query = query.larg
        return tuple(_output_name(each.res_target) for each in query.target_list)
    return ()


def _output_name(target: Any) -> str:
    fields = target.val.column_ref.fields
    return str(target.name or (fields[-1].string.sval if fields else ""))


def says_on_delete(texts: Sequence[str], constraint: str, columns: tuple[str, ...]) -> bool:
    """Whether the texts say ON DELETE for the foreign key of that name or over those columns (both unquoted).

    Where they are no plain SQL that names the key (dynamic SQL), any ON DELETE counts.
    """
    for name, over, says in (key for text in texts for key in _foreign_keys(text)):
        if name == constraint or (not name and over == columns):
            return says
    return any(_ON_DELETE.search(text) for text in texts)


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


def named_by(sql: str) -> tuple[str, ...]:
    """What the text names first: its schema (empty where not written), the object, and the column of an ALTER TABLE.

    Empty where the grammar sees no name. Of a DO block it is what its one statement names.
    """
    run = in_blocks(sql)
    if len(run) == 1:
        return named_by(run[0])
    for index in nodes(sql, "IndexStmt"):
        return (index.relation.schemaname, index.idxname)
    for dropped in nodes(sql, "DropStmt"):
        first = dropped.objects[0]
        items = first.list.items if first.WhichOneof("node") == "list" else _object_names(first)
        names = tuple(item.string.sval for item in items)
        return names if len(names) > 1 else ("", *names)
    for relation in nodes(sql, "RangeVar"):
        columns = [c.name for c in nodes(sql, "AlterTableCmd") if c.name]
        return (relation.schemaname, relation.relname, *columns[:1])
    return ()


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


def names_in(texts: Sequence[str]) -> frozenset[str]:
    """Every name of a relation, column, constraint or object that the texts write themselves."""
    found = {relation.relname for relation in _all_nodes(texts, "RangeVar")}
    found |= {command.name for command in _all_nodes(texts, "AlterTableCmd")}
    for dropped in _all_nodes(texts, "DropStmt"):
        for each in dropped.objects:
            items = each.list.items if each.WhichOneof("node") == "list" else _object_names(each)
            found |= {item.string.sval for item in items}
    return frozenset(found)


def _object_names(node: Any) -> list[Any]:
    """The name parts of an object that the grammar wraps (a function with its arguments, a type)."""
    kind = node.WhichOneof("node")
    if kind == "object_with_args":
        return list(node.object_with_args.objname)
    if kind == "type_name":
        return list(node.type_name.names)
    return [node] if kind == "string" else []


_DROP_CASCADE = 2
"""``DropBehavior.DROP_CASCADE`` (checked by a test)."""


def cascades(sql: str) -> bool:
    """Whether the text says CASCADE for something that it drops."""
    dropping = any(each.behavior == _DROP_CASCADE for each in nodes(sql, "DropStmt"))
    return dropping or any(each.behavior == _DROP_CASCADE for each in nodes(sql, "AlterTableCmd"))


_CLOCKS = frozenset(
    {
        "now",
        "clock_timestamp",
        "statement_timestamp",
        "transaction_timestamp",
        "timeofday",
        "random",
        "gen_random_uuid",
        "current_setting",
        "pg_backend_pid",
        "txid_current",
        "pg_current_xact_id",
    }
)


def calls_clock(expression: str) -> str:
    """What in an expression gives another value at another time, in another session or by chance; empty for nothing."""
    text = f"SELECT {expression}"
    for call in nodes(text, "FuncCall"):
        if (name := call.funcname[-1].string.sval) in _CLOCKS:
            return f"{name}()"
    for value in nodes(text, "SQLValueFunction"):
        return str(value.DESCRIPTOR.fields_by_name["op"].enum_type.values_by_number[value.op].name).removeprefix(
            "SVFOP_"
        )
    return ""


_STABLE = frozenset({"now", "transaction_timestamp", "statement_timestamp"})


def calls_more_than_the_clock(expression: str) -> bool:
    """Whether an expression calls anything but the time of the transaction, which is the same for every row."""
    calls = nodes(f"SELECT {expression}", "FuncCall") if expression else ()
    return any(call.funcname[-1].string.sval not in _STABLE for call in calls)


def settings_of(sql: str) -> Iterator[tuple[str, str]]:
    """The parameters that the text sets, SET and set_config both, with their values as text."""
    for node in nodes(sql, "VariableSetStmt"):
        if len(node.args) == 1:
            yield node.name.lower(), _constant(node.args[0])
    for call in nodes(sql, "FuncCall"):
        if call.funcname[-1].string.sval == "set_config" and len(call.args) >= 2:
            yield _constant(call.args[0]).lower(), _constant(call.args[1])


def _constant(node: Any) -> str:
    constant = node.a_const
    kind = constant.WhichOneof("val")
    if kind == "sval":
        return str(constant.sval.sval)
    return str(constant.ival.ival) if kind == "ival" else str(constant.fval.fval) if kind == "fval" else "0"


def transaction_words(sql: str) -> Iterator[str]:
    """BEGIN, COMMIT, ROLLBACK, SAVEPOINT and the like, in the order of the text."""
    for node in nodes(sql, "TransactionStmt"):
        name = node.DESCRIPTOR.fields_by_name["kind"].enum_type.values_by_number[node.kind].name
        word = str(name).removeprefix("TRANS_STMT_")
        yield "BEGIN" if word == "START" else word


def alters(sql: str, relation: str) -> bool:
    """Whether the text is an ALTER TABLE of that relation, whatever schema it leaves out."""
    own = parts(relation)
    for node in nodes(sql, "AlterTableStmt"):
        if node.relation.relname == own[-1] and node.relation.schemaname in ("", own[0]):
            return True
    return False


def _is_of_every_row(node: Any) -> bool:
    """Whether an UPDATE or DELETE has no WHERE, or one that is true whatever the row is: ``true``, ``1 = 1``."""
    condition = node.where_clause
    kind = condition.WhichOneof("node")
    if kind == "a_expr" and condition.a_expr.name and condition.a_expr.name[0].string.sval == "=":
        sides = [each.a_const for each in (condition.a_expr.lexpr, condition.a_expr.rexpr)]
        return all(each.WhichOneof("val") == "ival" for each in sides) and sides[0].ival == sides[1].ival
    return kind is None or (kind == "a_const" and bool(condition.a_const.boolval.boolval))


def whole_table_writes(texts: Sequence[str]) -> Iterator[tuple[str, tuple[str, str]]]:
    """UPDATE and DELETE without WHERE in the texts: the word, and the relation's schema (or empty) and name."""
    for word, kind in (("UPDATE", "UpdateStmt"), ("DELETE", "DeleteStmt")):
        for node in _all_nodes(texts, kind):
            if _is_of_every_row(node):
                yield word, (node.relation.schemaname, node.relation.relname)


def whole_table_updates(texts: Sequence[str]) -> Iterator[tuple[tuple[str, str], tuple[str, ...]]]:
    """UPDATE without WHERE: the relation, and the columns that it sets."""
    for node in _all_nodes(texts, "UpdateStmt"):
        if _is_of_every_row(node):
            columns = tuple(target.res_target.name for target in node.target_list)
            yield (node.relation.schemaname, node.relation.relname), columns


def inserted_from_query(texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    """INSERT ... SELECT: the relation."""
    for node in _all_nodes(texts, "InsertStmt"):
        if node.select_stmt.select_stmt.HasField("where_clause") or len(node.select_stmt.select_stmt.from_clause):
            yield node.relation.schemaname, node.relation.relname


def analyzes(texts: Sequence[str], relation: str) -> bool:
    """Whether one of the texts is an ANALYZE of the relation, or of everything."""
    for node in _all_nodes(texts, "VacuumStmt"):
        names = [each.vacuum_relation.relation.relname for each in node.rels]
        if not names or relation in names:
            return True
    return False


def extensions(sql: str) -> Iterator[tuple[str, str]]:
    """The extensions that the text creates, each with the version that it asks for (empty for none)."""
    for node in nodes(sql, "CreateExtensionStmt"):
        versions = [o.def_elem.arg.string.sval for o in node.options if o.def_elem.defname == "new_version"]
        yield node.extname, versions[0] if versions else ""


def columns_named(sql: str) -> frozenset[str]:
    """Every name that may be that of a column: in expressions, and of what is set."""
    found = {part.string.sval for node in nodes(sql, "ColumnRef") for part in node.fields}
    return frozenset(found.union(*assigned_columns(sql)))


def partition_key(sql: str) -> str:
    """The columns that a CREATE TABLE is partitioned by, in brackets and as SQL writes them; empty without any."""
    for node in nodes(sql, "PartitionSpec"):
        return (
            f"({', '.join(quote(each.partition_elem.name) for each in node.part_params if each.partition_elem.name)})"
        )
    return ""


def calls(texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The functions that the texts call, each with its first argument where that is a constant."""
    for call in _all_nodes(texts, "FuncCall"):
        first = call.args[0] if len(call.args) else None
        is_constant = first is not None and first.WhichOneof("node") == "a_const"
        yield call.funcname[-1].string.sval, _constant(first) if is_constant else ""


def written_names(sql: str) -> frozenset[str]:
    """The names that the text gives to what it makes, before PostgreSQL cuts them: quoted and plain identifiers."""
    return frozenset(match[1] or match[2] for match in _IDENTIFIER.finditer(_LITERAL.sub("''", sql)))


_IDENTIFIER = re.compile(r'"([^"]+)"|([A-Za-z_][A-Za-z0-9_$]*)')
_LITERAL = re.compile(r"'(?:[^']|'')*'")


def assigned_columns(sql: str) -> Iterator[tuple[str, ...]]:
    """The columns that each UPDATE and INSERT of the text sets."""
    for node in nodes(sql, "UpdateStmt"):
        yield tuple(target.res_target.name for target in node.target_list)
    for node in nodes(sql, "InsertStmt"):
        yield tuple(target.res_target.name for target in node.cols)


def relations(sql: str) -> tuple[tuple[str, str], ...]:
    """The schema (empty where not written) and name of each relation of the text; names of WITH queries are none."""
    queries = {node.ctename for node in nodes(sql, "CommonTableExpr")}
    found = ((n.schemaname, n.relname) for n in nodes(sql, "RangeVar"))
    return tuple(dict.fromkeys(each for each in found if each[0] or each[1] not in queries))


def unqualified_relations(sql: str) -> tuple[str, ...]:
    """Relations that the text names without a schema; names of WITH queries are none."""
    found = [name for schema, name in relations(sql) if not schema]
    for node in nodes(sql, "CommentStmt"):
        if node.object.WhichOneof("node") == "list" and len(node.object.list.items) == 1:
            found.append(node.object.list.items[0].string.sval)
    for node in nodes(sql, "DropStmt"):
        for each in node.objects:
            if each.WhichOneof("node") == "list" and len(each.list.items) == 1:
                found.append(each.list.items[0].string.sval)
    return tuple(dict.fromkeys(found))


_NAMED_CONSTRAINTS = {6: "CHECK", 7: "PRIMARY KEY", 8: "UNIQUE", 9: "EXCLUDE", 10: "FOREIGN KEY"}


def unnamed_constraints(sql: str) -> Iterator[str]:
    """The constraints that the text leaves without a name."""
    for node in nodes(sql, "Constraint"):
        if node.contype in _NAMED_CONSTRAINTS and not node.conname:
            yield _NAMED_CONSTRAINTS[node.contype]


def is_fragile(sql: str) -> bool:
    """Whether the text creates or drops something and fails when that was done already."""
    for kind in ("CreateStmt", "IndexStmt", "CreateSeqStmt", "CreateSchemaStmt", "CreateExtensionStmt"):
        if any(not node.if_not_exists for node in nodes(sql, kind)):
            return True
    return any(not node.missing_ok for node in nodes(sql, "DropStmt"))
