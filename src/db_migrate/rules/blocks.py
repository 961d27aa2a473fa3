"""The SQL that DO blocks run, as far as it stands in them: statements, and EXECUTE of texts that are known."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

_DO = re.compile(r"\bDO\b", re.IGNORECASE)


@lru_cache(maxsize=1024)
def in_blocks(sql: str) -> tuple[str, ...]:
    """The statements of the text's DO blocks in PL/pgSQL, in their order; empty where there is none that parses."""
    import postgast

    if not _DO.search(sql):
        return ()
    try:
        bodies = [body for raw in postgast.parse(sql).stmts for body in _bodies(raw.stmt)]
        return tuple(text for body in bodies for text in _statements(postgast.parse_plpgsql(_as_function(body))))
    except postgast.PgQueryError:
        return ()


def _bodies(statement: Any) -> Iterator[str]:
    """The body of a DO in PL/pgSQL, which is the language where none is named."""
    if statement.WhichOneof("node") != "do_stmt":
        return
    options = {each.def_elem.defname: each.def_elem.arg.string.sval for each in statement.do_stmt.args}
    if options.get("language", "plpgsql").lower() == "plpgsql":
        yield options.get("as", "")


def _as_function(body: str) -> str:
    tag = "$body$"
    while tag in body:
        tag = f"{tag[:-1]}_$"
    return f"CREATE FUNCTION block() RETURNS void LANGUAGE plpgsql AS {tag}{body}{tag}"


def _statements(tree: Any) -> Iterator[str]:
    """Every SQL statement in a tree of PL/pgSQL."""
    if isinstance(tree, list):
        for each in tree:
            yield from _statements(each)
    elif isinstance(tree, Mapping):
        for name, inner in tree.items():
            if name == "PLpgSQL_stmt_execsql":
                yield inner["sqlstmt"]["PLpgSQL_expr"]["query"]
            elif name == "PLpgSQL_stmt_perform":
                yield inner["expr"]["PLpgSQL_expr"]["query"]
            elif name == "PLpgSQL_stmt_dynexecute":
                text = _constant(inner["query"]["PLpgSQL_expr"]["query"])
                if text is not None:
                    yield text
            else:
                yield from _statements(inner)


def _constant(expression: str) -> str | None:
    """The text that an expression of constants makes; None where anything in it is not known before it runs."""
    import postgast

    try:
        (raw,) = postgast.parse(f"SELECT {expression}").stmts
    except (postgast.PgQueryError, ValueError):
        return None
    return _value(raw.stmt.select_stmt.target_list[0].res_target.val)


def _value(node: Any) -> str | None:
    kind = node.WhichOneof("node")
    if kind == "a_const" and node.a_const.WhichOneof("val") == "sval":
        return str(node.a_const.sval.sval)
    if kind == "func_call" and node.func_call.funcname[-1].string.sval == "concat":
        found = [_value(each) for each in node.func_call.args]
    elif kind == "a_expr" and node.a_expr.name and node.a_expr.name[0].string.sval == "||":
        found = [_value(node.a_expr.lexpr), _value(node.a_expr.rexpr)]
    else:
        return None
    known = [each for each in found if each is not None]
    return "".join(known) if len(known) == len(found) else None
