"""Repair itself, killed with kill -9 before any statement that it sends: run again, it ends as if nothing had been."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from tests.conftest import TargetServer

from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import read_only
from db_migrate.workspace import Workspace, open_project

from .conftest import Project, Snapshots, blamed, plain, retarget, snapshots
from .killing import BEGINS, killing
from .test_partial import contents

LONG = os.environ.get("DB_MIGRATE_TEST_LONG") == "1"
UP = (
    "CREATE TABLE u (id int PRIMARY KEY)",
    "CREATE INDEX CONCURRENTLY t_n ON t (n)",
    "INSERT INTO u VALUES (1)",
    "ALTER TABLE t ADD extra int DEFAULT 5",
)
BODY = f"""
op.execute({UP[0]!r})
with op.get_context().autocommit_block():
    op.execute({UP[1]!r})
op.execute({UP[2]!r})
op.execute({UP[3]!r})
"""
FEW = {False: (20,), True: (9,)}
"""Before which statement it is killed: forwards and back."""


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory, target_server: TargetServer) -> tuple[Project, Snapshots]:
    """A project, its database before the revision and after it, and one where plain Alembic was killed within it."""
    project = Project(tmp_path_factory.mktemp("killed"), target_server.new_database())
    project.lay_out(", transaction_per_migration=True")
    project.revision("r1", "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1), (2, 2)")
    project.revision("r2", BODY)
    made = snapshots(project.folder, ["r1", "r2"], target_server)
    halfway = made.copy("r1")
    plain(project.folder, {"to": "r2", "url": halfway.url("postgresql+psycopg"), "stop": 2, "mode": "autocommit"})
    return project, Snapshots({**made.databases, "halfway": halfway}, made.statements, target_server)


@pytest.fixture(scope="module")
def workspace(broken: tuple[Project, Snapshots]) -> Iterator[Workspace]:
    """One workspace for all, to be pointed at each database."""
    with open_project(broken[0].settings()) as opened:
        yield opened


def killed(project: Project, database: ConnInfo, at: int, *flags: str, begins: bytes = BEGINS) -> bool:
    """Run repair and kill it before its ``at``-th statement; False where it came to its end first."""
    with killing(database.port, at, begins) as way:
        url = database.replace(port=way.port).url()
        command = [sys.executable, "-m", "db_migrate", "--url", url, "repair", *flags, "--confirm", database.dbname]
        environment = os.environ | {"DB_MIGRATE_CACHE_DIR": str(project.folder / "cache")}
        run = subprocess.Popen(
            command, cwd=project.folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        way.victim = run.pid
        _, errors = run.communicate(timeout=900)
    assert run.returncode in (0, 1, -9), errors.decode()
    return run.returncode == -9


def nobody_left(workspace: Workspace) -> None:
    """Wait until the server has noticed that the killed run is gone."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with read_only(workspace.target.conninfo) as connection:
            query = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            if connection.execute(query).fetchone() is None:
                return
        time.sleep(0.05)


@pytest.mark.parametrize("back", [False, True], ids=["forwards", "back"])
def test_repair_killed_before_any_of_its_statements(
    broken: tuple[Project, Snapshots], workspace: Workspace, *, back: bool
) -> None:
    """The next repair ends where the first would have, with every row, and doctor finds nothing."""
    project, made = broken
    end = "r1" if back else "r2"
    struck = 0
    for at in range(1, 500) if LONG else FEW[back]:
        database = made.copy("halfway")
        if not killed(project, database, at, *(["--back"] if back else [])):
            break
        struck += 1
        retarget(workspace, database)
        nobody_left(workspace)
        result = workspace.repair(back=back, confirm=database.dbname)
        assert result.error is None, (at, result.error)
        assert result.verify is not None
        assert result.verify.problems == (), at
        assert workspace.live_state.current == (end,), at
        assert contents(database) == contents(made.databases[end]), at
        assert [each.code for each in blamed(workspace) if each.code != "revisions.pending"] == [], at
    assert struck > 10 or not LONG
    assert struck == len(FEW[back]) or LONG
