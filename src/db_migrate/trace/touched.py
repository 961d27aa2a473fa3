"""Which relations a statement was about, so that a transaction that holds many need not be read in whole each time."""

from __future__ import annotations

from collections.abc import Mapping

from db_migrate.trace.grammar import StatementSort
from db_migrate.trace.observation import WEAK, Observation, Relation

MANY = 8
"""How many relations a transaction may hold so that it could change them, and all of them are read again each time."""

_PLAIN = frozenset(
    {
        "alter_seq_stmt",
        "alter_table_stmt",
        "comment_stmt",
        "create_seq_stmt",
        "create_stmt",
        "create_trig_stmt",
        "drop_stmt",
        "index_stmt",
        "rename_stmt",
        "view_stmt",
    }
)
"""Statements that event triggers are fired for and that run no code but PostgreSQL's own."""


def touched(
    sort: StatementSort, before: Observation, after: Observation, relations: Mapping[int, Relation]
) -> frozenset[int] | None:
    """The relations that a statement was about, that it took something from, or that it was the first to hold.

    ``relations`` are those before it. None where it is not known, or where the transaction holds few.
    """
    if len(after.strong) < MANY or len(sort.nodes) != 1 or sort.nodes[0] not in _PLAIN:
        return None
    told = {oid for event in after.server_events if event.event == "touched" for oid in event.oids}
    if not told or 0 in told:
        return None
    taken = {oid for oid, mode in frozenset(after.locks).difference(before.locks) if mode not in WEAK}
    return frozenset(_table(oid, relations) for oid in told | taken)


def _table(oid: int, relations: Mapping[int, Relation]) -> int:
    """The table of an index that may be gone; any other relation itself."""
    found = relations.get(oid)
    return oid if found is None or found.table is None else found.table
