"""Do models and database agree? Ours beside `alembic check`, and how both grow with the number of tables.

Projects of 100, 1,000 and 5,000 tables with 14 columns and 5 indexes each, migrated, in one module of models.
`alembic check` has compare_type and compare_server_default on; it sees no kinds but tables, columns, indexes, foreign
keys and unique constraints. Cold: nothing cached. Warm: nothing has changed since. One changed model: before each run
of either, one column of one table is declared otherwise, so that both have to import the models and find a change.
Cold and warm are measured in the same rounds, so both are held against the same runs of `alembic check`.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import generated_project
from bench.measure import Case, Comparison, interleaved
from db_migrate.postgres import local

BIN = Path(sys.executable).parent
ROUNDS = {100: 5, 1_000: 3, 5_000: 1}
_SIDES = "--from models --to live"


@dataclass(frozen=True, slots=True)
class Project:
    """A migrated project of some number of tables, with a cache folder of its own."""

    folder: Path
    url: str
    cache: Path

    def case(self, line: str, *expect: int, before: Callable[[], object] | None = None) -> Case:
        """One command of this project."""
        program, *words = line.split()
        environ = {"DATABASE_URL": self.url, "XDG_CACHE_HOME": str(self.cache)}
        command = (str(BIN / program), *words)
        ours = program == "db-migrate"
        return Case(line, command, self.folder, ours, frozenset(expect), environ, before)

    def forget(self) -> None:
        """Empty the cache."""
        shutil.rmtree(self.cache, ignore_errors=True)

    def change_one_model(self, lengths: Iterator[int]) -> None:
        """Declare one column of one table with a length that it never had."""
        file = self.folder / "models.py"
        head, separator, rest = file.read_text().partition("class Thing7(Base)")
        start = rest.index("name: Mapped[str] = mapped_column(String(") + len(
            "name: Mapped[str] = mapped_column(String("
        )
        file.write_text(head + separator + rest[:start] + str(next(lengths)) + rest[rest.index(")", start) :])


@contextmanager
def migrated(folder: Path, tables: int) -> Iterator[Project]:
    """A project with its database, whose server runs for as long as the context lasts."""
    place = folder / f"tables-{tables}"
    generated_project.write(place, tables)
    with local.local_server(folder / "server") as server:
        url = local.database(server, f"tables_{tables}").url("postgresql+psycopg")
        command = [str(BIN / "alembic"), "upgrade", "head"]
        subprocess.run(command, cwd=place, env={**os.environ, "DATABASE_URL": url}, check=True, capture_output=True)
        yield Project(place, url, folder / f"cache-{tables}")


def run(folder: Path) -> Iterator[Comparison]:
    """Cold, warm, and after one changed model, for each number of tables."""
    for tables, rounds in ROUNDS.items():
        with migrated(folder, tables) as project:
            yield from _compared(project, f"{tables:,} tables", rounds, goals=tables == 1_000)


def _compared(project: Project, what: str, rounds: int, *, goals: bool) -> Iterator[Comparison]:
    """The three of one size; the largest goes without a run for nothing, of which the others have had enough."""
    measured = partial(interleaved, rounds=rounds, warm_up=rounds > 1)
    theirs, ours = project.case("alembic check", 0), f"db-migrate drift {_SIDES}"
    unchanged = [theirs, project.case(ours, 0, before=project.forget), project.case(ours, 0)]
    check, cold, warm = measured("", unchanged).results
    yield Comparison(f"{what}, nothing cached", (check, cold), goal=1.0 if goals else None)
    yield Comparison(f"{what}, nothing changed", (check, warm), goal=0.1 if goals else None)
    lengths = itertools.count(201)

    def change() -> None:
        project.change_one_model(lengths)

    changed = [project.case("alembic check", 255, before=change), project.case(ours, 1, before=change)]
    yield measured(f"{what}, one model changed", changed, goal=0.5 if goals else None)
