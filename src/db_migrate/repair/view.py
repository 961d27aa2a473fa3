"""What diagnoses look at: the project, the target and the history. Nothing is read before somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from db_migrate.catalog.change import Change
from db_migrate.catalog.diff import drifted
from db_migrate.catalog.objects import Catalog, Kind
from db_migrate.config import Settings
from db_migrate.execute.journal import Journal
from db_migrate.postgres.session import read_only
from db_migrate.project.config import ProjectConfig
from db_migrate.project.graph import Graph, build_graph
from db_migrate.repair.reading import Reading, read_files
from db_migrate.results import RunSummary
from db_migrate.schemas.compare import Side, compare, in_schema
from db_migrate.schemas.history import replay
from db_migrate.schemas.scratch import Scratch
from db_migrate.schemas.states import known_catalog
from db_migrate.schemas.target import LiveState, Target, without_version_tables

if TYPE_CHECKING:
    from psycopg import Connection

T = TypeVar("T")


@cache
def query(name: str) -> bytes:
    """The text of one of this room's ``sql`` files."""
    return resources.files("db_migrate.repair").joinpath("sql", f"{name}.sql").read_bytes()


@dataclass(frozen=True)
class Sources:
    """Where the view's parts come from; each is called at most once, and may raise what it raises.

    ``beside`` are the other schemas of the database that env.py migrates, which are looked at by themselves.
    """

    settings: Settings
    project: ProjectConfig
    target: Callable[[], Target]
    live_state: Callable[[], LiveState]
    live: Callable[[], Catalog]
    scratch: Callable[[], Scratch]
    newest: Callable[[], Scratch]
    history: Callable[[tuple[str, ...]], Catalog]
    beside: Sequence[Target] = ()


@dataclass(frozen=True, slots=True)
class OtherTable:
    """A version table that is not in use. ``alone``: its schema has no other table; ``ours``: it has our revisions."""

    name: str
    object: str
    rows: tuple[str, ...]
    alone: bool
    ours: bool


def heads_of(graph: Graph, revisions: Sequence[str]) -> tuple[str, ...]:
    """Those of the revisions that no other of them stands on."""
    below = {a for each in revisions if each in graph.revisions for a in graph.ancestors(each) if a != each}
    return tuple(each for each in revisions if each not in below)


class View:
    """See the module. Only ever reads."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self.settings = sources.settings
        self.project = sources.project
        self.instead: Path | None = None
        """The folder whose revisions stand in the place of the project's, see ``with_revisions``."""
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
    def newest(self) -> Scratch:
        """Scratch on the newest server that we have, or on the one that the settings demand."""
        return self._sources.newest()

    @cached_property
    def database(self) -> str:
        """The name of the target's database."""
        return self.live_state.summary.database

    @property
    def current(self) -> tuple[str, ...]:
        """The revisions that the version tables name."""
        return self.live_state.current

    @property
    def heads(self) -> tuple[str, ...]:
        """Of the revisions that the version tables name those that no other of them stands on."""
        return heads_of(self.graph, self.current)

    def with_revisions(self, folder: Path) -> View:
        """The same target, seen with the revisions of a folder instead of the project's own.

        It is good as long as the child process sees them instead, too.
        """
        project = replace(self.project, version_locations=(folder,))
        view = View(replace(self._sources, project=project, history=lambda wanted: view.replayed(wanted)))
        view.instead = folder
        return view

    def replayed(self, revisions: tuple[str, ...]) -> Catalog:
        """The schema that the revisions lead to, whoever knows of it. Raises ``Failed`` (``history.replay``)."""
        return replay(self.scratch, self.graph, revisions).catalog

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
        """A catalog without Alembic's own tables, and without schemas that have nothing else.

        Of a schema that is migrated by itself it is what is in that.
        """
        hidden = self._hidden
        catalog = in_schema(catalog, self.target.schema) if self.target.schema else catalog
        left = catalog.only(lambda o: o.name not in hidden and o.parent not in hidden)
        theirs = {name.partition(".")[0] for name in hidden} - {"public"}
        empty = {each for each in theirs if not any(o.name.startswith(f"{each}.") for o in left)}
        return left.only(lambda o: not (o.kind is Kind.SCHEMA and o.name in empty)) if empty else left

    @cached_property
    def _hidden(self) -> frozenset[str]:
        found = (table for table, _ in self.live_state.heads)
        others = (name for each in self.other_tables for name in (each.object, each.name))
        return without_version_tables((*found, *self.target.version_tables)).union(others)

    @cached_property
    def other_tables(self) -> tuple[OtherTable, ...]:
        """Version tables that are not those in use, whatever they are called."""
        from psycopg import sql

        used = {(table.schema or "public", table.name) for table, _ in self.live_state.heads}
        used |= {(table.home, table.name) for each in self._sources.beside for table in each.version_tables}
        found = []
        with self.session() as connection:
            for schema, name, readable, others in connection.execute(query("version_tables")).fetchall():
                if (schema, name) in used or not readable:
                    continue
                table = sql.Identifier(str(schema), str(name))
                rows = connection.execute(sql.SQL("SELECT version_num FROM {} ORDER BY 1").format(table)).fetchall()
                said = tuple(str(each) for (each,) in rows)
                ours = bool(said) and set(said) <= set(self.graph.revisions)
                found.append(OtherTable(table.as_string(None), f"{schema}.{name}", said, not others, ours))
        return tuple(found)

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
        with read_only(self.target.conninfo, again=True) as connection:
            yield connection

    @cached_property
    def derived(self) -> Mapping[str, str]:
        """The derived downgrades that were begun and have not ended, by revision."""
        with self.session() as connection:
            return Journal(connection, self.target.schema).derived()

    @cached_property
    def runs(self) -> tuple[RunSummary, ...]:
        """The latest runs of the journal, newest first."""
        with self.session() as connection:
            return Journal(connection, self.target.schema).runs()
