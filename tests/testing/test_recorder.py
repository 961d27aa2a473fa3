"""Recording what tests really touch, in real pytest runs on a real server."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from textwrap import dedent

import pytest

from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect
from db_migrate.testing.select import select

from .conftest import Project, environment

Make = Callable[[Mapping[str, str]], Project]

CONFTEST = """
    import os

    import pytest
    from sqlalchemy import create_engine, text

    def send(engine, *statements):
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))

    @pytest.fixture(scope="session")
    def engine():
        engine = create_engine(os.environ["DATABASE_URL"])
        yield engine
        engine.dispose()
"""
MODELS = """
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

    class Base(DeclarativeBase):
        pass

    class A(Base):
        __tablename__ = "a"
        id: Mapped[int] = mapped_column(primary_key=True)

    class B(Base):
        __tablename__ = "b"
        id: Mapped[int] = mapped_column(primary_key=True)
"""
USE = "from conftest import send\n"


@pytest.fixture
def url(database: ConnInfo) -> str:
    """A database with four tables, in the way that a project's settings name it."""
    with contextlib.closing(connect(database)) as connection:
        for name in "abcd":
            connection.execute(f"CREATE TABLE {name} (id int)".encode())
    return database.url("postgresql+psycopg")


def recorded(project: Project) -> dict[str, dict[str, set[str]]]:
    """The map as it is on disk: file, test, and which of our tables; SQLAlchemy's own questions are left out."""
    content = json.loads((project.root / ".db-migrate" / "tests.json").read_text())
    return {
        file: {test: {name for _, name in touched if name in "abcd"} for test, touched in record["tests"].items()}
        for file, record in content["files"].items()
    }


def record(project: Project, url: str, *args: str, expected: int = 0) -> dict[str, dict[str, set[str]]]:
    """Run all tests with recording and read the map."""
    done = project.pytest("-q", "--db-migrate-record", *args, DATABASE_URL=url)
    assert done.returncode == expected, done.stdout + done.stderr
    return recorded(project)


def test_each_test_has_what_its_statements_name(project: Make, url: str) -> None:
    """Statements of the test itself, parametrised or in a class, are told apart."""
    test = """
        import pytest
        def test_a(engine): send(engine, "SELECT * FROM a", "INSERT INTO b SELECT * FROM c")
        @pytest.mark.parametrize("name", ["c", "d"])
        def test_each(engine, name): send(engine, f"TABLE {name}")
        class TestMore:
            def test_d(self, engine): send(engine, "DELETE FROM public.d WHERE id = 1")
        def test_none(): pass
        def test_ddl(engine): send(engine, "CREATE TABLE e (id int)", "DROP TABLE e")
    """
    made = project({"conftest.py": CONFTEST, "tests/test_it.py": USE + dedent(test)})
    assert record(made, url)["tests/test_it.py"] == {
        "test_a": {"a", "b", "c"},
        "test_each[c]": {"c"},
        "test_each[d]": {"d"},
        "TestMore::test_d": {"d"},
        "test_none": set(),
        "test_ddl": set(),
    }


FIXTURES = """
    import pytest
    from conftest import send

    @pytest.fixture(scope="module")
    def wide(engine):
        send(engine, "TABLE a")
        yield
        send(engine, "TABLE b")

    @pytest.fixture
    def narrow(engine, wide):
        send(engine, "TABLE c")
        yield
        send(engine, "TABLE d")

    def test_wide(wide): pass
    def test_narrow(narrow): pass
    def test_asks(request): request.getfixturevalue("wide")
    def test_none(): pass
    def test_last(): pass
"""


def test_fixtures_count_for_all_who_use_them(project: Make, url: str) -> None:
    """Set-up and teardown of a fixture belong to every test that uses it, asked for in whatever way; to no other."""
    made = project({"conftest.py": CONFTEST, "tests/test_it.py": FIXTURES})
    assert record(made, url)["tests/test_it.py"] == {
        "test_wide": {"a", "b"},
        "test_narrow": {"a", "b", "c", "d"},
        "test_asks": {"a", "b"},
        "test_none": set(),
        "test_last": set(),
    }


def test_workers_of_xdist_record_together(project: Make, url: str) -> None:
    """Under pytest-xdist one map is written, of the files whose tests ran in several processes too."""
    many = "def test_{n}(engine): send(engine, 'TABLE {name}')\n"
    test = USE + "".join(many.format(n=n, name="abcd"[n % 4]) for n in range(8))
    made = project({"conftest.py": CONFTEST, "tests/test_it.py": test, "tests/test_fixtures.py": FIXTURES})
    found = record(made, url, "-p", "xdist", "-n", "2", "--dist", "load")
    assert found["tests/test_it.py"] == {f"test_{n}": {"abcd"[n % 4]} for n in range(8)}
    assert found["tests/test_fixtures.py"]["test_narrow"] == {"a", "b", "c", "d"}
    assert found["tests/test_fixtures.py"]["test_none"] == set()


def test_emptying_tables_between_tests_is_not_using_them(project: Make, url: str) -> None:
    """A fixture that empties all tables says nothing of the test; deleting some rows does, or doing it in the test."""
    test = """
        import pytest

        @pytest.fixture(autouse=True)
        def clean(engine):
            yield
            send(engine, "TRUNCATE a, b", "DELETE FROM c", "DELETE FROM d WHERE id = 1")

        def test_none(engine): pass
        def test_empties(engine): send(engine, "DELETE FROM c")
    """
    made = project({"conftest.py": CONFTEST, "tests/test_it.py": USE + dedent(test)})
    assert record(made, url)["tests/test_it.py"] == {"test_none": {"d"}, "test_empties": {"c", "d"}}


DRIVERS = """
    import asyncio, os
    import pytest
    from sqlalchemy import make_url

    url = make_url(os.environ["DATABASE_URL"])
    where = {"host": url.query.get("host") or url.host, "user": url.username, "dbname": url.database}
    if url.port: where["port"] = url.port

    def test_psycopg():
        import psycopg
        from psycopg import sql
        with psycopg.connect(**where) as connection:
            connection.execute("SELECT 1 FROM a")
            with connection.cursor("named") as cursor:
                cursor.execute(b"SELECT 1 FROM b")
            with connection.cursor() as cursor:
                cursor.execute(sql.SQL("SELECT 1 FROM {}").format(sql.Identifier("c")))
                with cursor.copy("COPY d FROM STDIN"): pass

    def test_psycopg_async():
        import psycopg
        async def go():
            async with await psycopg.AsyncConnection.connect(**where) as connection:
                await connection.execute("SELECT 1 FROM a")
                async with connection.cursor() as cursor:
                    await cursor.executemany("INSERT INTO b VALUES (%s)", [(1,), (2,)])
        asyncio.run(go())

    @pytest.mark.parametrize("kind", ["cursor", "RealDictCursor"])
    def test_psycopg2(kind):
        import psycopg2, psycopg2.extras
        factory = {} if kind == "cursor" else {"cursor_factory": psycopg2.extras.RealDictCursor}
        connection = psycopg2.connect(**where, **factory)
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 AS one FROM a")
                cursor.executemany("INSERT INTO b VALUES (%s)", [(1,), (2,)])
                assert type(cursor.fetchall if kind == "cursor" else cursor) is not None
        finally:
            connection.close()

    def test_asyncpg():
        import asyncpg
        async def go():
            options = {"host": where["host"], "user": where["user"], "database": where["dbname"]}
            if "port" in where: options["port"] = where["port"]
            connection = await asyncpg.connect(**options)
            try:
                await connection.fetchval("SELECT 1 FROM a")
                async with connection.transaction():
                    async for row in connection.cursor("SELECT 1 FROM b"): pass
                await connection.execute("INSERT INTO c VALUES ($1)", 1)
            finally:
                await connection.close()
        asyncio.run(go())

    def test_raw_cursor_of_an_engine():
        from sqlalchemy import create_engine
        engine = create_engine(url)
        connection = engine.raw_connection()
        connection.cursor().execute("SELECT 1 FROM a")
        connection.close()
        engine.dispose()
"""


def test_statements_behind_sqlalchemy_s_back_are_seen(project: Make, url: str) -> None:
    """psycopg, psycopg2 and asyncpg are watched themselves, whoever opened the connection."""
    made = project({"tests/test_it.py": DRIVERS})
    assert record(made, url)["tests/test_it.py"] == {
        "test_psycopg": {"a", "b", "c", "d"},
        "test_psycopg_async": {"a", "b"},
        "test_psycopg2[cursor]": {"a", "b"},
        "test_psycopg2[RealDictCursor]": {"a", "b"},
        "test_asyncpg": {"a", "b", "c"},
        "test_raw_cursor_of_an_engine": {"a"},
    }


def test_migrations_do_not_count(project: Make, url: str) -> None:
    """A fixture that migrates the database touches every table, which says nothing of the tests that use it."""
    files = {
        "alembic.ini": "[alembic]\nscript_location = %(here)s/migrations\n",
        "migrations/env.py": """
            import os
            from alembic import context
            from sqlalchemy import create_engine

            engine = create_engine(os.environ["DATABASE_URL"])
            with engine.connect() as connection:
                context.configure(connection=connection)
                with context.begin_transaction():
                    context.run_migrations()
            engine.dispose()
            """,
        "migrations/versions/one.py": """
            from alembic import op
            revision, down_revision = "one", None
            def upgrade():
                op.execute("INSERT INTO b SELECT * FROM c")
            """,
        "conftest.py": CONFTEST,
        "tests/test_it.py": """
            import pytest
            from alembic import command
            from alembic.config import Config
            from conftest import send

            @pytest.fixture(scope="session")
            def migrated(engine):
                command.upgrade(Config("alembic.ini"), "head")
                send(engine, "INSERT INTO d VALUES (1)")

            def test_it(engine, migrated): send(engine, "TABLE a")
            """,
    }
    assert record(project(files), url)["tests/test_it.py"] == {"test_it": {"a", "d"}}


def test_a_file_that_was_run_in_part_has_no_record(project: Make, url: str) -> None:
    """What was not collected or was deselected is not known, so the file is not; other files are."""
    two = USE + "def test_one(engine): send(engine, 'TABLE a')\ndef test_two(engine): pass\n"
    one = USE + "def test_other(engine): send(engine, 'TABLE b')\n"
    made = project({"conftest.py": CONFTEST, "tests/test_it.py": two, "tests/test_other.py": one})
    found = record(made, url, "-k", "test_one or test_other")
    assert found == {"tests/test_other.py": {"test_other": {"b"}}}
    assert record(made, url, "--deselect", "tests/test_it.py::test_two") == found
    assert record(made, url, "tests/test_it.py::test_one") == found


def test_a_test_that_broke_off_leaves_its_file_without_record(project: Make, url: str) -> None:
    """What comes after a failure or a skip is not known; a failure that was expected is an end like any other."""
    begin = USE + "import pytest\ndef test_good(engine): send(engine, 'TABLE a')\n"
    files = {
        "conftest.py": CONFTEST,
        "tests/test_failed.py": begin + "def test_bad(): assert 0\n",
        "tests/test_skipped.py": begin + "def test_bad(): pytest.skip('today')\n",
        "tests/test_broken.py": begin + "def test_bad(no_such_fixture): pass\n",
        "tests/test_end.py": begin + "@pytest.fixture\ndef f():\n    yield\n    assert 0\ndef test_bad(f): pass\n",
        "tests/test_expected.py": begin + "@pytest.mark.xfail\ndef test_bad(engine):\n"
        "    send(engine, 'TABLE b')\n    assert 0\n",
    }
    found = record(project(files), url, expected=1)
    assert found == {"tests/test_expected.py": {"test_good": {"a"}, "test_bad": {"b"}}}


def test_nothing_is_recorded_unless_asked(project: Make, url: str) -> None:
    """Installed and not asked, the plugin writes nothing; the setting asks as the option does."""
    files = {"conftest.py": CONFTEST, "tests/test_it.py": USE + "def test_it(engine): send(engine, 'TABLE a')\n"}
    made = project(files)
    assert made.pytest("-q", DATABASE_URL=url).returncode == 0
    assert not (made.root / ".db-migrate").exists()
    made.write({"pytest.ini": "[pytest]\ndb_migrate_record = true\n"})
    assert made.pytest("-q", DATABASE_URL=url).returncode == 0
    assert recorded(made) == {"tests/test_it.py": {"test_it": {"a"}}}


def test_the_plugin_loads_nothing_heavy() -> None:
    """Every pytest run of the user's imports the plugin: it brings no library and no room of ours."""
    script = (
        "import sys, pytest; before = set(sys.modules)\n"
        "import db_migrate.testing.plugin; print(*(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", script], env=environment(), capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"db_migrate", "db_migrate.testing", "db_migrate.testing.plugin"}


SELECTED = {
    "conftest.py": CONFTEST,
    "models.py": MODELS,
    "app.py": "from models import A, B\ndef both(): return A, B\ndef name(): return 'a'",
    "tests/test_a.py": "from app import both, name\nfrom conftest import send\n"
    "def test_it(engine): both(); send(engine, f'TABLE {name()}')\n",
    "tests/test_b.py": "import models\nfrom conftest import send\n"
    "def test_it(engine): models.B; send(engine, 'TABLE b')\n",
}


def select_for(project: Project, table: str) -> tuple[str, ...]:
    """The files that a change of the table selects."""
    mapped = project.mapped("models.py", A="public.a", B="public.b")
    return select(project.root, [f"public.{table}"], mapped).selected


def test_records_are_more_exact_than_imports(project: Make, url: str) -> None:
    """By its imports a test could touch both tables; by its record it touches one, whichever way it names it."""
    made = project(SELECTED)
    assert select_for(made, "b") == ("tests/test_a.py", "tests/test_b.py")
    record(made, url)
    assert select_for(made, "b") == ("tests/test_b.py",)
    assert select_for(made, "a") == ("tests/test_a.py",)
    assert select_for(made, "c") == ()


def test_a_record_counts_as_long_as_its_code_is_the_same(project: Make, url: str) -> None:
    """The test, functions and fixtures that it uses and models that it touches decide; other code may change."""
    made = project(SELECTED)
    record(made, url)
    model = '__tablename__ = "{}"'
    another = '__tablename__ = "{}"\n    other: Mapped[int]'
    for file, old, new in [
        ("tests/test_a.py", "def test_it", "def test_renamed"),
        ("app.py", "return 'a'", "return 'b'"),
        ("conftest.py", "text(statement)", "text(statement + ' LIMIT 1')"),
        ("conftest.py", "engine.dispose()", "engine.dispose(close=True)"),
        ("models.py", model.format("a"), another.format("a")),
    ]:
        with edited(made, file, old, new):
            assert "tests/test_a.py" in select_for(made, "b"), f"stale after {file}: {new}"
    for file, old, new in [
        ("models.py", model.format("b"), another.format("b")),
        ("models.py", "class Base(", "class Unrelated:\n    pass\n\nclass Base("),
        ("app.py", "def both", "def unused(): return 1\ndef both"),
    ]:
        with edited(made, file, old, new):
            assert select_for(made, "a") == ("tests/test_a.py",)
            assert select_for(made, "b") == ("tests/test_b.py",), f"fresh after {file}: {new}"


@contextlib.contextmanager
def edited(project: Project, file: str, old: str, new: str) -> Iterator[None]:
    """The file with another text in one place."""
    path = project.root / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    yield
    path.write_text(text)


def test_tests_without_a_record_are_included_once_there_is_a_map(project: Make, url: str) -> None:
    """A new test file is run until it is recorded, and is named as unrecorded."""
    made = project(SELECTED)
    record(made, url)
    made.write({"tests/test_new.py": "def test_new(): pass"})
    selection = select(made.root, ["public.b"], [])
    assert selection.unrecorded == ("tests/test_new.py",)
    assert selection.reason == {"tests/test_b.py": ("public.b",), "tests/test_new.py": ()}


@pytest.mark.parametrize("content", ["", "{", '{"version": 99, "files": {}}', "[]"])
def test_a_map_that_cannot_be_read_is_no_map(project: Make, content: str) -> None:
    """A damaged map, or one of another version, misleads nobody: imports decide."""
    made = project({**SELECTED, ".db-migrate/tests.json": content})
    assert select_for(made, "b") == ("tests/test_a.py", "tests/test_b.py")


def test_records_of_files_that_are_gone_go_too(project: Make, url: str) -> None:
    """Recording keeps what is known of files that were not run, as long as they exist."""
    made = project({**SELECTED, ".db-migrate/tests.json": "damaged"})
    record(made, url)
    (made.root / "tests/test_a.py").unlink()
    made.write({"tests/test_c.py": USE + "def test_c(engine): send(engine, 'TABLE c')\n"})
    assert set(record(made, url, "tests/test_c.py")) == {"tests/test_b.py", "tests/test_c.py"}
