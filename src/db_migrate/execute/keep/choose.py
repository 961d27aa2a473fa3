"""What of a plan's losses can be kept, and how. Pure: from the trace and the facts."""

from __future__ import annotations

from collections.abc import Iterator

from db_migrate.catalog.change import Action
from db_migrate.catalog.objects import Catalog, Kind
from db_migrate.results import KeptObject
from db_migrate.rules.facts import Facts
from db_migrate.trace.effects import Trace, TracedRevision, TracedStatement

MOVE, COPY = "move", "copy"

_HELD_BY_TABLES = frozenset(
    {
        Kind.ENUM,
        Kind.DOMAIN,
        Kind.COMPOSITE_TYPE,
        Kind.RANGE_TYPE,
        Kind.COLLATION,
        Kind.FUNCTION,
        Kind.SEQUENCE,
        Kind.EXTENSION,
        Kind.SCHEMA,
    }
)
"""What a table that is only moved would still use, so that it could not be dropped, or would take columns along."""


def choose(trace: Trace, facts: Facts) -> tuple[KeptObject, ...]:
    """The tables and columns whose loss can be made good, each with how: moved away, or copied.

    Nothing is kept of what is empty for certain, was made by the run itself, is dropped outside of a transaction (it
    could change between the copy and the drop), or has partitions; a column needs a primary key to be found again by.
    """
    strategy = COPY if any(_drops_what_tables_use(each) for each in trace.revisions) else MOVE
    found = (
        each
        for revision in trace.revisions
        for statement in revision.statements
        if not statement.autocommit and statement.error is None
        for each in (*_tables(revision, statement, facts, strategy), *_columns(revision, statement, facts))
    )
    return tuple({each.object: each for each in found}.values())


def _drops_what_tables_use(revision: TracedRevision) -> bool:
    dropped = (c for s in revision.statements for c in s.effects.changes if _gone(c.action))
    return any(c.kind in _HELD_BY_TABLES and not _is_owned(revision.before, c.kind, c.object) for c in dropped)


def _is_owned(catalog: Catalog, kind: Kind, name: str) -> bool:
    """Whether it is a sequence that goes with its table."""
    item = catalog.get(kind, name)
    return kind is Kind.SEQUENCE and item is not None and bool(item.attributes.get("owned_by"))


def _gone(action: Action) -> bool:
    return action is Action.DROPPED


def _tables(revision: TracedRevision, statement: TracedStatement, facts: Facts, strategy: str) -> Iterator[KeptObject]:
    dropped = set(statement.effects.dropped)
    views = any(c.kind in (Kind.VIEW, Kind.MATERIALIZED_VIEW) for c in statement.effects.changes if _gone(c.action))
    for name in statement.effects.dropped:
        table = revision.before.get(Kind.TABLE, name)
        if table is None or name in statement.effects.created or _is_partitioned(revision.before, name):
            continue
        size = facts.tables.get(name)
        if size is not None and size.exact and size.rows == 0:
            continue
        # A view would follow the table that is moved; when it is to go as well, the table has to stay where it is.
        how = COPY if views or len(dropped & _table_names(revision.before)) > 1 else strategy
        yield KeptObject(name, how, size.rows if size else None, size.bytes if size else None)


def _columns(revision: TracedRevision, statement: TracedStatement, facts: Facts) -> Iterator[KeptObject]:
    gone = set(statement.effects.dropped)
    for name in statement.effects.dropped:
        column = revision.before.get(Kind.COLUMN, name)
        if column is None or column.parent is None or column.parent in gone or column.attributes.get("generated"):
            continue
        table = column.parent
        key = primary_key(revision.before, table)
        plain = revision.before.get(Kind.TABLE, table) is not None and not _is_partitioned(revision.before, table)
        if not plain or not key or name in {f"{table}.{each}" for each in key}:
            continue
        size = facts.tables.get(table)
        if size is not None and size.exact and size.rows == 0:
            continue
        yield KeptObject(name, COPY, size.rows if size else None, None)


def primary_key(catalog: Catalog, table: str) -> tuple[str, ...]:
    """The columns of a table's primary key, as SQL writes them; none where it has none."""
    members = catalog.children.get(table, ())
    found = next((each.attributes.get("columns") for each in members if each.kind is Kind.PRIMARY_KEY), None)
    return found if isinstance(found, tuple) else ()


def _is_partitioned(catalog: Catalog, table: str) -> bool:
    item = catalog.get(Kind.TABLE, table)
    return item is not None and bool(item.attributes.get("partition_key") or item.attributes.get("inherits"))


def _table_names(catalog: Catalog) -> set[str]:
    return {each.name for each in catalog if each.kind is Kind.TABLE}
