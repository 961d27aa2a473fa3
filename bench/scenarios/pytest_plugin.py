"""Tests on a migrated database each, and checks of the history: our pytest plugin beside pytest-alembic.

A history of 100 revisions. Both suites have the same tests on a migrated database of their own, and the checks of the
history that each plugin brings. Every command is run once before it is measured, so our template database is there:
without it the first test waits for one replay of the history.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from pathlib import Path

from bench import peers
from bench.measure import Case, Comparison, interleaved

REVISIONS = 100
TESTS = 20

PEERS = ("pytest-alembic", "pytest<9")
"""pytest-alembic 0.13 looks into parts of pytest that 9 has not any more; so both plugins run on 8."""

BUILT_IN = "--test-alembic --rootdir=. --alembic-tests-path=theirs/conftest.py"
"""Without the folder, pytest would take the suite's own for its root, and pytest-alembic no tests of its own."""

INI = "[alembic]\nscript_location = %(here)s/migrations\nprepend_sys_path = %(here)s\npath_separator = os\n"

ENV = """
import os

from alembic import context
from sqlalchemy import create_engine, pool

from models import Base


given = context.config.attributes.get("connection")  # an engine, from pytest-alembic
url = os.environ.get("DATABASE_URL", "postgresql+psycopg://")
engine = given if given is not None else create_engine(url, poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()
"""

REVISION = """
import sqlalchemy as sa
from alembic import op

revision = "{n:04}"
down_revision = {down}


def upgrade():
    op.create_table("t{n:04}", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(50)))
    op.create_index("ix_t{n:04}_name", "t{n:04}", ["name"])


def downgrade():
    op.drop_table("t{n:04}")
"""

MODEL = """
class T{n:04}(Base):
    __tablename__ = "t{n:04}"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(String(50), index=True)
"""

MODELS = """
from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass

"""

OURS = f"""
import pytest
from sqlalchemy import create_engine, text


@pytest.mark.parametrize("n", range({TESTS}))
def test_rows(migrated_url, n):
    engine = create_engine(migrated_url)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO t0001 (name) VALUES ('x')"))
        assert connection.scalar(text("SELECT count(*) FROM t0001")) == 1
    engine.dispose()
"""

THEIRS = f"""
import pytest
from sqlalchemy import create_engine, text

from db_migrate.testing import scratch_database


@pytest.fixture
def alembic_engine():
    with scratch_database() as url:
        engine = create_engine(url)
        yield engine
        engine.dispose()


@pytest.mark.parametrize("n", range({TESTS}))
def test_rows(alembic_runner, alembic_engine, n):
    alembic_runner.migrate_up_to("heads")
    with alembic_engine.begin() as connection:
        connection.execute(text("INSERT INTO t0001 (name) VALUES ('x')"))
        assert connection.scalar(text("SELECT count(*) FROM t0001")) == 1
"""


def write(folder: Path, revisions: int = REVISIONS) -> None:
    """Write the project of so many revisions and both suites into ``folder``."""
    versions = folder / "migrations" / "versions"
    versions.mkdir(parents=True)
    (folder / "alembic.ini").write_text(INI)
    (folder / "migrations" / "env.py").write_text(ENV)
    (folder / "models.py").write_text(MODELS + "\n".join(MODEL.format(n=n) for n in range(1, revisions + 1)))
    for n in range(1, revisions + 1):
        down = f'"{n - 1:04}"' if n > 1 else None
        (versions / f"{n:04}.py").write_text(REVISION.format(n=n, down=down))
    for name, suite in (("ours", OURS), ("theirs", THEIRS)):
        (folder / name).mkdir()
        (folder / name / "test_rows.py").write_text(suite)
        (folder / name / "conftest.py").write_text("")
    (folder / "theirs" / "conftest.py").write_text(THEIRS.partition("@pytest.mark")[0])


def ours() -> str:
    """What makes pytest load our plugin, where it is not installed."""
    plugins = {entry.name for entry in importlib.metadata.entry_points(group="pytest11")}
    return "" if "db-migrate" in plugins else "-p db_migrate.testing.plugin"


def run(folder: Path) -> Iterator[Comparison]:
    """The same work with each plugin."""
    others = peers.installed(folder, *PEERS)
    project = folder / "project"
    write(project)
    plugin = ours()

    def case(line: str, *, ours: bool) -> Case:
        command = (str(others.bin / "python"), "-m", "pytest", "-q", "-p", "no:randomly", *line.split())
        cache = {"XDG_CACHE_HOME": str(folder / "cache")}
        return Case(f"pytest {line}", command, project, ours=ours, environ=cache)

    yield interleaved(
        f"{TESTS} tests, each on a migrated database",
        [case("theirs/test_rows.py", ours=False), case(f"{plugin} ours", ours=True)],
        rounds=3,
        versions=others.versions,
    )
    checks = f"{plugin} --db-migrate-checks ours --deselect ours/test_rows.py"
    yield interleaved(
        "checks of the history",
        [case(f"{BUILT_IN} theirs --deselect theirs/test_rows.py", ours=False), case(checks, ours=True)],
        rounds=3,
        versions=others.versions,
    )
