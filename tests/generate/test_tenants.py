"""env.py files that go through the schemas of tenants: one revision for all of them, in which none is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from db_migrate.generate.home import sql_at_home
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect

from .projects import Small

LOOP = """
import os

from alembic import context
from sqlalchemy import create_engine, pool, text

from models import METADATA

engine = create_engine(os.environ.get("DATABASE_URL", "postgresql+psycopg://127.0.0.1:1/none"), poolclass=pool.NullPool)
with engine.connect() as connection:
    for tenant in ("acme", "Globex-2"):
        connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{tenant}"'))
        SETS
        context.configure(connection=connection, target_metadata=METADATA, version_table_schema=tenant)
        with context.begin_transaction():
            context.run_migrations()
"""
BY_PATH = """connection.execute(text(f'SET search_path TO "{tenant}"'))
        connection.commit()
        connection.dialect.default_schema_name = tenant"""
BY_MAP = """connection.commit()
        connection = connection.execution_options(schema_translate_map={None: tenant})"""

FIRST = """
import sqlalchemy as sa

METADATA = sa.MetaData()
sa.Table("acme", METADATA, sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text))
"""
SECOND = """
import sqlalchemy as sa

METADATA = sa.MetaData()
numbers = sa.Sequence("numbers", metadata=METADATA)
sa.Table(
    "acme", METADATA, sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text, index=True),
    sa.Column("mail", sa.Text, unique=True, nullable=False),
    sa.Column("kind", sa.Enum("acme.a", "b", name="kind"), server_default="acme.a"),
    sa.Column("n", sa.Integer, server_default=numbers.next_value()),
    sa.Column("of", sa.ForeignKey("acme.id")),
    sa.CheckConstraint("name <> 'acme.none'", name="is_named"),
)
sa.Table("other", METADATA, sa.Column("acme", sa.ForeignKey("acme.id", ondelete="CASCADE"), primary_key=True))
"""


def laid_out(folder: Path, sets: str) -> Small:
    """The project with that way to go through its tenants."""
    project = Small(folder)
    project.write("migrations/env.py", LOOP.replace("SETS", sets))
    return project


@pytest.mark.parametrize("sets", [BY_PATH, BY_MAP], ids=["search_path", "schema_translate_map"])
def test_a_new_table_is_each_tenants(sets: str, tmp_path: Path, database: ConnInfo) -> None:
    """It is in no schema in the file, and in each one once plain Alembic has run it."""
    project = laid_out(tmp_path, sets)
    made = project.generate(FIRST)
    assert made.exit_code == 0, made.proof
    assert "schema" not in made.revisions[0].source
    assert "create_table(" in made.revisions[0].source
    assert project.generate().revisions == ()
    project.alembic(database, "upgrade", "head")
    with connect(database) as connection:
        found = connection.execute("SELECT schemaname FROM pg_tables WHERE tablename = 'acme' ORDER BY 1").fetchall()
    assert found == [("Globex-2",), ("acme",)]


def test_a_change_of_everything_is_each_tenants(tmp_path: Path, database: ConnInfo) -> None:
    """SQL as it is names no tenant either, and the rows of all are filled; the tenant's name within a text stays."""
    project = laid_out(tmp_path, BY_PATH)
    assert project.generate(FIRST).exit_code == 0
    project.alembic(database, "upgrade", "head")
    with connect(database) as connection:
        for tenant in ('"acme"', '"Globex-2"'):
            connection.execute(f"INSERT INTO {tenant}.acme VALUES (1, 'x'), (2, 'y')".encode())
    from db_migrate.generate.filling import Fill, How

    made = project.generate(SECOND, fills={"acme.mail": Fill(How.BACKFILL, "name || '@acme.com'")})
    assert made.exit_code == 0, made.proof
    text = "".join(each.source for each in made.revisions)
    assert "acme.acme" not in text
    assert "schema=" not in text
    assert "'acme.none'" in text
    project.alembic(database, "upgrade", "head")
    with connect(database) as connection:
        for tenant in ('"acme"', '"Globex-2"'):
            rows = connection.execute(f"SELECT mail, kind::text FROM {tenant}.acme ORDER BY id".encode()).fetchall()
            assert rows == [("x@acme.com", "acme.a"), ("y@acme.com", "acme.a")]
            kinds = connection.execute(
                "SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = %s::regclass ORDER BY adnum",
                [f"{tenant}.acme"],
            ).fetchall()
            assert all(tenant.strip('"') in kind for (kind,) in kinds[1:])
    assert project.generate().revisions == ()
    project.alembic(database, "downgrade", "base")


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (
            "\"ALTER TABLE acme.t ADD x acme.kind DEFAULT 'acme.a'::acme.kind\"",
            "\"ALTER TABLE t ADD x kind DEFAULT 'acme.a'::kind\"",
        ),
        (
            "\"SELECT nextval('acme.s'::regclass), nextval('acme.s'), 'acme.s'\"",
            "\"SELECT nextval('s'::regclass), nextval('s'), 'acme.s'\"",
        ),
        (
            '"SELECT other.acme.x, acme . y, $$acme.t$$"',
            '"SELECT other.acme.x, acme . y, $$acme.t$$"',
        ),
        ('r"""UPDATE acme.t SET x = 1"""', 'r"""UPDATE t SET x = 1"""'),
        ("'UPDATE \"acme\".t SET x = 1'", "'UPDATE t SET x = 1'"),
        ('"acme"', '"acme"'),
    ],
)
def test_only_names_lose_the_schema(sql: str, expected: str) -> None:
    """Names of relations do, those in literals only where they are names; texts, aliases and comments never."""
    assert sql_at_home(sql, "acme") == expected
