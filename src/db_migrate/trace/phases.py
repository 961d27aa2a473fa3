"""Looks at a statement that commits in between (CONCURRENTLY, VACUUM) while it runs: its locks at each phase.

Such a statement waits for everybody who holds a lock in its way, or whose transaction is older than one of its own. So
two sessions of ours take turns in holding weak locks on every table: wherever the statement has to wait we see what it
holds and wants, let the other session take over, and make way. Nothing waits for long: we wait for no lock longer than
``_PATIENCE_MS``, and after ``_LONGEST_S`` make way for good.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect
from db_migrate.trace.observation import OidLock

if TYPE_CHECKING:
    import psycopg

    Session = psycopg.Connection[tuple[object, ...]]

_PATIENCE_MS = 100
_LONGEST_S = 20.0
_PAUSE_S = 0.001

_TABLES = """
SELECT c.oid::bigint, c.oid::regclass::text
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND c.oid >= 16384 AND n.nspname !~ '^pg_(toast|temp_)'
 ORDER BY c.oid
"""
_STATE = """
SELECT l.locktype, l.relation::bigint, l.mode, l.granted, pg_blocking_pids(l.pid)
  FROM pg_locks l
 WHERE l.pid = %s AND l.mode <> 'SIReadLock' AND (NOT l.granted OR l.locktype = 'relation' AND l.relation >= 16384)
"""


@dataclass(frozen=True, slots=True)
class Standstill:
    """What the statement held at one moment and the lock on a relation that it waited for, if it was one."""

    locks: tuple[OidLock, ...]
    awaits: OidLock | None


class Watch:
    """Watches one statement of the backend ``pid`` in a thread of its own, from its making until ``end``."""

    def __init__(self, database: ConnInfo, pid: int) -> None:
        self._database = database
        self._pid = pid
        self._found: list[Standstill] = []
        self._error: BaseException | None = None
        self._ready = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait()

    def end(self) -> tuple[Standstill, ...]:
        """Make way, whatever the statement does; the standstills so far. Raises what the watching itself met."""
        self._over.set()
        self._thread.join()
        if self._error is not None:
            raise self._error
        return tuple(self._found)

    def _run(self) -> None:
        try:
            with ExitStack() as stack:
                sessions = [stack.enter_context(closing(self._connect())) for _ in range(3)]
                self._watch(sessions[0], sessions[1], sessions[2])
        except BaseException as error:
            self._error = error  # raised again where the result is asked for
        finally:
            self._ready.set()

    def _connect(self) -> Session:
        settings = {"search_path": "pg_catalog", "lock_timeout": str(_PATIENCE_MS)}
        return connect(self._database, settings=settings, told=True)

    def _watch(self, observer: Session, holder: Session, other: Session) -> None:
        passed: set[int] = set()
        _hold(holder, passed)
        self._ready.set()
        deadline = time.monotonic() + _LONGEST_S
        while not self._over.is_set() and time.monotonic() < deadline:
            standstill, blockers = _look(observer, self._pid)
            if holder.info.backend_pid in blockers:
                if not self._found or self._found[-1] != standstill:
                    self._found.append(standstill)
                if standstill.awaits is not None:
                    passed.add(standstill.awaits[0])
                _hold(other, passed)
                holder.execute("ROLLBACK")
                holder, other = other, holder
            time.sleep(_PAUSE_S)


def _hold(session: Session, passed: set[int]) -> None:
    """Begin a transaction with a snapshot, and with ROW EXCLUSIVE on all tables that are to be had but those."""
    from psycopg import errors

    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    rows = session.execute(_TABLES.encode()).fetchall()
    names = [str(name) for oid, name in rows if oid not in passed]
    if not names:
        return
    session.execute("SAVEPOINT locks")
    try:
        session.execute(f"LOCK TABLE ONLY {', ONLY '.join(names)} IN ROW EXCLUSIVE MODE".encode())
    except (errors.LockNotAvailable, errors.UndefinedTable, errors.DeadlockDetected):
        session.execute("ROLLBACK TO SAVEPOINT locks")


def _look(observer: Session, pid: int) -> tuple[Standstill, frozenset[int]]:
    """What the backend holds and waits for, and whom it waits for."""
    granted: list[OidLock] = []
    awaits: OidLock | None = None
    blockers: frozenset[int] = frozenset()
    for kind, relation, mode, is_granted, pids in observer.execute(_STATE, [pid]).fetchall():
        lock = (cast(int, relation), str(mode))
        if is_granted:
            granted.append(lock)
            continue
        blockers = frozenset(cast(list[int], pids))
        if kind == "relation":
            awaits = lock
    return Standstill(tuple(sorted(granted)), awaits), blockers
