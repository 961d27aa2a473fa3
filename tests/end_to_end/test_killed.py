"""What a kill -9 in the middle of a plan leaves behind: nothing, after the next command."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pytest

from .conftest import Project

LONG = os.environ.get("DB_MIGRATE_TEST_LONG") == "1"
EACH = [*itertools.product(["parent", "child"], [0.7, 1.5, 2.5])]
SLOW = "op.execute('CREATE TABLE slow (id int)'); op.execute('SELECT pg_sleep(0.3)'); op.drop_table('slow')"


def descendants(pid: int) -> list[int]:
    """The processes below one, as /proc tells."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid:
                child = int(stat.parent.name)
                found += [child, *descendants(child)]
    return found


def processes_in(folder: Path) -> list[str]:
    """Commands of processes that name the folder, such as a server whose data is there."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            command = file.read_bytes().replace(b"\0", b" ").decode()
            if str(folder) in command:
                found.append(command)
    return found


@pytest.mark.parametrize(("victim", "after"), EACH if LONG else EACH[1::3])
def test_a_killed_plan_leaves_no_database_and_no_server(
    project: Project, started: Callable[..., subprocess.Popen[str]], tmp_path: Path, victim: str, after: float
) -> None:
    """Whichever process is killed whenever, the next command finds and removes what was left."""
    runtime = tmp_path / "runtime"
    for number in range(8):
        project.revision(f"r{number}", SLOW, "pass")
    with patch.dict(os.environ, {"DB_MIGRATE_RUNTIME_DIR": str(runtime)}):
        process = started(project, "plan")
        time.sleep(after)
        victims = [process.pid] if victim == "parent" else descendants(process.pid)[:1]
        for pid in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait(60)

        left = project.run("plan", "--json")

        assert left.code in (0, 1), left.err
        deadline = time.monotonic() + 20
        while processes_in(runtime) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert processes_in(runtime) == []
        assert databases_left(runtime) == []


def databases_left(runtime: Path) -> list[str]:
    """Scratch databases on the server whose data is below the folder, asked by starting it once more."""
    from db_migrate.postgres.server import scratch_server
    from db_migrate.postgres.session import connect

    with (
        scratch_server(runtime_dir=runtime) as server,
        contextlib.closing(connect(server.conninfo())) as connection,
    ):
        rows = connection.execute(r"SELECT datname FROM pg_database WHERE datname LIKE 'dbm\_%'").fetchall()
    return [str(name) for (name,) in rows]
