"""What a run that did not get through has left behind: asked of the database, once all of the run's work has ended."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from db_migrate.catalog.objects import Catalog
from db_migrate.errors import Failed
from db_migrate.execute.conductor import Conductor
from db_migrate.execute.debris import drop_indexes, invalid_indexes
from db_migrate.execute.opening import state_of
from db_migrate.postgres.session import connect
from db_migrate.schemas.target import Target

if TYPE_CHECKING:
    from psycopg import Connection

RECONNECT_SECONDS = 30.0
"""How long a server may take to come back after a restart before we say that we cannot tell."""
CLEARING_SECONDS = 5.0
"""How long to wait, when a run has failed, for those who have used the table of an index that is to be dropped."""
_PATIENCE_SECONDS = 10.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Aftermath:
    """Where the database is. ``partial``: within a revision. ``dropped`` are invalid indexes that were cleared away."""

    heads: tuple[str, ...]
    partial: bool
    dropped: tuple[str, ...] = ()


def find_out(
    target: Target,
    conductor: Conductor,
    known_invalid: frozenset[str],
    read_live: Callable[[], Catalog],
    clear: Callable[[Connection[tuple[object, ...]], float], None],
) -> Aftermath:
    """Look at the database when the child process has gone. Raises ``Failed`` when the server cannot be asked.

    ``clear`` takes away what the run has made for itself alone.
    """
    with contextlib.closing(_connect(target)) as connection:
        connection.execute("SET search_path = pg_catalog")
        _end_sessions(connection, conductor)
        clear(connection, CLEARING_SECONDS)
        new = [name for name in invalid_indexes(connection) if name not in known_invalid]
        dropped = drop_indexes(connection, new, CLEARING_SECONDS)
        heads = state_of(connection, target).current
        return Aftermath(heads, _is_partial(connection, conductor, heads, read_live), dropped)


def _connect(target: Target) -> Connection[tuple[object, ...]]:
    deadline = time.monotonic() + RECONNECT_SECONDS
    while True:
        try:
            return connect(target.conninfo)
        except Failed:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECONDS)


def _end_sessions(connection: Connection[tuple[object, ...]], conductor: Conductor) -> None:
    """End the sessions of the child, which is gone: nobody can commit what they have open."""
    pids = list(conductor.sessions())
    deadline = time.monotonic() + _PATIENCE_SECONDS
    for last in _each_try(deadline):
        rows = connection.execute(
            "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid = ANY(%s) AND usename = current_user",
            [pids],
        ).fetchall()
        if not rows:
            return
        if last:
            raise Failed(
                "apply.still-running",
                "a session of this run does not end",
                why=f"process {rows[0][0]}",
                next=["db-migrate status"],
            )


def _each_try(deadline: float) -> Iterator[bool]:
    while time.monotonic() < deadline:
        yield False
        time.sleep(_POLL_SECONDS)
    yield True


def _is_partial(
    connection: Connection[tuple[object, ...]],
    conductor: Conductor,
    heads: tuple[str, ...],
    read_live: Callable[[], Catalog],
) -> bool:
    """Whether something of the revision that was running is committed, and its end is not."""
    if conductor.revision is None:
        return False
    if conductor.is_beyond(heads):
        return False
    if conductor.position.committed:
        return True
    xid = conductor.recorder.unanswered
    if xid is not None:
        row = connection.execute("SELECT txid_status(%s::bigint)", [xid]).fetchone()
        if row is not None and row[0] == "committed":
            return True
    before = conductor.before_revision
    return before is not None and read_live().fingerprint != before.fingerprint
