"""Sets the version table, as ``alembic stamp`` does, under the lock between runners and with an entry in the journal.

Whether the schema is that revision's is for the caller to judge.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from db_migrate import __version__
from db_migrate.config import Settings
from db_migrate.execute.journal import Entry, Journal
from db_migrate.execute.opening import locked, watching, who
from db_migrate.execute.preflight import check_environment
from db_migrate.execute.progress import Observer, nobody
from db_migrate.project.child_process import open_child
from db_migrate.project.config import ProjectConfig
from db_migrate.schemas.target import Target, look_at


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

    Raises ``Refused`` (``environment.other``, ``journal.forbidden``), ``LockBudgetExceeded`` and ``ChildError``.
    """
    budget = settings.chosen.budgets.get("lock_budget", settings.lock_budget)
    with locked(target, "stamp", budget, observer) as lock, watching(target) as watch:
        live = look_at(watch, target)
        run = str(uuid.uuid4())
        journal = Journal(lock.connection)
        if settings.journal:
            check_environment(journal.environment(), target.name)
            journal.ensure()
            opened = {"verb": "stamp", "environment": target.name, "from": list(live.current), "plan": ""}
            opened |= {"destination": list(revisions), "version": __version__, "who": who(live.role), "settings": {}}
            journal.add(run, Entry.RUN_OPENED, opened)
        database = None if target.as_is else target.conninfo.as_libpq()
        with open_child(project, allowed=[target.conninfo.as_libpq()]) as child:
            child.stamp(revisions, database, purge=purge)
        current = look_at(watch, target).current
        if settings.journal:
            journal.add(run, Entry.RUN_CLOSED, {"state": "done", "to": list(current), "error": ""})
        return current
