"""A table's rows as they are: while they are moved nothing of the table's own hides, changes or refuses them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from db_migrate.execute.keep.store import Run, literal

_HIDES = """
SELECT 1 FROM pg_catalog.pg_class
 WHERE oid = {table}::pg_catalog.regclass AND relforcerowsecurity AND pg_catalog.row_security_active(oid)
"""
"""Row-level security holds for a table's owner, who migrates, where it is forced, and for nobody who may bypass it."""

_ACTS = """
SELECT 'TRIGGER', pg_catalog.quote_ident(tgname), tgenabled::text FROM pg_catalog.pg_trigger
 WHERE tgrelid = {table}::pg_catalog.regclass AND NOT tgisinternal AND tgenabled IN ('O', 'A')
UNION ALL
SELECT 'RULE', pg_catalog.quote_ident(rulename), ev_enabled::text FROM pg_catalog.pg_rewrite
 WHERE ev_class = {table}::pg_catalog.regclass AND ev_type <> '1' AND ev_enabled IN ('O', 'A')
"""


def show_all(run: Run, table: str) -> bool:
    """Let the role that migrates see every row of a table, where its row-level security is forced; whether it was."""
    hidden = bool(run(_HIDES.format(table=literal(table))))
    if hidden:
        run(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    return hidden


@contextmanager
def every_row(run: Run, table: str) -> Iterator[None]:
    """Every row of a table is seen and can be written."""
    hidden = show_all(run, table)
    yield
    if hidden:
        run(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


@contextmanager
def unseen(run: Run, table: str) -> Iterator[None]:
    """As ``every_row``, and the table's own triggers and rules do not see what only comes home."""
    with every_row(run, table):
        acting = run(_ACTS.format(table=literal(table)))
        for kind, name, _ in acting:
            run(f"ALTER TABLE {table} DISABLE {kind} {name}")
        yield
        if acting:
            run("SET CONSTRAINTS ALL IMMEDIATE")  # a table with checks to come cannot be altered
        for kind, name, when in acting:
            run(f"ALTER TABLE {table} ENABLE {'ALWAYS ' if when == 'A' else ''}{kind} {name}")
