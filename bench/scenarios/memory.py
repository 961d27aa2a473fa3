"""How much memory a verb takes on 5,000 tables, beside Alembic's commands there.

The project is migrated and has one revision pending, which adds a column: some 130,000 objects, columns and
constraints included. What is counted is what all processes of a command have together at one moment, at its largest:
the parent, the fork server and the child; pages that they share count once. PostgreSQL's servers are none of them.
Verbs run in this order, nothing cached before the first. `alembic check` ends when it has imported the models, since
something is pending: what it would take goes beyond that.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.measure import Comparison, Result, WrongEnd, cpu_time
from bench.profile import PENDING
from bench.scenarios.drift import BIN, Project, migrated

TABLES = 5_000
LOOK_SECONDS = 0.1
COMMANDS = (
    ("alembic current", {0}),
    ("alembic check", {0, 1, 255}),
    ("db-migrate status", {0, 1}),
    ("db-migrate drift", {0, 1}),
    ("db-migrate schema live", {0}),
    ("db-migrate schema live --format json", {0}),
    ("db-migrate history", {0}),
    ("db-migrate verify", {0, 1}),
    ("db-migrate lint 0002", {0, 1}),
    ("db-migrate plan", {0, 1}),
    ("db-migrate generate -m nothing --dry-run", {0, 1}),
    ("db-migrate apply --yes", {0, 1}),
    ("db-migrate rollback -1 --yes", {0, 1}),
    ("db-migrate doctor", {0, 1}),
    ("db-migrate report", {0, 1}),
)


def run(folder: Path) -> Iterator[Comparison]:
    """One number for each command."""
    with migrated(folder, TABLES) as project:
        (project.folder / "migrations" / "versions" / "0002_remark.py").write_text(PENDING)
        results = [_measured(project, line, expect) for line, expect in COMMANDS]
        yield Comparison(f"{TABLES:,} tables: all processes of the command together", tuple(results), unit="MiB")


def _measured(project: Project, line: str, expect: set[int]) -> Result:
    program, *words = line.split()
    environ = {**os.environ, "DATABASE_URL": project.url, "XDG_CACHE_HOME": str(project.cache)}
    before, largest = cpu_time(), 0
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen([BIN / program, *words], cwd=project.folder, env=environ, stdout=said, stderr=said) as process,
    ):
        while process.poll() is None:
            largest = max(largest, sum(map(_bytes, _family(process.pid))))
            time.sleep(LOOK_SECONDS)
        if process.returncode not in expect:
            said.seek(0)
            raise WrongEnd(f"`{line}` ended with {process.returncode}:\n{said.read()[-4000:].decode()}")
    return Result(line, (largest / 1024**2,), program == "db-migrate", cpu=(cpu_time() - before,))


def _family(first: int) -> set[int]:
    """The process and all that came of it, but for the servers' own."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
            if not name.startswith("postgres"):
                parents[int(stat.parent.name)] = int(rest.split()[1])
    found = {first}
    while more := {each for each, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def _bytes(process: int) -> int:
    """Resident memory; what others have too counts by its share."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
