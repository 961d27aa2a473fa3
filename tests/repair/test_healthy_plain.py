"""Projects as people have them, applied by plain Alembic: nothing is wrong with them, and doctor says nothing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable

import pytest

from db_migrate.workspace import open_project

from .conftest import Project, plain
from .test_lost import git

LONG = os.environ.get("DB_MIGRATE_TEST_LONG") == "1"

MODELS = """
from sqlalchemy import *
from sqlalchemy.dialects.postgresql import ARRAY, DOMAIN, ENUM, INT4RANGE, JSONB, UUID, ExcludeConstraint
from sqlalchemy.orm import DeclarativeBase

names = {"ix": "ix_%(column_0_label)s", "ck": "ck_%(table_name)s_%(constraint_name)s", "pk": "pk_%(table_name)s"}


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=names)


class A(Base):
    __tablename__ = "a"
    id = Column(Integer, Identity(always=True, start=10), primary_key=True)
    w = Column(Integer, nullable=False)
    area = Column(Integer, Computed("w * w", persisted=True))
    tags = Column(ARRAY(Text), server_default="{}", nullable=False)
    grid = Column(ARRAY(Integer, dimensions=2))
    mail = Column(DOMAIN("email", Text(), check="VALUE ~ '@'"))
    mood = Column(ENUM("sad", "ok", name="mood"), server_default="ok")
    doc = Column(JSONB, server_default=text("'{}'::jsonb"))
    made = Column(DateTime(timezone=True), server_default=func.now())
    u = Column(UUID(as_uuid=True), server_default=text("gen_random_uuid()"), unique=True)
    span = Column(INT4RANGE)
    __table_args__ = (
        CheckConstraint("w > 0", name="w"),
        Index("ix_a_doc", "doc", postgresql_using="gin"),
        Index("ix_a_low", func.lower(text("mail::text"))),
        ExcludeConstraint(("span", "&&"), name="ex_span", using="gist"),
    )


class B(Base):
    __tablename__ = "b"
    __table_args__ = {"schema": "side", "comment": "beside"}
    id = Column(BigInteger, primary_key=True)
    a_id = Column(ForeignKey("a.id", ondelete="CASCADE"), index=True)
"""
ASYNC = """
import asyncio
import os

from alembic import context
from sqlalchemy import pool
from sqlalchemy.ext.asyncio import create_async_engine


def run(connection):
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()


async def main():
    engine = create_async_engine(os.environ.get("DATABASE_URL", {url!r}), poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run)
    await engine.dispose()


asyncio.run(main())
"""
CONCURRENTLY = """
op.execute("ALTER TABLE t ADD x int")
with op.get_context().autocommit_block():
    op.execute("CREATE INDEX CONCURRENTLY t_n ON t (n)")
    op.execute("CREATE TYPE c AS ENUM ('a')")
    op.execute("ALTER TYPE c ADD VALUE 'b'")
op.execute("ALTER TABLE t ADD y c DEFAULT 'b'")
"""
BACK = """
op.execute("ALTER TABLE t DROP y, DROP x")
op.execute("DROP TYPE c")
with op.get_context().autocommit_block():
    op.execute("DROP INDEX CONCURRENTLY t_n")
"""


def configured(project: Project, old: str, new: str) -> None:
    """Write something else into env.py."""
    file = project.folder / "migrations" / "env.py"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def modelled(project: Project) -> None:
    """Its one revision makes all of the models: identities, what is computed, arrays, a domain, another schema."""
    (project.folder / "models_of.py").write_text(MODELS)
    project.lay_out(", target_metadata=Base.metadata, include_schemas=True, compare_server_default=True")
    more = "import sys\nfrom pathlib import Path\nsys.path.insert(0, str(Path(__file__).parents[1]))\n"
    configured(project, "import os\n", f"import os\n{more}from models_of import Base\n")
    up = """
from models_of import Base
op.execute("CREATE SCHEMA side")
Base.metadata.create_all(op.get_bind())
"""
    back = "DROP SCHEMA side CASCADE; DROP TABLE a; DROP DOMAIN email; DROP TYPE mood"
    project.revision("r1", up, back)
    project.plain()


def asynchronous(project: Project) -> None:
    """Its env.py is asynchronous."""
    url = project.conninfo.url("postgresql+asyncpg")
    (project.folder / "migrations" / "env.py").write_text(ASYNC.format(url=url))
    project.revision("r1", "CREATE TABLE t (id int)", "DROP TABLE t")
    plain(project.folder, {"to": "heads", "url": url})


def several_schemas(project: Project) -> None:
    """Its version table has a schema of its own, which env.py makes."""
    project.lay_out(", version_table_schema='ops', version_table='v', include_schemas=True")
    made = 'connection.exec_driver_sql("CREATE SCHEMA IF NOT EXISTS ops"); connection.commit()'
    configured(project, "    context.configure(", f"    {made}\n    context.configure(")
    up = "CREATE SCHEMA one; CREATE SCHEMA two; CREATE TABLE one.t (id int); CREATE VIEW two.v AS TABLE one.t"
    project.revision("r1", up, "DROP SCHEMA two CASCADE; DROP SCHEMA one CASCADE")
    project.plain()


def branched(project: Project) -> None:
    """It has two branches with labels, of which one needs what is on the other."""
    project.revision("a1", "CREATE TABLE a (id int)", "DROP TABLE a", down=None, more="branch_labels = ('core',)")
    project.revision("a2", "ALTER TABLE a ADD n int", "ALTER TABLE a DROP n", down="a1")
    labelled = "branch_labels = ('plug',)\ndepends_on = 'a1'"
    project.revision("b1", "CREATE TABLE b (id int)", "DROP TABLE b", down=None, more=labelled)
    up = "ALTER TABLE a ADD b int"
    project.revision("b2", up, "ALTER TABLE a DROP b", down="b1", more="depends_on = ('a2',)")
    project.plain()


def cloned(project: Project, how: str) -> None:
    """It was cloned in part, and where from is no longer there."""
    origin = project.folder.with_name(f"{project.folder.name}-origin")
    first = project.revision("r1", "CREATE TABLE t (id int)", "DROP TABLE t")
    git(project.folder, "init", "-q", "-b", "main")
    git(project.folder, "add", "-A")
    git(project.folder, "commit", "-qm", "one")
    first.write_text(f"{first.read_text()}\n# said more clearly\n")
    project.revision("r2", "CREATE TABLE u (id int)", "DROP TABLE u")
    git(project.folder, "add", "-A")
    git(project.folder, "commit", "-qm", "two")
    git(project.folder, "config", "uploadpack.allowFilter", "true")
    project.plain()
    project.folder.rename(origin)
    subprocess.run(["git", "clone", "-q", how, f"file://{origin}", str(project.folder)], check=True)
    origin.rename(origin.with_name(f"{origin.name}-gone"))


def concurrently(project: Project) -> None:
    """A revision leaves its transaction and comes back."""
    project.lay_out(", transaction_per_migration=True")
    project.revision("r1", "CREATE TABLE t (id int, n int); INSERT INTO t VALUES (1, 1)", "DROP TABLE t")
    project.revision("r2", CONCURRENTLY, BACK)
    project.plain()


def of_a_role_with_percents(project: Project) -> None:
    """Its role's name and password have percent signs, and more that means something in URLs."""
    role = f"per%cent {project.conninfo.dbname}"
    project.sql(
        f"CREATE ROLE \"{role}\" LOGIN PASSWORD 'p%40@:/é%'",
        f'ALTER DATABASE {project.conninfo.dbname} OWNER TO "{role}"',
        f'GRANT ALL ON SCHEMA public TO "{role}"',
    )
    project.conninfo = project.conninfo.replace(user=role, password="p%40@:/é%")
    project.lay_out()
    project.revision("r1", "CREATE TABLE t (id int)", "DROP TABLE t")
    project.plain()


def beside_another(project: Project) -> None:
    """Another project migrates the database too, and has the version table that is usual; it has no tables yet."""
    project.lay_out(", version_table='alembic_version_own'")
    project.revision("r1", "CREATE TABLE t (id int)", "DROP TABLE t")
    project.plain()
    project.sql("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
    project.sql("INSERT INTO alembic_version VALUES ('theirs')")


HEALTHY: dict[str, Callable[[Project], None]] = {
    "models": modelled,
    "async": asynchronous,
    "schemas": several_schemas,
    "branches": branched,
    "partial clone": lambda project: cloned(project, "--filter=blob:none"),
    "shallow clone": lambda project: cloned(project, "--depth=1"),
    "autocommit": concurrently,
    "percent": of_a_role_with_percents,
    "beside another": beside_another,
}
FEW = ("partial clone", "beside another")


@pytest.mark.parametrize("shape", HEALTHY if LONG else FEW)
def test_what_works_has_nothing_to_cure(shape: str, project: Project) -> None:
    """Not one diagnosis, note or warning; and nothing is drift, or found by verify."""
    HEALTHY[shape](project)
    with open_project(project.settings()) as workspace:
        doctor = workspace.doctor()
        assert (doctor.diagnoses, doctor.warnings) == ((), ())
        assert workspace.verify().problems == ()
        (comparison,) = workspace.drift(from_="history", to="live").comparisons
        assert comparison.changes == ()
