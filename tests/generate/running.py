"""What is generated between two catalogs, run by plain Alembic on a real database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from db_migrate.catalog.objects import Catalog, Kind
from db_migrate.generate.body import Body, Direction, body
from db_migrate.generate.dispose import Decision, decide, fills
from db_migrate.generate.filling import Fill, How
from db_migrate.generate.make import Attempt
from db_migrate.generate.request import Request
from db_migrate.generate.safe import Choices
from db_migrate.generate.text import indent
from db_migrate.generate.types import Types
from db_migrate.postgres.conninfo import ConnInfo


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
