"""What is generated between two catalogs, run by plain Alembic on a real database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from tests.acceptance.oracles import read

from db_migrate.catalog.change import Change
from db_migrate.catalog.diff import diff, drifted
from db_migrate.catalog.objects import Catalog, Kind
from db_migrate.generate.body import Body, Direction, body
from db_migrate.generate.dispose import Decision, decide, fills
from db_migrate.generate.filling import Fill, How
from db_migrate.generate.make import ATTEMPTS, Attempt
from db_migrate.generate.request import Request
from db_migrate.generate.safe import Choices
from db_migrate.generate.text import indent
from db_migrate.generate.types import Types
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.scratch import scratch_database
from db_migrate.postgres.server import Server
from db_migrate.postgres.session import connect


class Yes:
    """Says that whatever may have been renamed was, and that no row lacks a value."""

    def renamed(self, kind: Kind, old: str, new: str) -> bool | None:
        """Yes."""
        del kind, old, new
        return True

    def fill(self, column: str, *, new: bool) -> Fill | None:
        """Nothing to fill."""
        del column, new
        return Fill(How.NOTHING)


@dataclass(frozen=True)
class Generated:
    """Both functions of a revision, and what decided on them."""

    decision: Decision
    upgrade: Body
    downgrade: Body


def between(
    before: Catalog, after: Catalog, attempt: Attempt | None = None, request: Request | None = None
) -> Generated:
    """What leads from one catalog to the other."""
    attempt, request = attempt or Attempt(), request or Request()
    decision = decide(before, after, request, Yes())
    choices = Choices(attempt.safe, fills(decision, request, Yes()))
    types = Types({}), Types({})
    up = body(decision.forward(choices), Direction(decision.way, types, plain_sql=attempt.plain_sql))
    down = body(decision.backward(Choices(attempt.safe)), Direction(decision.back, types, plain_sql=attempt.plain_sql))
    return Generated(decision, up, down)


def compiled(made: Body) -> Callable[[], None]:
    """The body as a function, as the template of a revision would have it."""
    lines = ["import sqlalchemy as sa", "from alembic import op", *sorted(made.imports), "def run():", "    pass"]
    names: dict[str, Any] = {}
    exec("\n".join([*lines, indent(made.text)]), names)
    run: Callable[[], None] = names["run"]
    return run


def run(made: Body, database: ConnInfo) -> None:
    """Run the body on the database as ``alembic upgrade`` does, each revision in a transaction of its own."""
    engine = sa.create_engine(database.url("postgresql+psycopg"), poolclass=sa.NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"transaction_per_migration": True})
        with Operations.context(context), context.begin_transaction(_per_migration=True):
            compiled(made)()


def unproved(server: Server, old: str, before: Catalog, after: Catalog) -> list[str]:
    """Why each form of the revision that is tried fails, where ``old`` makes ``before``; nothing once one is proved."""
    failures: list[str] = []
    for attempt in ATTEMPTS[1:]:
        with scratch_database(server, purpose="generate") as database:
            try:
                left = _there_and_back(old, database, before, after, attempt)
            except Exception as error:  # whatever Alembic or the server raises: the next form is tried
                failures.append(repr(error))
                continue
        if not left:
            return []
        failures.append(repr(left))
    return failures


def _there_and_back(
    old: str, database: ConnInfo, before: Catalog, after: Catalog, attempt: Attempt
) -> tuple[Change, ...]:
    """What is left to be done after the upgrade, or after the downgrade."""
    made = between(before, after, attempt)
    with connect(database) as connection:
        connection.execute(b"SET search_path = public")
        connection.execute(old.encode())
    run(made.upgrade, database)
    left = drifted(diff(catalog_of(database), after))
    if left:
        return left
    run(made.downgrade, database)
    return drifted(diff(catalog_of(database), before))


def catalog_of(database: ConnInfo) -> Catalog:
    """The schema of a database."""
    with connect(database) as connection, connection.transaction():
        return read(connection)
