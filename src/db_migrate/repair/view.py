"""What diagnoses look at: the project, the target and the history. Nothing is read before somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from db_migrate.catalog.change import Change
from db_migrate.catalog.diff import drifted
from db_migrate.catalog.objects import Catalog
from db_migrate.config import Settings
from db_migrate.execute.journal import Journal
from db_migrate.postgres.session import read_only
from db_migrate.project.config import ProjectConfig
from db_migrate.project.graph import Graph, build_graph
from db_migrate.repair.reading import Reading, read_files
from db_migrate.results import RunSummary
from db_migrate.schemas.compare import Side, compare
from db_migrate.schemas.scratch import Scratch
from db_migrate.schemas.states import known_catalog
from db_migrate.schemas.target import LiveState, Target

if TYPE_CHECKING:
    from psycopg import Connection

T = TypeVar("T")


@dataclass(frozen=True)
class Sources:
    """Where the view's parts come from; each is called at most once, and may raise what it raises."""

    settings: Settings
    project: ProjectConfig
    target: Callable[[], Target]
    live_state: Callable[[], LiveState]
    live: Callable[[], Catalog]
    scratch: Callable[[], Scratch]
    history: Callable[[tuple[str, ...]], Catalog]


class View:
    """See the module. Only ever reads."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self.settings = sources.settings
        self.project = sources.project
        self._histories: dict[tuple[str, ...], Catalog] = {}
        self._found: dict[Callable[[View], Any], Any] = {}

    @cached_property
    def reading(self) -> Reading:
        """The revision files, each as far as it can be read."""
        return read_files(self.project)

    @cached_property
    def graph(self) -> Graph:
        """The revisions. Raises ``ConfigurationError`` (``graph.*``) when they make no graph."""
        self.reading.raise_first()
        return build_graph(self.reading.files)

    @cached_property
    def target(self) -> Target:
        """The live database."""
        return self._sources.target()

    @cached_property
    def live_state(self) -> LiveState:
        """What the target says of itself."""
        return self._sources.live_state()

    @cached_property
    def live(self) -> Catalog:
        """The live schema as the scratch server prints it, without Alembic's own tables."""
        return self.plain(self._sources.live())

    @cached_property
    def scratch(self) -> Scratch:
        """Where schemas are made real."""
        return self._sources.scratch()

    @cached_property
    def database(self) -> str:
        """The name of the target's database."""
        return self.live_state.summary.database

    @property
    def current(self) -> tuple[str, ...]:
        """The revisions that the version tables name."""
        return self.live_state.current

    @property
    def known(self) -> bool:
        """Whether every revision that the database names has a file."""
        return set(self.current) <= set(self.graph.revisions)

    def history(self, revisions: tuple[str, ...]) -> Catalog:
        """The schema that the history has at these revisions, without Alembic's own tables."""
        if revisions not in self._histories:
            known = known_catalog(self.scratch, self.graph, revisions)
            self._histories[revisions] = self.plain(known or self._sources.history(revisions))
        return self._histories[revisions]

    def plain(self, catalog: Catalog) -> Catalog:
        """A catalog without Alembic's own tables."""
        hidden = self._hidden
        return catalog.only(lambda o: o.name not in hidden and o.parent not in hidden)

    @cached_property
    def _hidden(self) -> frozenset[str]:
        found = (table for table, _ in self.live_state.heads)
        return frozenset(table.qualified for table in (*found, *self.target.version_tables))

    def differences(self, from_: Catalog, to: Catalog) -> tuple[Change, ...]:
        """The changes that count, but for those that the settings acknowledge."""
        acknowledged = self.settings.drift.acknowledge
        found = compare(Side("from", from_), Side("to", to), frozenset(), acknowledged, sql=False)
        return drifted(found.changes)

    def once(self, find: Callable[[View], T]) -> T:
        """What ``find`` finds here, found once."""
        if find not in self._found:
            self._found[find] = find(self)
        found: T = self._found[find]
        return found

    @contextmanager
    def session(self) -> Iterator[Connection[tuple[object, ...]]]:
        """A read-only session of the target, for as long as the context lasts."""
        with read_only(self.target.conninfo) as connection:
            yield connection

    @cached_property
    def runs(self) -> tuple[RunSummary, ...]:
        """The latest runs of the journal, newest first."""
        with self.session() as connection:
            return Journal(connection).runs()
