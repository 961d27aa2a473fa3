"""What a new revision is made from: the history as it is, the models as they are, and where both were made real."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property, partial

from db_migrate.catalog.change import Change
from db_migrate.catalog.objects import Catalog, Kind, SchemaObject
from db_migrate.catalog.tokens import is_plain, quoted, split_name
from db_migrate.config import Settings
from db_migrate.errors import DbMigrateError
from db_migrate.generate.extensions import extension_for
from db_migrate.generate.types import plain_name
from db_migrate.project.graph import Graph
from db_migrate.project.jobs import ModelFacts
from db_migrate.schemas.acknowledge import reason_for
from db_migrate.schemas.history import History, replay, template_of
from db_migrate.schemas.models import Models, materialise
from db_migrate.schemas.scope import comparable_with_models
from db_migrate.schemas.scratch import Scratch


class Ground:
    """Everything is made real when it is first asked for, and once. Raises as ``replay`` and ``materialise`` do."""

    def __init__(
        self,
        scratch: Scratch,
        graph: Graph,
        settings: Settings,
        *,
        cached: bool = True,
        revisions: tuple[str, ...] | None = None,
        beside: Scratch | None = None,
    ) -> None:
        """``revisions`` are where the history is, by default its heads.

        ``beside``: where another schema is migrated by the same revisions, which have to be right there too.
        """
        self._revisions = revisions
        self.scratch = scratch
        self.graph = graph
        self.settings = settings
        self._cached = cached
        self.beside = None if beside is None else Ground(beside, graph, settings, cached=cached, revisions=revisions)

    @cached_property
    def home(self) -> str:
        """The schema in which env.py has what revisions name without one."""
        return self._heard.home

    @cached_property
    def history(self) -> History:
        """The schema at the heads, or at the revisions that were given."""
        revisions = self.graph.resolve("heads") if self._revisions is None else self._revisions
        return replay(self.scratch, self.graph, revisions, cached=self._cached)

    @property
    def models(self) -> Models:
        """The schema that the models declare."""
        return self._made[0]

    @cached_property
    def _made(self) -> tuple[Models, tuple[SchemaObject, ...]]:
        """The models, and the extensions that they need beside those of the history."""
        history = ground = self.history.catalog  # the child process makes it too
        added: tuple[SchemaObject, ...] = ()
        while True:
            try:
                return materialise(self.scratch, partial(_sides, ground, history)), added
            except DbMigrateError as error:
                extension = extension_for(self.scratch, error.why or "")
                if extension is None or extension.key in ground.objects:
                    raise
                ground, added = ground.where([*ground, extension]), (*added, extension)

    @cached_property
    def hidden(self) -> frozenset[str]:
        """Alembic's own tables, their names without quotes."""
        return frozenset(self._heard.version_tables)

    @cached_property
    def _heard(self) -> ModelFacts:
        return self.hear()

    def hear(self) -> ModelFacts:
        """What env.py configures; the child process then knows how the template names the bodies of revisions."""
        with self.scratch.database("what env.py configures") as empty:
            return self.scratch.child.models(empty.as_libpq(), create=False, mappers=False).facts

    @cached_property
    def template(self) -> str:
        """The database on the scratch server that holds the history, to be copied from."""
        return template_of(self.scratch, self.history)

    def sides(self) -> tuple[Catalog, Catalog]:
        """The history and the models, each as far as they can be held against each other."""
        return self.against_models(self.history.catalog)

    def against_models(self, catalog: Catalog) -> tuple[Catalog, Catalog]:
        """A schema and the models as far as they can be compared, with the schemas and extensions that they need."""
        before, after = comparable_with_models(self.without_own(catalog), self.models)
        used = {split_name(o.name)[0] for o in after}  # some have only what env.py leaves out
        needed = used & {name if is_plain(name) else quoted(name) for name in self.models.facts.schemas} - {"public"}
        missing = [o for o in (*map(_schema, sorted(needed)), *self._made[1]) if o.key not in catalog.objects]
        return before, after.where([*after, *missing]) if missing else after

    def without_own(self, catalog: Catalog) -> Catalog:
        """A schema without Alembic's own tables."""
        return catalog.where(o for o in catalog if not self._is_hidden(o.name) and not self._is_hidden(o.parent or ""))

    def _is_hidden(self, name: str) -> bool:
        return bool(self.hidden) and plain_name(name) in self.hidden

    def intended(self, changes: Iterable[Change]) -> tuple[Change, ...]:
        """The changes less those that the settings acknowledge."""
        given = self.settings.drift.acknowledge
        return tuple(change for change in changes if reason_for(change, given) is None)


def _sides(ground: Catalog, history: Catalog) -> tuple[Catalog, ...]:
    return (history,) if ground is history else (ground, history)


def _schema(name: str) -> SchemaObject:
    return SchemaObject(Kind.SCHEMA, name, definition=f"CREATE SCHEMA {name}")
