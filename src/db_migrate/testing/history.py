"""The project's history as its own tests can use it: databases at any revision, cloned from templates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from db_migrate.config import Settings, load
from db_migrate.home import cache_home
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.project.config import load_config
from db_migrate.project.graph import Graph, load_graph
from db_migrate.schemas.history import replay, template_of
from db_migrate.schemas.replay import Witness
from db_migrate.schemas.scratch import Scratch, open_scratch


@dataclass(frozen=True)
class MigratedDatabase:
    """A throw-away database at some revision. ``drivername`` is the one that the project itself connects with."""

    conninfo: ConnInfo
    drivername: str
    scratch: Scratch

    @property
    def url(self) -> str:
        """Its SQLAlchemy URL, with the project's own driver."""
        return self.conninfo.url(self.drivername)

    def upgrade(self, revision: str = "heads") -> None:
        """Run the project's revisions up to ``revision``. Raises ``ChildError`` with what a revision raised."""
        self.scratch.migrate("upgrade", revision, self.conninfo, Witness()).raise_for_failure()

    def downgrade(self, revision: str) -> None:
        """Run the project's revisions down to ``revision``. Raises ``ChildError`` with what a revision raised."""
        self.scratch.migrate("downgrade", revision, self.conninfo, Witness()).raise_for_failure()


@dataclass(frozen=True)
class History:
    """The project's revisions, and where they are run: a scratch server, in a process that reaches nothing else."""

    settings: Settings
    graph: Graph
    scratch: Scratch

    @cached_property
    def drivername(self) -> str:
        """The driver that env.py connects with, as SQLAlchemy names it; the last engine is the one that migrates."""
        return self.scratch.child.learn()[-1].drivername

    @contextmanager
    def database(self, revision: str = "heads") -> Iterator[MigratedDatabase]:
        """A database at ``revision``, or at several with commas between them.

        The history is run once, then copied until a revision file changes. Raises ``Failed`` (``history.replay``) when
        it does not run on an empty database.
        """
        parts = () if revision == "base" else revision.split(",")
        revisions = tuple(each for part in parts for each in self.graph.resolve(part))
        kept = template_of(self.scratch, replay(self.scratch, self.graph, revisions))
        with self.scratch.database("a test's own", template=kept) as conninfo:
            yield MigratedDatabase(conninfo, self.drivername, self.scratch)


@contextmanager
def open_history(root: Path) -> Iterator[History]:
    """The history of the project in ``root``. Raises ``ConfigurationError`` when there is no Alembic project."""
    settings = load(cwd=root)
    project = load_config(settings.root, ini=settings.config, name=settings.name, x=settings.x, around=settings.around)
    graph = load_graph(project)
    with open_scratch(project, _cache(settings), settings.scratch_major) as scratch:
        yield History(settings, graph, scratch)


def _cache(settings: Settings) -> Path:
    return settings.cache_dir or cache_home() / "db-migrate"
