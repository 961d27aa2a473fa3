"""Projects that plain Alembic has been at, and what doctor and repair make of them."""

from __future__ import annotations

import contextlib
import json
import shutil
import textwrap
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import alembic
import pytest
from tests.conftest import TargetServer
from tests.forked import python

from db_migrate.config import Settings
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect
from db_migrate.results import Diagnosis
from db_migrate.workspace import Workspace, open_project

MESH = Path(__file__).parents[2] / "examples" / "mesh"
PLAIN = Path(__file__).with_name("plain.py")

ENV = """
import os

from alembic import context
from sqlalchemy import create_engine, pool

engine = create_engine(os.environ.get("DATABASE_URL", {url!r}), poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection{options})
    with context.begin_transaction():
        context.run_migrations()
"""

REVISION = '''"""{revision}

Create Date: 2026-01-01 00:00:{number:02d}
"""
import sqlalchemy as sa
from alembic import op

revision = {revision!r}
down_revision = {down!r}
{more}

def upgrade():
{up}


def downgrade():
{back}
'''


TEMPLATE = (Path(alembic.__file__).parent / "templates" / "generic" / "script.py.mako").read_text()


@dataclass
class Project:
    """A project on disk, its target, and the workspace that looks at them."""

    folder: Path
    conninfo: ConnInfo
    heads: list[str] = field(default_factory=list)
    journal: bool = True

    def lay_out(self, options: str = "") -> None:
        """Make the folder of an empty project."""
        (self.folder / "migrations" / "versions").mkdir(parents=True, exist_ok=True)
        (self.folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\n")
        (self.folder / "migrations" / "script.py.mako").write_text(TEMPLATE)
        url = self.conninfo.url("postgresql+psycopg")
        (self.folder / "migrations" / "env.py").write_text(ENV.format(url=url, options=options))

    def copied(self, folder: Path, server: TargetServer) -> Project:
        """The same project in another folder, with a copy of its database, to which nobody may be connected."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        copy = Project(folder, copy_of(server, self.conninfo), [*self.heads])
        copy.lay_out()
        return copy

    @property
    def versions(self) -> Path:
        """The folder of revisions."""
        return self.folder / "migrations" / "versions"

    def revision(self, revision: str, up: str, back: str = "pass", *, down: Any = "", more: str = "") -> Path:
        """Add a revision, on top of the last unless ``down`` says otherwise. ``up`` is Python, or SQL."""
        parent = (self.heads[-1] if self.heads else None) if down == "" else down
        self.heads.append(revision)
        file = self.versions / f"{revision}.py"
        text = REVISION.format(
            revision=revision, number=len(self.heads), down=parent, more=more, up=_body(up), back=_body(back)
        )
        file.parent.mkdir(exist_ok=True)  # git rm of the last revision takes the folder with it
        file.write_text(text)
        return file

    def plain(self, to: str = "heads", **job: Any) -> None:
        """Run plain Alembic; ``stop`` kills it after so many statements."""
        plain(self.folder, {"to": to, "url": self.conninfo.url("postgresql+psycopg"), **job})

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements in the target; the rows of the last."""
        rows: list[tuple[Any, ...]] = []
        with contextlib.closing(connect(self.conninfo)) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def settings(self, **more: Any) -> Settings:
        """The settings of a command."""
        given = {
            "root": self.folder,
            "config": self.folder / "alembic.ini",
            "url": self.conninfo.url(),
            "cache_dir": self.folder / "cache",
            "lock_budget": 20.0,
            "journal": self.journal,
        }
        return Settings(**(given | more))

    def blamed(self, **more: Any) -> list[Diagnosis]:
        """What doctor finds, as :func:`blamed` has it."""
        with open_project(self.settings(**more)) as workspace:
            return blamed(workspace)

    def codes(self, **more: Any) -> list[str]:
        """The codes of what doctor finds."""
        return [each.code for each in self.blamed(**more)]

    def only(self, code: str, **more: Any) -> Diagnosis:
        """The one diagnosis that doctor finds, which is this."""
        found = self.blamed(**more)
        assert [each.code for each in found] == [code], found
        return found[0]


def blamed(workspace: Workspace) -> list[Diagnosis]:
    """What doctor finds, but for downgrades: those of these projects do nothing."""
    return [each for each in workspace.doctor().diagnoses if each.code != "downgrade.broken"]


def _body(text: str) -> str:
    text = textwrap.dedent(text).strip()
    if text == "pass" or "op." in text:
        return textwrap.indent(text, "    ")
    return "\n".join(f"    op.execute({each.strip()!r})" for each in text.split(";") if each.strip())


def plain(folder: Path, *jobs: dict[str, Any]) -> str:
    """Run plain Alembic in a process of its own for some jobs; what it printed."""
    done = python(str(PLAIN), json.dumps(jobs), cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass(frozen=True)
class Snapshots:
    """A database for each revision, with nothing else done to it, and how many statements each revision sent."""

    databases: dict[str, ConnInfo]
    statements: dict[str, int]
    server: TargetServer

    def copy(self, revision: str) -> ConnInfo:
        """A database of one's own at a revision."""
        return copy_of(self.server, self.databases[revision])


def copy_of(server: TargetServer, conninfo: ConnInfo) -> ConnInfo:
    """A copy of a database that nobody is connected to."""
    name = f"target_{next(server.names)}"
    with contextlib.closing(connect(server.conninfo())) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {conninfo.dbname} STRATEGY file_copy".encode())
    return server.conninfo(name)


def snapshots(folder: Path, revisions: list[str], server: TargetServer) -> Snapshots:
    """Let plain Alembic go from revision to revision, and keep the database at each."""
    database = server.new_database()
    prefix = f"{database.dbname}_"
    job = {
        "url": database.url("postgresql+psycopg"),
        "revisions": revisions,
        "maintenance": server.conninfo().as_libpq(),
        "snapshots": f"CREATE DATABASE {prefix}{{revision}} TEMPLATE {database.dbname} STRATEGY file_copy",
    }
    numbers = json.loads(plain(folder, job).splitlines()[-1])
    return Snapshots({each: server.conninfo(f"{prefix}{each}") for each in revisions}, numbers, server)


def retarget(workspace: Workspace, conninfo: ConnInfo) -> None:
    """Let a workspace look at another database, with all else that it has."""
    target = replace(workspace.target, conninfo=conninfo)
    workspace.__dict__ |= {"target": target, "_databases": (target,)}
    workspace._forget("_parts")
    workspace._forget_live()


@pytest.fixture
def project(tmp_path: Path, target_database: ConnInfo) -> Project:
    """An empty project whose target is an empty database."""
    made = Project(tmp_path, target_database)
    made.lay_out()
    return made


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the mesh example, to be used by all of a module's tests and changed by none."""
    folder = tmp_path_factory.mktemp("mesh") / "mesh"
    shutil.copytree(MESH, folder, ignore=shutil.ignore_patterns("__pycache__", ".db-migrate"))
    return folder


@pytest.fixture(scope="module")
def mesh_snapshots(mesh: Path, target_server: TargetServer) -> Snapshots:
    """A database for each revision of the mesh example, made by plain Alembic."""
    files = sorted((mesh / "alembic" / "versions").glob("0*.py"))
    return snapshots(mesh, [each.name.split("_")[0] for each in files], target_server)
