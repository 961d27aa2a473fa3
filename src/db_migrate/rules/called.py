"""What a statement really runs: its own text, and that of DO blocks and routines, for rules about the source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from db_migrate.catalog.objects import ROUTINE_KINDS, Catalog
from db_migrate.rules.blocks import TEXTS, in_blocks, routines
from db_migrate.rules.grammar import nodes
from db_migrate.rules.names import plain_name
from db_migrate.trace.effects import TracedStatement
from db_migrate.trace.grammar import UNREADABLE, sort_of

_MAKES_ROUTINES = frozenset({"create_function_stmt", "do_stmt", UNREADABLE})


def may_make_routines(statement: TracedStatement) -> bool:
    """Whether there may be a routine's text in the statement's own."""
    return not _MAKES_ROUTINES.isdisjoint(sort_of(statement.sql).nodes)


def texts_of(before: Catalog, statements: Sequence[TracedStatement]) -> tuple[str, ...]:
    """The texts that the last of the statements runs, its own first.

    ``statements`` are those of its revision up to it that may have made the routines that it calls (see
    ``may_make_routines``); others are ``before``. Of EXECUTE only those are known of which every part is.
    """
    return _with_what_runs(statements[-1].sql, lambda name: _routine(name, before, statements))


def _with_what_runs(sql: str, routine: Callable[[str], Sequence[str]]) -> tuple[str, ...]:
    texts, seen = [sql], set[str]()
    for text in texts:  # it grows: what a routine runs may call others
        texts += in_blocks(text)
        for name in _called(text):
            if name not in seen:
                seen.add(name)
                texts += routine(name)
    return tuple(texts)


@lru_cache(maxsize=TEXTS)
def _called(sql: str) -> tuple[str, ...]:
    """The plain names of the functions and procedures that the text calls, but for PostgreSQL's by their full names."""
    if "(" not in sql:
        return ()
    names = [[part.string.sval for part in call.funcname] for call in nodes(sql, "FuncCall")]
    return tuple(dict.fromkeys(each[-1] for each in names if each[0] != "pg_catalog"))


def _routine(name: str, before: Catalog, statements: Sequence[TracedStatement]) -> Sequence[str]:
    """The routine's text as it was last made, and what it runs; several of one name are taken together."""
    for statement in reversed(statements):
        for text in (statement.sql, *in_blocks(statement.sql)):
            if name in (made := routines(text)):
                return made[name]
    routines_before = before.of_kinds(*ROUTINE_KINDS)
    known = (each for each in routines_before if name in each.name and plain_name(each.name) == name)
    return [text for item in known for text in routines(item.definition).get(name, ())]
