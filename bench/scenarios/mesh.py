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

from bench.measure import Case, Comparison, interleaved
from db_migrate.postgres import local

EXAMPLE = Path(__file__).parents[2] / "examples" / "mesh"
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


def add_pending(project: Project) -> None:
    """Put the revisions of the demonstration beside those that are applied."""
    for revision in (project.folder / "demo" / "versions").glob("*.py"):
        shutil.copy(revision, project.folder / "alembic" / "versions")


def run(folder: Path) -> Iterator[Comparison]:
    """Ours beside Alembic's, the same question each time."""
    with prepared(folder) as project:

        def case(line: str, *expect: int) -> Case:
            program, *words = line.split()
            return Case(
                line,
                (str(BIN / program), *words),
                project.folder,
                ours=program == "db-migrate",
                expect=frozenset(expect or (0,)),
                environ={"DATABASE_URL": project.url, "XDG_CACHE_HOME": str(folder / "cache")},
            )

        drift = case("db-migrate drift --from models --to live", 0, 1)
        yield interleaved("do models and database agree?", [case("alembic check", 0, 255), drift])
        add_pending(project)
        yield interleaved(
            "what would run (and, ours, what would it do)?",
            [case("alembic upgrade 0020:0103 --sql"), case("db-migrate plan", 0, 1)],
        )
