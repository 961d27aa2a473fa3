"""Commands on examples/mesh, with rows, beside what Alembic itself does there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.measure import Case
from db_migrate.postgres import local

EXAMPLE = Path(__file__).parents[1] / "examples" / "mesh"
BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class Project:
    """A migrated and seeded copy of the example, and the URL of its database."""

    folder: Path
    url: str


@contextmanager
def prepared(folder: Path) -> Iterator[Project]:
    """The example at head with its rows, its server running."""
    place = folder / "mesh"
    shutil.copytree(EXAMPLE, place, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    with local.local_server(folder / "server") as server:
        url = local.database(server, "mesh").url("postgresql+psycopg")
        environ = {**os.environ, "DATABASE_URL": url}
        for command in ([str(BIN / "alembic"), "upgrade", "head"], [sys.executable, "seed.py"]):
            subprocess.run(command, cwd=place, env=environ, check=True, capture_output=True)
        yield Project(place, url)


def _add_pending(project: Project) -> None:
    for revision in (project.folder / "demo" / "versions").glob("*.py"):
        shutil.copy(revision, project.folder / "alembic" / "versions")


def comparisons(project: Project) -> Iterator[Case]:
    """Ours beside Alembic's, the same question each time."""
    url = {"DATABASE_URL": project.url}

    def case(what: str, line: str, *expect: int) -> Case:
        program, *words = line.split()
        return Case(what, line, (str(BIN / program), *words), project.folder, frozenset(expect or (0,)), url)

    yield case("help", "alembic --help")
    yield case("help", "db-migrate --help")
    yield case("revisions", "alembic history")
    yield case("revisions", "db-migrate history")
    yield case("models and database agree?", "alembic check", 0, 1)
    yield case("models and database agree?", "db-migrate drift --from models --to live", 0, 1)
    _add_pending(project)
    yield case("what would run?", "alembic upgrade 0020:0103 --sql")
    yield case("what would run, and do?", "db-migrate plan", 0, 1)
