"""Section K: revisions that look at rows before they write, which scratch, where tables are empty, cannot follow."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from db_migrate.catalog.objects import Catalog
from db_migrate.rules import advice
from db_migrate.rules.context import Context, Hit, Place, looked_at
from db_migrate.rules.finding import Severity
from db_migrate.rules.matching import relation_named
from db_migrate.rules.registry import About, Section, rule
from db_migrate.trace.effects import TracedRevision

RULE = "data-dependent"
_WRITES = re.compile(r'\s*writes\s+([\w$."]+(?:\s*,\s*[\w$."]+)*)', re.IGNORECASE)


def may_write(revision: TracedRevision, catalog: Catalog) -> tuple[str, ...]:
    """The relations that the revision's own intent says it may write beyond those that it was seen to write.

    The intent is ``data-dependent:REVISION``, and its reason begins with ``writes`` and their names.
    """
    reason = revision.allow.get(f"{RULE}:{revision.revision}", "")
    found = _WRITES.match(reason)
    named = re.split(r"\s*,\s*", found[1]) if found else []
    return tuple(dict.fromkeys(relation_named(name, catalog) for name in named))


@rule(
    RULE,
    Section.DATA,
    About(
        catches="a revision reads rows, and what it does next may depend on them",
        effect="on scratch tables are empty, so it failed for want of a row, or a loop had nothing to loop over",
        why="what was proved may be less than what it does on the target",
        instead="one statement over all rows; or prove it on a sample, or write down what it may write",
        bad="""
users = op.get_bind().execute(sa.text("SELECT id, full_name FROM users")).fetchall()
for user in users:
    op.execute(sa.text("UPDATE users SET nickname = lower(full_name) WHERE id = :id").bindparams(id=user.id))
""",
        good='op.execute("UPDATE users SET nickname = lower(full_name) WHERE nickname IS NULL")',
    ),
)
def data_dependent(context: Context) -> Iterator[Hit]:
    """Once for each revision, of tables that are not certainly empty and of which no rows were copied."""
    for revision in context.trace.revisions:
        tables = tuple(_unseen(context, revision))
        if not tables:
            continue
        named = ", ".join(context.size(place, table) for place, table in tables)
        wanted = revision.error is not None and _for_want_of_a_row(revision)
        ending = "and failed on scratch, where there are no rows" if wanted else "and scratch has no rows to go by"
        yield Hit(
            tables[0][0],
            revision.revision,
            f"reads {named} before it is done, {ending}",
            _two_ways(revision.revision, (table for _, table in tables)),
            Severity.ERROR if wanted else None,
        )


def _unseen(context: Context, revision: TracedRevision) -> Iterator[tuple[Place, str]]:
    told: set[str] = set()
    for place in context.places:
        if place.revision is not revision:
            continue
        for table in looked_at(place.statement):
            if table not in told and table not in context.trace.sampled and not context.exempt(place, table):
                told.add(table)
                yield place, table


def _for_want_of_a_row(revision: TracedRevision) -> bool:
    """Whether Python, or PL/pgSQL where it found no row, raised, and not PostgreSQL about a statement."""
    error = revision.error
    return error is not None and error.sqlstate in ("", "P0001", "P0002", "P0004")


def _two_ways(revision: str, tables: Iterable[str]) -> str:
    names = ", ".join(tables)
    return (
        "# prove it on some rows:\ndb-migrate plan --sample 100\n"
        "# or say in the revision what it may write; apply lets it write nothing else:\n"
        + advice.intent(RULE, revision, f"writes {names}: what it does to which rows")
    )
