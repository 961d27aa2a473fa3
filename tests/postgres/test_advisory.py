"""The lock between runners: one at a time, polled, named, and harmless to CREATE INDEX CONCURRENTLY."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest

from db_migrate.errors import Failed, LockBudgetExceeded
from db_migrate.postgres.advisory import Holder, RunnerLock, holder_of
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect


def test_only_one_runner_has_the_lock(database: ConnInfo) -> None:
    """A second runner is told who has the lock, once, and gives up when its budget is spent."""
    told: list[Holder] = []
    with RunnerLock.acquire(database, budget_s=1) as lock:
        with pytest.raises(LockBudgetExceeded, match=database.dbname) as caught:
            RunnerLock.acquire(database, budget_s=0.3, poll_s=0.05, on_wait=told.append)
        (holder,) = told
        assert holder.pid == lock.connection.info.backend_pid
        assert holder.application == "db-migrate lock"
        assert holder.user == database.user
        assert holder.age >= 0
        assert str(holder.pid) in caught.value.why
        assert caught.value.code == "lock.runner"


def test_the_lock_is_free_after_release_and_after_a_killed_session(database: ConnInfo) -> None:
    """Leaving the context frees the lock; so does the end of the connection, which check() notices."""
    with RunnerLock.acquire(database, budget_s=0):
        pass
    lock = RunnerLock.acquire(database, budget_s=2, poll_s=0.02)
    lock.check()
    with contextlib.closing(connect(database)) as connection:
        assert holder_of(connection) is not None
        connection.execute("SELECT pg_terminate_backend(%s, 2000)", [lock.connection.info.backend_pid])
        assert holder_of(connection) is None
    with pytest.raises(Failed) as caught:
        lock.check()
    assert caught.value.code == "lock.lost"
    lock.release()


def test_a_waiting_runner_gets_the_lock_when_it_is_free(database: ConnInfo) -> None:
    """Who waits gets it soon after the other is done."""
    first = RunnerLock.acquire(database, budget_s=0)
    timer = threading.Timer(0.3, first.release)
    timer.start()
    started = time.monotonic()
    with RunnerLock.acquire(database, budget_s=10, poll_s=0.02):
        assert time.monotonic() - started >= 0.25
    timer.join()


def test_databases_of_one_server_do_not_share_the_lock(database: ConnInfo, target_database: ConnInfo) -> None:
    """Two targets can be worked on at once."""
    other = target_database.replace(dbname="postgres")
    with (
        RunnerLock.acquire(database, budget_s=0),
        RunnerLock.acquire(target_database, budget_s=0),
        RunnerLock.acquire(other, budget_s=0),
    ):
        pass


@pytest.mark.parametrize("which", ["database", "target15_database"])
def test_a_waiting_runner_does_not_stop_a_concurrent_index_build(which: str, request: pytest.FixtureRequest) -> None:
    """While another runner waits for the lock, CREATE INDEX CONCURRENTLY ends, and its index is valid."""
    conninfo: ConnInfo = request.getfixturevalue(which)
    waiting = threading.Event()
    got: list[RunnerLock] = []

    def second_runner() -> None:
        got.append(RunnerLock.acquire(conninfo, budget_s=30, poll_s=0.02, on_wait=lambda _holder: waiting.set()))

    with contextlib.closing(connect(conninfo, lock_timeout_ms=10_000)) as worker:
        worker.execute("CREATE TABLE t AS SELECT g AS a FROM generate_series(1, 10000) AS g")
        with RunnerLock.acquire(conninfo, budget_s=0):
            thread = threading.Thread(target=second_runner)
            thread.start()
            assert waiting.wait(10)
            worker.execute("CREATE INDEX CONCURRENTLY i ON t (a)")
        thread.join()
        valid = worker.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass").fetchone()
        assert valid == (True,)
    (lock,) = got
    lock.release()


def test_the_holders_query_is_redacted(database: ConnInfo) -> None:
    """What the holder runs is shown without its passwords."""
    with RunnerLock.acquire(database, budget_s=0) as lock, contextlib.closing(connect(database)) as connection:
        lock.connection.execute("SELECT 'postgresql://u:geheim@h/db'")
        holder = holder_of(connection)
        assert holder is not None
        assert "geheim" not in holder.query
        assert "postgresql://u:***@h/db" in holder.query
