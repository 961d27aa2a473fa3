"""What comes of a run that is hit: the journal tells the truth, and the next run gets there.

Every fault is real: signals, ended sessions, a lock that nobody gives back. It strikes when a statement is about to be
sent, has ended, or is being executed by the server. ``DB_MIGRATE_TEST_LONG=1`` runs all combinations, else 30 of them.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import pytest

from db_migrate.execute.verify import verify
from db_migrate.postgres.session import connect

from .conftest import Site
from .processes import Process, running


class Fault(StrEnum):
    """What happens to the run."""

    KILL_PARENT = "kill -9 of the run"
    KILL_CHILD = "kill -9 of the child"
    END_SESSION = "pg_terminate_backend of the session that migrates"
    END_ALL_SESSIONS = "every session of the database ended"
    INTERRUPT = "SIGINT"
    INTERRUPT_TWICE = "SIGINT twice"
    LOCK = "a lock that is not given back within the budget"
    TIMEOUT = "a statement that the server cancels"


class Moment(StrEnum):
    """When it happens, seen from a statement."""

    BEFORE = "before"
    WITHIN = "within"
    AFTER = "after"


@dataclass(frozen=True)
class Case:
    """One combination. ``statement`` counts from 0."""

    fault: Fault
    moment: Moment
    statement: int
    autocommit: bool
    down: bool

    def __str__(self) -> str:
        way = "down" if self.down else "up"
        return f"{way}{' autocommit' if self.autocommit else ''}: {self.fault} {self.moment} {self.statement}"


SLEEP = "DO $$ BEGIN IF EXISTS (SELECT FROM slow) THEN PERFORM pg_sleep(20); END IF; END $$"
"""A statement that takes long while a test wants it to: in the target there may be a row, on the copy there is none."""

UP = (
    "ALTER TABLE kept ADD COLUMN IF NOT EXISTS extra int",
    "CREATE TABLE IF NOT EXISTS made (id int)",
    "CREATE INDEX {concurrently} IF NOT EXISTS kept_n ON kept (n)",
    SLEEP,
    "ALTER TABLE kept ADD COLUMN IF NOT EXISTS last int DEFAULT 5",
)
DOWN = (
    "ALTER TABLE kept DROP COLUMN IF EXISTS last",
    "DROP INDEX {concurrently} IF EXISTS kept_n",
    SLEEP,
    "DROP TABLE IF EXISTS made",
    "ALTER TABLE kept DROP COLUMN IF EXISTS extra",
)
SLOW = {False: 3, True: 2}
"""The number of the statement that can be made to last, by direction."""


BOUNDARY = {Moment.BEFORE: "step_started", Moment.AFTER: "step_finished"}
"""The progress events at which a run can be hit between statements."""


def cases() -> list[Case]:
    """Every combination that makes sense: only a statement that lasts can be hit within."""
    found = []
    for fault, autocommit, down in itertools.product(Fault, (False, True), (False, True)):
        if fault is Fault.TIMEOUT:
            found.append(Case(fault, Moment.WITHIN, SLOW[down], autocommit, down))
            continue
        for number in range(5):
            if fault is Fault.LOCK:
                if number in (0, 4):
                    found.append(Case(fault, Moment.BEFORE, number, autocommit, down))
                continue
            found += [Case(fault, moment, number, autocommit, down) for moment in (Moment.BEFORE, Moment.AFTER)]
        if fault is not Fault.LOCK:
            found.append(Case(fault, Moment.WITHIN, SLOW[down], autocommit, down))
    return found


def chosen() -> list[Case]:
    """All of them, or 30 that have every fault, moment, shape and direction."""
    everything = cases()
    if os.environ.get("DB_MIGRATE_TEST_LONG"):
        return everything
    step = len(everything) / 30
    return [everything[int(number * step)] for number in range(30)]


def body(statements: tuple[str, ...], *, autocommit: bool) -> str:
    """A revision of five statements, the middle ones in an autocommit block or not."""
    texts = [each.format(concurrently="CONCURRENTLY" if autocommit else "") for each in statements]
    lines = [f"op.execute({text!r})" for text in texts]
    if autocommit:
        lines[1:4] = ["with op.get_context().autocommit_block():", *(f"    {line}" for line in lines[1:4])]
    return "\n".join(lines)


def lay_out(site: Site, *, autocommit: bool, down: bool) -> None:
    """A table with rows, and the revision, applied already where the way is down."""
    site.sql(
        "CREATE TABLE slow (id int)",
        "CREATE TABLE kept (id int PRIMARY KEY, n int)",
        "INSERT INTO kept SELECT g, g FROM generate_series(1, 500) g",
    )
    site.revision("r1", "pass")
    site.revision("r2", body(UP, autocommit=autocommit), body(DOWN, autocommit=autocommit))
    site.sql(
        "CREATE TABLE alembic_version (version_num varchar(32) CONSTRAINT alembic_version_pkc PRIMARY KEY)",
        f"INSERT INTO alembic_version VALUES ('{'r2' if down else 'r1'}')",
        *(each.format(concurrently="") for each in UP if down),
    )


def wait_until_it_sleeps(site: Site) -> None:
    """Until the server is executing the statement that lasts."""
    for _ in range(400):
        rows = site.sql(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
        )
        if rows == [(1,)]:
            return
        time.sleep(0.05)
    raise AssertionError("the statement does not run")


def sessions(site: Site, condition: str) -> None:
    """End sessions of the site's database but our own."""
    site.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        f"WHERE datname = current_database() AND pid <> pg_backend_pid() AND {condition}"
    )


def strike(case: Case, site: Site, process: Process) -> None:
    """Let it happen."""
    match case.fault:
        case Fault.KILL_PARENT:
            process.send(signal.SIGKILL)
        case Fault.KILL_CHILD:
            os.kill(process.child(), signal.SIGKILL)
        case Fault.END_SESSION:
            sessions(site, "application_name NOT LIKE 'db-migrate%'")
        case Fault.END_ALL_SESSIONS:
            sessions(site, "true")
        case Fault.INTERRUPT:
            process.send(signal.SIGINT)
        case Fault.INTERRUPT_TWICE:
            process.send(signal.SIGINT)
            time.sleep(0.2)
            process.send(signal.SIGINT)
        case Fault.TIMEOUT:
            site.sql(
                "SELECT pg_cancel_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event = 'PgSleep'"
            )
        case Fault.LOCK:
            raise AssertionError("that is done beforehand")


@contextlib.contextmanager
def locked(site: Site, *, wanted: bool) -> Iterator[None]:
    """Somebody who does not give back the table."""
    if not wanted:
        yield
        return
    with contextlib.closing(connect(site.conninfo, application_name="webshop")) as connection:
        connection.execute("BEGIN")
        connection.execute("LOCK TABLE kept IN ACCESS SHARE MODE")
        yield


def hit(case: Case, site: Site) -> tuple[int, dict[str, object]]:
    """Run, strike, and see how it ends: exit code and outcome."""
    if case.moment is Moment.WITHIN:
        site.sql("INSERT INTO slow VALUES (1)")
    plan = site.plan("r1", down=True) if case.down else site.plan()
    budget = 0.5 if case.fault is Fault.LOCK else 20.0
    stack = contextlib.ExitStack()
    with stack, running(site, plan, stepping=True, lock_budget=budget) as process:
        for event in process.events():
            mine = event["statement"] == case.statement
            if case.fault is Fault.LOCK:
                previous = event["event"] == "step_finished" and event["statement"] == case.statement - 1
                if previous or (case.statement == 0 and event["event"] == "run_started"):
                    stack.enter_context(locked(site, wanted=True))
            elif case.moment is Moment.WITHIN and mine and event["event"] == "step_started":
                threading.Thread(target=lambda: (wait_until_it_sleeps(site), strike(case, site, process))).start()
            elif (
                event["event"] == {Moment.BEFORE: "step_started", Moment.AFTER: "step_finished"}.get(case.moment)
                and mine
            ):
                strike(case, site, process)
        code = process.end()
        return code, dict(process.outcome or {})


@pytest.mark.parametrize("case", chosen(), ids=str)
def test_a_run_that_is_hit_tells_the_truth_and_the_next_one_gets_there(site: Site, case: Case) -> None:
    """Exit code, journal and message agree with the database; no row is lost; running again reaches the end."""
    lay_out(site, autocommit=case.autocommit, down=case.down)
    before = site.users_fingerprint()

    code, outcome = hit(case, site)

    if case.fault is not Fault.KILL_PARENT:
        check_outcome(site, code, outcome, before)
    assert site.sql("SELECT count(*), sum(n) FROM kept") == [(500, 125250)]
    site.sql("DELETE FROM slow")
    wait_until_alone(site)

    again = site.rollback("r1") if case.down else site.apply()

    assert again.error is None
    assert again.state in ("done", "unchanged")
    assert site.sql("SELECT version_num FROM alembic_version") == [("r1" if case.down else "r2",)]
    assert site.sql("SELECT count(*), sum(n) FROM kept") == [(500, 125250)]
    assert site.sql("SELECT count(*) FROM db_migrate.runs WHERE state = 'running'") == [(0,)]
    expected = [(None, None)] if case.down else [("made", "kept_n")]
    assert site.sql("SELECT to_regclass('made')::text, to_regclass('kept_n')::text") == expected
    assert verify(site.target, site.live(), expected=None).problems == ()


def check_outcome(site: Site, code: int, outcome: dict[str, object], before: str) -> None:
    """What the run said is what the database says."""
    current = [row[0] for row in site.sql("SELECT version_num FROM alembic_version")]
    assert outcome["to"] == current
    assert outcome["exit_code"] == code
    changed = site.users_fingerprint() != before
    if code == 0:
        assert outcome["state"] == "done"
    elif code == 5:
        assert outcome["state"] == "partial"
        assert changed
        assert "db-migrate repair" in str(outcome["next"])
    else:
        assert code in (4, 6, 130)
        assert outcome["state"] == "stopped"
        assert not changed
        assert "nothing is half-done" in str(outcome["said"])
        assert outcome["next"]


def wait_until_alone(site: Site) -> None:
    """Until the server has noticed that whoever was killed is gone."""
    for _ in range(400):
        rows = site.sql("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'")
        if rows == [(1,)]:
            return
        time.sleep(0.05)
