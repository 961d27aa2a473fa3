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
from db_migrate.catalog.objects import Catalog
from db_migrate.generate.body import Body, Direction, body
from db_migrate.generate.dispose import Decision, decide, fills
from db_migrate.generate.filling import Fill, How
from db_migrate.generate.late import with_own_defaults
from db_migrate.generate.make import ATTEMPTS, Attempt
from db_migrate.generate.request import Request
from db_migrate.generate.safe import Choices
from db_migrate.generate.split import Part, parts
from db_migrate.generate.types import Types
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.scratch import scratch_database
from db_migrate.postgres.server import Server
from db_migrate.postgres.session import connect
from db_migrate.rules.python_text import indent

PLAIN = Request()


@dataclass(frozen=True)
class Yes:
    """Says that whatever may have been renamed was, or was not, and how rows get a value (None: none lacks one)."""

    rename: bool = True
    expression: str | None = None

    def renamed(self, what: str, old: str, new: str) -> bool | None:
        """The same of everything."""
        del what, old, new
        return self.rename

    def fill(self, column: str, *, new: bool) -> Fill | None:
        """The same for every column."""
        del column, new
        return Fill(How.NOTHING) if self.expression is None else Fill(How.BACKFILL, self.expression)


@dataclass(frozen=True)
class Generated:
    """What decided on the revisions, both functions of each, and what each waits for."""

    decision: Decision
    revisions: tuple[tuple[Body, Body], ...]
    waits: tuple[str | None, ...]


def between(
    before: Catalog,
    after: Catalog,
    attempt: Attempt | None = None,
    questioner: Yes | None = None,
    request: Request = PLAIN,
) -> Generated:
    """What leads from one catalog to the other."""
    attempt, questioner = attempt or Attempt(), questioner or Yes()
    decision = decide(before, after, request, questioner)
    choices = with_own_defaults(decision, Choices(attempt.safe, fills(decision, request, questioner)))
    types = Types({}), Types({})

    def bodies(part: Part) -> tuple[Body, Body]:
        way, back = part.decision.way, part.decision.back
        up, down = (Direction(side, types, plain_sql=attempt.plain_sql) for side in (way, back))
        return body(part.forward(choices), up), body(part.backward(Choices(attempt.safe)), down)

    divided = parts(decision, choices, divided=attempt.divided)
    return Generated(decision, tuple(bodies(part) for part in divided), tuple(part.waits_for for part in divided))


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


@dataclass(frozen=True)
class Tried:
    """What was written in the form that is proved (None: in no form), and why those before it are not."""

    proved: Generated | None
    failures: tuple[tuple[Attempt, str], ...] = ()


def tried(
    server: Server,
    old: str,
    before: Catalog,
    after: Catalog,
    questioner: Yes | None = None,
    request: Request = PLAIN,
) -> Tried:
    """One form after the other, where ``old`` makes ``before``, until one is proved."""
    failures: list[tuple[Attempt, str]] = []
    for attempt in ATTEMPTS[1:]:  # the first one differs in the project's types, and there is no project
        made = between(before, after, attempt, questioner, request)
        with scratch_database(server, purpose="generate") as database:
            try:
                left = _there_and_back(old, database, before, after, made)
            except sa.exc.DBAPIError as error:  # the next form is tried
                failures.append((attempt, str(error)))
                continue
        if not left:
            return Tried(made, tuple(failures))
        failures.append((attempt, repr(left)))
    return Tried(None, tuple(failures))


def _there_and_back(
    old: str, database: ConnInfo, before: Catalog, after: Catalog, made: Generated
) -> tuple[Change, ...]:
    """What would be generated after the upgrade, after the downgrade, or after the second upgrade."""
    with connect(database) as connection:
        connection.execute(b"SET search_path = public")
        connection.execute(old.encode())
    there = [upgrade for upgrade, _ in made.revisions]
    back = [downgrade for _, downgrade in reversed(made.revisions)]
    for way, wanted in ((there, after), (back, before), (there, after)):
        for each in way:
            run(each, database)
        if left := between(catalog_of(database), wanted).decision.changes:
            return left
    return ()


def catalog_of(database: ConnInfo) -> Catalog:
    """The schema of a database."""
    with connect(database) as connection, connection.transaction():
        return read(connection)
