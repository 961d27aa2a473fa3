"""What a statement really runs: its own text, and that of DO blocks and routines, for rules about the source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from db_migrate.catalog.objects import ROUTINE_KINDS, Catalog
from db_migrate.rules.blocks import in_blocks, routines
from db_migrate.rules.grammar import nodes
from db_migrate.rules.names import plain_name
from db_migrate.trace.effects import TracedStatement


def texts_of(before: Catalog, statements: Sequence[TracedStatement]) -> tuple[str, ...]:
    """The texts that the last of the statements runs, its own first.

    ``statements`` are those of its revision up to it, which may have made the routines that it calls; others are
    ``before``. Of EXECUTE only those are known of which every part is.
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


@lru_cache(maxsize=1024)
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
    known = (o for o in before if o.kind in ROUTINE_KINDS and name in o.name and plain_name(o.name) == name)
    return [text for item in known for text in routines(item.definition).get(name, ())]
