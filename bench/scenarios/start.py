"""How soon a command answers: ours beside Alembic's own, on examples/mesh with rows, nothing changed in between.

And how soon one new revision in a history of 500 is judged, beside the SQL that Alembic prints of it, given to squawk:
each time its file has been changed, and the 500 before it have been linted.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench import peers
from bench.measure import Case, Comparison, interleaved
from bench.scenarios import lint
from bench.scenarios.mesh import BIN, prepared

REVISIONS = 500


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
    yield _new_revision(folder / "long")


def _new_revision(folder: Path) -> Comparison:
    place, project = lint.Place(folder), folder / "project"
    lint.write(project, REVISIONS)
    squawk = peers.installed(folder, "squawk-cli")
    new = f"{REVISIONS + 1:04}"
    lint.add(project, REVISIONS + 1)
    change = partial(lint.change, project / "migrations" / "versions" / f"{new}.py")
    text = f"{BIN / 'alembic'} upgrade {REVISIONS:04}:{new} --sql | {squawk.bin / 'squawk'}"
    command = (str(BIN / "db-migrate"), "lint", new)
    passes = frozenset({0, 1})
    return interleaved(
        f"one new revision in a history of {REVISIONS}",
        [
            Case(f"alembic upgrade {REVISIONS:04}:{new} --sql | squawk", ("sh", "-c", text), project, expect=passes),
            Case(f"db-migrate lint {new}", command, project, True, passes, place.environ, change),
        ],
        versions=squawk.versions,
    )
