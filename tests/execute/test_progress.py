"""What a run tells while it goes on: how far a long statement has come, how fast, and whom it waits for."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import replace

import pytest

from db_migrate.execute import monitor
from db_migrate.execute.journal import NoJournal
from db_migrate.execute.progress import Blocker, ProgressEvent, ProgressKind
from db_migrate.execute.recording import Recorder
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect
from db_migrate.report.style import Style
from db_migrate.report.text.progress import progress_line

from .conftest import Site

SLOW = (
    "CREATE FUNCTION slow(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS "
    "$$ BEGIN PERFORM pg_sleep(0.002); RETURN $1; END $$"
)


def test_long_statements_tell_how_far_they_have_come(site_on_each: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index build has PostgreSQL's phase, blocks and speed; a loop over rows our own count of them."""
    site = site_on_each
    for name in ("PATIENCE_SECONDS", "INTERVAL_SECONDS"):
        monkeypatch.setattr(monitor, name, 0.3)
    site.sql(
        "CREATE TABLE a (id int, n int) WITH (fillfactor = 10)",
        "INSERT INTO a SELECT g, g FROM generate_series(1, 900) g",
        SLOW,
    )
    site.revision("r1", "op.execute('CREATE INDEX a_slow ON a (slow(n))')")
    site.revision(
        "r2",
        """
        for id in range(1, 8):
            op.get_bind().execute(sa.text('UPDATE a SET n = slow(n) WHERE id BETWEEN :id AND :id + 80'), {'id': id})
        """,
    )
    assert site.apply().error is None

    told = site.seen(ProgressKind.PROGRESS)
    building = [each for each in told if "CREATE INDEX" in each.sql and each.phase]
    assert building
    assert "CREATE INDEX: building index" in building[-1].phase
    assert building[-1].total
    assert building[-1].rate
    assert building[-1].left is not None
    counted = [each for each in told if each.sql.startswith("UPDATE")]
    assert counted
    assert counted[-1].unit == "rows"
    assert (counted[-1].done or 0) % 81 == 0


def test_a_build_that_waits_names_whom_it_waits_for(site: Site) -> None:
    """CREATE INDEX CONCURRENTLY waits for a transaction that is older: process, application and age are told."""
    site.sql("CREATE TABLE a (n int)")
    site.revision(
        "r1", "with op.get_context().autocommit_block():\n    op.execute('CREATE INDEX CONCURRENTLY a_n ON a (n)')"
    )
    plan = site.plan()

    def let_go(event: ProgressEvent) -> None:
        site.events.append(event)
        if event.event is ProgressKind.PROGRESS and event.blockers:
            threading.Thread(target=other.rollback).start()

    with contextlib.closing(connect(site.conninfo, application_name="webshop")) as other:
        other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT 1")
        done = site.execute(plan, observer=let_go)
    assert done.error is None
    waits = [each for each in site.seen(ProgressKind.PROGRESS) if each.blockers]
    assert waits[0].blockers[0].application == "webshop"
    assert "waiting" in waits[0].phase


def test_a_server_that_cannot_be_asked_is_asked_once_and_disturbs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run goes on without progress: what begins afterwards does not fail either."""
    monkeypatch.setattr(monitor, "PATIENCE_SECONDS", 0.0)
    told: list[ProgressEvent] = []
    recorder = Recorder("run", NoJournal(), told.append, 1)
    with monitor.monitoring(ConnInfo("127.0.0.1", 9, "nobody"), recorder) as watching:
        watching.begin_own("SELECT 1", 1)
        for thread in threading.enumerate():
            if thread.name == "db-migrate-monitor":
                thread.join(10)
        watching.begin_own("SELECT 2", 1)
        watching.end()
    assert told == []


def test_lines_for_people() -> None:
    """Each event on one line, with the facts that a person wants; numbers in words."""
    blocker = Blocker(7, "app", "webshop", 5.0, "idle in transaction", "SELECT 1", "public.a", "ACCESS SHARE")
    building = ProgressEvent(
        ProgressKind.PROGRESS, "", "r1", 0, "CREATE INDEX i ON a (n)", 10.0, phase="CREATE INDEX: x", done=500
    )
    building = replace(building, total=2000, unit="rows")
    lines = {
        "r1: waiting 3.0 s for process 7 of app (webshop), in a transaction for 5.0 s, idle in transaction, holds "
        "ACCESS SHARE on public.a: SELECT 1, and 1 other": ProgressEvent(
            ProgressKind.LOCK_WAIT, "", "r1", seconds=3.0, blockers=(blocker, blocker)
        ),
        "r1: CREATE INDEX i ON a (n)  CREATE INDEX: x, 25% of 2,000 rows, 50 rows/s, 30.0 s left, 10.0 s": building,
        "r1: attempt 2 did not get its lock; again in 300 ms": ProgressEvent(
            ProgressKind.RETRY, "", "r1", seconds=0.3, attempt=2
        ),
        "": ProgressEvent(ProgressKind.FINISHED, "", "r1"),
    }
    for expected, event in lines.items():
        assert progress_line(event, Style()) == expected
