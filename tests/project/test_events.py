"""What the child tells while it runs: transactions as they really are, each statement, and who may stop it."""

from __future__ import annotations

import psycopg
import pytest

from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.project import events
from db_migrate.project.child_process import Link, QueryError

from .conftest import Recorder, SharedChild
from .test_shapes import tables

DRIVERS = ["psycopg3", "psycopg2", "asyncpg_engine", "psycopg_async"]


@pytest.mark.parametrize("shape", DRIVERS)
def test_each_revision_is_one_transaction_of_its_own(shape: str, shared_child: SharedChild, database: ConnInfo) -> None:
    """With every driver: begin, the revision's statements as the server gets them, commit, then the step's end."""
    recorder = Recorder()
    child = shared_child(shape)
    assert child.migrate("upgrade", "head", database.as_libpq(), recorder).state == "done"
    assert recorder.shape().endswith("<BsC><BssC>")
    assert recorder.sql("0002")[1] == "INSERT INTO users (name) VALUES ('100%')"


@pytest.mark.parametrize("shape", ["set_before_configure", "outer_transaction", "engine_begin"])
def test_a_transaction_that_swallows_alembics_is_ended_after_each_revision(
    shape: str, shared_child: SharedChild, database: ConnInfo
) -> None:
    """The first revision is committed before the second begins, and the event says that it was us."""
    recorder = Recorder()
    seen: list[set[str]] = []

    def look(event: events.Event, _link: Link) -> None:
        if isinstance(event, events.StepEnd):
            seen.append(tables(database))

    recorder.react = look
    child = shared_child(shape)
    outcome = child.migrate("upgrade", "head", database.as_libpq(), recorder)
    assert outcome.state == "done", outcome.failure
    assert ["public.users" in found for found in seen] == [True, True]
    assert ["public.posts" in found for found in seen] == [False, True]
    assert [each.revision for each in recorder.of(events.ExternalTransaction)] == ["0001", "0002"]
    assert all(each.external_transaction for each in recorder.of(events.Configure)) == (shape != "outer_transaction")
    assert {"public.users", "public.posts"} <= tables(database)


def test_transactions_as_text_are_followed(shared_child: SharedChild, database: ConnInfo) -> None:
    """BEGIN, COMMIT and ROLLBACK in revisions are begins and ends like any other; autocommit is told."""
    recorder = Recorder()
    child = shared_child("text_transactions")
    assert child.migrate("upgrade", "head", database.as_libpq(), recorder).state == "done"
    statements = recorder.of(events.Statement)
    begin, alter, commit, index, begin2, *_ = [
        each for each in statements if each.revision == "0002" and not each.internal
    ]
    assert (begin.sql, begin.autocommit, alter.autocommit) == ("BEGIN", True, False)
    assert (commit.sql, index.autocommit, begin2.autocommit) == ("COMMIT", True, True)
    assert recorder.shape().endswith("<sBssCssBsssR>")
    assert [each.sql for each in recorder.of(events.Committing)] == ["COMMIT"]


def test_a_second_connection_in_autocommit_is_seen(shared_child: SharedChild, database: ConnInfo) -> None:
    """Statements carry the number of their connection; the second one's are outside of any transaction."""
    recorder = Recorder()
    child = shared_child("second_connection")
    assert child.migrate("upgrade", "head", database.as_libpq(), recorder).state == "done"
    (index,) = [each for each in recorder.of(events.Statement) if "CONCURRENTLY" in each.sql]
    assert index.autocommit
    assert (index.connection, index.revision, index.line) == (2, "0003", 13)
    assert [each.connection for each in recorder.of(events.Connected)] == [1, 2]


def test_a_statement_says_where_it_comes_from(shared_child: SharedChild, database: ConnInfo) -> None:
    """The line within the revision, the innermost line of the user's code, and whether it was Alembic itself."""
    recorder = Recorder()
    child = shared_child("failing")
    outcome = child.migrate("upgrade", "head", database.as_libpq(), recorder)
    output = child.output()
    assert (outcome.state, outcome.revisions) == ("failed", ("0001",))
    failure = outcome.failure
    assert failure is not None
    assert (failure.sqlstate, failure.line, failure.kind) == ("42703", 10, "user")
    assert failure.file is not None
    assert failure.file.endswith("versions/0002_fails.py")
    assert recorder.of(events.StatementFailed)[0].sqlstate == "42703"
    insert = recorder.of(events.Statement)[-1]
    assert (insert.line, insert.caller_line) == (10, 10)
    assert not insert.internal
    internal = [each.sql.split()[0] for each in recorder.of(events.Statement) if each.internal]
    assert {"CREATE", "INSERT"} <= set(internal)
    assert not any("alembic_version" in each.sql for each in recorder.of(events.Statement) if not each.internal)
    assert "hunter22pw" not in f"{failure}{output}"
    assert recorder.shape().endswith("BssR")


@pytest.mark.parametrize("shape", DRIVERS)
def test_the_parent_asks_on_the_childs_own_connection(
    shape: str, shared_child: SharedChild, database: ConnInfo
) -> None:
    """A query during a statement sees what is not committed, and the session's own locks and settings."""
    answers: dict[str, list[list[str | None]]] = {}

    def ask(event: events.Event, link: Link) -> None:
        if isinstance(event, events.Connected):
            link.query("SET lock_timeout = '1234ms'")
            answers["pid"] = link.query(f"SELECT pg_backend_pid() = {event.backend_pid}, NULL")
        if isinstance(event, events.StatementDone) and "posts" not in answers:
            answers["setting"] = link.query("SHOW lock_timeout")
            found = link.query("SELECT count(*) FROM pg_class WHERE relname = 'posts' AND relkind = 'r'")
            if found == [["1"]]:
                answers["posts"] = link.query(
                    "SELECT DISTINCT mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation = 'posts'::regclass"
                    " AND mode = 'AccessExclusiveLock'"
                )
                assert "public.posts" not in tables(database)

    child = shared_child(shape)
    outcome = child.migrate("upgrade", "head", database.as_libpq(), Recorder(ask))
    assert outcome.state == "done", outcome.failure
    assert answers == {"pid": [["t", None]], "setting": [["1234ms"]], "posts": [["AccessExclusiveLock"]]}


@pytest.mark.parametrize("shape", DRIVERS)
def test_a_lock_taken_before_the_first_statement_stays(
    shape: str, shared_child: SharedChild, database: ConnInfo
) -> None:
    """A query before a transaction's first statement begins that transaction, so that what it locks is held."""
    held: list[list[list[str | None]]] = []

    def lock(event: events.Event, link: Link) -> None:
        if isinstance(event, events.Statement) and event.sql.lstrip().startswith("CREATE TABLE posts"):
            link.query("LOCK TABLE users IN SHARE UPDATE EXCLUSIVE MODE")
        if isinstance(event, events.Committing) and event.revision == "0002":
            held.append(
                link.query(
                    "SELECT count(*) FROM pg_locks WHERE mode = 'ShareUpdateExclusiveLock'"
                    " AND pid = pg_backend_pid() AND relation = 'users'::regclass"
                )
            )

    child = shared_child(shape)
    assert child.migrate("upgrade", "head", database.as_libpq(), Recorder(lock)).state == "done"
    assert held == [[["1"]]]


def test_a_query_that_fails_is_an_error_of_the_parents(shared_child: SharedChild, database: ConnInfo) -> None:
    """Outside of a transaction a failed query harms nobody; the SQLSTATE is told."""
    caught: list[QueryError] = []

    def ask(event: events.Event, link: Link) -> None:
        if isinstance(event, events.StepBegin):
            with pytest.raises(QueryError) as raised:
                link.query("SELECT * FROM nowhere")
            caught.append(raised.value)

    child = shared_child("psycopg3")
    assert child.migrate("upgrade", "head", database.as_libpq(), Recorder(ask)).state == "done"
    assert [each.sqlstate for each in caught] == ["42P01", "42P01"]


@pytest.mark.parametrize("shape", [*DRIVERS, "outer_transaction", "async_in_thread"])
def test_a_refused_statement_is_not_sent_and_nothing_after_it(
    shape: str, shared_child: SharedChild, database: ConnInfo
) -> None:
    """An abort ends the run wherever it is, with what that revision did rolled back."""

    def refuse(event: events.Event, link: Link) -> None:
        if isinstance(event, events.Statement) and event.sql.startswith("INSERT INTO users"):
            link.abort("not in the plan")

    recorder = Recorder(refuse)
    child = shared_child(shape)
    outcome = child.migrate("upgrade", "head", database.as_libpq(), recorder)
    assert (outcome.state, outcome.revisions) == ("aborted", ("0001",))
    assert outcome.failure is not None
    assert outcome.failure.message == "not in the plan"
    assert tables(database) == {"public.users", "public.alembic_version"}
    assert child.migrate("upgrade", "head", database.as_libpq()).state == "done"


def test_user_code_cannot_swallow_a_refusal(shared_child: SharedChild, database: ConnInfo) -> None:
    """``except Exception`` around a refused statement does not go on to the next one."""

    def refuse(event: events.Event, link: Link) -> None:
        if isinstance(event, events.Statement) and "DROP" in event.sql:
            link.abort("no")

    recorder = Recorder(refuse)
    child = shared_child("failing")
    child.migrate("upgrade", "0001", database.as_libpq())
    with psycopg.connect(database.dsn()) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0002'")
    assert child.migrate("downgrade", "0001", database.as_libpq(), recorder).state == "aborted"
    assert recorder.sql("0002") == ["DROP TABLE users"]


def test_a_refused_commit_leaves_the_revision_undone(shared_child: SharedChild, database: ConnInfo) -> None:
    """The parent has the last word before every commit."""

    def refuse(event: events.Event, link: Link) -> None:
        if isinstance(event, events.Committing) and event.revision == "0002":
            link.abort("locks that the plan does not name")

    child = shared_child("psycopg3")
    assert child.migrate("upgrade", "head", database.as_libpq(), Recorder(refuse)).state == "aborted"
    assert "public.posts" not in tables(database)


def test_a_run_can_be_stopped_between_steps(shared_child: SharedChild, database: ConnInfo) -> None:
    """Stopped after a step, before one, or by number; each time at a whole revision."""

    def stop(event: events.Event, link: Link) -> None:
        if isinstance(event, events.StepEnd):
            link.stop()

    def not_even_begin(event: events.Event, link: Link) -> None:
        if isinstance(event, events.StepBegin):
            link.stop()

    child = shared_child("psycopg3")
    stopped = child.migrate("upgrade", "head", database.as_libpq(), Recorder(not_even_begin))
    assert (stopped.state, stopped.revisions) == ("stopped", ())
    stopped = child.migrate("upgrade", "head", database.as_libpq(), Recorder(stop))
    assert (stopped.state, stopped.revisions) == ("stopped", ("0001",))
    assert child.migrate("upgrade", "+1", database.as_libpq()).revisions == ("0002",)
    assert child.migrate("upgrade", "head", database.as_libpq()).revisions == ()
    assert child.migrate("downgrade", "base", database.as_libpq(), steps=1).revisions == ("0002",)


@pytest.mark.parametrize("shape", DRIVERS)
def test_notices_are_told(shape: str, shared_child: SharedChild, database: ConnInfo) -> None:
    """A notice of the server arrives before the statement that caused it is done."""

    def chatty(event: events.Event, link: Link) -> None:
        if isinstance(event, events.Connected):
            link.query("SET client_min_messages = debug1")

    recorder = Recorder(chatty)
    child = shared_child(shape)
    assert child.migrate("upgrade", "head", database.as_libpq(), recorder).state == "done"
    said = [each for each in recorder.of(events.Notice) if "users_pkey" in each.message]
    assert {each.severity for each in said} == {"DEBUG"}
    rest = recorder.events[recorder.events.index(said[-1]) + 1 :]
    assert isinstance(next(each for each in rest if not isinstance(each, events.Notice)), events.StatementDone)


def test_parameters_are_told_as_text_and_as_literals(shared_child: SharedChild, database: ConnInfo) -> None:
    """A statement with parameters is told as sent, and as psql could run it."""
    recorder = Recorder()
    child = shared_child("psycopg3")
    child.migrate("upgrade", "head", database.as_libpq(), recorder)
    checks = [each for each in recorder.of(events.Statement) if each.parameters]
    assert checks
    with psycopg.connect(database.dsn()) as connection:
        for each in checks:
            connection.execute(each.rendered)
    assert all("%(" not in each.rendered for each in checks)


def test_a_handler_that_fails_ends_the_job_and_not_the_child(shared_child: SharedChild, database: ConnInfo) -> None:
    """The handler's own exception comes out, what it was asked about is refused, and the next job works."""

    def fail(event: events.Event, _link: Link) -> None:
        if isinstance(event, events.Statement) and event.revision == "0002":
            raise ValueError("a bug in the handler")

    child = shared_child("psycopg3")
    with pytest.raises(ValueError, match="a bug in the handler"):
        child.migrate("upgrade", "head", database.as_libpq(), Recorder(fail))
    assert tables(database) == {"public.users", "public.alembic_version"}
    assert child.migrate("upgrade", "head", database.as_libpq()).revisions == ("0002",)


def test_an_event_that_does_not_wait_takes_no_answer(shared_child: SharedChild, database: ConnInfo) -> None:
    """Asking on the child's connection while it is not waiting would not be understood, and is refused at once."""

    def ask(event: events.Event, link: Link) -> None:
        if not event.waits:
            with pytest.raises(RuntimeError):
                link.query("SELECT 1")

    assert shared_child("psycopg3").migrate("upgrade", "head", database.as_libpq(), Recorder(ask)).state == "done"
