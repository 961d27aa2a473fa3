"""A project on disk and a target to execute its plans on, as the workspace does it."""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from db_migrate.catalog.objects import Catalog
from db_migrate.config import Settings
from db_migrate.execute.progress import ProgressEvent, ProgressKind
from db_migrate.execute.run import Order, execute_plan
from db_migrate.plan.document import plan_hash
from db_migrate.plan.make import Request, make_plan
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect, read_only
from db_migrate.project.config import ProjectConfig, load_config
from db_migrate.project.graph import load_graph
from db_migrate.results import Plan, RunResult
from db_migrate.schemas.scratch import Scratch, like_the_target, open_scratch, read_through
from db_migrate.schemas.target import Target, VersionTable
from db_migrate.trace.effects import Direction

SYNC_ENV = """
from alembic import context
from sqlalchemy import create_engine, pool

engine = create_engine({url!r}, poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""

ASYNC_ENV = """
import asyncio

from alembic import context
from sqlalchemy import pool
from sqlalchemy.ext.asyncio import create_async_engine

def run(connection):
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()

async def main():
    engine = create_async_engine({url!r}, poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run)
    await engine.dispose()

asyncio.run(main())
"""

REVISION = '''"""{message}"""
import sqlalchemy as sa
from alembic import op

revision = {revision!r}
down_revision = {down!r}
db_migrate_allow = {allow!r}


def upgrade():
{up}


def downgrade():
{back}
'''


@dataclass
class Site:
    """A project, its target, and the scratch server that proves its plans."""

    folder: Path
    conninfo: ConnInfo
    stack: ExitStack
    driver: str = "postgresql+psycopg"
    settings: Settings = field(init=False)
    heads: list[str] = field(default_factory=list)
    events: list[ProgressEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Lay out the folder."""
        self.settings = Settings(root=self.folder, lock_budget=20.0)
        (self.folder / "migrations" / "versions").mkdir(parents=True)
        (self.folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\n")
        self.use_driver(self.driver)

    def use_driver(self, driver: str) -> None:
        """Let env.py connect with another driver."""
        self.driver = driver
        text = ASYNC_ENV if "async" in driver else SYNC_ENV
        self.env(text.format(url=self.conninfo.url(driver)))

    def env(self, text: str) -> None:
        """Write env.py."""
        (self.folder / "migrations" / "env.py").write_text(text)

    def revision(
        self, revision: str, up: str, back: str = "pass", *, allow: dict[str, str] | None = None, name: str = ""
    ) -> Path:
        """Add a revision on top."""
        down = self.heads[-1] if self.heads else None
        self.heads.append(revision)
        text = REVISION.format(
            message=f"revision {revision}",
            revision=revision,
            down=down,
            allow=allow or {},
            up=textwrap.indent(textwrap.dedent(up).strip(), "    "),
            back=textwrap.indent(textwrap.dedent(back).strip(), "    "),
        )
        file = self.folder / "migrations" / "versions" / f"{name or revision}.py"
        file.write_text(text)
        return file

    @property
    def project(self) -> ProjectConfig:
        """The project."""
        return load_config(self.folder)

    @property
    def target(self) -> Target:
        """The target, which env.py connects to by itself."""
        return Target(self.settings.target, self.conninfo, True, (VersionTable(),))

    @cached_property
    def scratch(self) -> Scratch:
        """Where plans are proved."""
        first = self.stack.enter_context(open_scratch(self.project, None))
        with contextlib.closing(connect(self.conninfo)) as connection:
            version = connection.info.server_version
        return self.stack.enter_context(like_the_target(first, version, None))

    def live(self) -> Catalog:
        """The target's catalog as it is now."""
        with read_only(self.conninfo) as connection:
            return read_through(connection)

    def plan(self, revision: str = "heads", *, down: bool = False) -> Plan:
        """A proved plan, all of whose findings are allowed."""
        return without_findings(self.judged_plan(revision, down=down))

    def judged_plan(self, revision: str = "heads", *, down: bool = False) -> Plan:
        """A proved plan with its findings."""
        direction = Direction.DOWNGRADE if down else Direction.UPGRADE
        request = Request(revision, direction)
        return make_plan(self.scratch, load_graph(self.project), self.target, self.settings, request).plan

    def order(self, plan: Plan, **changes: Any) -> Order:
        """How ``execute_plan`` is called for a plan."""
        defaults = {
            "plan": plan,
            "project": self.project,
            "target": self.target,
            "settings": self.settings,
            "read_live": self.live,
            "verb": "rollback" if plan.direction == "downgrade" else "apply",
            "observer": self.events.append,
            "confirm": self.conninfo.dbname,
        }
        return Order(**(defaults | changes))

    def execute(self, plan: Plan, **changes: Any) -> RunResult:
        """Execute a plan in this process."""
        return execute_plan(self.order(plan, **changes))

    def apply(self, revision: str = "heads") -> RunResult:
        """Plan and execute."""
        return self.execute(self.plan(revision))

    def rollback(self, revision: str) -> RunResult:
        """Plan the way back and execute it."""
        return self.execute(self.plan(revision, down=True))

    def users_fingerprint(self) -> str:
        """The fingerprint of the target's catalog without Alembic's own table."""
        live = self.live()
        hidden = "public.alembic_version"
        return live.where(o for o in live if hidden not in (o.name, o.parent)).fingerprint

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements in the target; the rows of the last."""
        rows: list[tuple[Any, ...]] = []
        with contextlib.closing(connect(self.conninfo)) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def seen(self, kind: ProgressKind) -> list[ProgressEvent]:
        """The progress events of one kind."""
        return [event for event in self.events if event.event is kind]


def without_findings(plan: Plan) -> Plan:
    """The plan as somebody would have it who has allowed everything."""
    plain = replace(plan, findings=(), hash="")
    return replace(plain, hash=plan_hash(plain))


@contextlib.contextmanager
def make_site(folder: Path, conninfo: ConnInfo) -> Iterator[Site]:
    """A site for as long as the context lasts."""
    with ExitStack() as stack:
        yield Site(folder, conninfo, stack)


@pytest.fixture
def site(tmp_path: Path, target_database: ConnInfo) -> Iterator[Site]:
    """A site whose target is an empty database of PostgreSQL 18."""
    with make_site(tmp_path, target_database) as made:
        yield made


@pytest.fixture
def site15(tmp_path: Path, target15_database: ConnInfo) -> Iterator[Site]:
    """A site whose target is an empty database of PostgreSQL 15."""
    with make_site(tmp_path, target15_database) as made:
        yield made


@pytest.fixture(params=["18", pytest.param("15", marks=pytest.mark.pg15)])
def site_on_each(request: pytest.FixtureRequest) -> Site:
    """A site on PostgreSQL 18, and one on 15."""
    found: Site = request.getfixturevalue("site" if request.param == "18" else "site15")
    return found
