"""Sets the version table, as ``alembic stamp`` does, under the lock between runners and with an entry in the journal.

Whether the schema is that revision's is for the caller to judge.
"""

from __future__ import annotations

import shlex
import time
import uuid
from collections.abc import Sequence
from functools import partial
from typing import Any

from db_migrate import __version__
from db_migrate.config import Settings
from db_migrate.errors import DbMigrateError
from db_migrate.execute.journal import Entry, Journal, Log, NoJournal
from db_migrate.execute.opening import locked, state_of, watching, who
from db_migrate.execute.preflight import check_environment
from db_migrate.execute.progress import Blocker, Observer, ProgressEvent, ProgressKind, nobody
from db_migrate.execute.unfinished import settle
from db_migrate.project.child_process import open_child
from db_migrate.project.config import ProjectConfig
from db_migrate.schemas.target import LiveState, Target


def stamp_revisions(
    project: ProjectConfig,
    target: Target,
    settings: Settings,
    revisions: Sequence[str],
    *,
    purge: bool = False,
    observer: Observer = nobody,
) -> tuple[str, ...]:
    """Make the version table say ``revisions``; returns what it holds then. ``purge`` empties it first.

    A run that ended without a word is waited for and closed first, as before any other run: its last transaction may
    set the version table too. Raises ``Refused`` (``environment.other``, ``journal.forbidden``),
    ``LockBudgetExceeded`` and ``ChildError``.
    """
    budget = settings.chosen.budgets.get("lock_budget", settings.lock_budget)
    again = shlex.join(["db-migrate", "stamp", ",".join(revisions) or "base"])
    with locked(target, "stamp", again, budget, observer) as lock, watching(target) as watch:
        log: Log = NoJournal()
        if settings.journal:
            log = journal = _prepared(Journal(lock.connection, target.schema), target)
            heads = state_of(watch, target).current
            settle(watch, journal, heads, budget=budget, sleep=time.sleep, waiting=partial(_waits, observer))
        live = state_of(watch, target)
        run = str(uuid.uuid4())
        log.add(run, Entry.RUN_OPENED, _opened(target, revisions, live))
        database = None if target.as_is else target.conninfo.as_libpq()
        try:
            with open_child(project, allowed=[target.conninfo.as_libpq()]) as child:
                child.stamp(revisions, database, purge=purge)
        except DbMigrateError as error:
            log.add(run, Entry.RUN_CLOSED, {"state": "stopped", "to": list(live.current), "error": error.message})
            raise
        current = state_of(watch, target).current
        log.add(run, Entry.RUN_CLOSED, {"state": "done", "to": list(current), "error": ""})
        return current


def _prepared(journal: Journal, target: Target) -> Journal:
    check_environment(journal.environment(), target.name)
    journal.ensure()
    return journal


def _waits(observer: Observer, blockers: tuple[Blocker, ...], waited: float) -> None:
    observer(ProgressEvent(ProgressKind.LOCK_WAIT, "", blockers=blockers, seconds=waited))


def _opened(target: Target, revisions: Sequence[str], live: LiveState) -> dict[str, Any]:
    return {
        "verb": "stamp",
        "environment": target.name,
        "from": list(live.current),
        "destination": list(revisions),
        "plan": "",
        "version": __version__,
        "who": who(live.role),
        "settings": {},
        **({"schema": target.schema} if target.schema else {}),
    }
