"""The SQL that DO blocks and routines run, as far as it stands in them: statements, and EXECUTE of known texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from db_migrate.rules.names import literal, quote

TEXTS = 16384
"""Of how many texts it is kept what little is known of them. Each rule looks through all statements of a run."""

_DO = re.compile(r"\bDO\b", re.IGNORECASE)
_ROUTINE = re.compile(r"\bCREATE\b.*?\b(?:FUNCTION|PROCEDURE)\b", re.IGNORECASE | re.DOTALL)
_PLACEHOLDER = re.compile(r"%([%sIL])")
_NUMBERED = re.compile(r"%[-*\d]")


@lru_cache(maxsize=TEXTS)
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


@lru_cache(maxsize=TEXTS)
def routines(sql: str) -> Mapping[str, tuple[str, ...]]:
    """The functions and procedures that the text creates, by their plain names: each one's text, and what it runs."""
    import postgast

    if not _ROUTINE.search(sql):
        return MappingProxyType({})
    found: dict[str, tuple[str, ...]] = {}
    try:
        for text in postgast.split(sql):
            for raw in postgast.parse(text).stmts:
                if raw.stmt.WhichOneof("node") == "create_function_stmt":
                    made = raw.stmt.create_function_stmt
                    found[made.funcname[-1].string.sval] = (text, *_in_routine(text, made))
    except postgast.PgQueryError:
        return MappingProxyType({})
    return found


def _in_routine(text: str, made: Any) -> tuple[str, ...]:
    """What the routine runs; nothing where its language is another, or its body is known only when it runs."""
    import postgast

    options = {each.def_elem.defname: each.def_elem.arg for each in made.options}
    language = options["language"].string.sval.lower() if "language" in options else "sql"
    try:
        if language == "plpgsql":
            return tuple(_statements(postgast.parse_plpgsql(text)))
        if language == "sql" and "as" in options:  # what BEGIN ATOMIC brackets is part of the text's own tree
            return tuple(postgast.split(options["as"].list.items[0].string.sval))
    except (postgast.PgQueryError, ValueError):  # its output is no JSON for a trigger's function
        pass
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
            elif name in ("PLpgSQL_stmt_perform", "PLpgSQL_stmt_call"):
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
    if kind == "func_call" and (name := node.func_call.funcname[-1].string.sval) in ("concat", "format"):
        found = [_value(each) for each in node.func_call.args]
        if name == "format":
            return _formatted(found)
    elif kind == "a_expr" and node.a_expr.name and node.a_expr.name[0].string.sval == "||":
        found = [_value(node.a_expr.lexpr), _value(node.a_expr.rexpr)]
    else:
        return None
    known = [each for each in found if each is not None]
    return "".join(known) if len(known) == len(found) else None


def _formatted(values: Sequence[str | None]) -> str | None:
    """What PostgreSQL's format() makes of these; None where one is not known, or the text is none of the usual."""
    known = [each for each in values if each is not None]
    if not known or len(known) < len(values) or _NUMBERED.search(known[0]):
        return None
    template, *rest = known
    if len([each for each in _PLACEHOLDER.findall(template) if each != "%"]) > len(rest):
        return None
    given = iter(rest)
    ways: Mapping[str, Callable[[str], str]] = {"s": str, "I": quote, "L": literal}
    return _PLACEHOLDER.sub(lambda m: "%" if m[1] == "%" else ways[m[1]](next(given)), template)
