"""A place where revisions are really traced: one project on disk, one jailed child process, one scratch server."""

from __future__ import annotations

import contextlib
import itertools
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.roles import RoleSpec, ensure_roles
from db_migrate.postgres.scratch import first_template, keep_as_template, scratch_database
from db_migrate.postgres.server import Server
from db_migrate.postgres.session import connect
from db_migrate.project.child_process import open_child
from db_migrate.project.config import load_config
from db_migrate.project.graph import load_graph
from db_migrate.schemas.scratch import Scratch, scratch_of
from db_migrate.trace.effects import Direction, Trace
from db_migrate.trace.run import install, trace

OWNER = "trace_lab"
"""An ordinary role that owns the database, as the target's own role mostly does."""

_ENV = """
from alembic import context
from sqlalchemy import create_engine, pool

engine = create_engine("postgresql+psycopg://nobody@nowhere.invalid/none", poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""

_REVISION = '''"""a revision of the tests"""

import sqlalchemy as sa
from alembic import op

revision = {revision!r}
down_revision = {down!r}


def upgrade():
{body}


def downgrade():
    pass
'''


@dataclass
class Lab:
    """Traces revisions on databases of its own."""

    scratch: Scratch
    versions: Path
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def trace(self, *bodies: str, prepare: str = "") -> Trace:
        """Run functions' bodies as revisions, one after the other, where ``prepare`` (SQL) was run before."""
        with self.database(prepare) as database:
            return self.trace_on(database, *bodies)

    def trace_on(self, database: ConnInfo, *bodies: str) -> Trace:
        """The same on a database that is there."""
        head: str | None = None
        for body in bodies:
            head = self._add(textwrap.dedent(body).strip("\n"), head)
        assert head is not None
        return trace(self.scratch, load_graph(self.scratch.project), database, Direction.UPGRADE, head)

    @contextlib.contextmanager
    def database(self, prepare: str = "") -> Iterator[ConnInfo]:
        """A database with the observers in it, as its owner reaches it."""
        with self.plain_database(prepare) as database:
            install(self.scratch.server.conninfo(database.dbname))
            yield database

    @contextlib.contextmanager
    def plain_database(self, prepare: str = "", *, ground: str = "") -> Iterator[ConnInfo]:
        """A database without observers; what ``ground`` (SQL) makes is made once and then copied."""
        source = self._template(ground) if ground else None
        with scratch_database(self.scratch.server, owner=OWNER, template=source) as superuser:
            database = superuser.replace(user=OWNER)
            _run(database, prepare)
            yield database

    def _template(self, ground: str) -> str:
        server, key = self.scratch.server, f"trace lab of {OWNER}: {ground}"
        if (name := first_template(server, [key])) is not None:
            return name
        with scratch_database(server, owner=OWNER) as superuser:
            _run(superuser.replace(user=OWNER), ground)
            return keep_as_template(server, superuser, key)

    def _add(self, body: str, down: str | None) -> str:
        revision = f"r{next(self.numbers):04}"
        text = _REVISION.format(revision=revision, down=down, body=textwrap.indent(body, "    "))
        (self.versions / f"{revision}.py").write_text(text)
        return revision


def _run(database: ConnInfo, sql: str) -> None:
    if sql:
        with contextlib.closing(connect(database)) as connection:
            connection.execute(sql.encode())


@contextlib.contextmanager
def open_lab(server: Server, folder: Path, env: str = _ENV) -> Iterator[Lab]:
    """A lab on ``server`` with its project in ``folder``."""
    versions = folder / "alembic" / "versions"
    versions.mkdir(parents=True)
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/alembic\n")
    (folder / "alembic" / "env.py").write_text(env)
    config = load_config(folder)
    with contextlib.closing(connect(server.conninfo())) as connection:
        ensure_roles(connection, [RoleSpec(OWNER)], login=OWNER)
    with open_child(config, allowed=[server.conninfo().as_libpq()]) as child:
        yield Lab(scratch_of(server, child, config), versions)
