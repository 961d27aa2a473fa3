"""Small Alembic projects with what real ones have: hooks, plugins, types and templates of their own."""

from __future__ import annotations

import os
import textwrap
from dataclasses import dataclass
from pathlib import Path

from tests.forked import python

from db_migrate.config import load
from db_migrate.generate.request import Request
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.results import Generate
from db_migrate.workspace import open_project

ENV = """
import os

from alembic import context
from sqlalchemy import create_engine, pool

from models import *

OPTIONS = {}
{options}
engine = create_engine(os.environ.get("DATABASE_URL", "postgresql+psycopg://127.0.0.1:1/none"), poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=METADATA, **OPTIONS)
    with context.begin_transaction():
        context.run_migrations()
"""

TEMPLATE = '''
"""${message}"""

from alembic import op
import sqlalchemy as sa
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade():
    ${upgrades if upgrades else "pass"}


def downgrade():
    ${downgrades if downgrades else "pass"}
'''


@dataclass
class Small:
    """A project in a folder. The target need not be there, so it is not."""

    folder: Path
    options: str = ""
    settings: str = ""

    def __post_init__(self) -> None:
        self.write("alembic.ini", "[alembic]\nscript_location = %(here)s/migrations\nprepend_sys_path = %(here)s\n")
        self.write("migrations/env.py", ENV.replace("{options}", textwrap.dedent(self.options)))
        self.write("migrations/script.py.mako", TEMPLATE)
        self.write("db-migrate.toml", self.settings)
        (self.folder / "migrations/versions").mkdir(exist_ok=True)

    def write(self, name: str, text: str) -> None:
        """Put a file into the project."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text).lstrip())

    def generate(self, models: str | None = None, **request: object) -> Generate:
        """Generate, with other models where they are given."""
        if models is not None:
            self.write("models.py", models)
        settings = load({"config": "alembic.ini"}, cwd=self.folder, environ={})
        with open_project(settings) as workspace:
            return workspace.generate(Request(message="a change", **request))  # type: ignore[arg-type]

    def alembic(self, database: ConnInfo, *arguments: str) -> str:
        """Run plain Alembic on a database; what it says. Raises CalledProcessError where it fails."""
        env = {**os.environ, "DATABASE_URL": database.url("postgresql+psycopg")}
        done = python("-m", "alembic", *arguments, cwd=self.folder, env=env)
        done.check_returncode()
        return done.stdout

    @property
    def files(self) -> list[str]:
        """The names of the revision files."""
        return sorted(each.name for each in (self.folder / "migrations/versions").iterdir() if each.is_file())
