"""Statements of our own, run on the target under the lock between runners and written into the journal."""

from __future__ import annotations

import hashlib
import random
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from db_migrate import __version__
from db_migrate.errors import DbMigrateError, Failed, LockBudgetExceeded
from db_migrate.execute.journal import Entry, Journal, Log, NoJournal
from db_migrate.execute.keep.choose import COPY
from db_migrate.execute.keep.put_aside import Occasion, put_aside
from db_migrate.execute.keep.store import prepare, runner
from db_migrate.execute.keeping import as_noted
from db_migrate.execute.opening import locked, state_of, watching, who
from db_migrate.execute.preflight import check_environment
from db_migrate.execute.progress import nobody
from db_migrate.execute.unfinished import settle
from db_migrate.postgres.redact import redact
from db_migrate.postgres.session import connect
from db_migrate.repair.view import View
from db_migrate.results import KeptObject, StepResult

if TYPE_CHECKING:
    from psycopg import Connection

_SHORT = "50ms"
_PAUSE_SECONDS = 0.3


@contextmanager
def journalled(view: View, destination: Sequence[str], revision: str) -> Iterator[Repairing]:
    """A run of repair, from the lock to its entry at the end.

    Raises ``LockBudgetExceeded``, ``Refused`` (``environment.other``, ``journal.forbidden``) and what the run raises.
    """
    target, settings = view.target, view.settings
    budget = settings.chosen.budgets.get("lock_budget", settings.lock_budget)
    with locked(target, "repair", "db-migrate repair --back", budget, nobody) as lock, watching(target) as watch:
        live = state_of(watch, target)
        journal = Journal(lock.connection, target.schema)
        if settings.journal:
            check_environment(journal.environment(), target.name)
            journal.ensure()
            settle(
                watch, journal, live.current, budget=budget, sleep=time.sleep, waiting=lambda _blockers, _waited: None
            )
        log: Log = journal if settings.journal else NoJournal()
        run = str(uuid.uuid4())
        opened = {
            "verb": "repair",
            "environment": target.name,
            "from": list(live.current),
            "destination": list(destination),
            "plan": "",
            "version": __version__,
            "who": who(live.role),
            "settings": {},
            **({"schema": target.schema} if target.schema else {}),
        }
        log.add(run, Entry.RUN_OPENED, opened)
        try:
            yield Repairing(view, run, log, revision)
        except DbMigrateError as error:
            heads = list(state_of(watch, target).current)
            log.add(run, Entry.RUN_CLOSED, {"state": "stopped", "to": heads, "error": error.message})
            raise
        log.add(run, Entry.RUN_CLOSED, {"state": "done", "to": list(state_of(watch, target).current), "error": ""})


class Repairing:
    """One run of repair; ``steps`` are the statements that are committed."""

    def __init__(self, view: View, run: str, log: Log, revision: str) -> None:
        self.run = run
        self.steps: list[StepResult] = []
        self._view = view
        self._log = log
        self._revision = revision

    def alone(self, statements: Sequence[str]) -> None:
        """Run each statement by itself. Raises ``Failed`` (``repair.failed``) for the first that the server refuses."""
        with self._session() as connection:
            for each in statements:
                self._step(connection, each)

    def together(self, statements: Sequence[str], direction: str, aside: Mapping[str, str]) -> tuple[KeptObject, ...]:
        """Run the statements in one transaction, again while a lock is not to be had; what was kept.

        ``aside``: tables that are kept, by the statement that drops them; they go back when the revision, which
        ``direction`` undoes, runs again. Raises ``Failed`` (``repair.failed``), ``LockBudgetExceeded``
        (``lock.budget``); nothing is done then.
        """
        from psycopg import errors

        settings = self._view.settings
        deadline = time.monotonic() + settings.chosen.budgets.get("lock_budget", settings.lock_budget)
        attempt = 0
        while True:
            attempt += 1
            try:
                kept = self._transaction(statements, direction, aside)
            except (errors.LockNotAvailable, errors.DeadlockDetected) as error:
                if time.monotonic() > deadline:
                    raise _no_lock(str(error)) from error
                time.sleep(_PAUSE_SECONDS * (0.5 + random.random()))
            except errors.Error as error:
                raise _failed("; ".join(statements), str(error)) from error
            else:
                break
        self.steps += [
            StepResult(self._revision, n, redact(each), 0.0, 0.0, attempt) for n, each in enumerate(statements)
        ]
        for each in kept:
            self._log.add(self.run, Entry.KEPT, as_noted(each))
        return kept

    def _transaction(
        self, statements: Sequence[str], direction: str, aside: Mapping[str, str]
    ) -> tuple[KeptObject, ...]:
        kept: list[KeptObject] = []
        with self._session() as connection:
            if aside:
                prepare(connection)
            with connection.transaction():
                connection.execute("SELECT pg_catalog.set_config('lock_timeout', %s, true)", [_SHORT])
                for each in statements:
                    if each in aside:
                        occasion = Occasion(
                            self.run, self._revision, direction, len(kept) + 1, self._view.target.schema
                        )
                        wanted = KeptObject(aside[each], COPY, None, None)
                        kept.append(put_aside(runner(connection), wanted, occasion))
                    connection.execute(each.encode())
        return tuple(kept)

    def stands(self, file: Path, direction: str) -> None:
        """Note that the revision stands as if it had last run in this direction, so that its loose ends are none."""
        data = file.read_bytes()
        content = {
            "revision": self._revision,
            "direction": direction,
            "checksum": hashlib.sha256(data).hexdigest(),
            "script": redact(data.decode(errors="replace")).replace("\0", ""),
        }
        self._log.add(self.run, Entry.REVISION_DONE, content)

    def _step(self, connection: Connection[tuple[object, ...]], statement: str) -> None:
        from psycopg import errors

        number = len(self.steps) + 1
        content = {"step": number, "revision": "", "direction": "", "statement": number - 1, "sql": statement}
        self._log.add(self.run, Entry.STEP_STARTED, {**content, "lock_wait_seconds": 0.0, "attempt": 1})
        began = time.monotonic()
        ended = {"step": number, "times": 1}
        try:
            connection.execute(statement.encode())
        except errors.Error as error:
            seconds = time.monotonic() - began
            self._log.add(
                self.run,
                Entry.STEP_ENDED,
                {**ended, "state": "failed", "seconds": seconds, "error": redact(str(error))},
            )
            raise _failed(statement, str(error)) from error
        seconds = time.monotonic() - began
        self._log.add(self.run, Entry.STEP_ENDED, {**ended, "state": "committed", "seconds": seconds, "error": ""})
        self.steps.append(StepResult(self._revision, number - 1, redact(statement), seconds, 0.0, 1))

    @contextmanager
    def _session(self) -> Iterator[Connection[tuple[object, ...]]]:
        connection = connect(self._view.target.conninfo, application_name="db-migrate repair")
        try:
            yield connection
        finally:
            connection.close()


def _no_lock(why: str) -> LockBudgetExceeded:
    return LockBudgetExceeded(
        "lock.budget",
        "the locks for the repair could not be had within the budget",
        why=why.strip(),
        state="nothing was changed by this run",
        next=["db-migrate repair"],
    )


def _failed(statement: str, why: str) -> Failed:
    return Failed(
        "repair.failed",
        "the server refused a statement of the repair",
        why=f"{redact(why).strip()}\n{redact(statement)}",
        state="what was repaired before stays; nothing is half-done",
        next=["db-migrate doctor"],
    )
