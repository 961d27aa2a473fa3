"""One env.py that migrates several databases or schemas: a workspace for each, and which there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Self

from db_migrate.catalog.objects import Catalog
from db_migrate.errors import Failed
from db_migrate.postgres.session import connect, read_only
from db_migrate.project.jobs import ModelFacts
from db_migrate.project.outcomes import ChildError, Ignore
from db_migrate.schemas.asked import Configured, configured_in
from db_migrate.schemas.finding import each_schema, with_tables
from db_migrate.schemas.live import Copy, copy_of_live, empty_schema
from db_migrate.schemas.replay import Witness
from db_migrate.schemas.scratch import OUR_SCHEMAS, Scratch, like_the_target, read, read_through
from db_migrate.schemas.target import LiveState, Target, look_at
from db_migrate.workspace.sides import Sides

if TYPE_CHECKING:
    from psycopg import Connection

_VERSION_TABLES = """
SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relname = ANY (%s) AND c.relkind IN ('r', 'p') AND NOT n.nspname = ANY (%s)
   AND NOT pg_catalog.pg_is_other_temp_schema(n.oid)
"""


class Parts(Sides):
    """Knows the databases and schemas that env.py migrates, in its order."""

    @cached_property
    def _parts(self) -> tuple[Self, ...]:
        """This workspace where there is but one; else one for each, which share servers and child process."""
        targets = [part for each in self._databases for part in each_schema(self._heard(each))]
        if len(targets) == 1:
            self.__dict__["target"] = targets[0]
            self._mean(targets[0])
            return (self,)
        parts = tuple(self._part(each) for each in targets)
        for part in parts:
            part.__dict__["_parts"] = (part,)
            part._beside = tuple(
                each for each in targets if each is not part.target and each.conninfo == part.target.conninfo
            )
        return parts

    def _part(self, target: Target) -> Self:
        part = type(self)(self.settings, self._stack)
        part._cached = self._cached
        part.watcher = self.watcher
        part.__dict__ |= {
            "project": self.project,
            "graph": self.graph,
            "target": target,
            "_first_scratch": self._first_scratch,
        }
        part._mean(target)
        return part

    @cached_property
    def _facts_for_plan(self) -> ModelFacts:
        """What the mappers say; of schemas that env.py looks for in a table nothing, for there is none on scratch."""
        try:
            return self._model_facts
        except ChildError:
            if not self.target.schema:
                raise
            return ModelFacts(has_metadata=False)

    def _history(self, revisions: tuple[str, ...]) -> Catalog:
        """As for one database; of a schema to which env.py does not come on an empty one, beside what is there."""
        try:
            return super()._history(revisions)
        except Failed:
            if not self.target.schema:
                raise
            self._histories[revisions] = found = self._history_beside_live(revisions)
            return found

    def _history_beside_live(self, revisions: tuple[str, ...]) -> Catalog:
        """The history of one schema, replayed on a copy of the live schema in which that one is empty."""
        live = replace(self.live_state, heads=())
        with self._copy(self.scratch, self.target, live) as copy:
            with closing(connect(copy.superuser, told=True)) as connection:
                empty_schema(connection, self.target.schema)
            for revision in revisions:
                self.scratch.migrate("upgrade", revision, copy.runner, Ignore()).raise_for_failure()
            return read(copy.superuser)

    @contextmanager
    def _copy(self, scratch: Scratch, target: Target, live: LiveState) -> Iterator[Copy]:
        """A copy of the live schema, with the rows that are always wanted."""
        from db_migrate.plan.sample import sample_for

        with read_only(target.conninfo, again=True) as connection:
            known = read_through(connection)
        with copy_of_live(scratch, target, live, known=known) as copy:
            sample_for(replace(self.settings, sample=None), target.conninfo, copy.superuser, known, frozenset())
            yield copy

    def _heard(self, target: Target) -> Target:
        """The target with all its version tables. On an empty database env.py may not have come to them all: it is
        asked again, on a copy of the live schema, where it came to none, or where the target has others of the name."""
        with read_only(target.conninfo, again=True) as connection:
            live = look_at(connection, target)
            if target.heard and not _has_others(connection, live):
                if len(self._databases) == 1 and len(target.version_tables) == 1:
                    self.__dict__.setdefault("live_state", live)
                return target
        found = self._asked_again(target, live)
        return with_tables(target, found) if found else target

    def _asked_again(self, target: Target, live: LiveState) -> Sequence[Configured]:
        first = replace(self._first_scratch, project=target.meant_in(self.project))
        with (
            like_the_target(first, live.server_version, self.settings.scratch_major) as scratch,
            self._copy(scratch, target, live) as copy,
        ):
            witness = Witness()
            scratch.child.learn(copy.runner.as_libpq(), witness)
        return configured_in(witness)


def _has_others(connection: Connection[tuple[object, ...]], live: LiveState) -> bool:
    """Whether there are version tables that env.py has not spoken of."""
    known = {(table.schema or "public", table.name) for table, _ in live.heads}
    names = sorted({name for _, name in known})
    rows = connection.execute(_VERSION_TABLES.encode(), [names, list(OUR_SCHEMAS)]).fetchall()
    return bool({(str(schema), str(name)) for schema, name in rows} - known)
