"""Section K: revisions that do not do the same each time, so that what was reviewed is not what happens."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import takewhile, zip_longest

from db_migrate.rules.context import Context, Hit
from db_migrate.rules.facts import Difference
from db_migrate.rules.names import is_version_table
from db_migrate.rules.registry import About, Section, rule
from db_migrate.rules.source import read_source
from db_migrate.trace.effects import Trace, TracedRevision

_PLAIN = {
    *("__future__", "collections", "contextlib", "dataclasses", "decimal", "enum", "functools", "itertools"),
    *("json", "logging", "re", "string", "textwrap", "typing", "typing_extensions"),
    *("alembic", "alembic_utils", "asyncpg", "citext", "geoalchemy2", "pgvector", "psycopg", "psycopg2"),
    *("sqlalchemy", "sqlalchemy_utils", "sqlmodel"),
}
"""Modules that do the same each time; of all others, the project's own too, nobody knows."""

_VARYING = {
    *("__import__", "dir", "eval", "exec", "frozenset", "globals", "hash", "id", "locals", "open", "set", "vars"),
}
"""Builtin names whose values depend on the process, or on what nobody sees in the source."""

_LONGEST = 60


def may_vary(file: str) -> bool:
    """Whether the revision in the file could do something else another time, as far as its source tells.

    It cannot where it uses nothing but Alembic, SQLAlchemy and their like, and no set but to ask what is in it.
    """
    source = read_source(file)
    if source is None:
        return True
    nodes = list(ast.walk(source.tree))
    asked = {id(each) for node in nodes if isinstance(node, ast.Compare) for each in _looked_in(node)}
    return any(_varies(each) for each in nodes if id(each) not in asked)


def _looked_in(comparison: ast.Compare) -> Iterator[ast.expr]:
    for operator, right in zip(comparison.ops, comparison.comparators, strict=True):
        if isinstance(operator, ast.In | ast.NotIn):
            yield right


def _varies(node: ast.AST) -> bool:
    match node:
        case ast.Set(elts=elements):
            return len(elements) > 1
        case ast.SetComp():
            return True
        case ast.Name(id=name):
            return name in _VARYING
        case ast.Import(names=names):
            return any(each.name.partition(".")[0] not in _PLAIN for each in names)
        case ast.ImportFrom(module=module, level=level):
            return level > 0 or (module or "").partition(".")[0] not in _PLAIN
        case _:
            return False


def differences(first: Trace, second: Trace) -> Mapping[str, Difference]:
    """By revision, where two runs from the same state part."""
    again = {each.revision: _sent(each) for each in second.revisions}
    found = {}
    for revision in first.revisions:
        pairs = zip_longest(_sent(revision), again.get(revision.revision, ()), fillvalue="")
        parted = ((number, then) for number, (one, then) in enumerate(pairs) if one != then)
        if (difference := next(parted, None)) is not None:
            found[revision.revision] = Difference(*difference)
    return found


def _sent(revision: TracedRevision) -> list[str]:
    """What it sent, without Alembic's note of it, which stands elsewhere when there is more or less before it."""
    return ["" if _notes(each.effects.writes) else each.sql for each in revision.statements]


def _notes(written: Collection[str]) -> bool:
    return bool(written) and all(is_version_table(each) for each in written)


@rule(
    "not-deterministic",
    Section.DATA,
    About(
        catches="a revision does not send the same each time: it depends on chance, the clock, or the order of a set",
        effect="it was run once more on scratch, in a process that hashes otherwise, and sent something else",
        why="what happens is not what was reviewed: apply refuses other DDL, and no two databases are alike",
        instead="sort what a set holds, write the value down, or let the server make it: now(), gen_random_uuid()",
        bad="""
from uuid import uuid4

op.add_column("users", sa.Column("token", sa.Text(), server_default=str(uuid4())))
""",
        good='op.add_column("users", sa.Column("token", sa.Text(), server_default="none"))',
        needs_facts=True,
    ),
)
def not_deterministic(context: Context) -> Iterator[Hit]:
    """Once for each revision, at the first statement that was another one, or the last where more came after it."""
    for revision in context.trace.revisions:
        found = context.facts.differing.get(revision.revision)
        if found is None:
            continue
        places = [each for each in context.places if each.revision is revision and not _notes(each.effects.writes)]
        place = next((each for each in places if each.index == found.statement), None)
        where = place or (places[-1] if places else revision)
        yield Hit(where, revision.revision, _parted(place.statement.sql if place else "", found.text))


def _parted(one: str, other: str) -> str:
    if not other:
        return "when it was run again, it ended before this statement"
    if not one:
        return "when it was run again, it sent more statements"
    said, then = _where_they_part(one, other)
    return f"when it was run again, it sent {then} here in place of {said}"


def _where_they_part(one: str, other: str) -> tuple[str, str]:
    """What of two texts is not the same, in whole words."""
    words = [re.findall(r"[\w-]+|\s+|.", text) for text in (one, other)]
    begins = _alike(*words)
    words = [each[begins:] for each in words]
    ends = _alike(*(each[::-1] for each in words))
    first, second = ("".join(each[: len(each) - ends]).strip() for each in words)
    return _shown(first), _shown(second)


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """How many words at the beginning of both are the same."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return f"{line[:_LONGEST]}…" if len(line) > _LONGEST else line or "nothing"
