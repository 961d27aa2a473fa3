"""A site that works while it is migrated: pgbench in an open loop on a table of a million rows, and what it feels."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measure import WrongEnd
from db_migrate.postgres import binaries
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect

if TYPE_CHECKING:
    from psycopg import Connection

ROWS, OWNERS, RATE, CLIENTS = 1_000_000, 1_000, 200, 4
LEAD_SECONDS, TAIL_SECONDS, LONGEST_SECONDS = 2, 1, 600
SCRIPTS = (
    (4, f"\\set id random(1, {ROWS})\nSELECT n FROM site WHERE id = :id;\n"),
    (1, f"\\set id random(1, {ROWS})\nUPDATE site SET owner = 1 WHERE id = :id;\n"),
    (1, f"\\set id random(1, {OWNERS})\nUPDATE owners SET name = 'x' WHERE id = :id;\n"),
)
"""What the site does, and how often: all by primary key, two reads for each write."""


@dataclass(frozen=True, slots=True)
class Felt:
    """How long requests took, in milliseconds from when each was due, sorted."""

    times: tuple[float, ...]

    def percentile(self, share: float) -> float:
        """What so large a share of all requests did not exceed."""
        return self.times[max(0, math.ceil(len(self.times) * share) - 1)]


@dataclass(frozen=True, slots=True)
class Act:
    """What is done to the site while it works. Without a command nothing is done for ``seconds``.

    ``idle``: somebody has read the table, and stays in the transaction for so many seconds after the command has
    connected.
    """

    command: Sequence[str] = ()
    folder: Path = Path()
    seconds: float = 0.0
    idle: float = 0.0


@dataclass(frozen=True, slots=True)
class Stage:
    """The server, with the database ``ground`` that is had anew for each scene, and a folder for logs."""

    server: ConnInfo
    folder: Path

    @contextlib.contextmanager
    def site(self) -> Iterator[ConnInfo]:
        """A copy of the site's database."""
        with contextlib.closing(connect(self.server)) as admin:
            admin.execute("CREATE DATABASE scene TEMPLATE ground STRATEGY file_copy")
            admin.execute("CHECKPOINT")
            try:
                yield self.server.replace(dbname="scene")
            finally:
                admin.execute("DROP DATABASE scene WITH (FORCE)")

    def felt(self, site: ConnInfo, act: Act) -> Felt:
        """Let the site work, do something to it meanwhile, and see what its requests felt. Raises WrongEnd."""
        logs = self.folder / "logs"
        shutil.rmtree(logs, ignore_errors=True)
        logs.mkdir()
        with _working(site, logs):
            time.sleep(LEAD_SECONDS)
            if act.command:
                _perform(site, act)
            time.sleep(act.seconds or TAIL_SECONDS)
        lines = (line.split() for log in logs.glob("log.*") for line in log.read_text().splitlines())
        return Felt(tuple(sorted(int(line[2]) / 1000 for line in lines if len(line) > 2)))


def environ(site: ConnInfo) -> dict[str, str]:
    """What commands run with."""
    return {**os.environ, "DATABASE_URL": site.url("postgresql+psycopg")}


def run(command: Sequence[str], folder: Path, site: ConnInfo) -> None:
    """Run a command that has to end well. Raises WrongEnd."""
    done = subprocess.run(command, cwd=folder, env=environ(site), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        shown = " ".join(Path(word).name for word in command)
        raise WrongEnd(f"`{shown}` ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")


def _perform(site: ConnInfo, act: Act) -> None:
    if not act.idle:
        run(act.command, act.folder, site)
        return
    with contextlib.closing(connect(site, application_name="idle")) as idle:
        idle.execute("BEGIN")
        idle.execute("SELECT n FROM site WHERE id = 1")
        leaving = threading.Thread(target=_leave, args=(idle, site, act.idle))
        leaving.start()
        try:
            run(act.command, act.folder, site)
        finally:
            leaving.join()


def _leave(idle: Connection[tuple[object, ...]], site: ConnInfo, seconds: float) -> None:
    """End the idle transaction so long after somebody else than the site and us has connected."""
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
        " AND application_name NOT IN ('pgbench', 'idle', 'looking')"
    )
    with contextlib.closing(connect(site, application_name="looking")) as looking:
        deadline = time.monotonic() + 60
        while looking.execute(query).fetchone() == (0,) and time.monotonic() < deadline:
            time.sleep(0.02)
    time.sleep(seconds)
    idle.rollback()


@contextlib.contextmanager
def _working(site: ConnInfo, logs: Path) -> Iterator[None]:
    """The site's requests, until its sessions are ended: only so pgbench writes all that it has seen."""
    for number, (_, text) in enumerate(SCRIPTS):
        (logs / f"{number}.sql").write_text(text)
    scripts = [
        word for number, (share, _) in enumerate(SCRIPTS) for word in ("-f", f"{logs / f'{number}.sql'}@{share}")
    ]
    options = f"-n -M prepared -c {CLIENTS} -j 2 -R {RATE} -T {LONGEST_SECONDS} -l --log-prefix={logs / 'log'}".split()
    where = ["-h", site.host, "-p", str(site.port), "-U", site.user, site.dbname]
    with (logs / "output").open("wb") as output:
        process = subprocess.Popen(
            [binaries.embedded().program("pgbench"), *options, *scripts, *where],
            env={**os.environ, "PGPASSWORD": site.password or "", "PGAPPNAME": "pgbench"},
            stdout=output,
            stderr=output,
        )
        try:
            yield
            if process.poll() is not None:
                raise WrongEnd(f"pgbench ended by itself: {(logs / 'output').read_text()[-2000:]}")
        finally:
            _end(site)
            process.wait(60)


def _end(site: ConnInfo) -> None:
    with contextlib.closing(connect(site)) as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgbench'")
