"""The lock queue on a real server: who is in the way is waited for and named, and nobody queues up behind us."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psycopg
import pytest

from db_migrate.config import CancelBlockers
from db_migrate.errors import Refused
from db_migrate.execute.progress import Observer, ProgressEvent, ProgressKind
from db_migrate.postgres.session import connect

from .conftest import Site
from .proxy import proxied

GROUND = "CREATE TABLE a (id int PRIMARY KEY, n int); CREATE TABLE b (id int PRIMARY KEY); INSERT INTO a VALUES (1, 1)"


@contextlib.contextmanager
def in_transaction(site: Site, statement: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A session of an application that stays in a transaction after a statement."""
    with contextlib.closing(connect(site.conninfo, application_name="webshop")) as connection:
        connection.execute("BEGIN")
        connection.execute(statement.encode())
        yield connection


def work(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Be active until somebody cancels it."""
    with contextlib.suppress(psycopg.errors.QueryCanceled):
        connection.execute("SELECT pg_sleep(100)")


@contextlib.contextmanager
def released(site: Site, connection: psycopg.Connection[tuple[object, ...]]) -> Iterator[Observer]:
    """An observer that ends the session's transaction a moment after the run has said that it waits."""
    timer = threading.Timer(0.6, connection.rollback)

    def observe(event: ProgressEvent) -> None:
        site.events.append(event)
        if event.event is ProgressKind.LOCK_WAIT and timer.ident is None:
            timer.start()

    yield observe
    if timer.ident is not None:
        timer.join()


def test_an_idle_transaction_is_waited_for_and_named(site_on_each: Site) -> None:
    """The run waits until it ends, says whom for, and meanwhile readers of the table are not held up."""
    site = site_on_each
    site.sql(*GROUND.split(";"))
    site.revision("r1", "op.add_column('a', sa.Column('c', sa.Integer))")
    plan = site.plan()
    slowest = 0.0

    def read() -> None:
        nonlocal slowest
        for _ in range(60):
            began = time.monotonic()
            site.sql("SELECT count(*) FROM a")
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.05)

    with in_transaction(site, "SELECT * FROM a") as blocker, released(site, blocker) as observer:
        pid = blocker.info.backend_pid
        reader = threading.Thread(target=read)
        reader.start()
        done = site.execute(plan, observer=observer)
        reader.join()

    assert (done.state, done.error) == ("done", None)
    waits = site.seen(ProgressKind.LOCK_WAIT)
    assert waits
    named = waits[0].blockers[0]
    assert (named.pid, named.application, named.relation) == (pid, "webshop", "public.a")
    assert named.state == "idle in transaction"
    assert "SELECT * FROM a" in named.query
    altering = next(step for step in done.steps if "ALTER TABLE a" in step.sql)
    assert altering.lock_wait_seconds > 0.3
    assert slowest < 0.5


def test_the_budget_ends_with_exit_code_6_at_a_whole_revision(site: Site) -> None:
    """What came before stays applied, the blocker is named, and the same command can be run again."""
    site.sql(*GROUND.split(";"))
    site.revision("r1", "op.execute('CREATE TABLE c (id int)')")
    site.revision("r2", "op.execute('ALTER TABLE a ADD COLUMN c int')")
    site.settings = replace(site.settings, lock_budget=0.5)
    plan = site.plan()

    with in_transaction(site, "UPDATE a SET n = 2"):
        stopped = site.execute(plan)

    assert (stopped.state, stopped.to, stopped.exit_code) == ("stopped", ("r1",), 6)
    assert stopped.error is not None
    assert stopped.error.code == "lock.budget"
    assert "webshop" in stopped.error.why
    assert "r1" in stopped.error.state
    assert site.apply().to == ("r2",)


def test_a_later_transaction_of_a_revision_waits_without_failing(site: Site) -> None:
    """After an autocommit block something is committed, so the locks that follow are waited for, not failed over."""
    site.sql(*GROUND.split(";"))
    site.revision(
        "r1",
        """
        with op.get_context().autocommit_block():
            op.execute('CREATE INDEX CONCURRENTLY a_n ON a (n)')
        op.execute('ALTER TABLE b ADD COLUMN c int')
        op.execute('ALTER TABLE a ADD COLUMN c int')
        """,
    )
    plan = site.plan()

    with in_transaction(site, "SELECT * FROM b") as blocker, released(site, blocker) as observer:
        done = site.execute(plan, observer=observer)

    assert done.error is None
    assert site.seen(ProgressKind.LOCK_WAIT)


def test_a_lock_that_is_lost_after_data_was_written_is_tried_again_from_the_start(site: Site) -> None:
    """Once rows are written nobody may be made to wait: the revision is rolled back, and begun again later."""
    site.sql(*GROUND.split(";"))
    site.revision("r1", "op.execute('UPDATE a SET n = n + 1')\nop.execute('ALTER TABLE b ADD COLUMN c int')")
    plan = site.plan()
    held = threading.Event()

    def hold(event: ProgressEvent) -> None:
        site.events.append(event)
        if not held.is_set() and event.sql.startswith("UPDATE a"):
            held.set()
            blocker.execute("BEGIN")
            blocker.execute("SELECT * FROM b")
            timer.start()

    with contextlib.closing(connect(site.conninfo)) as blocker:
        timer = threading.Timer(0.5, blocker.rollback)
        done = site.execute(plan, observer=hold)
        timer.join()

    assert (done.state, done.error) == ("done", None)
    assert site.sql("SELECT n FROM a") == [(2,)]
    assert site.seen(ProgressKind.RETRY)
    assert max(step.attempts for step in done.steps) > 1
    assert [step.sql for step in done.steps if step.sql.startswith("UPDATE a")] == ["UPDATE a SET n = n + 1"]


@pytest.mark.parametrize("idle", [True, False], ids=["idle", "active"])
def test_sessions_idle_in_old_transactions_may_be_ended(site: Site, idle: bool) -> None:
    """Only where that is asked for, only when idle, and each is named in the result and in the journal."""
    site.sql(*GROUND.split(";"))
    site.revision("r1", "op.execute('ALTER TABLE a ADD COLUMN c int')")
    site.settings = replace(site.settings, lock_budget=1.5, lock_threshold=0.3, cancel_blockers=CancelBlockers.IDLE)
    plan = site.plan()
    with in_transaction(site, "SELECT * FROM a") as blocker:
        working = threading.Thread(target=lambda: None if idle else work(blocker))
        working.start()
        done = site.execute(plan)
        site.sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'")
        working.join()
    notes = str(site.sql("SELECT content FROM db_migrate.entries WHERE kind = 'note'"))
    if idle:
        assert (done.state, done.error) == ("done", None)
        assert [each for each in done.warnings if each.startswith("ended: ") and "webshop" in each]
        assert "webshop" in notes
    else:
        assert (done.state, done.exit_code) == ("stopped", 6)
        assert "webshop" not in notes


def test_in_an_autocommit_block_only_the_statement_is_tried_again(site_on_each: Site) -> None:
    """A lock that was taken after the look makes the statement fail: it alone is sent again, not what is committed."""
    site = site_on_each
    site.sql(*GROUND.split(";"))
    site.revision(
        "r1",
        """
        with op.get_context().autocommit_block():
            op.execute('CREATE INDEX CONCURRENTLY a_n ON a (n)')
            op.execute('ALTER TABLE b ADD COLUMN c int')
        op.execute('ALTER TABLE b ADD COLUMN d int')
        """,
    )
    plan = site.plan()
    with contextlib.closing(connect(site.conninfo)) as other:

        def take(event: ProgressEvent) -> None:
            site.events.append(event)
            if event.event is ProgressKind.STEP_STARTED and "ADD COLUMN c" in event.sql and event.attempt == 1:
                other.execute("BEGIN")
                other.execute("SELECT * FROM b")
            if event.event is ProgressKind.RETRY:
                other.rollback()

        done = site.execute(plan, observer=take)
    assert (done.state, done.error) == ("done", None)
    assert site.seen(ProgressKind.RETRY)
    assert [(each.sql[:20], each.attempts) for each in done.steps if not each.sql.startswith(("INSERT", "UPDATE"))] == [
        ("CREATE INDEX CONCURR", 1),
        ("ALTER TABLE b ADD CO", 2),
        ("ALTER TABLE b ADD CO", 1),
    ]


def test_an_index_that_a_deadlock_left_invalid_is_built_again(site: Site) -> None:
    """CREATE INDEX CONCURRENTLY that is the victim leaves an invalid index: dropped, and built within the budget."""
    site.sql(*GROUND.split(";"))
    site.revision(
        "r1", "with op.get_context().autocommit_block():\n    op.execute('CREATE INDEX CONCURRENTLY a_n ON a (n)')"
    )
    plan = site.plan()
    settings = {"deadlock_timeout": "60s"}
    with contextlib.closing(connect(site.conninfo, settings=settings)) as other:
        other.execute("BEGIN")
        other.execute("INSERT INTO a VALUES (2, 2)")

        def collide() -> None:
            while not site.sql("SELECT 1 FROM pg_stat_progress_create_index WHERE phase LIKE 'waiting%'"):
                time.sleep(0.02)
            other.execute("LOCK TABLE a IN SHARE UPDATE EXCLUSIVE MODE")
            other.commit()

        thread = threading.Thread(target=collide)
        thread.start()
        done = site.execute(plan)
        thread.join()
    assert (done.state, done.error) == ("done", None)
    assert site.sql("SELECT indisvalid FROM pg_index WHERE indexrelid = 'a_n'::regclass") == [(True,)]
    notes = site.sql("SELECT content ->> 'dropped_invalid_index' FROM db_migrate.entries WHERE kind = 'note'")
    assert notes == [("public.a_n",)]


def test_a_pooler_is_refused(site: Site) -> None:
    """Whatever announces a process number that is not the server's own shares its sessions; nothing is changed."""
    site.revision("r1", "op.execute('CREATE TABLE t (id int)')")
    plan = site.plan()
    with proxied(site.conninfo.port, announce=12345) as pooler:
        target = replace(site.target, conninfo=site.conninfo.replace(port=pooler.port))
        with pytest.raises(Refused) as caught:
            site.execute(plan, target=target)
    assert caught.value.code == "target.pooler"
    assert "PgBouncer" in caught.value.why
    assert site.sql("SELECT to_regnamespace('db_migrate')") == [(None,)]


def test_the_timeouts_of_each_kind_of_statement(site: Site) -> None:
    """Strong locks get the short lock_timeout, CONCURRENTLY none at all, and a shorter one of the revision stays."""
    site.sql(*GROUND.split(";"), "CREATE TABLE seen (what text, lock text, statement text)")
    note = "INSERT INTO seen SELECT '{}', current_setting('lock_timeout'), current_setting('statement_timeout')"
    site.sql(
        "CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN "
        + note.format("ddl").replace("'ddl'", "tg_tag")
        + "; END $$",
        "CREATE EVENT TRIGGER note ON ddl_command_end EXECUTE FUNCTION note()",
        f"ALTER DATABASE {site.conninfo.dbname} SET statement_timeout = '90s'",
    )
    site.revision("r1", "op.execute('ALTER TABLE a ADD COLUMN c int')")
    site.revision("r2", "op.execute(\"SET lock_timeout = '20ms'\")\nop.execute('ALTER TABLE b ADD COLUMN c int')")
    site.revision(
        "r3", "with op.get_context().autocommit_block():\n    op.execute('CREATE INDEX CONCURRENTLY ON a (n)')"
    )

    assert site.apply().error is None

    rows = [row for row in site.sql("SELECT what, lock, statement FROM seen ORDER BY ctid") if row[0] != "CREATE TABLE"]
    assert [row for row in rows if "TABLE" in str(row[0])] == [
        ("ALTER TABLE", "50ms", "90s"),
        ("ALTER TABLE", "20ms", "90s"),
    ]
    assert [row for row in rows if "INDEX" in str(row[0])][-1:] == [("CREATE INDEX", "0", "0")]


def test_serializable_sessions_and_roles_that_end_idle_ones_do_not_end_the_run(site_on_each: Site) -> None:
    """A serializable reader is no blocker when its transaction is over; waiting is not what the role's limits mean.

    And the server looks every ten seconds whether we are still there.
    """
    site = site_on_each
    seen = "extract(epoch FROM current_setting('client_connection_check_interval', true)::interval)"
    site.sql("CREATE TABLE a (id int)", "INSERT INTO a SELECT generate_series(1, 100)")
    name = site.conninfo.dbname
    site.sql(f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'")
    since14 = site.sql("SELECT current_setting('server_version_num')::int >= 140000") == [(True,)]
    if since14:
        site.sql(f"ALTER DATABASE {name} SET idle_session_timeout = '200ms'")
    site.sql(f"ALTER DATABASE {name} SET idle_in_transaction_session_timeout = '200ms'")
    site.revision("r1", f'op.execute("ALTER TABLE a ADD COLUMN m int")\nop.execute("UPDATE a SET m = {seen}")')
    plan = site.plan()
    with contextlib.closing(connect(site.conninfo, application_name="bystander")) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM a")
        with ThreadPoolExecutor(1) as thread:
            run = thread.submit(site.execute, plan)
            time.sleep(1.2)
            other.rollback()
            done = run.result()
    assert (done.error, done.state) == (None, "done")
    assert site.sql("SELECT DISTINCT m FROM a") == [(10 if since14 else None,)]


def test_limits_on_time_are_told_with_who_sets_them(site: Site) -> None:
    """A statement that takes too long for the database, a session that ends itself: what and why, and where it is."""
    name = site.conninfo.dbname
    site.sql(
        "CREATE TABLE a (id int)",
        "INSERT INTO a SELECT generate_series(1, 100)",
        *(
            f"ALTER DATABASE {name} SET {each}"
            for each in ("statement_timeout = '300ms'", "transaction_timeout = '600ms'")
        ),
    )
    here = f"CASE WHEN current_database() = '{name}' THEN {{}} END"
    slow = f"UPDATE a SET id = id FROM (SELECT pg_sleep(coalesce({here.format(0.8)}, 0))) s"
    brief = here.format("'150ms'")
    own = f"SELECT set_config('{{}}', coalesce({brief}, '0'), true)"
    idle = 'op.execute("{}")\nimport time\ntime.sleep(0.3)\nop.execute("ALTER TABLE a ADD COLUMN b int")'
    block = "op.execute('ALTER TABLE a ADD COLUMN b int')\nwith op.get_context().autocommit_block():\n    "
    cases = (
        (f'op.execute("{slow}")', 4, "statement_timeout is 300ms, which the database sets"),
        (idle.format(own.format("transaction_timeout")), 4, "due to transaction timeout"),
        (idle.format(own.format("idle_in_transaction_session_timeout")), 4, "due to idle-in-transaction timeout"),
        (f'import time\ntime.sleep(0.7)\nop.execute("SET LOCAL statement_timeout = 0")\nop.execute("{slow}")', 0, ""),
        (f'{block}op.execute("{slow}")', 5, "statement_timeout is 300ms, which the database sets"),
    )
    for number, (up, code, why) in enumerate(cases):
        site.use_driver(f"postgresql+{'asyncpg' if number == 1 else 'psycopg'}")
        site.heads.clear()
        site.revision("r1", up)
        done = site.apply()
        assert (done.exit_code, number) == (code, number), done.error
        if done.error is not None:
            assert why in done.error.why, done.error
            assert done.error.code == ("apply.session-ended" if "due to" in why else "apply.failed")
            assert done.error.next[-1] == ("db-migrate repair" if code == 5 else "db-migrate apply r1")
            assert done.to == ()
        site.sql("DROP TABLE alembic_version")
