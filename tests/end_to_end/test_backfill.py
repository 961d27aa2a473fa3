"""Generated backfills that are killed in the middle, and go on from there."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from db_migrate.postgres.session import connect

from .conftest import Project

LONG = os.environ.get("DB_MIGRATE_TEST_LONG") == "1"
ROWS, BATCH = (1_000_000, 5000) if LONG else (3000, 100)

BEFORE = """
import sqlalchemy as sa


class Base:
    metadata = sa.MetaData()


def key(name, type_=sa.Integer):
    return sa.Column(name, type_, primary_key=True, autoincrement=False)


sa.Table("site", Base.metadata, key("id"), sa.Column("n", sa.Integer))
sa.Table("pair", Base.metadata, key("a", sa.Text), key("b"))
sa.Table("loose", Base.metadata, sa.Column("n", sa.Integer))
sa.Table("ticket", Base.metadata, key("id"))
"""
AFTER = (
    BEFORE.replace('"n", sa.Integer)', '"n", sa.Integer), sa.Column("twice", sa.Integer, nullable=False)')
    .replace(
        'key("b")',
        'key("b"), sa.Column("both", sa.Text, nullable=False, unique=True),\n'
        '         sa.Column("site", sa.ForeignKey("site.id"), nullable=False, index=True)',
    )
    .replace(
        '("ticket", Base.metadata',
        '("ticket", Base.metadata, sa.Column("token", sa.Uuid, server_default=sa.text("gen_random_uuid()"))',
    )
)
FILLS = (
    *("--backfill", "site.twice=id + n", "--backfill", "loose.twice=2 * n"),
    *("--backfill", "pair.both=a || b", "--backfill", "pair.site=b"),
)
FILLING = (
    f"INSERT INTO site SELECT i, i FROM generate_series(1, {ROWS}) i",
    f"INSERT INTO pair SELECT 'a' || i % 7, i FROM generate_series(1, {ROWS}) i",
    f"INSERT INTO loose (n) SELECT i FROM generate_series(1, {ROWS}) i",
    f"INSERT INTO ticket SELECT i FROM generate_series(1, {ROWS}) i",
    "CREATE TABLE filled (of text, row text)",
    """CREATE FUNCTION fills() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO filled VALUES (TG_TABLE_NAME, to_json(NEW) ->> TG_ARGV[0]); RETURN NULL; END $$""",
    *(
        f"CREATE TRIGGER fills AFTER UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION fills('{key}')"
        for table, key in (("site", "id"), ("pair", "b"), ("loose", "n"), ("ticket", "id"))
    ),
)
ONCE = {"site": 1, "pair": 2, "loose": 1, "ticket": 1}
"""How many columns of each table are filled."""


@dataclass(frozen=True)
class Kill:
    """When a run is killed: in the batch that comes to this row. ``before`` are rows that are filled by then."""

    table: str
    row: str
    before: str


KILLS = (
    Kill("loose", f"n = {ROWS - 1}", "n = 1"),
    Kill("pair", f"a = 'a3' AND b = {(ROWS // 7 - 2) * 7 + 3}", "a < 'a3'"),
    Kill("site", f"id = {BATCH * 7 + 1}", f"id <= {BATCH * 7}"),
)
"""In the order in which the tables are filled."""


def test_a_killed_backfill_goes_on_where_it_stopped(project: Project) -> None:
    """Killed in whatever batch, by plain Alembic or by apply: run again, each row is filled once, and none is held."""
    made = _generated(project)
    upgrade = [sys.executable, "-m", "alembic.config", "upgrade", "head"]
    project.sql(*FILLING[4:])
    for command, kills in ((upgrade, KILLS), (project.command("apply", "--yes"), KILLS[2:])):
        assert project.alembic("upgrade", made[0]).code == 0
        project.sql("TRUNCATE filled")
        for kill in kills:
            _killed(project, command, kill)
            assert project.sql("SELECT version_num FROM alembic_version") == [(made[0],)]
        with _longest(project) as seconds:
            done = subprocess.run(
                command, cwd=project.folder, env=project.environment, capture_output=True, text=True, check=False
            )
        assert done.returncode == 0, done.stdout + done.stderr
        assert max(seconds, default=0.0) < 1.0
        assert _filled(project) == dict.fromkeys(ONCE.items(), ROWS)
        assert project.sql("SELECT version_num FROM alembic_version") == [(made[1],)]
        back = project.alembic("downgrade", "-2")
        assert back.code == 0, back.err


def _generated(project: Project) -> list[str]:
    """The revisions that add the columns and fill them, on a database with rows; the ids of both."""
    project.write("migrations/script.py.mako", TEMPLATE)
    project.write("db-migrate.toml", f"backfill_rows = {BATCH}\nbackfill_pause = 0.0\n")
    project.write("models.py", BEFORE)
    assert project.run("generate", "-m", "tables").code == 0
    assert project.alembic("upgrade", "head").code == 0
    project.sql(*FILLING[:4], "ANALYZE")
    project.write("models.py", AFTER)
    done = project.run("generate", "-m", "more", *FILLS, "--json")
    assert done.code == 0, done.out + done.err
    return [each["revision"] for each in done.json["revisions"]]


def _killed(project: Project, command: list[str], kill: Kill) -> None:
    """Start the command, stop it by a lock on the row, see that it holds nothing but its batch, and kill it there."""
    with contextlib.closing(connect(project.database)) as holder, contextlib.closing(connect(project.database)) as eye:
        eye.execute("SET lock_timeout = '10s'")
        holder.execute("BEGIN")
        held = f"SELECT FROM {kill.table} WHERE {kill.row} FOR UPDATE"
        assert holder.execute(held.encode()).rowcount == 1
        process = subprocess.Popen(
            command,
            cwd=project.folder,
            env=project.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            pid = _waiting(eye, holder.info.backend_pid, process)
            column = '"both"' if kill.table == "pair" else "twice"
            filled = f"SELECT count(*) = count({column}) FROM {kill.table} WHERE {kill.before}"
            assert eye.execute(filled.encode()).fetchone() == (True,)
            outside = f"SELECT FROM {kill.table} WHERE {kill.before} FOR UPDATE NOWAIT"
            eye.execute(outside.encode())
            modes = eye.execute(
                "SELECT DISTINCT mode FROM pg_locks WHERE pid = %s AND locktype = 'relation' AND mode NOT IN"
                " ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock')",
                [pid],
            )
            assert modes.fetchall() == []
        finally:
            process.kill()
            process.wait()
        eye.execute("SELECT pg_terminate_backend(%s, 20000)", [pid])


def _waiting(eye: psycopg.Connection[tuple[object, ...]], holder: int, process: subprocess.Popen[bytes]) -> int:
    """The session that waits for the holder, once it does."""
    deadline = time.monotonic() + (900 if LONG else 60)
    while time.monotonic() < deadline:
        query = "SELECT pid FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))"
        row = eye.execute(query.encode(), [holder]).fetchone()
        if row is not None:
            return int(str(row[0]))
        assert process.poll() is None, "it ended before it came to the row"
        time.sleep(0.02)
    raise AssertionError("it never came to the row")


@dataclass(frozen=True)
class Since:
    """When a transaction is known to have held no row yet, and how long it had waited for a processor by then."""

    start: object
    when: float
    queued: float


@contextlib.contextmanager
def _longest(project: Project) -> Iterator[list[float]]:
    """How long transactions can have held rows, each time one looked, in seconds.

    What looks for the rows of a batch holds none: a transaction without an id has written nothing. The time in which
    its server process was ready to run, and others had the processor, is not its own.
    """
    seconds: list[float] = []
    stop = threading.Event()

    def look() -> None:
        query = (
            "SELECT pid, xact_start, extract(epoch FROM xact_start)::float8, backend_xid IS NOT NULL,"
            " extract(epoch FROM clock_timestamp())::float8 FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE '%UPDATE public.%' AND pid <> pg_backend_pid()"
        )
        free: dict[int, Since] = {}
        with contextlib.closing(connect(project.database)) as eye:
            while not stop.wait(0.01):
                before = {pid: _queued(pid) for pid in free}  # asked first, so that less is taken off
                for row in eye.execute(query.encode()).fetchall():
                    pid, start, began, writes, now = int(str(row[0])), row[1], row[2], row[3], float(str(row[4]))
                    if start is None or not writes:
                        free[pid] = Since(start, now, _queued(pid))
                        continue
                    if pid not in free or free[pid].start != start:
                        free[pid] = Since(start, float(str(began)), _queued(pid))
                        before.pop(pid, None)
                    waited = before.get(pid, free[pid].queued) - free[pid].queued
                    seconds.append(now - free[pid].when - waited)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seconds
    finally:
        stop.set()
        thread.join()


def _queued(pid: int) -> float:
    """How long a process has waited for a processor since it was started, in seconds (the kernel's sched-stats)."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text("ascii").split()[1]) / 1e9
    except OSError:  # it has ended
        return 0.0


def _filled(project: Project) -> dict[tuple[str, int], int]:
    """How many rows of each table were updated how often, once the values are seen to be right."""
    wrong = (
        "SELECT 1 FROM site WHERE twice <> 2 * id UNION ALL SELECT 1 FROM loose WHERE twice <> 2 * n"
        ' UNION ALL SELECT 1 FROM pair WHERE "both" <> a || b OR site <> b'
    )
    assert project.sql(wrong) == []
    assert project.sql("SELECT count(DISTINCT token) FROM ticket") == [(ROWS,)]
    times = "SELECT of, times, count(*) FROM (SELECT of, count(*) AS times FROM filled GROUP BY of, row) GROUP BY 1, 2"
    return {(of, n): rows for of, n, rows in project.sql(times)}


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
