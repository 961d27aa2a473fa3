"""Runs that ended without a word: their sessions are waited for, and what they committed is found out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from db_migrate.errors import LockBudgetExceeded
from db_migrate.execute.journal import Entry, Journal, Unfinished
from db_migrate.execute.progress import Blocker

if TYPE_CHECKING:
    from psycopg import Connection

_POLL_SECONDS = 0.2
_ALIVE = """
SELECT a.pid, coalesce(a.usename, ''), coalesce(a.application_name, ''),
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8, coalesce(a.state, ''), coalesce(a.query, '')
  FROM pg_catalog.pg_stat_activity a
  JOIN unnest(%(pids)s::int[], %(starts)s::timestamptz[]) AS w (pid, start) ON w.pid = a.pid
 WHERE (a.backend_start IS NULL OR a.backend_start = w.start)
   AND a.datname = current_database()
"""


def still_running(
    connection: Connection[tuple[object, ...]], workers: Iterable[Mapping[str, Any]]
) -> tuple[Blocker, ...]:
    """The sessions among ``workers`` (pid and backend_start) that still exist at the server."""
    known = [(int(each["pid"]), each["backend_start"]) for each in workers if each.get("backend_start")]
    if not known:
        return ()
    parameters = {"pids": [pid for pid, _ in known], "starts": [start for _, start in known]}
    rows: list[Any] = connection.execute(_ALIVE.encode(), parameters).fetchall()
    return tuple(
        Blocker(pid, user, application, age, state, query, "the work of an earlier run", "a session")
        for pid, user, application, age, state, query in rows
    )


def settle(
    connection: Connection[tuple[object, ...]],
    journal: Journal,
    heads: Sequence[str],
    *,
    budget: float,
    sleep: Callable[[float], None],
    waiting: Callable[[tuple[Blocker, ...], float], None],
) -> tuple[str, ...]:
    """Close every run that was never closed, once nothing of it is at work any more; returns a sentence for each.

    Raises ``LockBudgetExceeded`` (``lock.earlier-run``) naming a session that goes on for longer than ``budget``.
    """
    found = (
        _settle(connection, journal, each, heads, budget=budget, sleep=sleep, waiting=waiting)
        for each in journal.unfinished()
    )
    return tuple(each for each in found if each)


def _settle(
    connection: Connection[tuple[object, ...]],
    journal: Journal,
    run: Unfinished,
    heads: Sequence[str],
    *,
    budget: float,
    sleep: Callable[[float], None],
    waiting: Callable[[tuple[Blocker, ...], float], None],
) -> str:
    waited = 0.0
    while alive := still_running(connection, run.workers):
        waiting(alive, waited)
        if waited >= budget:
            raise _still_at_work(alive[0], run, budget)
        sleep(_POLL_SECONDS)
        waited += _POLL_SECONDS
    if not journal.is_about(run.opened):
        return ""  # of another schema, whose revisions are not known here: its own next run closes it
    status = close_transaction(connection, journal, run)
    journal.add(
        run.run,
        Entry.RUN_CLOSED,
        {"state": "crashed", "to": list(heads), "error": f"it ended without a word; its last transaction: {status}"},
    )
    return f"an earlier run ({run.run}) had ended without a word; its last transaction was {status}"


def close_transaction(connection: Connection[tuple[object, ...]], journal: Journal, run: Unfinished) -> str:
    """What became of the last transaction that a run meant to commit, as the server knows; noted in the journal."""
    status = "not reached"
    if run.committing is not None:
        status = _status(connection, journal, run)
    journal.roll_back_pending(run.run)
    return status


def _status(connection: Connection[tuple[object, ...]], journal: Journal, run: Unfinished) -> str:
    assert run.committing is not None
    row = connection.execute("SELECT pg_catalog.txid_status(%s::bigint)", [run.committing["xid"]]).fetchone()
    status = str(row[0]) if row and row[0] is not None else "too long ago to tell"
    if status in ("committed", "aborted"):
        state = "committed" if status == "committed" else "rolled back"
        journal.add(run.run, Entry.TRANSACTION_ENDED, {"steps": run.committing["steps"], "state": state})
    return status


def _still_at_work(session: Blocker, run: Unfinished, budget: float) -> LockBudgetExceeded:
    return LockBudgetExceeded(
        "lock.earlier-run",
        f"a session of an earlier run is still at work, and did not end within {budget:g} s",
        why=f"process {session.pid} of run {run.run}: {session.query}",
        state="nothing was changed by this run",
        next=["db-migrate status", f"SELECT pg_terminate_backend({session.pid});"],
    )
