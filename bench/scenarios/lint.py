"""Lint of a history of 100 revisions, cold and warm, beside `alembic upgrade head` on the same embedded server.

Cold means that nothing is there: neither a cache nor a server nor its data directory, and the starting of the server is
part of what is measured, on both sides. Warm is what follows one more revision on a machine that has linted before; in
examples/mesh too, where the models are imported, which alone takes what is shown beside it.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import peers
from bench.measure import Case, Comparison, interleaved

BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[2]
REVISIONS = 100

INI = "[alembic]\nscript_location = %(here)s/migrations\nprepend_sys_path = %(here)s\npath_separator = os\n"

ENV = """
import os

from alembic import context
from sqlalchemy import create_engine, pool

url = os.environ.get("DATABASE_URL", "postgresql+psycopg://nobody@localhost/none")
if context.is_offline_mode():
    context.configure(url=url, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()
"""

HEAD = """
import sqlalchemy as sa
from alembic import op

revision = "{n:04}"
down_revision = {down}
"""

NEW_TABLE = """

def upgrade():
    op.create_table(
        "t{n:04}",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("name", sa.String(50), nullable=False),
        sa.Column("parent_id", sa.BigInteger),
        sa.Column("state", sa.Text, server_default="new", nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.func.now()),
    )
    op.create_index("ix_t{n:04}_name", "t{n:04}", ["name"])


def downgrade():
    op.drop_table("t{n:04}")
"""

COLUMN_AND_KEY = """

def upgrade():
    op.add_column("t{table:04}", sa.Column("note", sa.Text))
    op.create_foreign_key(
        "fk_t{table:04}_parent", "t{table:04}", "t{table:04}", ["parent_id"], ["id"], ondelete="CASCADE"
    )


def downgrade():
    op.drop_constraint("fk_t{table:04}_parent", "t{table:04}")
    op.drop_column("t{table:04}", "note")
"""

ALTERATION = """

def upgrade():
    op.alter_column("t{table:04}", "name", type_=sa.String(80))
    op.execute("UPDATE t{table:04} SET note = '' WHERE note IS NULL")
    op.create_check_constraint("ck_t{table:04}_state", "t{table:04}", "state <> ''")


def downgrade():
    op.drop_constraint("ck_t{table:04}_state", "t{table:04}")
    op.alter_column("t{table:04}", "name", type_=sa.String(50))
"""

CONCURRENT_INDEX = """

def upgrade():
    with op.get_context().autocommit_block():
        op.create_index("ix_t{table:04}_made_at", "t{table:04}", ["made_at"], postgresql_concurrently=True)


def downgrade():
    op.drop_index("ix_t{table:04}_made_at")
"""

BODIES = (NEW_TABLE, COLUMN_AND_KEY, ALTERATION, CONCURRENT_INDEX)


def write(folder: Path, revisions: int) -> None:
    """The project: each four revisions make a table, add to it, alter it, and index it beside its readers."""
    versions = folder / "migrations" / "versions"
    versions.mkdir(parents=True)
    (folder / "alembic.ini").write_text(INI)
    (folder / "migrations" / "env.py").write_text(ENV)
    for number in range(1, revisions + 1):
        add(folder, number)


def add(folder: Path, number: int) -> None:
    """One more revision."""
    down = repr(f"{number - 1:04}") if number > 1 else None
    table = number - (number - 1) % len(BODIES)
    body = BODIES[(number - 1) % len(BODIES)].format(n=number, table=table)
    text = HEAD.format(n=number, down=down) + body
    (folder / "migrations" / "versions" / f"{number:04}.py").write_text(text)


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything of ours is kept during the scenario."""

    folder: Path

    @property
    def environ(self) -> Mapping[str, str]:
        """What a command runs with."""
        paths = {"DB_MIGRATE_RUNTIME_DIR": str(self.folder / "r"), "XDG_CACHE_HOME": str(self.folder / "cache")}
        return {**paths, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}

    def forget(self) -> None:
        """Wait until the server is gone, and remove all that was kept."""
        while any((self.folder / "r").glob("*/data/postmaster.pid")):
            time.sleep(0.05)
        for name in ("r", "cache"):
            shutil.rmtree(self.folder / name, ignore_errors=True)


def run(folder: Path) -> Iterator[Comparison]:
    """Cold beside the upgrade, then one new revision on a warm machine."""
    project, place = folder / "project", Place(folder)
    write(project, REVISIONS)
    squawk = peers.installed(folder, "squawk-cli")
    ours = partial(Case, folder=project, ours=True, expect=frozenset({0, 1}), environ=place.environ)
    lint = (str(BIN / "db-migrate"), "lint")
    upgrade = (sys.executable, "-m", "bench.on_scratch", str(BIN / "alembic"), "upgrade", "head")
    text = f"{BIN / 'alembic'} upgrade head --sql | {squawk.bin / 'squawk'}"
    yield interleaved(
        f"{REVISIONS} revisions, from nothing, with the start of the server",
        [
            Case("alembic upgrade head", upgrade, project, environ=place.environ, before=place.forget),
            Case("alembic upgrade head --sql | squawk", ("sh", "-c", text), project, expect=frozenset({0, 1})),
            ours("db-migrate lint", lint, before=place.forget),
        ],
        rounds=3,
        warm_up=False,
        goal=4.0,
        versions=squawk.versions,
    )
    new = partial(change, project / "migrations" / "versions" / f"{REVISIONS + 1:04}.py")
    add(project, REVISIONS + 1)
    one = ours("db-migrate lint 0101", (*lint, f"{REVISIONS + 1:04}"), before=new)
    yield interleaved("one new revision, warm", [one, ours("db-migrate lint, all", lint, before=new)], rounds=3)
    yield _of_mesh(folder / "mesh", place)
    place.forget()


def change(revision: Path) -> None:
    """Make the file another one, which does the same."""
    with revision.open("a", encoding="utf-8") as file:
        file.write("\n# changed\n")


def _of_mesh(folder: Path, place: Place) -> Comparison:
    """One new revision of examples/mesh, beside the import of its models by Python alone."""
    shutil.copytree(ROOT / "examples" / "mesh", folder, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    versions = folder / "alembic" / "versions"
    for each in (folder / "demo" / "versions").glob("*.py"):
        shutil.copy(each, versions)
    environ = {**place.environ, "DATABASE_URL": "postgresql+psycopg://nobody@localhost/none"}
    models = Case("python -c 'import src.database'", (sys.executable, "-c", "import src.database"), folder)
    command = (str(BIN / "db-migrate"), "lint", "0101")
    new = partial(change, next(versions.glob("0101*.py")))
    one = Case("db-migrate lint 0101", command, folder, True, frozenset({0, 1}), environ, new)
    return interleaved("one new revision of examples/mesh, warm (goal: 2 s)", [models, one])
