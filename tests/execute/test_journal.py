"""The journal: what it says of a run, that nobody can change it unnoticed, and where it cannot be kept."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from db_migrate.errors import LockBudgetExceeded, Refused
from db_migrate.execute.journal import Entry, Journal, NoJournal
from db_migrate.execute.progress import ProgressEvent
from db_migrate.execute.stamp import stamp_revisions
from db_migrate.execute.verify import verify
from db_migrate.postgres.session import connect, read_only

from .conftest import Site


@contextlib.contextmanager
def journal_of(site: Site) -> Iterator[Journal]:
    """The journal as anybody may read it."""
    with read_only(site.conninfo) as connection:
        yield Journal(connection)


def test_a_run_is_written_down_with_all_that_matters(site_on_each: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who, when, which plan, each statement with what became of it, and the script of each revision."""
    site = site_on_each
    monkeypatch.setenv("GITHUB_RUN_ID", "4711")
    site.sql("CREATE TABLE a (id int)")
    file = site.revision("r1", "op.execute('ALTER TABLE a ADD COLUMN n int')\nop.execute('UPDATE a SET n = 1')")
    plan = site.plan()
    done = site.execute(plan)

    with journal_of(site) as journal:
        (run,) = journal.runs()
        assert journal.environment() == "default"
        assert journal.check_chain() == ()
        (script,) = journal.applied()
    assert (run.run, run.verb, run.state, run.from_, run.to) == (done.run, "apply", "done", (), ("r1",))
    assert (run.plan, run.seconds is not None) == (plan.hash, True)
    assert (script.revision, script.script) == ("r1", file.read_text())
    assert script.checksum == hashlib.sha256(file.read_bytes()).hexdigest()
    assert site.sql("SELECT sql, state, revision, direction FROM db_migrate.steps ORDER BY step")[:2] == [
        ("ALTER TABLE a ADD COLUMN n int", "committed", "r1", "upgrade"),
        ("UPDATE a SET n = 1", "committed", "r1", "upgrade"),
    ]
    who = site.sql("SELECT who ->> 'role', who ->> 'job' FROM db_migrate.runs")
    assert who == [(site.conninfo.user, "4711")]


def test_data_sent_many_times_is_one_step(site: Site) -> None:
    """A loop of a thousand INSERTs makes one line in the journal, with how long all of them took."""
    site.sql("CREATE TABLE a (id int)")
    site.revision(
        "r1",
        "table = sa.table('a', sa.column('id'))\n"
        "for i in range(1000): op.get_bind().execute(table.insert().values(id=i))",
    )
    done = site.apply()
    assert done.error is None
    rows = site.sql(
        "SELECT content ->> 'times' FROM db_migrate.entries WHERE kind = 'step_ended' AND content ->> 'times' <> '1'"
    )
    assert rows == [("1000",)]


def test_a_failure_is_written_down_with_what_was_rolled_back(site: Site) -> None:
    """The statement that failed, with the server's words; the one before it rolled back; the run stopped."""
    site.sql("CREATE TABLE a (id int)", "INSERT INTO a VALUES (1), (1)")
    site.revision("r1", "op.execute('CREATE TABLE b (id int)')\nop.execute('ALTER TABLE a ADD PRIMARY KEY (id)')")
    stopped = site.apply()

    assert (stopped.state, stopped.exit_code) == ("stopped", 4)
    assert stopped.error is not None
    assert stopped.error.code == "apply.failed"
    assert "could not create unique index" in stopped.error.why
    assert "ALTER TABLE a ADD PRIMARY KEY" in stopped.error.why
    assert stopped.error.where.endswith("r1.py:12")
    rows = site.sql("SELECT sql, state, error LIKE '%unique index%' FROM db_migrate.steps ORDER BY step")
    assert rows == [
        ("CREATE TABLE b (id int)", "rolled back", False),
        ("ALTER TABLE a ADD PRIMARY KEY (id)", "failed", True),
    ]


def test_the_journal_is_only_added_to_and_tampering_shows(site: Site) -> None:
    """A trigger refuses changes; whoever gets past it breaks the chain, and verify says so."""
    site.revision("r1", "op.execute('CREATE TABLE a (id int)')")
    assert site.apply().error is None
    with pytest.raises(psycopg.errors.RaiseException):
        site.sql("DELETE FROM db_migrate.entries")

    site.sql(
        "SET session_replication_role = replica; "
        'UPDATE db_migrate.entries SET content = content || \'{"sql": "SELECT 1"}\' WHERE number = 4'
    )
    with journal_of(site) as journal:
        assert journal.check_chain() == (4,)
    outcome = verify(site.target, site.live(), expected=None)
    assert [each.code for each in outcome.problems] == ["journal.broken"]


def test_an_entry_that_is_taken_out_shows(site: Site) -> None:
    """The numbers have a gap and the hash does not follow."""
    site.revision("r1", "op.execute('CREATE TABLE a (id int)')")
    assert site.apply().error is None
    site.sql("SET session_replication_role = replica; DELETE FROM db_migrate.entries WHERE number = 3")
    with journal_of(site) as journal:
        assert journal.check_chain() == (4,)


def test_a_database_belongs_to_the_target_of_its_first_run(site: Site) -> None:
    """The same database under another name is refused, before anything is done."""
    site.revision("r1", "op.execute('CREATE TABLE a (id int)')")
    assert site.apply().error is None
    site.revision("r2", "op.execute('CREATE TABLE b (id int)')")
    plan = site.plan()
    with pytest.raises(Refused) as caught:
        site.execute(plan, target=replace(site.target, name="staging"))
    assert caught.value.code == "environment.other"
    assert "'default'" in caught.value.message


def test_a_run_that_died_after_its_last_commit_is_closed_when_nothing_is_left_to_do(site: Site) -> None:
    """The next run finds all done, and still says of the earlier one that it ended without a word."""
    site.revision("r1", "op.execute('CREATE TABLE a (id int)')")
    assert site.apply().error is None
    died = "11111111-1111-4111-8111-111111111111"
    with contextlib.closing(connect(site.conninfo)) as connection:
        opened = {"verb": "apply", "from": [], "destination": ["r1"], "who": {}, "plan": ""}
        Journal(connection).add(died, Entry.RUN_OPENED, opened)
    again = site.apply()
    assert (again.state, again.exit_code) == ("unchanged", 0)
    assert died in again.warnings[0]
    assert site.sql(f"SELECT state, to_heads FROM db_migrate.runs WHERE run = '{died}'") == [("crashed", ["r1"])]


def test_a_stamp_closes_a_run_that_died_before_it_sets_the_version_table(site: Site) -> None:
    """What that run came to is what was recorded then, not what the stamp says; its last session is waited for."""
    site.revision("r1", "pass")
    site.revision("r2", "pass")
    assert site.execute(site.plan("r1")).error is None
    died = "22222222-2222-4222-8222-222222222222"
    told: list[ProgressEvent] = []
    settings = replace(site.settings, lock_budget=0.3)
    with contextlib.closing(connect(site.conninfo)) as left, contextlib.closing(connect(site.conninfo)) as connection:
        (started,) = (
            left.execute(b"SELECT backend_start::text FROM pg_stat_get_activity(pg_backend_pid())").fetchone() or ()
        )
        pid = left.info.backend_pid
        opened = {"verb": "apply", "from": ["r1"], "destination": ["r2"], "who": {}, "plan": ""}
        Journal(connection).add(died, Entry.RUN_OPENED, opened)
        Journal(connection).add(died, Entry.WORKER, {"pid": pid, "backend_start": started})
        with pytest.raises(LockBudgetExceeded) as caught:
            stamp_revisions(site.project, site.target, settings, ["r2"], observer=told.append)
    assert caught.value.code == "lock.earlier-run"
    assert [each.blockers[0].pid for each in told] == [pid] * len(told) != []
    assert stamp_revisions(site.project, site.target, settings, ["r2"]) == ("r2",)
    assert site.sql("SELECT verb, state, to_heads FROM db_migrate.runs ORDER BY started_at")[1:] == [
        ("apply", "crashed", ["r1"]),
        ("stamp", "done", ["r2"]),
    ]


def test_without_a_journal_nothing_is_written_and_the_loss_is_said(site: Site) -> None:
    """``journal = "off"`` leaves no schema behind, and the result says what is given up."""
    site.settings = replace(site.settings, journal=False)
    site.revision("r1", "op.execute('CREATE TABLE a (id int)')")
    done = site.apply()
    assert (done.state, done.warnings) == ("done", (NoJournal.warning,))
    assert site.sql("SELECT to_regnamespace('db_migrate')") == [(None,)]


def test_passwords_do_not_get_into_the_journal(site: Site) -> None:
    """Neither from a statement nor from the text of the script."""
    site.revision("r1", "op.execute(\"CREATE ROLE r_journal_test PASSWORD 'hunter2-secret'\")", "pass")
    try:
        done = site.apply()
        assert done.error is None
        assert "hunter2" not in str(site.sql("SELECT content::text FROM db_migrate.entries"))
        assert "hunter2" not in str(done.steps)
    finally:
        site.sql("DROP ROLE IF EXISTS r_journal_test")


def test_reading_where_there_is_no_journal(site: Site) -> None:
    """A database that no run was in has no runs, no environment and nothing broken."""
    with journal_of(site) as journal:
        assert (journal.exists, journal.runs(), journal.last_run()) == (False, (), None)
        assert (journal.environment(), journal.check_chain(), journal.applied()) == (None, (), ())


def test_a_role_that_may_not_read_the_journal_sees_none(site: Site) -> None:
    """Reading verbs go on without it instead of failing."""
    site.revision("r1", "op.execute('CREATE TABLE a (id int)')")
    assert site.apply().error is None
    site.sql("DROP ROLE IF EXISTS journal_stranger", "CREATE ROLE journal_stranger")
    with contextlib.closing(connect(site.conninfo)) as connection:
        connection.execute("SET ROLE journal_stranger")
        assert Journal(connection).runs() == ()
    site.sql("DROP ROLE journal_stranger")


TAMPERING = "ALTER TABLE db_migrate.entries DISABLE TRIGGER ALL; UPDATE db_migrate.entries SET content = "
EACH = "(SELECT jsonb_object_agg(k, {value}) FROM jsonb_object_keys(content) k)"
DAMAGE = {
    "table gone": "DROP TABLE db_migrate.entries CASCADE",
    "views gone": "DROP VIEW db_migrate.runs, db_migrate.steps, db_migrate.revisions",
    "another's": "DROP SCHEMA db_migrate CASCADE; CREATE SCHEMA db_migrate; CREATE TABLE db_migrate.entries (a int)",
    "no texts": TAMPERING + EACH.format(value="5"),
    "nulls": TAMPERING + EACH.format(value="null"),
    "nested": TAMPERING + EACH.format(value="'{\"a\": [null]}'::jsonb"),
    "text": TAMPERING + "'\"x\"'",
    "list": TAMPERING + "'[1, 2]'",
    "null": TAMPERING + "'null'",
    "empty": TAMPERING + "'{}'",
}
"""What somebody may have done to a journal, so that it is none any more."""


def test_a_journal_that_is_none_is_said_to_be_damaged(site: Site) -> None:
    """Whatever is asked of it: an answer, or the one error that says so; and verify tells it."""
    site.revision("r1", "op.execute('CREATE TABLE a (id int)')")
    assert site.apply().error is None
    with contextlib.closing(connect(site.conninfo)) as connection:
        for name, statements in DAMAGE.items():
            asked = [_asked(connection, statements, number) for number in range(9)]
            assert "journal.damaged" in asked, name
    site.sql(DAMAGE["table gone"])
    site.revision("r2", "op.execute('CREATE TABLE b (id int)')")
    with pytest.raises(Refused) as refused:
        site.apply()
    assert refused.value.code == "journal.damaged"
    assert [each.code for each in verify(site.target, site.live(), expected=None).problems] == ["journal.broken"]
    site.sql(refused.value.next[2])
    assert site.apply().error is None


def _asked(connection: psycopg.Connection[tuple[object, ...]], damage: str, number: int) -> str:
    """What one question ends with, of a journal that was damaged just before."""
    with connection.transaction(force_rollback=True):
        connection.execute(damage.encode())
        journal = Journal(connection)
        questions = (
            *(journal.ensure, journal.runs, journal.environment, journal.unfinished, journal.applied),
            *(journal.derived, journal.loose_steps, lambda: journal.last_failure("r1"), journal.check_chain),
        )
        try:
            questions[number]()
        except Refused as error:
            return error.code
    return ""
