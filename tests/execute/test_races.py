"""Several runs at once on one database: one does it, the others find it done."""

from __future__ import annotations

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from db_migrate.errors import LockBudgetExceeded
from db_migrate.execute.progress import ProgressKind
from db_migrate.postgres.advisory import RunnerLock

from .conftest import Site
from .processes import Process, running

CONCURRENT = """
with op.get_context().autocommit_block():
    op.execute('CREATE UNIQUE INDEX CONCURRENTLY a_n ON a (n)')
op.execute('ALTER TABLE a ADD COLUMN m int')
"""

BACK = """
op.execute('ALTER TABLE a DROP COLUMN m')
with op.get_context().autocommit_block():
    op.execute('DROP INDEX CONCURRENTLY a_n')
"""
RUNS, ROUNDS = (10, 20) if os.environ.get("DB_MIGRATE_TEST_LONG") else (4, 1)

INVALID = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"


def ground(site: Site) -> None:
    """A table with rows, and a revision that builds an index concurrently."""
    site.sql("CREATE TABLE a (id int, n int)", "INSERT INTO a SELECT g, g FROM generate_series(1, 20000) g")
    site.revision("r1", CONCURRENT, BACK)


def test_runs_at_once(site_on_each: Site) -> None:
    """One does it, the others find it done; the journal has one run, the index is valid. Ten runs, twenty times."""
    site = site_on_each
    ground(site)
    plan, back = site.plan(), None
    for round_ in range(ROUNDS):
        if round_:
            back = back or site.plan("base", down=True)
            assert site.execute(back).error is None
            plan = site.plan() if round_ == 1 else plan  # the version table has come to stay
        with ExitStack() as stack:
            processes = [stack.enter_context(running(site, plan)) for _ in range(RUNS)]
            with ThreadPoolExecutor(RUNS) as threads:
                codes = list(threads.map(Process.end, processes))
            states = sorted(str(each.outcome and each.outcome["state"]) for each in processes)
        assert codes == [0] * RUNS
        assert states == ["done"] + ["unchanged"] * (RUNS - 1)
        assert site.sql(INVALID) == [(0,)]
        assert site.sql("SELECT count(*) FROM db_migrate.runs WHERE verb = 'apply'") == [(round_ + 1,)]
    assert site.sql("SELECT DISTINCT state FROM db_migrate.runs") == [("done",)]


def test_a_run_that_does_not_end_is_named(site: Site) -> None:
    """Exit 6 after the budget, naming who has the lock; nothing was changed."""
    ground(site)
    plan = site.plan()
    site.settings = type(site.settings)(root=site.folder, lock_budget=0.3)
    with contextlib.closing(RunnerLock.acquire(site.conninfo, budget_s=1).connection) as holder:
        with pytest.raises(LockBudgetExceeded) as caught:
            site.execute(plan)
        assert str(holder.info.backend_pid) in caught.value.why
    (wait,) = site.seen(ProgressKind.LOCK_WAIT)
    assert wait.blockers[0].application == "db-migrate lock"
    assert site.sql("SELECT to_regnamespace('db_migrate')") == [(None,)]
