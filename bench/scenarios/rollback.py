"""Going back with the data: a column and a table of 1,000,000 rows, beside pg_dump and pg_restore of the table.

`db-migrate` keeps the data while it applies, so that nothing has to be dumped before and the rollback puts back only
what was lost; its commands are measured whole, with the proof on scratch. The other way is to dump the table before the
migration and to restore all of it. How long readers wait while the column is dropped is measured by one that asks for
a row every two milliseconds.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.measure import Case, Comparison, Result, interleaved
from db_migrate.postgres import binaries, local
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect

BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[2]
ROWS = 1_000_000
ROUNDS = 3
GOAL_MS = 100.0

INI = "[alembic]\nscript_location = %(here)s/migrations\n"
ENV = """
from alembic import context
from sqlalchemy import create_engine, pool

with create_engine({url!r}, poolclass=pool.NullPool).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
REVISION = """
from alembic import op

revision = {name!r}
down_revision = {down!r}
db_migrate_allow = {{"drop-column:public.big.note": "measured", "drop-table:public.big": "measured"}}


def upgrade():
    op.execute({up!r})


def downgrade():
    op.execute({back!r})
"""
TABLE = "CREATE TABLE big (id bigint PRIMARY KEY, name text, note text, made_at timestamptz)"
FILL = (
    TABLE,
    f"INSERT INTO big SELECT g, 'name ' || g, md5(g::text), now() FROM generate_series(1, {ROWS}) g",
    "VACUUM ANALYZE big",
)


@dataclass(frozen=True, slots=True)
class Site:
    """The project and its database."""

    folder: Path
    database: ConnInfo

    def sql(self, *statements: str) -> None:
        """Run statements."""
        with contextlib.closing(connect(self.database)) as connection:
            for each in statements:
                connection.execute(each.encode())

    def command(self, *words: str) -> None:
        """Run one of our commands, which has to end well."""
        done = subprocess.run(
            [BIN / "db-migrate", *words], cwd=self.folder, env=self.environ, capture_output=True, text=True
        )
        if done.returncode != 0:
            raise RuntimeError(f"db-migrate {' '.join(words)} ended with {done.returncode}: {done.stderr}")

    @property
    def environ(self) -> Mapping[str, str]:
        """What commands run with."""
        return {"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(self.folder), "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}

    def longest_wait(self, work: Callable[[], object]) -> float:
        """The longest that a reader had to wait during the work, in milliseconds."""
        stop, longest = threading.Event(), [0.0]

        def read() -> None:
            with contextlib.closing(connect(self.database)) as connection:
                while not stop.wait(0.002):
                    began = time.perf_counter()
                    connection.execute("SELECT id FROM public.big LIMIT 1")
                    longest[0] = max(longest[0], time.perf_counter() - began)

        reader = threading.Thread(target=read)
        reader.start()
        try:
            work()
        finally:
            stop.set()
            reader.join()
        return longest[0] * 1000


def run(folder: Path) -> Iterator[Comparison]:
    """How long readers wait; then the column, then the table."""
    with local.local_server(folder / "server") as server:
        site = Site(folder, local.database(server, "bench"))
        _write(site)
        site.sql(*FILL)
        site.command("apply", "r0")
        yield _waiting(site)
        yield _back(site, "r1", "a dropped column of 1,000,000 rows comes back")
        site.command("apply", "r1")
        site.command("kept", "purge", "--older-than", "0", "--confirm", "bench")
        yield _back(site, "r2", "a dropped table of 1,000,000 rows comes back")


def _write(site: Site) -> None:
    versions = site.folder / "migrations" / "versions"
    versions.mkdir(parents=True)
    (site.folder / "alembic.ini").write_text(INI)
    (site.folder / "migrations" / "env.py").write_text(ENV.format(url=site.database.url("postgresql+psycopg")))
    revisions = (
        ("r0", None, "SELECT 1", "SELECT 1"),
        ("r1", "r0", "ALTER TABLE big DROP COLUMN note", "ALTER TABLE big ADD COLUMN note text"),
        ("r2", "r1", "DROP TABLE big", TABLE.replace("note text, ", "")),
    )
    for name, down, up, back in revisions:
        text = REVISION.format(name=name, down=down, up=up, back=back)
        (versions / f"{name}.py").write_text(text)


def _waiting(site: Site) -> Comparison:
    """Alembic's DROP COLUMN beside ours, which keeps the values; each begins with the column there."""
    again = "ALTER TABLE big ADD COLUMN note text DEFAULT 'x'"
    alembic = partial(
        subprocess.run,
        [BIN / "alembic", "upgrade", "r1"],
        cwd=site.folder,
        env=site.environ,
        check=True,
        capture_output=True,
    )
    plain, ours = [], []
    for _ in range(ROUNDS):
        plain.append(site.longest_wait(alembic))
        site.sql(again, "UPDATE alembic_version SET version_num = 'r0'")
        ours.append(site.longest_wait(partial(site.command, "apply", "r1")))
        site.command("rollback", "-1")
    return Comparison(
        f"the longest wait of a reader while a column of {ROWS:,} rows is dropped (goal: {GOAL_MS:.0f} ms with ours)",
        (
            Result("alembic upgrade, which loses it", tuple(plain)),
            Result("db-migrate apply, which keeps it", tuple(ours), True),
        ),
        unit="ms",
    )


def _back(site: Site, revision: str, what: str) -> Comparison:
    """Back with what was kept, beside dumping the table before and restoring it."""
    found = binaries.embedded()
    dump, address = site.folder / f"{revision}.dump", site.database.dsn()
    pg_dump = f"'{found.program('pg_dump')}' -Fc -t big -f '{dump}' '{address}'"
    restore = f"'{found.program('pg_restore')}' --clean --if-exists -d '{address}' '{dump}'"
    apply = partial(site.command, "apply", revision)
    case = partial(Case, folder=site.folder, environ=site.environ)
    return interleaved(
        what,
        [
            case("pg_dump before, pg_restore after", ("sh", "-c", f"{pg_dump} && {restore}")),
            case("db-migrate rollback -1", (str(BIN / "db-migrate"), "rollback", "-1"), ours=True, before=apply),
        ],
        rounds=ROUNDS,
        warm_up=False,
    )
