"""Builds the indexes of parked columns that come back, before the run locks their tables for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from db_migrate.errors import DbMigrateError, Failed
from db_migrate.execute.blockers import look
from db_migrate.execute.debris import drop_indexes
from db_migrate.execute.interruption import InterruptedByUser, Interruption
from db_migrate.execute.journal import Entry
from db_migrate.execute.keep.ahead import built_ahead, is_ahead
from db_migrate.execute.keep.store import Kept, kept_objects, literal, runner
from db_migrate.execute.keeping import due
from db_migrate.execute.monitor import Monitor
from db_migrate.execute.outcome import Ending
from db_migrate.execute.progress import ProgressKind
from db_migrate.execute.recording import Recorder
from db_migrate.postgres.session import connect
from db_migrate.results import Plan
from db_migrate.schemas.target import Target
from db_migrate.trace.effects import Lock, LockMode

if TYPE_CHECKING:
    from psycopg import Connection

_OWNER = """
SELECT o.rolname, pg_catalog.pg_has_role(o.oid, 'USAGE')
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_roles o ON o.oid = c.relowner
 WHERE c.oid = {table}::pg_catalog.regclass
"""


@dataclass(frozen=True)
class IndexesAhead:
    """The indexes that a plan builds before its first revision, for the columns that come back in it."""

    plan: Plan
    target: Target
    recorder: Recorder
    monitor: Monitor
    interruption: Interruption
    left: list[str] = field(default_factory=list)
    """Those that ``clear`` could not drop."""

    def build(self, watch: Connection[tuple[object, ...]]) -> Ending | None:
        """Build them; what came in between, where not all could be.

        An unfinished one of an earlier run is dropped first; a finished one is taken as it is.
        """
        from psycopg import OperationalError

        wanted = {each.object: each.ahead for each in self.plan.restored if each.ahead}
        if not wanted:
            return None
        try:
            self._build_all(watch, wanted)
        except (DbMigrateError, InterruptedByUser, OperationalError) as error:
            return Ending(self.recorder.verb, self.plan.revisions[0].revision, error=error)
        return None

    def _build_all(self, watch: Connection[tuple[object, ...]], wanted: Mapping[str, Sequence[str]]) -> None:
        for kept in self._due(watch):
            there = {each.name for each in built_ahead(runner(watch), kept)}
            every = built_ahead(runner(watch), kept, valid=False)
            drop_indexes(watch, (each.qualified for each in every if each.name not in there))
            for sql in wanted.get(kept.label.object, ()):
                if not is_ahead(sql, kept):
                    raise self._failed(sql, "it is not an index of the column that comes back")
                if not any(f" {name} ON " in sql for name in there):
                    self._build(kept, sql)

    def clear(self, watch: Connection[tuple[object, ...]], patience: float) -> None:
        """Drop those that were built for nothing, since the run ended before the column came back.

        Where somebody is using the table, or goes on for ``patience`` seconds, they are left: the next run takes them.
        """
        if not any(each.ahead for each in self.plan.restored):
            return
        for kept in self._due(watch):
            every = [each.qualified for each in built_ahead(runner(watch), kept, valid=False)]
            used = look(watch, (Lock(kept.parked_in, LockMode.ACCESS_EXCLUSIVE),), [watch.info.backend_pid])
            dropped = () if used else drop_indexes(watch, every, patience)
            self.left.extend(each for each in every if each not in dropped)

    def _due(self, watch: Connection[tuple[object, ...]]) -> Iterator[Kept]:
        everything = kept_objects(runner(watch))
        for revision in self.plan.revisions:
            for each in due(everything, revision.revision, revision.direction, self.target.schema):
                if each.parked_in:
                    yield each

    def _build(self, kept: Kept, sql: str) -> None:
        from psycopg import Error, errors

        with self._session(kept) as connection:
            self.recorder.tell(ProgressKind.PROGRESS, sql=sql, message="before the first revision")
            self.monitor.begin_own(sql, connection.info.backend_pid)
            try:
                connection.execute(sql.encode())
            except errors.QueryCanceled as error:
                self.interruption.check()
                raise self._failed(sql, str(error)) from error
            except Error as error:
                if connection.broken:
                    raise
                raise self._failed(sql, str(error)) from error
            finally:
                self.monitor.end()
        self.recorder.note(Entry.NOTE, {"built_before": sql})

    @contextmanager
    def _session(self, kept: Kept) -> Iterator[Connection[tuple[object, ...]]]:
        """A session that may build an index on the table, for as long as that takes, and can be interrupted."""
        from psycopg import sql

        with closing(connect(self.target.conninfo, settings={"search_path": "pg_catalog"})) as connection:
            row = connection.execute(_OWNER.format(table=literal(kept.parked_in)).encode()).fetchone()
            if row is not None and not row[1]:
                connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(str(row[0]))))
            pid = connection.info.backend_pid
            query = "SELECT backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()"
            started = connection.execute(query.encode()).fetchone()
            self.recorder.note(Entry.WORKER, {"pid": pid, "backend_start": started[0] if started else None})
            before, self.interruption.working = self.interruption.working, lambda: (pid,)
            try:
                self.interruption.check()
                yield connection
            finally:
                self.interruption.working = before

    def _failed(self, sql: str, why: str) -> Failed:
        return Failed(
            f"{self.recorder.verb}.index-before",
            "an index of a column that is to come back could not be built before",
            why=f"{why.strip()}\n{sql}",
        )
