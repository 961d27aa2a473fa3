"""The sessions of the child process, as the parent sees them and speaks through them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from db_migrate.execute.blockers import statement
from db_migrate.execute.discipline import Tried
from db_migrate.execute.expectation import HeldLock
from db_migrate.execute.keep.store import literal
from db_migrate.project.child_process import Link, QueryError
from db_migrate.trace.effects import Lock, mode_of

if TYPE_CHECKING:
    from psycopg import Connection

_ANSWER = "db_migrate.answer"
_CLIENT_CHECK = "10s"
_IDLE, _PATIENCE = "idle_in_transaction_session_timeout", "15min"
"""Longer than the usual lock budget, and short enough that what a lost network leaves behind does not stay."""
_STATEMENT_TIMEOUT = (
    "SELECT pg_catalog.current_setting(name), (setting::float8 / 1000)::text, source "
    "FROM pg_catalog.pg_settings WHERE name = 'statement_timeout'"
)
_WHOSE = {
    "user": "the role",
    "database": "the database",
    "database user": "the role in this database",
    "client": "env.py",
    "session": "env.py",
    "configuration file": "the server",
}
"""Who sets a parameter, by what ``pg_settings`` calls the source."""
_INSUFFICIENT_PRIVILEGE = "42501"


@dataclass(frozen=True, slots=True)
class Limit:
    """How many seconds a statement may last, and who says so."""

    seconds: float
    words: str


@dataclass(slots=True)
class Worker:
    """One connection of the child process.

    ``open``: it is in a transaction that we have seen a statement of; ``busy``: that has done something, so that
    waiting would make others wait; ``failed``: it can only be rolled back; ``xid``: of its transaction, once it has
    one; ``hurried``: it has the short lock_timeout; ``recorded``: the version table has been written; ``foreign``: it
    is not connected to the target's database. ``limit`` is what its session limits statements to; ``restore`` are
    session settings to put back. ``committed`` is what others see of relations that its transaction has locks on, by
    oid: name, kind, whether it is the system's; nobody can change that before the transaction ends.
    """

    number: int
    pid: int
    foreign: bool = False
    limit: Limit | None = None
    open: bool = False
    busy: bool = False
    failed: bool = False
    xid: str | None = None
    hurried: bool = False
    recorded: bool = False
    checked: set[str] = field(default_factory=set)
    restore: dict[str, str] = field(default_factory=dict)
    committed: dict[int, tuple[str, str, bool] | None] = field(default_factory=dict)

    def ended(self) -> None:
        """Its transaction is over."""
        self.open = self.busy = self.failed = self.hurried = self.recorded = False
        self.xid = None
        self.checked.clear()
        self.committed.clear()


def introduce(link: Link, server_version: int) -> Limit | None:
    """Make a new session notice within seconds that its client is gone (14+), so that its work does not outlive us.

    And let it wait: settings of the role that end idle sessions and long transactions are for clients that nobody looks
    after. Returns what limits its statements; None where nothing does.
    """
    settings = {_IDLE: _PATIENCE}
    if server_version >= 140000:
        settings |= {"client_connection_check_interval": _CLIENT_CHECK, "idle_session_timeout": "0"}
    if server_version >= 170000:
        settings["transaction_timeout"] = "0"
    calls = ", ".join(f"pg_catalog.set_config('{name}', '{value}', false)" for name, value in settings.items())
    link.query(f"SELECT {calls}")
    value, seconds, source = link.query(_STATEMENT_TIMEOUT)[0]
    if not float(seconds or 0):
        return None
    return Limit(float(seconds or 0), f"statement_timeout is {value}, which {_WHOSE.get(source or '', source)} sets")


def are_there(watch: Connection[tuple[object, ...]], pids: Sequence[int]) -> bool:
    """Whether the server still has all of these sessions."""
    query = "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE pid = ANY (%s)"
    return watch.execute(query.encode(), [list(pids)]).fetchone() == (len(pids),)


def limit_of(worker: Worker, own: float | None) -> str:
    """In words, the limit that a statement has met which was cancelled; ``own`` is that of the settings, in seconds."""
    if own and worker.hurried and (worker.limit is None or own < worker.limit.seconds):
        return f"statement_timeout is {own:g} s in the settings"
    return worker.limit.words if worker.limit else ""


@contextmanager
def unlimited(link: Link, worker: Worker, own: float | None) -> Iterator[None]:
    """Let what keeps and puts back data take its time, however long the role's own statements may last.

    Not where the settings limit the statements of this transaction: to ``own`` seconds.
    """
    if worker.limit is None or worker.failed or (own and worker.hurried):
        yield
        return
    value = link.query("SELECT pg_catalog.current_setting('statement_timeout')")[0][0]
    link.query("SELECT pg_catalog.set_config('statement_timeout', '0', true)")
    yield
    link.query(f"SELECT pg_catalog.set_config('statement_timeout', '{value}', true)")


def try_locks(link: Link, locks: Iterable[Lock], timeout: float) -> Tried:
    """Take locks in the session's transaction, all or none. Whatever comes, the transaction has not failed after it.

    Views are left to the statement: LOCK TABLE would lock the tables behind them in the same mode.
    """
    takes = " ".join(_take(lock) for lock in locks)
    if not takes:
        return Tried.GOT
    answer = f"PERFORM pg_catalog.set_config('{_ANSWER}', "
    try:
        link.query(
            "DO $db_migrate$ DECLARE before text := pg_catalog.current_setting('lock_timeout'); BEGIN BEGIN "
            f"PERFORM pg_catalog.set_config('lock_timeout', '{_milliseconds(timeout)}', true); {takes} "
            "PERFORM pg_catalog.set_config('lock_timeout', before, true); "
            "EXCEPTION WHEN lock_not_available OR deadlock_detected THEN "
            f"{answer}'{Tried.BUSY}', true); RETURN; "
            "WHEN insufficient_privilege OR wrong_object_type OR undefined_table OR invalid_schema_name THEN "
            f"{answer}'{Tried.IMPOSSIBLE}', true); RETURN; END; "
            f"{answer}'{Tried.GOT}', true); END $db_migrate$"
        )
        return Tried(link.query(f"SELECT pg_catalog.current_setting('{_ANSWER}')")[0][0] or "")
    except QueryError as error:
        if error.sqlstate != _INSUFFICIENT_PRIVILEGE:
            raise
        return Tried.IMPOSSIBLE


def _take(lock: Lock) -> str:
    kind = f"SELECT relkind FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass({literal(lock.relation)})"
    return f"IF ({kind}) IS DISTINCT FROM 'v' THEN LOCK TABLE ONLY {lock.relation} IN {lock.mode} MODE; END IF;"


def set_timeouts(link: Link, worker: Worker, wanted: dict[str, float], *, autocommit: bool) -> None:
    """Set ``lock_timeout`` or ``statement_timeout`` (seconds; 0: none), where the session's own is not shorter.

    In a transaction until its end; in autocommit until ``restore_timeouts``. A shorter one that is set already stays,
    except that 0 is always carried out.
    """
    for name, seconds in wanted.items():
        current = f"pg_catalog.current_setting('{name}')"
        new = f"pg_catalog.set_config('{name}', '{_milliseconds(seconds)}', {'false' if autocommit else 'true'})"
        if seconds:
            limit = f"extract(epoch FROM {current}::pg_catalog.interval)"
            new = f"CASE WHEN {limit} > 0 AND {limit} <= {seconds} THEN '' ELSE {new} END"
        rows = link.query(f"SELECT {current}, {new}")
        if autocommit and rows[0][1] != "":
            worker.restore.setdefault(name, rows[0][0] or "0")


def restore_timeouts(link: Link, worker: Worker) -> None:
    """Put back what ``set_timeouts`` changed for the session."""
    while worker.restore:
        name, value = worker.restore.popitem()
        link.query(f"SELECT pg_catalog.set_config('{name}', '{value}', false)")


def observe(
    link: Link, watch: Connection[tuple[object, ...]], worker: Worker
) -> tuple[str | None, tuple[HeldLock, ...]]:
    """The transaction's number, None while it has written nothing, and the locks that it holds."""
    xid, found = link.query(statement("held").decode())[0]
    rows = msgspec.json.decode(found or "[]", type=list[tuple[int, str | None, str | None, str]])
    new = {oid for oid, *_ in rows} - worker.committed.keys()
    if new:
        worker.committed |= dict.fromkeys(new)
        found_new = watch.execute(statement("committed_names"), {"oids": list(new)}, prepare=True).fetchall()
        worker.committed |= {int(str(oid)): (str(name), str(kind), bool(own)) for oid, name, kind, own in found_new}
    names = {oid: before for oid, before in worker.committed.items() if before is not None}
    return xid, tuple(_held(row, names) for row in rows if not names.get(row[0], ("", "", False))[2])


def _held(row: tuple[int, str | None, str | None, str], committed: dict[int, tuple[str, str, bool]]) -> HeldLock:
    oid, name, kind, mode = row
    before = committed.get(oid)
    names = {each for each in (name, before[0] if before else None) if each is not None}
    return HeldLock(oid, frozenset(names), mode_of(mode), kind or (before[1] if before else ""), before is None)


def _milliseconds(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000)) if seconds else 0}ms"
