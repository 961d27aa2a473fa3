"""What a site feels while it is migrated: requests in an open loop, a million rows, one transaction left idle for 5 s.

pgbench sends 200 requests a second from four clients, whether or not the last ones have been answered, and counts each
one's time from when it was due. While it does, one command migrates the table that all of them read and write; somebody
has read that table and stays in the transaction for five seconds after the command has connected. Each contestant's
value is a percentile or the maximum over all requests of one scene of 30 s.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.measure import Comparison, Result, WrongEnd
from db_migrate.postgres import binaries, local
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect

BIN = Path(sys.executable).parent
ROWS, RATE, CLIENTS, SCENE_SECONDS, LEAD_SECONDS, IDLE_SECONDS = 1_000_000, 200, 4, 30, 2, 5.0
GOAL = 2.0

_TABLES = (
    "op.execute('CREATE TABLE owners (id int PRIMARY KEY)')\n"
    "op.execute('CREATE TABLE site (id int PRIMARY KEY, n int, code int, owner int)')"
)
_ROWS = (
    "INSERT INTO owners SELECT generate_series(1, 1000)",
    f"INSERT INTO site SELECT g, g, g, g % 1000 + 1 FROM generate_series(1, {ROWS}) g",
    "VACUUM ANALYZE site",
)

_ENV = """
import os
from alembic import context
from sqlalchemy import create_engine, pool

engine = create_engine(os.environ["DATABASE_URL"], poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""

_CONCURRENTLY = "with op.get_context().autocommit_block():\n    "

CHANGES = {
    "ADD COLUMN": ("op.add_column('site', sa.Column('extra', sa.Integer))",),
    "an index": (f"{_CONCURRENTLY}op.create_index('site_n', 'site', ['n'], postgresql_concurrently=True)",),
    "a foreign key": (
        "op.create_foreign_key('site_owner', 'site', 'owners', ['owner'], ['id'], postgresql_not_valid=True)",
        "op.execute('ALTER TABLE site VALIDATE CONSTRAINT site_owner')",
    ),
    "NOT NULL": (
        "op.execute('ALTER TABLE site ADD CONSTRAINT site_n CHECK (n IS NOT NULL) NOT VALID')",
        "op.execute('ALTER TABLE site VALIDATE CONSTRAINT site_n')",
        "op.alter_column('site', 'n', nullable=False)\nop.execute('ALTER TABLE site DROP CONSTRAINT site_n')",
    ),
    "a unique constraint": (
        f"{_CONCURRENTLY}op.create_index('site_code', 'site', ['code'], unique=True, postgresql_concurrently=True)",
        "op.execute('ALTER TABLE site ADD CONSTRAINT site_code UNIQUE USING INDEX site_code')",
    ),
}
"""Each change, as the revisions that make it in its safe form."""


@dataclass(frozen=True, slots=True)
class Felt:
    """How long requests took, in milliseconds, sorted."""

    times: tuple[float, ...]

    def percentile(self, share: float) -> float:
        """What so large a share of all requests did not exceed."""
        return self.times[max(0, math.ceil(len(self.times) * share) - 1)]


@dataclass(frozen=True, slots=True)
class Scene:
    """The site's database, to be had anew for each scene, and the folder for projects and logs."""

    server: ConnInfo
    folder: Path

    @contextlib.contextmanager
    def site(self) -> Iterator[ConnInfo]:
        """A copy of the site's database."""
        with contextlib.closing(connect(self.server)) as admin:
            admin.execute("CREATE DATABASE scene TEMPLATE ground STRATEGY file_copy")
            try:
                yield self.server.replace(dbname="scene")
            finally:
                admin.execute("DROP DATABASE scene WITH (FORCE)")

    def felt(self, site: ConnInfo, command: Sequence[str] | None, project: Path) -> Felt:
        """Let the site work, run the command meanwhile, and see what the site felt. Raises WrongEnd."""
        logs = self.folder / "logs"
        shutil.rmtree(logs, ignore_errors=True)
        logs.mkdir()
        with _pgbench(site, logs) as load:
            time.sleep(LEAD_SECONDS)
            if command is not None:
                self._migrate(site, command, project)
            load.wait(SCENE_SECONDS * 3)
        if load.returncode != 0:
            raise WrongEnd(f"pgbench ended with {load.returncode}: {(logs / 'output').read_text()[-2000:]}")
        lines = (line for log in logs.glob("log.*") for line in log.read_text().splitlines())
        return Felt(tuple(sorted(int(line.split()[2]) / 1000 for line in lines)))

    def _migrate(self, site: ConnInfo, command: Sequence[str], project: Path) -> None:
        with contextlib.closing(connect(site, application_name="idle")) as idle:
            idle.execute("BEGIN")
            idle.execute("SELECT n FROM site WHERE id = 1")
            leaving = threading.Thread(target=_leave, args=(idle, site))
            leaving.start()
            done = subprocess.run(command, cwd=project, env=_environ(site), capture_output=True, text=True, check=False)
            leaving.join()
        if done.returncode != 0:
            shown = " ".join(Path(word).name for word in command)
            raise WrongEnd(f"`{shown}` ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")


def _leave(idle: object, site: ConnInfo) -> None:
    """End the idle transaction five seconds after somebody else than the site and us has connected."""
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
        " AND application_name NOT IN ('pgbench', 'idle', 'looking')"
    )
    with contextlib.closing(connect(site, application_name="looking")) as looking:
        deadline = time.monotonic() + SCENE_SECONDS
        while looking.execute(query).fetchone() == (0,) and time.monotonic() < deadline:
            time.sleep(0.02)
    time.sleep(IDLE_SECONDS)
    idle.rollback()  # type: ignore[attr-defined]


@contextlib.contextmanager
def _pgbench(site: ConnInfo, logs: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The site's requests: four reads for each write, all by primary key."""
    (logs / "read.sql").write_text(f"\\set id random(1, {ROWS})\nSELECT n FROM site WHERE id = :id;\n")
    (logs / "write.sql").write_text(f"\\set id random(1, {ROWS})\nUPDATE site SET owner = 1 WHERE id = :id;\n")
    options = f"-n -M prepared -c {CLIENTS} -j 2 -R {RATE} -T {SCENE_SECONDS} -l --log-prefix={logs / 'log'}".split()
    where = ["-h", site.host, "-p", str(site.port), "-U", site.user, site.dbname]
    scripts = ["-f", f"{logs / 'read.sql'}@4", "-f", f"{logs / 'write.sql'}@1"]
    with (logs / "output").open("wb") as output:
        process = subprocess.Popen(
            [binaries.embedded().program("pgbench"), *options, *scripts, *where],
            env={**os.environ, "PGPASSWORD": site.password or ""},
            stdout=output,
            stderr=output,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def _environ(site: ConnInfo) -> dict[str, str]:
    return {**os.environ, "DATABASE_URL": site.url("postgresql+psycopg")}


def _project(folder: Path, revisions: Sequence[str]) -> Path:
    """A project whose revisions make the tables, and then do this."""
    shutil.rmtree(folder, ignore_errors=True)
    versions = folder / "migrations" / "versions"
    versions.mkdir(parents=True)
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\n")
    (folder / "migrations" / "env.py").write_text(_ENV)
    for number, body in enumerate((_TABLES, *revisions)):
        down = repr(f"r{number - 1}") if number else None
        (versions / f"r{number}.py").write_text(
            f"import sqlalchemy as sa\nfrom alembic import op\n\nrevision = 'r{number}'\ndown_revision = {down}\n\n\n"
            f"def upgrade():\n{textwrap.indent(body, '    ')}\n\n\ndef downgrade():\n    pass\n"
        )
    return folder


def run(folder: Path) -> Iterator[Comparison]:
    """No migration, Alembic and ours with one ADD COLUMN; then ours with everything else."""
    with local.local_server(folder / "server") as server:
        ground = local.database(server, "ground")
        upgrade = [str(BIN / "alembic"), "upgrade", "head"]
        subprocess.run(
            upgrade, cwd=_project(folder / "ground", ()), env=_environ(ground), check=True, capture_output=True
        )
        with contextlib.closing(connect(ground)) as connection:
            for statement in _ROWS:
                connection.execute(statement.encode())
        scene = Scene(ground.replace(dbname="postgres"), folder)
        felt: dict[str, Felt] = {"no migration": _nothing(scene)}
        felt["alembic upgrade"] = _changed(scene, "ADD COLUMN", ours=False)
        for change in CHANGES:
            felt[f"db-migrate apply: {change}"] = _changed(scene, change, ours=True)
    yield _compared("requests' 99th percentile", felt, 0.99)
    yield _compared("requests' maximum", felt, 1.0)


def _nothing(scene: Scene) -> Felt:
    with scene.site() as site:
        return scene.felt(site, None, scene.folder)


def _changed(scene: Scene, change: str, *, ours: bool) -> Felt:
    """One change by one of the two; ours executes a plan that was made and read before."""
    project = _project(scene.folder / "project", CHANGES[change])
    with scene.site() as site:
        if not ours:
            return scene.felt(site, [str(BIN / "alembic"), "upgrade", "head"], project)
        program = str(BIN / "db-migrate")
        plan = [program, "plan", "--out", "plan.json"]
        made = subprocess.run(plan, cwd=project, env=_environ(site), capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise WrongEnd(f"no plan for {change}:\n{made.stdout[-2000:]}\n{made.stderr[-2000:]}")
        return scene.felt(site, [program, "apply", "plan.json"], project)


def _compared(what: str, felt: dict[str, Felt], share: float) -> Comparison:
    results = tuple(
        Result(name, (each.percentile(share),), ours=name.startswith("db-migrate")) for name, each in felt.items()
    )
    return Comparison(what, results, unit="ms", goal=GOAL if share < 1 else None)
