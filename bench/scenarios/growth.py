"""What ten times as much costs: of tables, of statements in one revision, of revisions in a history.

One number is what a command and all its children take in CPU time (PostgreSQL's servers are none of them), once
nothing cached where that is said, else after the same command has run before. The ratio is between ten times as much
and a tenth: 10 is linear, 1 is a cost that does not depend on it. CPU time is much the same on a busy machine; its
seconds are another machine's elsewhere.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.measure import Comparison, Result, WrongEnd, cpu_time
from bench.profile import PENDING
from bench.scenarios.drift import Project, migrated
from bench.scenarios.rollback import ENV, INI
from db_migrate.postgres import local

BIN = Path(sys.executable).parent
TABLES = (100, 1_000)
STATEMENTS = (100, 1_000)
REVISIONS = (50, 500)
_KEPT = 50

OF_TABLES = (
    ("drift, nothing cached", "drift --from models --to live"),
    ("drift, warm", "drift --from models --to live"),
    ("status, the history not replayed yet", "status"),
    ("schema live", "schema live"),
    ("plan, nothing known of the revision", "plan"),
    ("plan, warm", "plan"),
    ("apply", "apply --yes"),
    ("verify", "verify"),
    ("doctor", "doctor"),
    ("rollback", "rollback -1 --yes"),
    ("report", "report"),
)
OF_STATEMENTS = (
    ("lint, nothing cached", "lint r1"),
    ("plan", "plan --out plan.json"),
    ("apply plan.json", "apply plan.json --yes"),
    ("verify", "verify"),
    ("rollback", "rollback r0 --yes"),
)
OF_REVISIONS = (
    ("history", "history"),
    ("status, nothing cached", "status"),
    ("status, warm", "status"),
    ("verify, warm", "verify"),
    ("doctor, the first time", "doctor"),
    ("report", "report"),
)
MANY = """
from alembic import op

revision = "{revision}"
down_revision = {down!r}
WORDS = (
    "ALTER TABLE t{{table}} ADD COLUMN c{{step}} int",
    "COMMENT ON COLUMN t{{table}}.c{{step}} IS 'of step {{step}}'",
    "ALTER TABLE t{{table}} ALTER COLUMN c{{step}} SET DEFAULT {{step}}",
    "INSERT INTO t{{table}} (id) VALUES ({{step}})",
)


def upgrade():
    for number in range({statements}):
        step, word = divmod(number, 4)
        op.execute(WORDS[word].format(table=step % {tables}, step=step))


def downgrade():
    for step in reversed(range({statements} // 4)):
        op.execute(f"DELETE FROM t{{step % {tables}}} WHERE id = {{step}}")
        op.execute(f"ALTER TABLE t{{step % {tables}}} DROP COLUMN c{{step}}")
"""
FIRST = """
from alembic import op

revision = "r0"
down_revision = None


def upgrade():
    for number in range({tables}):
        op.execute(f"CREATE TABLE t{{number}} (id int PRIMARY KEY)")


def downgrade():
    for number in range({tables}):
        op.execute(f"DROP TABLE t{{number}}")
"""
SMALL = """
from alembic import op

revision = "r{number}"
down_revision = "r{before}"


def upgrade():
    op.execute("ALTER TABLE t{table} ADD COLUMN c{number} int")


def downgrade():
    op.execute("ALTER TABLE t{table} DROP COLUMN c{number}")
"""
"""Of a history of many; each stands for one change of somebody's."""


def run(folder: Path) -> Iterator[Comparison]:
    """One comparison for each command: ten times as much beside a tenth."""
    yield from _grown("tables", TABLES, OF_TABLES, lambda number: _of_tables(folder, number))
    yield from _grown("statements in one revision", STATEMENTS, OF_STATEMENTS, lambda n: _of_statements(folder, n))
    yield from _grown("revisions", REVISIONS, OF_REVISIONS, lambda number: _of_revisions(folder, number))


def _grown(
    what: str,
    numbers: Sequence[int],
    commands: Sequence[tuple[str, str]],
    measured: Callable[[int], Mapping[str, float]],
) -> Iterator[Comparison]:
    few, many = (measured(number) for number in numbers)
    for name, line in commands:
        results = (
            Result(f"{numbers[0]:,} {what}", (few[name],)),
            Result(f"{numbers[1]:,} {what}", (many[name],), ours=True),
        )
        yield Comparison(f"`db-migrate {line}` ({name}), by {what}", results, unit="CPU s")


def _of_tables(folder: Path, tables: int) -> Mapping[str, float]:
    with migrated(folder / f"of-{tables}", tables) as project:
        (project.folder / "migrations" / "versions" / "0002_remark.py").write_text(PENDING)
        return _measured(project, OF_TABLES)


def _of_statements(folder: Path, statements: int) -> Mapping[str, float]:
    with _written(folder / f"statements-{statements}") as project:
        versions = project.folder / "migrations" / "versions"
        text = MANY.format(revision="r1", down="r0", statements=statements, tables=_KEPT)
        (versions / "r1.py").write_text(text)
        return _measured(project, OF_STATEMENTS)


def _of_revisions(folder: Path, revisions: int) -> Mapping[str, float]:
    with _written(folder / f"revisions-{revisions}") as project:
        versions = project.folder / "migrations" / "versions"
        for number in range(1, revisions):
            text = SMALL.format(number=number, before=number - 1, table=number % _KEPT)
            (versions / f"r{number}.py").write_text(text)
        _alembic(project)
        return _measured(project, OF_REVISIONS)


@contextmanager
def _written(folder: Path) -> Iterator[Project]:
    """A project whose first revision is applied, with a server that runs for as long as the context lasts."""
    place = folder / "project"
    (place / "migrations" / "versions").mkdir(parents=True)
    with local.local_server(folder / "server") as server:
        url = local.database(server, "grown").url("postgresql+psycopg")
        (place / "alembic.ini").write_text(INI)
        (place / "migrations" / "env.py").write_text(ENV.format(url=url))
        (place / "migrations" / "versions" / "r0.py").write_text(FIRST.format(tables=_KEPT))
        project = Project(place, url, folder / "cache")
        _alembic(project)
        yield project


def _alembic(project: Project) -> None:
    command = [str(BIN / "alembic"), "upgrade", "head"]
    subprocess.run(command, cwd=project.folder, check=True, capture_output=True)


def _measured(project: Project, commands: Sequence[tuple[str, str]]) -> Mapping[str, float]:
    return {name: _cpu(project, line) for name, line in commands}


def _cpu(project: Project, line: str) -> float:
    """CPU seconds of one command. Raises WrongEnd where it could not be carried out."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environ |= {"DATABASE_URL": project.url, "XDG_CACHE_HOME": str(project.cache)}
    before = cpu_time()
    done = subprocess.run(
        [BIN / "db-migrate", *line.split()],
        cwd=project.folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1):
        raise WrongEnd(
            f"`db-migrate {line}` ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        )
    return cpu_time() - before
