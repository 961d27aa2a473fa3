"""The DDL of the models as text, without a database: what ``create_all`` would send, DDL events included."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import MetaData


def draft(metadata: Iterable[MetaData], dialect: Any, schemas: Iterable[str]) -> tuple[str, ...]:
    """The statements that make the metadata in an empty database; none where user code needs a real connection.

    A DDL event may be any function: one that asks the connection something fails on the stand-in that SQLAlchemy
    offers for this (``create_mock_engine``), in whatever way, and then nothing can be said without running it.
    """
    from sqlalchemy.engine.mock import MockConnection

    plain = _without_parameters(dialect)
    written = [f"CREATE SCHEMA IF NOT EXISTS {plain.identifier_preparer.quote(name)}" for name in sorted(schemas)]

    def write(statement: Any, *_args: Any, **_kwargs: Any) -> None:
        written.append(str(statement.compile(dialect=plain)).strip())

    connection = MockConnection(plain, write)
    try:
        for each in metadata:
            each.create_all(connection, checkfirst=False)
    except Exception:  # user code's, of any kind: the caller then creates the models for real, which shows it
        return ()
    return tuple(written)


def _without_parameters(dialect: Any) -> Any:
    """The same dialect, that does not double percent signs for a driver which takes parameters."""
    plain = copy.copy(dialect)
    plain.paramstyle = "named"
    plain.positional = False
    plain.identifier_preparer = plain.preparer(plain)
    return plain
