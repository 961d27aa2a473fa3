"""Whole Alembic projects on disk, and the command line as a user would type it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg
import pytest
from tests.forked import python

from db_migrate.cli import main
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect

ROOT = Path(__file__).parents[2]

INI = """
[alembic]
script_location = %(here)s/migrations
prepend_sys_path = %(here)s
"""

ENV = """
import os

from alembic import context
from sqlalchemy import create_engine, pool

from models import Base

engine = create_engine(os.environ["DATABASE_URL"], poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()
"""

MODELS = """
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    pass
"""

REVISION = '''"""{message}"""

import sqlalchemy as sa
from alembic import op

revision = {revision!r}
down_revision = {down!r}
branch_labels = {labels!r}
depends_on = {depends!r}
{extra}

def upgrade() -> None:
{up}


def downgrade() -> None:
{back}
'''


@dataclass(frozen=True)
class Outcome:
    """What one command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Standard output as the one document that it must be."""
        document: dict[str, Any] = json.loads(self.out)
        return document


@dataclass
class Project:
    """An Alembic project in a folder of its own, whose env.py reads DATABASE_URL."""

    folder: Path
    database: ConnInfo
    driver: str = "postgresql+psycopg"
    heads: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The database as env.py gets it."""
        return self.database.url(self.driver)

    @property
    def environment(self) -> dict[str, str]:
        """What a command runs with."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "DB_MIGRATE_", "DATABASE_"))}
        path = os.pathsep.join([str(ROOT / "src"), *filter(None, [kept.get("PYTHONPATH")])])
        return {**kept, "DATABASE_URL": self.url, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"} | {
            "DB_MIGRATE_LANG": "en"
        }

    def write(self, name: str, text: str) -> Path:
        """Put a file into the project."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text).lstrip())
        return file

    def revision(
        self,
        revision: str,
        up: str = "pass",
        back: str = "pass",
        *,
        after: str | tuple[str, ...] | None = "last",
        labels: str | None = None,
        depends: str | None = None,
        extra: str = "",
    ) -> Path:
        """Add a revision after the one that was added last, or after the named ones."""
        down = (self.heads[-1] if self.heads else None) if after == "last" else after
        self.heads.append(revision)
        text = REVISION.format(
            message=f"revision {revision}",
            revision=revision,
            down=down,
            labels=labels,
            depends=depends,
            extra=extra,
            up=textwrap.indent(textwrap.dedent(up).strip(), "    "),
            back=textwrap.indent(textwrap.dedent(back).strip(), "    "),
        )
        return self.write(f"migrations/versions/{revision}_x.py", text)

    def command(self, *arguments: str) -> list[str]:
        """The command line of db-migrate with these arguments."""
        return [sys.executable, "-m", "db_migrate", *arguments]

    def run(self, *arguments: str, **environment: str) -> Outcome:
        """Run db-migrate in the project's folder, in this process: starting Python costs more than most commands.

        It has this process's variables for Python: for others it could not have forks of this process's fork server.
        """
        python = {name: value for name, value in os.environ.items() if name.startswith("PYTHON")}
        others = {name: value for name, value in self.environment.items() if not name.startswith("PYTHON")}
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
        with (
            contextlib.chdir(self.folder),
            patch.dict(os.environ, {**others, **python, **environment}, clear=True),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = main(arguments)
        return Outcome(code, *(each.detach().getvalue().decode() for each in (out, err)))

    def alembic(self, *arguments: str) -> Outcome:
        """Run plain Alembic in the project's folder."""
        done = python("-m", "alembic", *arguments, cwd=self.folder, env=self.environment)
        return Outcome(done.returncode, done.stdout, done.stderr)

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements by hand in the live database; the rows of the last."""
        with contextlib.closing(connect(self.database)) as connection:
            return run_all(connection, statements)


def run_all(connection: psycopg.Connection[tuple[Any, ...]], statements: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """Run statements one by one; the rows of the last."""
    rows: list[tuple[Any, ...]] = []
    for statement in statements:
        cursor = connection.execute(statement.encode())
        rows = cursor.fetchall() if cursor.description else []
    return rows


def make_project(folder: Path, database: ConnInfo) -> Project:
    """A project with an empty history and no models."""
    project = Project(folder, database)
    project.write("alembic.ini", INI)
    project.write("migrations/env.py", ENV)
    project.write("models.py", MODELS)
    (folder / "migrations" / "versions").mkdir()
    return project


@pytest.fixture
def project(tmp_path: Path, target_database: ConnInfo) -> Project:
    """A project whose target is an empty database of PostgreSQL 18."""
    return make_project(tmp_path, target_database)


@pytest.fixture(params=["18", pytest.param("15", marks=pytest.mark.pg15)])
def project_on_each(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    """A project on an empty database of PostgreSQL 18, and one on 15."""
    name = "target_database" if request.param == "18" else "target15_database"
    return make_project(tmp_path, request.getfixturevalue(name))


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts commands that go on by themselves; whatever is left of them is killed at the end."""
    processes: list[subprocess.Popen[str]] = []

    def start(project: Project, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            project.command(*arguments),
            cwd=project.folder,
            env=project.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.communicate()
