"""Passwords that are canaries: whatever is done, they are in no file, table, log, report, error or process list."""

from __future__ import annotations

import contextlib
import mmap
import os
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import alembic
import pytest
from tests.conftest import TargetServer
from tests.end_to_end.conftest import Project, make_project

from db_migrate.postgres.server import scratch_server
from db_migrate.postgres.session import connect

STEM = "c4n4ry"
"""Stands in every password here, and is spelled the same in a URL, a connection string, SQL and JSON."""
WRITTEN = f"{STEM}-written"
"""Stands in those that a revision's author has written into its file."""

SETTINGS = """
[targets.default]
url_env = "DATABASE_URL"

[targets.other]
url_env = "OTHER_URL"
"""
MODELS = """
import os

import sqlalchemy as sa

print("connecting to", os.environ["DATABASE_URL"])
if "FAILS" in os.environ:
    raise RuntimeError("no connection: " + os.environ["DATABASE_URL"])


class Base:
    metadata = sa.MetaData()


users = sa.Table("users", Base.metadata, sa.Column("id", sa.Integer, primary_key=True))
"""
UP = f"""
op.execute("CREATE TABLE users (id int PRIMARY KEY, note text)")
op.execute("CREATE ROLE secrets_made PASSWORD '{WRITTEN}-role'")
"""
BACK = "op.execute('DROP TABLE users')\nop.execute('DROP ROLE secrets_made')"
STOPS = f"""
if op.get_bind().scalar(sa.text("SELECT count(*) FROM users")):
    op.execute("SELECT 'host=db.invalid password={WRITTEN}-error'::int")
"""
DROP = "op.drop_column('users', 'note')"
ADD = "op.add_column('users', sa.Column('note', sa.Text))"
ALLOW = "db_migrate_allow = {'drop-column:public.users.note': 'nobody reads it'}"
HELD = (
    "CREATE EXTENSION postgres_fdw",
    "CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'db.invalid')",
    f"CREATE USER MAPPING FOR PUBLIC SERVER elsewhere OPTIONS (user 'u', password '{STEM}-mapping')",
    f"""CREATE SUBSCRIPTION secrets_sub CONNECTION 'host=db.invalid user=u password={STEM}-subscription'
    PUBLICATION p WITH (connect = false, slot_name = NONE)""",
)
"""What the target itself holds, and a superuser's dump has in it."""
GONE = (
    "DROP SUBSCRIPTION secrets_sub",
    "DROP OWNED BY secrets_super CASCADE",
    "DROP ROLE secrets_super",
    "DROP ROLE IF EXISTS secrets_made",
)
OURS = """
SELECT format('SELECT t::text FROM %s t', oid::regclass) FROM pg_class
WHERE relkind = 'r' AND relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^db_migrate')
"""


@dataclass(frozen=True, slots=True)
class Place:
    """The project, and the folders that everything goes into: the cache, and those of the scratch server."""

    project: Project
    cache: Path
    runtime: Path


@pytest.fixture
def place(tmp_path: Path, target_server: TargetServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A project that prints its URL, on a database that holds passwords, run by who may see them all."""
    database = target_server.new_database()
    password = f"{STEM} p@ss/w%rd '\"\\"
    literal = password.replace("'", "''")
    runtime = Path(tempfile.mkdtemp(prefix="dbm-", dir="/tmp"))  # a socket's path has to be short
    monkeypatch.setenv("DB_MIGRATE_RUNTIME_DIR", str(runtime))
    (tmp_path / "project").mkdir()
    project = make_project(tmp_path / "project", database.replace(user="secrets_super", password=password))
    project.write("models.py", MODELS)
    project.write("db-migrate.toml", SETTINGS)
    template = Path(alembic.__file__).parent / "templates" / "generic" / "script.py.mako"
    project.write("migrations/script.py.mako", template.read_text())
    with contextlib.closing(connect(database)) as connection:
        for statement in (f"CREATE ROLE secrets_super LOGIN SUPERUSER PASSWORD '{literal}'", *HELD):
            connection.execute(statement.encode())
        yield Place(project, tmp_path / "cache", runtime)
        for statement in GONE:
            connection.execute(statement.encode())
    shutil.rmtree(runtime, ignore_errors=True)  # the server is just ending


@contextlib.contextmanager
def command_lines() -> Iterator[set[str]]:
    """Every command line that a process has meanwhile, as far as looking every five milliseconds finds."""
    seen: set[str] = set()
    looks: Counter[str] = Counter()
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(0.005):
            for process in filter(lambda name: name.isdecimal() and looks[name] < 3, os.listdir("/proc")):  # noqa: PTH208
                looks[process] += 1  # a process has its parent's until it executes its program
                with contextlib.suppress(OSError):
                    seen.add(Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace"))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def holding(text: str, *folders: Path) -> set[str]:
    """The files below the folders that have the text in them."""
    found = set()
    for file in (each for folder in folders for each in folder.rglob("*") if each.is_file() and each.stat().st_size):
        with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if content.find(text.encode()) >= 0:
                found.add(str(file))
    return found


def test_a_password_is_nowhere(place: Place) -> None:
    """Everything is done once, well and badly; then all that was printed, written and run is searched."""
    project, database = place.project, place.project.database
    environment = {
        "XDG_CACHE_HOME": str(place.cache),
        "DB_MIGRATE_RUNTIME_DIR": str(place.runtime),
        "OTHER_URL": database.replace(password=f"{STEM}-wrong").url("postgresql"),
    }
    printed: list[str] = []

    def run(code: int, line: str, **more: str) -> None:
        done = project.run(*line.split(), **environment, **more)
        assert done.code == code, (line, done)
        printed.append(f"{line}\n{done.out}{done.err}")

    project.revision("r1", UP, BACK)
    with scratch_server(), command_lines() as lines:
        run(0, "plan --out plan.json --sql plan.sql")
        run(0, f"apply plan.json --json --backup . --confirm {database.dbname}")
        run(4, "status --target other --debug")
        run(1, "doctor --target other --json")
        run(2, "plan --verbose", FAILS="1")
        project.sql("INSERT INTO users VALUES (1, 'x')")
        project.revision("r2", STOPS)
        run(4, f"apply --debug --confirm {database.dbname}")
        run(1, "doctor")
        project.sql("TRUNCATE users")
        project.revision("r3", DROP, ADD, extra=ALLOW)
        run(0, f"apply --confirm {database.dbname}")
        for code, line in (
            (0, "report"),
            (1, "status --json"),
            (1, "drift --sql"),
            (0, "schema live --format sql"),
            (0, "history --json"),
            (0, "config --sources"),
            (0, "generate -m more"),
            (1, "lint --format sarif"),
            (0, f"rollback r2 --json --confirm {database.dbname}"),
        ):
            run(code, line)
        written = holding(STEM, project.folder, place.cache, place.runtime)
        rows = [str(project.sql(query)) for (query,) in project.sql(OURS)]
    log = next(place.runtime.glob("*/postgres.log"))
    assert {each for each in (*printed, *lines, *rows) if STEM in each} == set()
    assert any("pg_dump" in each for each in lines)
    assert any("no connection: postgresql+psycopg://secrets_super:***@" in each for each in printed)
    assert written == {*map(str, project.folder.glob("migrations/versions/r[12]_x.py")), str(log)}
    said = {line for line in log.read_text().splitlines() if STEM in line}
    assert all(WRITTEN in line for line in said)
    assert log.stat().st_mode & 0o077 == 0
