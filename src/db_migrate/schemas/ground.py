"""What statements make on the ground that other objects prepare, in a scratch database."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence

from db_migrate.catalog.objects import Catalog, Kind, SchemaObject
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.lacking import lacking
from db_migrate.postgres.session import connect
from db_migrate.schemas.scratch import Scratch, read


def created(
    scratch: Scratch, lent: Iterable[SchemaObject], statements: Sequence[str], otherwise: Callable[[ConnInfo], object]
) -> tuple[Catalog, bool]:
    """What is there after the statements and was not before them, schemas aside, on the ground of ``lent``.

    ``otherwise`` does it where the statements do not run, or where there are none; the second value says whether they
    ran.
    """
    with scratch.database("models") as database:
        _prepare(database, lent)
        before = read(database)
        ran = _run(database, statements)
        if not ran:
            otherwise(database)
        after = read(database)
    return after.where(o for o in after if before.get(*o.key) is None and o.kind is not Kind.SCHEMA), ran


def _run(database: ConnInfo, statements: Sequence[str]) -> bool:
    """Run the statements in one round trip, all of them or nothing; False where there are none or they fail."""
    import psycopg

    if not statements:
        return False
    with contextlib.closing(connect(database)) as connection:
        try:
            connection.execute(";\n".join(statements).encode())
        except psycopg.Error:
            return (
                False  # whoever does it otherwise meets the same error with the user's own code around it, or gets by
            )
    return True


def _prepare(database: ConnInfo, objects: Iterable[SchemaObject]) -> None:
    """Make the ground. What cannot be made without tables is left out: the models will say if they need it."""
    import psycopg

    with contextlib.closing(connect(database, settings={"check_function_bodies": "off"})) as connection:
        for item in objects:
            with contextlib.suppress(psycopg.errors.UndefinedTable, psycopg.errors.UndefinedObject):
                try:
                    connection.execute(ground_sql(item).encode())
                except psycopg.errors.FeatureNotSupported as error:
                    raise lacking("models.extension", str(error), item.name) or error from error


def ground_sql(item: SchemaObject) -> str:
    """The SQL that makes an object of the ground."""
    if item.kind is Kind.SCHEMA:
        return item.definition.replace("CREATE SCHEMA", "CREATE SCHEMA IF NOT EXISTS", 1)
    if item.kind is Kind.EXTENSION:
        return item.definition.replace("CREATE EXTENSION", "CREATE EXTENSION IF NOT EXISTS", 1)
    if item.kind is Kind.SEQUENCE:
        return f"CREATE SEQUENCE {item.name}"
    if item.kind is Kind.ENUM:
        labels = item.attributes["labels"]
        quoted = (
            ", ".join("'" + label.replace("'", "''") + "'" for label in labels) if isinstance(labels, tuple) else ""
        )
        return f"CREATE TYPE {item.name} AS ENUM ({quoted})"
    return item.definition
