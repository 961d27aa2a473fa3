"""Where a reader of a page is: a small project in a repository of its own, and its database, in one of some states."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import alembic
import pytest
from tests.conftest import TargetServer
from tests.end_to_end.conftest import Project, make_project
from tests.manual.conftest import Reader

from db_migrate.postgres.session import connect

MODELS = """
from sqlalchemy import ForeignKey, Numeric
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)


class Invoice(Base):
    __tablename__ = "invoices"
    id: Mapped[int] = mapped_column(primary_key=True)
    amount: Mapped[float] = mapped_column(Numeric)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
"""
NOTE = "    note: Mapped[str | None]\n"
BILLING = """

class Billing(Base):
    __tablename__ = "billing"
    id: Mapped[int] = mapped_column(primary_key=True)
"""
TESTS = {
    "users": """
from models import User


def test_users_have_a_key(rows):
    assert rows(User) is not None
""",
    "invoices": """
from models import Invoice


def test_the_amount_is_a_number(rows):
    assert all(each.amount >= 0 for each in rows(Invoice))
""",
}
BILLS = """
from models import Billing


def test_bills_have_a_key():
    assert Billing.__table__.primary_key
"""
FIXTURE = """
import os

import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session


@pytest.fixture
def rows():
    engine = create_engine(os.environ["DATABASE_URL"])
    with Session(engine) as session:
        yield lambda model: session.scalars(select(model)).all()
    engine.dispose()
"""
USERS = 'op.create_table("users", sa.Column("id", sa.Integer, primary_key=True))'
INVOICES = """
op.create_table(
    "invoices", sa.Column("id", sa.Integer, primary_key=True), sa.Column("amount", sa.Numeric, nullable=False),
    sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("note", sa.String),
)
op.create_index("ix_invoices_user_id", "invoices", ["user_id"])
"""
ROWS = (
    "INSERT INTO users DEFAULT VALUES",
    "INSERT INTO invoices (amount, user_id, note) SELECT n, 1, 'note ' || n FROM generate_series(1, 3) AS n",
)
DROP = 'op.drop_column("invoices", "note")'
ADD = 'op.add_column("invoices", sa.Column("note", sa.String))'
ALLOWED = """
db_migrate_allow = {
    "drop-column:public.invoices.note": "nobody has read it since release 4.2",
}
"""
STOPS = """
with op.get_context().autocommit_block():
    op.create_index("ix_invoices_amount", "invoices", ["amount"], postgresql_concurrently=True)
    op.execute("SELECT 1 / (count(*) - 3) FROM invoices")
    op.create_index("ix_invoices_note", "invoices", ["note"], postgresql_concurrently=True)
"""
STOPS_BACK = """
with op.get_context().autocommit_block():
    op.drop_index("ix_invoices_note", postgresql_concurrently=True)
    op.drop_index("ix_invoices_amount", postgresql_concurrently=True)
"""


@dataclass
class Places:
    """Makes readers; each has a copy of a project and of its database. Every state is made once, and then copied."""

    server: TargetServer
    folder: Path
    at: Project
    made: dict[str, tuple[Project, str | None]] = field(default_factory=dict)

    def reader(self, state: str, folder: Path) -> Reader:
        """A reader in a state, in a new folder."""
        if state not in self.made:
            template = self._copy(self.at, self.folder / str(len(self.made)))
            self.made[state] = template, _STATES[state](template)
        template, run = self.made[state]
        project = self._copy(template, folder)
        name = project.database.dbname
        environ = {"DATABASE_URL": project.url, "PRODUCTION_URL": project.url, "DB_MIGRATE_LANG": "en"}
        meant = {
            "your/project": str(folder),
            "NAME": name,
            "/var/lib/node_exporter": str(folder),
            "postgresql://spare.internal/postgres": shlex.quote(self.server.conninfo().url()),
        }
        return Reader(folder, environ, meant | ({"3f2a": run[:4]} if run else {}))

    def _copy(self, project: Project, folder: Path) -> Project:
        shutil.copytree(project.folder, folder)
        name = f"shop_{next(self.server.names)}"
        template = project.database.dbname
        with contextlib.closing(connect(self.server.conninfo())) as connection:
            # On a machine that is busy a session may be there for a while after who had it is done.
            ended = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s"
            connection.execute(ended, (template,))
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy".encode())
        return replace(project, folder=folder, database=self.server.conninfo(name), heads=[*project.heads])


@pytest.fixture(scope="module")
def places(target_server: TargetServer, tmp_path_factory: pytest.TempPathFactory) -> Places:
    """One project and its database, from which those of all states are copied."""
    folder = tmp_path_factory.mktemp("shop") / "at 0002"
    folder.mkdir()
    project = make_project(folder, target_server.new_database())
    template = Path(alembic.__file__).parent / "templates" / "generic" / "script.py.mako"
    shutil.copy(template, folder / "migrations")
    project.write("models.py", MODELS + NOTE)
    project.write("tests/conftest.py", FIXTURE)
    for name, text in TESTS.items():
        project.write(f"tests/test_{name}.py", text)
    project.revision("0001", USERS, 'op.drop_table("users")')
    project.revision("0002", INVOICES, 'op.drop_table("invoices")')
    assert project.alembic("upgrade", "head").code == 0
    project.sql(*ROWS)
    _git(folder, "init", "-q", "-b", "main")
    _commit(folder)
    _git(folder, "update-ref", "refs/remotes/origin/main", "main")
    return Places(target_server, folder.parent, project)


def _git(folder: Path, *words: str) -> None:
    named = ["-c", "user.name=reader", "-c", "user.email=reader@example.org"]
    subprocess.run(["git", *named, *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def _commit(folder: Path) -> None:
    _git(folder, "add", "-A")
    _git(folder, "commit", "-q", "-m", "shop")


def _ahead(project: Project) -> None:
    """The models have a table that no revision makes."""
    project.write("models.py", MODELS + NOTE + BILLING)
    project.write("tests/test_billing.py", BILLS)


def _branch(project: Project) -> None:
    """A branch adds a revision that drops a column; the settings name a target."""
    project.write("models.py", MODELS)
    project.write("db-migrate.toml", '[targets.production]\nurl_env = "PRODUCTION_URL"\nproduction = true\n')
    project.revision("0003", DROP, ADD, extra=ALLOWED)
    _commit(project.folder)


def _applied(project: Project) -> str:
    """The branch's revision was applied, and what it dropped is kept. Returns the run's id."""
    _branch(project)
    assert project.run("apply", "--quiet").code == 0
    (run,) = project.run("history", "--runs", "--json").json["runs"]
    return str(run["run"])


def _no_way_back(project: Project) -> None:
    """The same, by a revision whose downgrade does nothing."""
    project.write("models.py", MODELS)
    project.revision("0003", DROP, "pass", extra=ALLOWED)
    assert project.run("apply", "--quiet").code == 0


def _half_done(project: Project) -> None:
    """A revision that commits in between has failed on the rows; they have been corrected since."""
    project.revision("0003", STOPS, STOPS_BACK)
    assert project.run("apply", "--quiet").code == 5
    project.sql(ROWS[1])


def _plan(project: Project) -> None:
    """The branch's plan was made."""
    _branch(project)
    assert project.run("plan", "--quiet", "--out", "plan.json").code == 0


def _no_history(project: Project) -> None:
    """The database has tables, and there is no revision."""
    shutil.rmtree(project.folder / "migrations" / "versions")
    (project.folder / "migrations" / "versions").mkdir()
    project.sql("DROP TABLE alembic_version")


def _baseline(project: Project) -> None:
    """The same, and `init` has written what it showed."""
    _no_history(project)
    assert project.run("init", "--yes").code == 0


_STATES: dict[str, Callable[[Project], str | None]] = {
    "the models are ahead": _ahead,
    "a branch": _branch,
    "a plan": _plan,
    "applied": _applied,
    "no way back": _no_way_back,
    "half-done": _half_done,
    "tables and no history": _no_history,
    "a baseline": _baseline,
}
