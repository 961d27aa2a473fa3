"""How soon a command answers: ours beside Alembic's own, on examples/mesh with rows, nothing changed in between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.measure import Case, Comparison, interleaved
from bench.scenarios.mesh import BIN, prepared


def run(folder: Path) -> Iterator[Comparison]:
    """Help, where the database stands, and the list of revisions."""
    with prepared(folder) as project:

        def case(line: str) -> Case:
            program, *words = line.split()
            environ = {"DATABASE_URL": project.url, "XDG_CACHE_HOME": str(folder / "cache")}
            return Case(line, (str(BIN / program), *words), project.folder, program == "db-migrate", environ=environ)

        yield interleaved("help", [case("alembic --help"), case("db-migrate --help")], rounds=9, goal=0.25)
        yield interleaved(
            "where the database stands (ours: and how far it has drifted)",
            [case("alembic current"), case("db-migrate status")],
            rounds=9,
            goal=1.0,
        )
        yield interleaved("the revisions", [case("alembic history"), case("db-migrate history")], rounds=5)
