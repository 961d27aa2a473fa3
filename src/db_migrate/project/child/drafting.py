"""The DDL of the models as text, without a database: what ``create_all`` would send, DDL events included."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from db_migrate.project import jobs
from db_migrate.project.child.entities import Entity, drafted

if TYPE_CHECKING:
    from sqlalchemy import MetaData, Table


@dataclass(slots=True)
class Draft:
    """Statements in order. ``about`` has for each the table that it is about; None for what tables stand on.

    ``plain``: there is no statement of any other kind, such as a user's own in a DDL event.
    """

    statements: list[str] = field(default_factory=list)
    about: list[Table | None] = field(default_factory=list)
    plain: bool = True

    def tables(self, default_schema: str) -> tuple[jobs.DraftedTable, ...]:
        """What makes each table; nothing unless the draft is plain."""
        places: dict[Table, list[int]] = {}
        for place, table in enumerate(self.about):
            if table is not None:
                places.setdefault(table, []).append(place)

        def name(table: Table) -> str:
            return f"{table.schema or default_schema}.{table.name}"

        return tuple(
            jobs.DraftedTable(
                name=name(table),
                statements=tuple(statements),
                needs=tuple(sorted({name(key.column.table) for key in table.foreign_keys} - {name(table)})),
            )
            for table, statements in places.items()
            if self.plain
        )


def draft(metadata: Iterable[MetaData], dialect: Any, schemas: Iterable[str], entities: Sequence[Entity] = ()) -> Draft:
    """The statements that make the metadata in an empty database; none where user code needs a real connection.

    A DDL event may be any function: one that asks the connection something fails on the stand-in that SQLAlchemy
    offers for this (``create_mock_engine``), in whatever way, and then nothing can be said without running it.
    """
    from sqlalchemy.engine.mock import MockConnection

    plain = _without_parameters(dialect)
    found = Draft()
    for name in sorted(schemas):
        found.statements.append(f"CREATE SCHEMA IF NOT EXISTS {plain.identifier_preparer.quote(name)}")
        found.about.append(None)
    _write_entities(found, drafted(entities, before_tables=True))

    def write(statement: Any, *_args: Any, **_kwargs: Any) -> None:
        found.statements.append(str(statement.compile(dialect=plain)).strip())
        table, known = _table_of(statement)
        found.about.append(table)
        found.plain = found.plain and known

    connection = MockConnection(plain, write)
    try:
        for each in metadata:
            each.create_all(connection, checkfirst=False)
    except Exception:  # user code's, of any kind: the caller then creates the models for real, which shows it
        return Draft()
    _write_entities(found, drafted(entities, before_tables=False))
    return found


def _write_entities(found: Draft, statements: Iterable[str]) -> None:
    for statement in statements:
        found.statements.append(statement)
        found.about.append(None)
        found.plain = False


def _table_of(statement: Any) -> tuple[Table | None, bool]:
    """The table that a statement is about, and whether it is of a kind that SQLAlchemy itself makes for tables."""
    from sqlalchemy.dialects.postgresql.named_types import CreateDomainType, CreateEnumType
    from sqlalchemy.sql import ddl

    match statement:
        case ddl.CreateTable() | ddl.SetTableComment():
            return statement.element, True
        case ddl.CreateIndex() | ddl.AddConstraint() | ddl.SetColumnComment() | ddl.SetConstraintComment():
            return statement.element.table, True
        case ddl.CreateSequence() | CreateEnumType() | CreateDomainType():
            return None, True
    return None, False


def _without_parameters(dialect: Any) -> Any:
    """The same dialect, that does not double percent signs for a driver which takes parameters."""
    plain = copy.copy(dialect)
    plain.paramstyle = "named"
    plain.positional = False
    plain.identifier_preparer = plain.preparer(plain)
    return plain
