"""Section F: what is held while what runs, rewrites, and where transactions begin and end."""

from __future__ import annotations

from collections.abc import Iterator

from db_migrate.rules.context import Context, Hit, Place, is_table, locked
from db_migrate.rules.finding import Severity
from db_migrate.rules.grammar import named_by
from db_migrate.rules.registry import About, Section, rule
from db_migrate.trace.effects import LockMode


def harmful_rewrites(context: Context, place: Place) -> Iterator[tuple[str, str]]:
    """Tables with rows that the statement wrote anew while readers wait, each with PostgreSQL's reason."""
    for rewrite in place.effects.rewrites:
        blocking = locked(place, rewrite.relation, LockMode.ACCESS_EXCLUSIVE) is not None
        if blocking and is_table(place, rewrite.relation) and not context.exempt(place, rewrite.relation):
            yield rewrite.relation, rewrite.reason


@rule(
    "rewrite-under-lock",
    Section.TRANSACTION,
    About(
        catches="a table with rows is written anew while ACCESS EXCLUSIVE is held, whatever the statement",
        effect="every row and every index is written again; ACCESS EXCLUSIVE until the transaction ends",
        why="nobody can read or write the table until the copy is done; it needs as much disk again, and as much WAL",
        instead="a new column or table, filled in batches, that takes the old one's place",
        bad='op.execute("ALTER TABLE users ALTER COLUMN balance TYPE bigint")',
        good='op.add_column("users", sa.Column("balance_big", sa.BigInteger()))',
    ),
)
def rewrite_under_lock(context: Context) -> Iterator[Hit]:
    """Every rewrite; rules of sections A, C and G say what caused it."""
    for place in context.places:
        for relation, reason in harmful_rewrites(context, place):
            yield Hit(
                place,
                relation,
                f"rewrites {context.size(place, relation)} under ACCESS EXCLUSIVE" + (f": {reason}" if reason else ""),
                severity=context.block_severity(place),
            )


@rule(
    "concurrently-in-transaction",
    Section.TRANSACTION,
    About(
        severity=Severity.ERROR,
        catches="a statement that PostgreSQL runs only outside of a transaction is sent inside one",
        effect="refused (25001), always",
        why="the revision fails every time",
        instead="wrap it in op.get_context().autocommit_block()",
        bad='op.create_index("ix_users_full_name", "users", ["full_name"], postgresql_concurrently=True)',
        good="""
with op.get_context().autocommit_block():
    op.create_index("ix_users_full_name", "users", ["full_name"], postgresql_concurrently=True)
""",
    ),
)
def concurrently_in_transaction(context: Context) -> Iterator[Hit]:
    """PostgreSQL's own refusal on scratch."""
    for place in context.places:
        error = place.statement.error
        if error is None or error.sqlstate != "25001":
            continue
        line = " ".join(place.statement.sql.split())
        yield Hit(
            place,
            named_by(place.statement.sql) or place.revision.revision,
            f"PostgreSQL refuses it: {error.message}",
            f'with op.get_context().autocommit_block():\n    op.execute("""{line}""")',
        )
