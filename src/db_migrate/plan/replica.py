"""The read replica that facts about rows may come from, so that the target itself need not read them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from db_migrate.config import Settings
from db_migrate.errors import DbMigrateError
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import read_only

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[object, ...]]

_STATE = """
SELECT pg_is_in_recovery(), current_database()::text,
       coalesce(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0)::float,
       pg_last_wal_receive_lsn() IS NOT DISTINCT FROM pg_last_wal_replay_lsn()
"""
_LATE_S = 10.0


@contextlib.contextmanager
def replica_of(settings: Settings, target: Connection) -> Iterator[tuple[Connection | None, str]]:
    """A connection to the chosen target's replica and what is to be said of it; None where there is none of use.

    One that cannot be reached, or is no standby with this database, is told, and the target is asked itself.
    """
    url = settings.chosen.replica
    if url is None:
        yield None, ""
        return
    with contextlib.ExitStack() as stack:
        try:
            conninfo = ConnInfo.from_url(url)
            replica = stack.enter_context(read_only(conninfo))
        except DbMigrateError as error:
            yield None, f"the replica was not asked: {error.message}"
            return
        standby, database, late, caught_up = _state(replica)
        if not standby or database != target.info.dbname:
            yield None, f"the replica was not asked: {conninfo.redacted()} is no standby of {target.info.dbname}"
            return
        behind = late > _LATE_S and not caught_up
        yield replica, f"rows were read on the replica, which is {late:.0f} s behind" if behind else ""


def _state(replica: Connection) -> tuple[bool, str, float, bool]:
    row = replica.execute(_STATE.encode()).fetchone()
    assert row is not None
    standby, database, late, caught_up = row
    return bool(standby), str(database), float(str(late)), bool(caught_up)
