"""What a revision sends with a cursor of the driver's own is told like everything else, in the driver's own words."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.project import events
from db_migrate.project.child_process import open_child
from db_migrate.project.loading import load_project

from .conftest import Recorder

INI = "[alembic]\nscript_location = %(here)s/m\n"
SYNC = """
from alembic import context
from sqlalchemy import create_engine, event
engine = create_engine("postgresql+{driver}://u:hunter22pw@h.invalid/d", pool_pre_ping=True)
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
ASYNC = """
import asyncio
from alembic import context
from sqlalchemy.ext.asyncio import create_async_engine

def run(connection):
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()

async def main():
    engine = create_async_engine("postgresql+{driver}://u:hunter22pw@h.invalid/d")
    async with engine.connect() as connection:
        await connection.run_sync(run)
    await engine.dispose()

asyncio.run(main())
"""
REVISION = """from alembic import op
import sqlalchemy as sa
revision = "r1"
down_revision = None
def upgrade():
    cursor = op.get_bind().connection.cursor()
    cursor.execute("CREATE TABLE a (id int, note text)")
    {body}
    op.execute("SELECT 'the end'")
"""
WITH_PERCENT = 'cursor.execute("INSERT INTO a VALUES (%s, %s)", (1, "50%"))'
MANY = 'cursor.executemany("INSERT INTO a (id) VALUES (%s)", [(2,), (3,)])'
SENT = ["CREATE TABLE a (id int, note text)", "INSERT INTO a VALUES (1, '50%')"]
SEVERAL = "INSERT INTO a (id) VALUES (2);\nINSERT INTO a (id) VALUES (3)"
DRIVERS = {
    "psycopg": (
        SYNC,
        [
            WITH_PERCENT,
            MANY,
            "from psycopg import sql",
            'op.get_bind().connection.driver_connection.execute(b"INSERT INTO a (id) VALUES (4)")',
            'cursor.execute(sql.SQL("INSERT INTO {} (id) VALUES (%(n)s)").format(sql.Identifier("a")), {"n": 5})',
            'with cursor.copy("COPY a (id) FROM STDIN") as copy:',
            '    copy.write_row(["6"])',
            "with op.get_bind().engine.connect() as other:",
            '    other.connection.cursor().execute("SELECT 1")',
        ],
        [
            *SENT,
            SEVERAL,
            "INSERT INTO a (id) VALUES (4)",
            'INSERT INTO "a" (id) VALUES (5)',
            "COPY a (id) FROM STDIN",
            "SELECT 1",
        ],
        6,
    ),
    "psycopg2": (
        SYNC,
        [
            WITH_PERCENT,
            MANY,
            "import io",
            "from psycopg2 import extras, sql",
            'extras.execute_values(cursor, "INSERT INTO a (id) VALUES %s", [(4,), (5,)])',
            'cursor.execute(sql.SQL("INSERT INTO {} (id) VALUES (6)").format(sql.Identifier("a")))',
            'cursor.copy_expert("COPY a (id) FROM STDIN", io.StringIO("7\\n"))',
            'op.execute("COMMIT")',
            'op.execute("CREATE INDEX CONCURRENTLY i ON a (id)")',
        ],
        [
            *SENT,
            SEVERAL,
            "INSERT INTO a (id) VALUES (4),(5)",
            'INSERT INTO "a" (id) VALUES (6)',
            "COPY a (id) FROM STDIN",
            "COMMIT",
            "CREATE INDEX CONCURRENTLY i ON a (id)",
        ],
        7,
    ),
    "asyncpg": (
        ASYNC,
        ['cursor.execute("INSERT INTO a VALUES ($1, $2)", (1, "50%"))'],
        SENT,
        1,
    ),
    "psycopg_async": (ASYNC, [WITH_PERCENT, MANY], [*SENT, SEVERAL], 3),
}


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_raw_cursor_hides_nothing(tmp_path: Path, database: ConnInfo, driver: str) -> None:
    """Text, bytes, composed SQL, many sets of parameters, COPY: once each, with its line, as it would run in psql."""
    env, body, sent, rows = DRIVERS[driver]
    (tmp_path / "m" / "versions").mkdir(parents=True)
    (tmp_path / "alembic.ini").write_text(INI)
    (tmp_path / "m" / "env.py").write_text(env.format(driver=driver.partition("_")[0]))
    (tmp_path / "m" / "versions" / "r1.py").write_text(REVISION.replace("{body}", "\n    ".join(body)))
    recorder = Recorder()
    with open_child(load_project(tmp_path), allowed=[database.as_libpq()]) as child:
        outcome = child.migrate("upgrade", "head", database.as_libpq(), recorder)
        assert outcome.failure is None, child.output()
        told = [each for each in recorder.of(events.Statement) if each.revision == "r1" and not each.internal]
        assert [each.rendered for each in told] == [*sent, "SELECT 'the end'"]
        assert all(each.line for each in told)
        assert all(each.autocommit == ("CONCURRENTLY" in each.sql) for each in told if "the end" not in each.sql)
        assert len(recorder.of(events.StatementDone)) == len(recorder.of(events.Statement))
    with psycopg.connect(database.dsn()) as connection:
        assert connection.execute("SELECT count(*) FROM a").fetchone() == (rows,)


def test_a_raw_cursor_fails_as_it_does_without_us(tmp_path: Path, database: ConnInfo) -> None:
    """The driver's own error for parameters that do not fit, and the server's, which is told too."""
    body = """for query, values in (("SELECT %s, %s", (1,)), ("SELECT %(a)s", {"b": 1}), ("SELECT 1/0", None)):
        try:
            cursor.execute(query, values)
        except Exception as error:
            print(type(error).__name__)
    op.get_bind().connection.rollback()"""
    (tmp_path / "m" / "versions").mkdir(parents=True)
    (tmp_path / "alembic.ini").write_text(INI)
    (tmp_path / "m" / "env.py").write_text(SYNC.format(driver="psycopg"))
    (tmp_path / "m" / "versions" / "r1.py").write_text(REVISION.replace("{body}", body))
    recorder = Recorder()
    with open_child(load_project(tmp_path), allowed=[database.as_libpq()]) as child:
        assert child.migrate("upgrade", "head", database.as_libpq(), recorder).failure is None
        assert child.output().split()[:3] == ["ProgrammingError", "ProgrammingError", "DivisionByZero"]
    assert [each.sqlstate for each in recorder.of(events.StatementFailed)] == ["22012"]
