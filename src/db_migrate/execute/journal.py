"""The journal: schema ``db_migrate`` in the target, which says what every run did there. Only ever added to.

It is written on the connection that holds the lock between runners, with ``synchronous_commit = off``: the write-ahead
log is one sequence, so an entry that was made before a commit of the migration is on disk whenever that commit is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from db_migrate.errors import Refused
from db_migrate.execute.blockers import statement
from db_migrate.postgres.redact import redact
from db_migrate.results import RunSummary

if TYPE_CHECKING:
    from psycopg import Connection

VERSION = 1
_LONGEST_SQL = 20_000


_SCHEMA = "db_migrate"


class Entry(StrEnum):
    """The kinds of entry."""

    RUN_OPENED = "run_opened"
    WORKER = "worker"
    STEP_STARTED = "step_started"
    STEP_ENDED = "step_ended"
    COMMITTING = "committing"
    TRANSACTION_ENDED = "transaction_ended"
    REVISION_DONE = "revision_done"
    KEPT = "kept"
    RESTORED = "restored"
    NOTE = "note"
    RUN_CLOSED = "run_closed"


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A run that was never closed: its first entry, its sessions, and the last transaction that it meant to commit."""

    run: str
    opened: Mapping[str, Any]
    workers: tuple[Mapping[str, Any], ...]
    committing: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class AppliedScript:
    """The script that ran last for a revision, and in which direction."""

    revision: str
    direction: str
    checksum: str
    script: str


@dataclass(frozen=True, slots=True)
class LooseStep:
    """A statement of a revision that was not run to its end. ``state``: committed, rolled back, failed or started."""

    revision: str
    direction: str
    sql: str
    state: str


def failed(revision: str) -> str:
    """What is said of a run that ended since the server, or the revision's own code, refused to go on."""
    return f"revision {revision} failed"


class Log(Protocol):
    """What a run writes down: a :class:`Journal`, or nothing (:class:`NoJournal`)."""

    def add(self, run: str, kind: Entry, content: Mapping[str, Any]) -> None:
        """Write down that something happened in ``run``."""

    def together(self) -> AbstractContextManager[object]:
        """What is added within is there when the context ends, and waits for the server but once."""


class NoJournal:
    """``journal = "off"``: nothing is written into the target, and after a crash nobody can tell what was done."""

    warning = (
        "the journal is off: who applied what is not recorded, edited revisions and runs of another environment are "
        "not noticed, and after a crash nobody can tell which statements were committed"
    )

    def add(self, run: str, kind: Entry, content: Mapping[str, Any]) -> None:
        """Nothing."""

    def together(self) -> AbstractContextManager[object]:
        """Nothing."""
        return nullcontext()


class Journal:
    """The journal of the database that ``connection`` (in autocommit mode) is connected to.

    Where env.py migrates several schemas there, ``schema`` is the one whose runs are looked at; empty: all of them.
    """

    def __init__(self, connection: Connection[tuple[object, ...]], schema: str = "") -> None:
        self._connection = connection
        self._schema = schema

    @property
    def exists(self) -> bool:
        """Whether there is a journal that this role may read."""
        query = (
            "SELECT true FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = 'db_migrate' AND c.relname = 'entries' "
            "AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT')"
        )
        return self._connection.execute(query.encode()).fetchone() == (True,)

    def ensure(self) -> None:
        """Make the journal where there is none.

        Raises ``Refused`` (``journal.forbidden``, ``journal.newer``, ``journal.damaged``).
        """
        from psycopg import errors

        if self._connection.info.user == _SCHEMA:
            raise _hides_public()
        try:
            if self._version() is None:
                with self._connection.transaction():
                    self._connection.execute(statement("journal_1"))
            self._connection.execute("SELECT number, run, kind, at, content, hash FROM db_migrate.entries LIMIT 0")
            self._connection.execute("SET synchronous_commit = off")
        except errors.InsufficientPrivilege as error:
            raise self._forbidden(str(error)) from error
        except errors.ProgrammingError as error:
            raise damaged(str(error)) from error

    def _rows(self, query: bytes, parameters: Mapping[str, Any] | Sequence[Any] | None = None) -> list[Any]:
        """What a query of the journal finds. Raises ``Refused`` (``journal.damaged``)."""
        from psycopg import DataError, ProgrammingError

        try:
            return self._connection.execute(query, parameters).fetchall()
        except (ProgrammingError, DataError) as error:
            raise damaged(str(error)) from error

    def _version(self) -> int | None:
        """The journal's version; None where there is none."""
        found = self._connection.execute("SELECT pg_catalog.to_regclass('db_migrate.version')").fetchone()
        if found is None or found[0] is None:
            return None
        row = self._connection.execute("SELECT max(number) FROM db_migrate.version").fetchone()
        number = int(str(row[0])) if row and row[0] is not None else 0
        if number > VERSION:
            raise Refused(
                "journal.newer",
                f"the journal of this database is of version {number}, this db-migrate knows {VERSION}",
                why="a newer db-migrate has been at work here",
                state="nothing was changed",
                next=["pip install --upgrade db-migrate"],
            )
        return number

    def _forbidden(self, why: str) -> Refused:
        """What the role lacks: the right to make the journal, or to write the one that another role has made."""
        from psycopg import sql

        info = self._connection.info
        found = self._connection.execute("SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'db_migrate'").fetchone()
        texts = (
            ["GRANT CREATE ON DATABASE {database} TO {role};"]
            if found is None
            else [
                "GRANT USAGE ON SCHEMA db_migrate TO {role};",
                "GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA db_migrate TO {role};",
            ]
        )
        names = {"database": sql.Identifier(info.dbname), "role": sql.Identifier(info.user)}
        return Refused(
            "journal.forbidden",
            f"the role {info.user} may not keep the journal in {info.dbname}",
            why=why.strip(),
            state="nothing was changed",
            next=[
                *(sql.SQL(text).format(**names).as_string(None) for text in texts),
                'journal = "off" in the settings, which gives up what the journal is for',
            ],
        )

    def add(self, run: str, kind: Entry, content: Mapping[str, Any]) -> None:
        """Add an entry. Only who holds the lock between runners may."""
        text = msgspec.json.encode(_clean(content)).decode()
        parameters = {"run": run, "kind": kind.value, "content": text}
        self._connection.execute(statement("journal_add"), parameters, prepare=True)

    def together(self) -> AbstractContextManager[object]:
        """What is added within is there when the context ends, and waits for the server but once (libpq 14+)."""
        from psycopg import Pipeline

        return self._connection.pipeline() if Pipeline.is_supported() else nullcontext()

    def runs(self, limit: int = 20, *, named: str = "") -> tuple[RunSummary, ...]:
        """The latest runs, newest first, or those whose id begins with ``named``; none where there is no journal."""
        if not self.exists:
            return ()
        asked = {"limit": limit, "schema": self._schema, "run": named}
        rows = self._rows(statement("journal_runs"), asked)
        going_on = self._is_locked() if any(row[2] == "running" for row in rows) else False
        return tuple(_summary(row, going_on=going_on) for row in rows)

    def is_about(self, opened: Mapping[str, Any]) -> bool:
        """Whether a run, by its first entry, was about the schema that is looked at."""
        return not self._schema or opened.get("schema", "") == self._schema

    def last_run(self) -> RunSummary | None:
        """The latest run, or None."""
        return next(iter(self.runs(1)), None)

    def environment(self) -> str | None:
        """The name of the target that the first run was about; None before any."""
        if not self.exists:
            return None
        query = (
            "SELECT content ->> 'environment' FROM db_migrate.entries WHERE kind = 'run_opened' ORDER BY number LIMIT 1"
        )
        rows = self._rows(query.encode())
        if rows and rows[0][0] is None:
            raise damaged("the first run does not say which target it was about")
        return str(rows[0][0]) if rows else None

    def unfinished(self) -> tuple[Unfinished, ...]:
        """The runs that were never closed, oldest first."""
        if not self.exists:
            return ()
        rows = self._rows(statement("journal_unfinished"))
        for run, opened, workers, committing in rows:
            if not all(isinstance(each, dict) for each in (opened, *workers, committing or {})):
                raise damaged(f"what was written down of run {run} is none of its entries")
        return tuple(Unfinished(run, opened, tuple(workers), committing) for run, opened, workers, committing in rows)

    def applied(self) -> tuple[AppliedScript, ...]:
        """The script that ran last for each revision."""
        if not self.exists:
            return ()
        rows = self._rows(statement("journal_applied"), {"schema": self._schema})
        return tuple(AppliedScript(*row) for row in rows)

    def derived(self) -> dict[str, str]:
        """The derived downgrades that have begun and not ended, by revision."""
        if not self.exists:
            return {}
        rows = self._rows(statement("journal_derived"), {"schema": self._schema})
        return dict(rows)

    def loose_steps(self) -> tuple[LooseStep, ...]:
        """What was done of revisions since they last ran to their end, oldest first."""
        if not self.exists:
            return ()
        rows = self._rows(statement("journal_steps"), {"schema": self._schema})
        return tuple(
            LooseStep(revision, direction, sql, self._state_of(state, run, step))
            for revision, direction, sql, state, run, step in rows
        )

    def last_failure(self, revision: str) -> tuple[str, str] | None:
        """The statement that the server refused when ``revision`` was last run forwards, and its words.

        None where it has run to its end since, or was stopped by something else than the server.
        """
        if not self.exists:
            return None
        given = {"revision": revision, "said": failed(revision), "schema": self._schema}
        rows = self._rows(statement("journal_failure"), given)
        return (str(rows[0][0]), str(rows[0][1])) if rows else None

    def _state_of(self, state: str, run: str, step: int) -> str:
        """A step that is only ``done`` was committed with its transaction, if that was."""
        if state != "done":
            return state
        meant = next((each.committing for each in self.unfinished() if each.run == run), None)
        if meant is None or step not in meant["steps"]:
            return "rolled back"
        row = self._connection.execute("SELECT pg_catalog.txid_status(%s::bigint)", [meant["xid"]]).fetchone()
        status = row[0] if row else None
        return {"committed": "committed", "aborted": "rolled back"}.get(str(status), "started")

    def roll_back_pending(self, run: str) -> None:
        """Note that what a run did in a transaction which it never came to commit is rolled back."""
        query = "SELECT step FROM db_migrate.steps WHERE run = %s AND state = 'done' ORDER BY step"
        steps = [step for (step,) in self._connection.execute(query.encode(), [run]).fetchall()]
        if steps:
            self.add(run, Entry.TRANSACTION_ENDED, {"steps": steps, "state": "rolled back"})

    def check_chain(self) -> tuple[int, ...]:
        """The numbers of the entries at which the chain is broken; empty when all is as it was written.

        Raises ``Refused`` (``journal.damaged``) where all of them are gone.
        """
        if not self.exists:
            self._check_gone()
            return ()
        rows = self._rows(statement("journal_check"))
        return tuple(int(str(number)) for (number,) in rows)

    def _check_gone(self) -> None:
        query = (
            "SELECT array_agg(c.relname::text) FROM pg_catalog.pg_class c "
            "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'db_migrate'"
        )
        ((names,),) = self._rows(query.encode())
        if "version" in (names or ()) and "entries" not in names:
            raise damaged("the table db_migrate.entries is gone")

    def _is_locked(self) -> bool:
        from db_migrate.postgres.advisory import holder_of

        return holder_of(self._connection) is not None


def damaged(why: str) -> Refused:
    """The journal is not as it was made: tables of it are gone or others, or what stands in them is no entry."""
    return Refused(
        "journal.damaged",
        "the journal in this database cannot be read as one",
        why=why.strip(),
        where="schema db_migrate",
        state="the journal was only read",
        next=[
            "db-migrate doctor",
            "pg_dump --schema=db_migrate --file=journal.sql",
            "DROP SCHEMA db_migrate CASCADE; -- the next run begins another",
            'journal = "off" in the settings, which gives up what the journal is for',
        ],
    )


def _hides_public() -> Refused:
    return Refused(
        "journal.role-name",
        f"the role is called {_SCHEMA}, as the journal's schema is",
        why='"$user" comes first on the usual search_path: what revisions make would end up in the journal\'s schema',
        state="nothing was changed",
        next=[
            "run as a role of another name",
            'journal = "off" in the settings, which gives up what the journal is for',
        ],
    )


def _summary(row: Any, *, going_on: bool) -> RunSummary:
    run, verb, state, from_, to, started, seconds, role, os_user, host, plan, waited, schema = row
    if not (isinstance(from_, list) and isinstance(to, list)):
        raise damaged(f"what was written down of run {run} is none of its entries")
    return RunSummary(
        run=run,
        verb=verb,
        state="crashed" if state == "running" and not going_on else state,
        from_=tuple(from_),
        to=tuple(to),
        started_at=started,
        seconds=seconds,
        who=f"{role} ({os_user}@{host})",
        plan=plan or "",
        lock_wait_seconds=waited,
        schema=schema,
    )


def _clean(content: Mapping[str, Any]) -> dict[str, Any]:
    """Without passwords, without what jsonb cannot hold, and without megabytes."""
    return {
        key: redact(value).replace("\0", "")[:_LONGEST_SQL] if isinstance(value, str) and key != "script" else value
        for key, value in content.items()
    }
