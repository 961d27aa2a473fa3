"""What the verbs stand on: one project, one target, and the sides that can be compared."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from db_migrate.catalog.objects import Catalog
from db_migrate.config import Settings
from db_migrate.errors import ConfigurationError, DbMigrateError
from db_migrate.execute.progress import Unwatched, Watcher
from db_migrate.home import cache_home
from db_migrate.postgres.session import connect, read_only
from db_migrate.project.config import ProjectConfig, load_config
from db_migrate.project.demanded import NOWHERE
from db_migrate.project.graph import Graph, load_graph
from db_migrate.project.jobs import ModelFacts
from db_migrate.results import Comparison, RunSummary
from db_migrate.rules.intents import Intent
from db_migrate.schemas.compare import Side, compare, in_words, of_schema, parse_side, within
from db_migrate.schemas.finding import EMBEDDED_SCHEME, find_targets, the_one
from db_migrate.schemas.history import replay, with_privileges
from db_migrate.schemas.live_catalog import live_catalog, live_ground, state_of_live
from db_migrate.schemas.models import Models, materialise
from db_migrate.schemas.scratch import Scratch, like_the_target, open_scratch, read_through
from db_migrate.schemas.target import LiveState, Target, like_version_tables, look_at, without_version_tables


class Sides:
    """Nothing is started before it is needed; what was started is stopped with ``stack``."""

    def __init__(self, settings: Settings, stack: ExitStack) -> None:
        self.settings = settings
        self._stack = stack
        self.watcher: Watcher = Unwatched()
        """Who is told of runs while they go on."""
        self._cached = True
        self._beside: tuple[Target, ...] = ()
        """The other schemas of the database that env.py migrates too, each by itself."""
        self._privileges = False

    @cached_property
    def project(self) -> ProjectConfig:
        """The Alembic project."""
        settings = self.settings
        found = load_config(ini=settings.config, name=settings.name, x=settings.x, around=settings.around)
        return replace(found, url=self._given_url)

    @property
    def _given_url(self) -> str | None:
        """The target's URL as env.py understands it, where it was given."""
        url = self.settings.target_url(os.environ)
        return NOWHERE if url is not None and url.startswith(EMBEDDED_SCHEME) else url

    @cached_property
    def graph(self) -> Graph:
        """The revisions, read from the files' syntax trees."""
        return load_graph(self.project)

    @cached_property
    def _first_scratch(self) -> Scratch:
        cache = self._cache if self._cached else None
        return self._stack.enter_context(open_scratch(self.project, cache, self.settings.scratch_major))

    @cached_property
    def _untargeted(self) -> Scratch:
        """Scratch for what needs no target: an env.py that wants a URL of the environment gets one to nowhere."""
        first = self._first_scratch
        project = replace(self.project, url=self.project.url or NOWHERE)
        return replace(first, project=project, start_server=lambda: first.server)

    @cached_property
    def scratch(self) -> Scratch:
        """Where schemas are made real: a server of the target's own major version where there is one."""
        version = self.live_state.server_version
        return self._stack.enter_context(like_the_target(self._first_scratch, version, self.settings.scratch_major))

    @property
    def notices(self) -> tuple[str, ...]:
        """What the project's code did that had to be done again, and why: nothing wrong, but slow."""
        opened: Scratch | None = self.__dict__.get("_first_scratch")  # a file, or a rule, is asked about without one
        return tuple(opened.notices) if opened is not None else ()

    @cached_property
    def target(self) -> Target:
        """The live database."""
        found = the_one(self._databases)
        self._mean(found)
        return found

    @cached_property
    def _databases(self) -> tuple[Target, ...]:
        """The databases that the command is about; one, unless env.py migrates several and none is named."""
        return self._stack.enter_context(find_targets(self.settings, self._first_scratch))

    def _mean(self, target: Target) -> None:
        """From now on only this of what env.py migrates is meant."""
        project = target.meant_in(self.project)
        if project != self.project:
            first = self._first_scratch
            alone = replace(first, project=project, start_server=lambda: first.server)
            self.__dict__ |= {"project": project, "_first_scratch": alone}

    @cached_property
    def live_state(self) -> LiveState:
        """What the target says of itself."""
        with read_only(self.target.conninfo, again=True) as connection:
            return look_at(connection, self.target)

    @property
    def _cache(self) -> Path:
        return self.settings.cache_dir or cache_home() / "db-migrate"

    @property
    def _has_models(self) -> bool:
        try:
            return bool(self._models)
        except ConfigurationError as error:
            if error.code != "models.missing":
                raise
            return False

    def _compare(self, from_: str, to: str, *, sql: bool = True) -> Comparison:
        acknowledged = self.settings.drift.acknowledge
        before, after = (within(self._side(name), self.settings.exclude_schemas) for name in (from_, to))
        if schema := self.target.schema:
            before, after = of_schema(before, schema), of_schema(after, schema)
        return in_words(compare(before, after, self._hidden, acknowledged, sql=sql))

    def _live_history(self) -> str:
        """The history that the live schema should be: that of the revisions it is at, as far as these may be read."""
        if self.live_state.unreadable:
            return "history"
        current = self.live_state.current
        if current == self.graph.heads:
            return "history"
        return "history@" + (",".join(current) if current else "base")

    def _side(self, name: str) -> Side:
        kind, revision = parse_side(name)
        if kind == "live":
            return Side(name, self._live_catalog)
        if kind == "models":
            return Side(name, self._models.catalog, self._models)
        wanted = (
            ()
            if revision == "base"
            else tuple(r for part in (revision or "heads").split(",") for r in self.graph.resolve(part))
        )
        return Side(name, self._history(wanted))

    def _history_on_the_way(self) -> None:
        """Replay the history to where the target is, before it is replayed to its heads: that goes on from there.

        One that cannot be replayed is told of by whoever compares it.
        """
        live = self._live_history()
        if live != "history":
            with suppress(DbMigrateError):
                self._side(live)

    def _history(self, revisions: tuple[str, ...]) -> Catalog:
        known = self._histories
        if revisions not in known:
            replayed = replay(self.scratch, self.graph, revisions, cached=self._cached)
            known[revisions] = with_privileges(self.scratch, replayed) if self._privileges else replayed.catalog
        return known[revisions]

    @cached_property
    def _histories(self) -> dict[tuple[str, ...], Catalog]:
        return {}

    @cached_property
    def _live_name(self) -> str | None:
        """What stands for the live schema as it is now; None where nobody can tell, or nothing may be kept."""
        return state_of_live(self.target) if self._cached else None

    @cached_property
    def _live_catalog(self) -> Catalog:
        """The live schema as the scratch server prints it."""
        return live_catalog(
            self.scratch,
            self.target,
            self.live_state,
            state=self._live_name,
            privileges=self._privileges,
            exclude_schemas=self.settings.exclude_schemas,
        )

    @cached_property
    def _models(self) -> Models:
        known = self._histories.get(self.graph.heads)
        return materialise(
            self.scratch,
            lambda: (known or self._live_catalog, self._live_catalog),
            (lambda: known) if known is not None else self._live_ground,
        )

    def _live_ground(self) -> Catalog:
        """Of the live schema what models may stand on, which is read sooner than all of it."""
        if "_live_catalog" in self.__dict__ or self.live_state.server_version // 10000 != self.scratch.major:
            return self._live_catalog
        return live_ground(self.target, exclude_schemas=self.settings.exclude_schemas)

    @property
    def _hidden(self) -> frozenset[str]:
        """The relations of no side: version tables, and what the role may not read."""
        versions = without_version_tables(table for table, _ in self.live_state.heads)
        versions |= like_version_tables(self._live_catalog)
        return versions | {each.name for each in self._live_catalog.not_covered if each.kind == "table"}

    @property
    def _has_project(self) -> bool:
        """Whether there is an Alembic project; one that was named has to be there."""
        try:
            return self.project is not None
        except ConfigurationError as error:
            if error.code != "project.not-found" or self.settings.config is not None:
                raise
            return False

    def _read_live(self) -> Catalog:
        with read_only(self.target.conninfo, again=True) as connection:
            return read_through(connection)

    def _forget_live(self) -> None:
        """What was read from the target before a run is no longer so."""
        self._forget("live_state", "_live_catalog", "_live_name")

    def _forget(self, *names: str) -> None:
        for name in names:
            self.__dict__.pop(name, None)

    @cached_property
    def _model_facts(self) -> ModelFacts:
        """What the mappers say; nothing where env.py configures no models."""
        from db_migrate.plan.running import facts_of_models

        return facts_of_models(self.scratch)

    def _intents(self, allow: Sequence[str]) -> tuple[Intent, ...]:
        given = (Intent(name, "given on the command line", "flag") for name in allow)
        written = (Intent(name, reason, "settings") for name, reason in self.settings.allow.items())
        return (*given, *written)

    def _journal_runs(self, named: str = "") -> tuple[RunSummary, ...]:
        from db_migrate.execute.journal import Journal

        with closing(connect(self.target.conninfo, told=True)) as connection:
            return Journal(connection, self.target.schema).runs(named=named)
