"""Data preconditions against real rows: what is predicted is what PostgreSQL then does."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import dedent

import pytest
from rules_lab import OWNER, Lab
from splitting import trace_each

from db_migrate.plan.facts import read_facts
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect, read_only
from db_migrate.rules import Facts, Finding, Severity, judge
from db_migrate.rules.questions import questions, touched_relations
from db_migrate.trace.effects import Trace


@dataclass(frozen=True)
class Case:
    """A revision with rows that it can run over and rows that stop it; ``object`` and ``sample`` of the prediction."""

    id: str
    revision: str
    fine: str
    broken: str
    object: str
    sample: str = ""
    count: int = 1


USER = "INSERT INTO users (id, email, full_name, age, nickname, code) VALUES "
CASES = (
    Case(
        "set not null",
        'op.alter_column("users", "full_name", nullable=False)',
        USER + "(1, 'a', 'A', 1, 'x', 'c')",
        USER + "(7, 'b', NULL, 1, 'x', 'c')",
        "public.users.full_name",
        "id=7",
    ),
    Case(
        "set not null on a renamed column of a renamed table",
        """
        op.rename_table("users", "people")
        op.alter_column("people", "full_name", new_column_name="called")
        op.alter_column("people", "called", nullable=False)
        """,
        USER + "(1, 'a', 'A', 1, 'x', 'c')",
        USER + "(7, 'b', NULL, 1, 'x', 'c')",
        "public.people.called",
        "id=7",
    ),
    Case(
        "add column not null",
        'op.add_column("users", sa.Column("plan", sa.Text(), nullable=False))',
        "SELECT 1",
        USER + "(1, 'a', 'A', 1, 'x', 'c'), (2, 'b', 'B', 1, 'y', 'c')",
        "public.users.plan",
        count=2,
    ),
    Case(
        "add column, then set it not null without filling it",
        """
        op.add_column("users", sa.Column("plan", sa.Text()))
        op.alter_column("users", "plan", nullable=False)
        """,
        "SELECT 1",
        USER + "(1, 'a', 'A', 1, 'x', 'c')",
        "public.users.plan",
    ),
    Case(
        "unique constraint",
        'op.create_unique_constraint("users_nickname_key", "users", ["nickname"])',
        USER + "(1, 'a', 'A', 1, 'x', 'c'), (2, 'b', 'B', 1, NULL, 'c'), (3, 'c', 'B', 1, NULL, 'c')",
        USER + "(1, 'a', 'A', 1, 'x', 'c'), (2, 'b', 'B', 1, 'x', 'c')",
        "public.users.users_nickname_key",
        "nickname=x",
    ),
    Case(
        "unique index over an expression and some rows",
        'op.execute("CREATE UNIQUE INDEX uq_users_mail ON users (lower(email)) WHERE active")',
        "INSERT INTO users (email, active) VALUES ('a', true), ('A', false), ('b', true)",
        "INSERT INTO users (email, active) VALUES ('a', true), ('A', true)",
        "public.uq_users_mail",
        "=a",
    ),
    Case(
        "a unique index that a constraint takes over",
        """
        op.execute("CREATE UNIQUE INDEX uq_code ON users (code, lower(nickname))")
        op.execute("DROP INDEX uq_code")
        op.execute("CREATE UNIQUE INDEX uq_code ON users (code)")
        op.execute("ALTER TABLE users ADD CONSTRAINT users_code_key UNIQUE USING INDEX uq_code")
        """,
        USER + "(1, 'a', 'A', 1, 'x', 'c'), (2, 'b', 'B', 1, 'x', 'd')",
        USER + "(1, 'a', 'A', 1, 'x', 'c'), (2, 'b', 'B', 1, 'y', 'c')",
        "public.uq_code",
        "code=c",
    ),
    Case(
        "unique, nulls not distinct",
        'op.execute("ALTER TABLE users ADD CONSTRAINT one_nick UNIQUE NULLS NOT DISTINCT (nickname)")',
        USER + "(1, 'a', 'A', 1, 'x', 'c'), (2, 'b', 'B', 1, NULL, 'c')",
        USER + "(1, 'a', 'A', 1, NULL, 'c'), (2, 'b', 'B', 1, NULL, 'c')",
        "public.users.one_nick",
        "nickname=NULL",
    ),
    Case(
        "unique over a new column with one value for all",
        "op.execute(\"ALTER TABLE users ADD COLUMN slug text NOT NULL DEFAULT '' UNIQUE\")",
        USER + "(1, 'a', 'A', 1, 'x', 'c')",
        USER + "(1, 'a', 'A', 1, 'x', 'c'), (2, 'b', 'B', 1, NULL, 'c')",
        "public.users.users_slug_key",
    ),
    Case(
        "primary key: duplicates",
        'op.create_primary_key("audit_pkey", "audit", ["id"])',
        "INSERT INTO audit (id) VALUES (1), (2)",
        "INSERT INTO audit (id) VALUES (1), (1)",
        "public.audit.audit_pkey",
        "id=1",
    ),
    Case(
        "primary key: NULL",
        'op.create_primary_key("audit_pkey", "audit", ["id"])',
        "INSERT INTO audit (id) VALUES (1), (2)",
        "INSERT INTO audit (id) VALUES (1), (NULL)",
        "public.audit.id",
    ),
    Case(
        "foreign key",
        'op.create_foreign_key("audit_fk", "audit", "users", ["actor_id"], ["id"], ondelete="CASCADE")',
        USER + "(1, 'a', 'A', 1, 'x', 'c'); INSERT INTO audit (id, actor_id) VALUES (1, 1), (2, NULL)",
        USER + "(1, 'a', 'A', 1, 'x', 'c'); INSERT INTO audit (id, actor_id) VALUES (1, 1), (2, 99)",
        "public.audit.audit_fk",
        "actor_id=99",
    ),
    Case(
        "foreign key to a table that the run makes",
        """
        op.create_table("actors", sa.Column("id", sa.BigInteger(), primary_key=True))
        op.create_foreign_key("audit_fk", "audit", "actors", ["actor_id"], ["id"], ondelete="CASCADE")
        """,
        "INSERT INTO audit (id, actor_id) VALUES (2, NULL)",
        "INSERT INTO audit (id, actor_id) VALUES (2, 99)",
        "public.audit.audit_fk",
        "actor_id=99",
    ),
    Case(
        "validate",
        'op.execute("ALTER TABLE invoices VALIDATE CONSTRAINT invoices_amount_check")',
        "INSERT INTO invoices (number, year, amount) VALUES (1, 2026, 1), (2, 2026, NULL)",
        "ALTER TABLE invoices DROP CONSTRAINT invoices_amount_check;"
        "INSERT INTO invoices (number, year, amount) VALUES (1, 2026, -1);"
        "ALTER TABLE invoices ADD CONSTRAINT invoices_amount_check CHECK (amount >= 0) NOT VALID",
        "public.invoices.invoices_amount_check",
    ),
    Case(
        "check",
        'op.create_check_constraint("adult", "users", "age >= 18 OR nickname IN (\'kid\', \'teen\')")',
        USER + "(1, 'a', 'A', 18, 'x', 'c'), (2, 'b', 'B', NULL, 'x', 'c'), (3, 'c', 'C', 3, 'kid', 'c')",
        USER + "(1, 'a', 'A', 18, 'x', 'c'), (5, 'b', 'B', 3, 'x', 'c')",
        "public.users.adult",
        "id=5",
    ),
    Case(
        "check over a column that the run renames",
        """
        op.alter_column("users", "age", new_column_name="years")
        op.create_check_constraint("adult", "users", "years >= 18")
        """,
        USER + "(1, 'a', 'A', 18, 'x', 'c')",
        USER + "(5, 'b', 'B', 3, 'x', 'c')",
        "public.users.adult",
        "id=5",
    ),
    Case(
        "exclusion constraint",
        'op.execute("ALTER TABLE audit ADD CONSTRAINT once EXCLUDE USING btree (id WITH =)")',
        "INSERT INTO audit (id) VALUES (1), (2)",
        "INSERT INTO audit (id) VALUES (1), (1)",
        "public.audit.once",
    ),
    Case(
        "shorter varchar",
        'op.alter_column("orders", "note", type_=sa.String(5))',
        USER + "(1,'a','A',1,'x','c'); INSERT INTO orders (id, user_id, note) VALUES (1, 1, '12345   ')",
        USER + "(1,'a','A',1,'x','c'); INSERT INTO orders (id, user_id, note) VALUES (4, 1, '123456')",
        "public.orders.note",
        "id=4",
    ),
    Case(
        "smaller integer",
        'op.alter_column("users", "balance", type_=sa.SmallInteger())',
        "INSERT INTO users (email, balance) VALUES ('a', 32767)",
        "INSERT INTO users (id, email, balance) VALUES (9, 'a', 32768)",
        "public.users.balance",
        "id=9",
    ),
    Case(
        "less digits",
        'op.alter_column("invoices", "amount", type_=sa.Numeric(5, 2))',
        "INSERT INTO invoices (number, year, amount) VALUES (1, 1, 999.99)",
        "INSERT INTO invoices (number, year, amount) VALUES (1, 1, 1000)",
        "public.invoices.amount",
    ),
    Case(
        "text to integer",
        'op.execute("ALTER TABLE users ALTER COLUMN code TYPE integer USING code::integer")',
        USER + "(1, 'a', 'A', 18, 'x', ' 17 ')",
        USER + "(6, 'a', 'A', 18, 'x', 'seventeen')",
        "public.users.code",
        "id=6",
    ),
    Case(
        "text to an enum",
        """
        op.execute("CREATE TYPE letter AS ENUM ('a', 'b')")
        op.execute("ALTER TABLE users ALTER COLUMN code TYPE letter USING code::letter")
        """,
        USER + "(1, 'a', 'A', 18, 'x', 'b')",
        USER + "(6, 'a', 'A', 18, 'x', 'c')",
        "public.users.code",
        "id=6",
    ),
)


@pytest.fixture
def rows(lab: Lab) -> Iterator[ConnInfo]:
    """A target: an ordinary database with the schema of the examples."""
    with lab.database() as database:
        yield database


def run_sql(database: ConnInfo, *statements: str) -> None:
    """Put rows into the target."""
    with contextlib.closing(connect(database)) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def facts_of(database: ConnInfo, trace: Trace, **options: bool) -> Facts:
    """What the target says."""
    with read_only(database) as connection:
        return read_facts(connection, touched_relations(trace), questions(trace), 5.0, **options)


def predicted(database: ConnInfo, trace: Trace) -> list[Finding]:
    """The failures that are foreseen."""
    found = judge(trace, facts_of(database, trace))
    return [each for each in found if each.rule == "would-fail-on-data"]


def really_fails(lab: Lab, database: ConnInfo, trace: Trace) -> bool:
    """Whether Alembic's own run over these rows fails."""
    head = trace.revisions[-1].revision
    outcome = lab.scratch.child.migrate("upgrade", head, database.replace(user=OWNER).as_libpq())
    return outcome.failure is not None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_rows_that_fit_are_not_said_to_fail(lab: Lab, rows: ConnInfo, case: Case) -> None:
    """No prediction, and Alembic's run works."""
    trace = lab.trace(case.revision)
    run_sql(rows, case.fine)
    assert predicted(rows, trace) == []
    assert not really_fails(lab, rows, trace)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_rows_that_do_not_fit_are_foreseen(lab: Lab, rows: ConnInfo, case: Case) -> None:
    """The prediction names the object, how many, and the first key; Alembic's run fails."""
    trace = lab.trace(case.revision)
    run_sql(rows, case.broken)
    (found,) = predicted(rows, trace)
    assert (found.object, found.severity) == (case.object, Severity.ERROR)
    assert found.message.startswith(f"would fail: {case.count} ")
    assert case.sample in found.message
    assert really_fails(lab, rows, trace)


LOSSES = (
    ("a dropped column", 'op.drop_column("users", "legacy_email")', "public.users.legacy_email", "2 values"),
    ("a dropped table", 'op.drop_table("audit")', "public.audit", "1 row"),
    ("TRUNCATE", 'op.execute("TRUNCATE audit")', "public.audit", "1 row"),
    ("DELETE of everything", 'op.execute("DELETE FROM audit")', "public.audit", "1 row"),
    ("DELETE of some", """op.execute("DELETE FROM users u WHERE u.nickname = 'ab'")""", "public.users", "1 row"),
    (
        "DELETE by the rows of others",
        """
        op.execute('''WITH old AS (SELECT email AS e FROM users WHERE legacy_email IS NULL)
            DELETE FROM ONLY users USING audit a WHERE a.id = 1 AND email NOT IN (TABLE old)''')
        """,
        "public.users",
        "2 rows",
    ),
    (
        "DELETE with values, of what was renamed",
        """
        op.rename_table("users", "people")
        op.alter_column("people", "nickname", new_column_name="called")
        people = sa.table("people", sa.column("called"))
        op.get_bind().execute(people.delete().where(people.c.called.in_(["long", "100%"])))
        """,
        "public.people",
        "1 row",
    ),
    (
        "DELETE in a function",
        """
        op.execute("CREATE FUNCTION gone() RETURNS void LANGUAGE sql AS 'DELETE FROM users WHERE email = ''b'''")
        op.execute("SELECT gone()")
        """,
        "public.users",
        "1 row",
    ),
    (
        "dynamic SQL",
        """op.execute("DO $$ BEGIN EXECUTE 'ALTER TABLE us' || 'ers DROP legacy_email'; END $$")""",
        "public.users.legacy_email",
        "2 values",
    ),
    (
        "a cut varchar",
        'op.execute("ALTER TABLE users ALTER nickname TYPE varchar(2) USING nickname::varchar(2)")',
        "public.users.nickname",
        "1 value",
    ),
    (
        "a rounded number",
        'op.execute("ALTER TABLE invoices ALTER amount TYPE numeric(10, 0)")',
        "public.invoices.amount",
        "1 value",
    ),
)
FILLED = (
    "INSERT INTO users (email, legacy_email, nickname) VALUES ('a', 'x', 'long'), ('b', 'y', 'ab'), ('c', NULL, NULL)",
    "INSERT INTO audit (id) VALUES (1)",
    "INSERT INTO invoices (number, year, amount) VALUES (1, 1, 1.5), (2, 1, 2)",
)


def losses(database: ConnInfo, trace: Trace) -> list[Finding]:
    """What is said to be lost."""
    return [each for each in judge(trace, facts_of(database, trace)) if each.rule == "loses-data"]


@pytest.mark.parametrize(("what", "revision", "name", "lost"), LOSSES, ids=[each[0] for each in LOSSES])
def test_what_would_be_lost_is_counted(
    lab: Lab, rows: ConnInfo, what: str, revision: str, name: str, lost: str
) -> None:
    """Rows and non-null values that go, however the statement says it."""
    run_sql(rows, *FILLED)
    (found,) = losses(rows, lab.trace(revision))
    assert (found.object, found.severity) == (name, Severity.ERROR), what
    assert found.message.startswith(f"would lose {lost} of {name}")


@pytest.mark.parametrize(("what", "revision", "name", "lost"), LOSSES, ids=[each[0] for each in LOSSES])
def test_nothing_to_lose_is_no_loss(lab: Lab, rows: ConnInfo, what: str, revision: str, name: str, lost: str) -> None:
    """An empty table loses nothing, whatever is done to it."""
    assert losses(rows, lab.trace(revision)) == [], (what, name, lost)


def test_every_question_is_one_that_postgresql_15_can_read(lab15: Lab) -> None:
    """Also over columns that the run adds or renames before."""
    first = 'op.add_column("users", sa.Column("first_of_all", sa.Text()))\n'
    bodies = {case.id: first + dedent(case.revision).strip() for case in CASES}
    traces = trace_each(
        lab15, bodies | {name: first + dedent(revision).strip() for name, revision, _object, _lost in LOSSES}
    )
    with lab15.database() as database:
        for name, trace in traces.items():
            answers = facts_of(database, trace).answers
            assert answers, name
            errors = [
                each.error for each in answers.values() if each.error and "before PostgreSQL 16" not in each.error
            ]
            assert errors == [], name


def test_a_key_is_not_shown_when_values_are_not_to_be_read(lab: Lab, rows: ConnInfo) -> None:
    """``--no-data``: how many, but not which."""
    trace = lab.trace('op.alter_column("users", "full_name", nullable=False)')
    run_sql(rows, "INSERT INTO users (id, email) VALUES (4711, 'a')")
    shown, hidden = facts_of(rows, trace), facts_of(rows, trace, values=False)
    assert [a.sample for a in shown.answers.values()] == ["id=4711"]
    assert [(a.sample, a.count) for a in hidden.answers.values()] == [("", 1)]


def test_what_cannot_be_asked_is_a_warning_that_says_why(lab: Lab, rows: ConnInfo) -> None:
    """A role that may not read the table gets no crash and no prediction."""
    trace = lab.trace('op.alter_column("users", "full_name", nullable=False)')
    run_sql(rows, "REVOKE ALL ON users FROM PUBLIC", "ALTER TABLE users OWNER TO pg_database_owner")
    run_sql(rows, f"REVOKE ALL ON users FROM {OWNER}", "ALTER TABLE users OWNER TO CURRENT_USER")
    with read_only(rows.replace(user=OWNER)) as connection:
        facts = read_facts(connection, touched_relations(trace), questions(trace))
    (found,) = (each for each in judge(trace, facts) if each.rule == "would-fail-on-data")
    assert found.severity is Severity.WARNING
    assert "permission denied" in found.message
    assert facts.warnings


def test_a_question_that_takes_too_long_is_given_up(lab: Lab, rows: ConnInfo) -> None:
    """Its time is its own: the next one is asked all the same."""
    trace = lab.trace(
        'op.create_check_constraint("slow", "audit", "id > 0")\nop.alter_column("audit", "detail", nullable=False)'
    )
    run_sql(rows, "INSERT INTO audit (id) SELECT generate_series(1, 300000)")
    with read_only(rows) as connection:
        facts = read_facts(connection, [], questions(trace), 0.003)
    slow, _quick = facts.answers.values()
    assert "no answer within" in slow.error


def test_functions_of_users_are_not_run_on_the_target(lab: Lab, rows: ConnInfo) -> None:
    """A CHECK that calls one is not evaluated; the warning says so."""
    trace = lab.trace('op.create_check_constraint("twice", "users", "double(age) > 4")')
    run_sql(rows, "INSERT INTO users (email, age) VALUES ('a', 0)")
    (answer,) = facts_of(rows, trace).answers.values()
    assert "public.double" in answer.error


def test_a_delete_that_nobody_can_count_is_a_warning_that_says_why(lab: Lab, rows: ConnInfo) -> None:
    """A variable, what the run made, a view, a function of users; rows that move on are not lost."""
    trace = lab.trace(
        """
        op.execute("DO $$ DECLARE v int := 3; BEGIN DELETE FROM orders WHERE user_id = v; END $$")
        op.execute("CREATE TEMP TABLE chosen AS SELECT id FROM users")
        op.execute("DELETE FROM documents WHERE id IN (SELECT id FROM chosen)")
        op.execute("DELETE FROM memos WHERE id IN (SELECT id FROM active_users)")
        op.execute("DELETE FROM audit WHERE double(id::int) > 4")
        op.execute("DELETE FROM chosen")
        op.execute("WITH gone AS (DELETE FROM invoices RETURNING *) INSERT INTO invoices SELECT * FROM gone")
        """
    )
    assert trace.revisions[0].error is None
    found = {each.object: each for each in judge(trace, facts_of(rows, trace)) if each.rule == "loses-data"}
    assert {each.severity for each in found.values()} == {Severity.WARNING}
    assert set(found) == {"public.orders", "public.documents", "public.memos", "public.audit"}
    assert "chosen, which is no table that was there before" in found["public.documents"].message
    assert "active_users, which is no table that was there before" in found["public.memos"].message


def test_what_the_run_writes_first_is_only_a_warning(lab: Lab, rows: ConnInfo) -> None:
    """NULLs that an earlier UPDATE may fill are no certain failure."""
    trace = lab.trace(
        "op.execute(\"UPDATE users SET full_name = '' WHERE full_name IS NULL\")\n"
        'op.alter_column("users", "full_name", nullable=False)'
    )
    run_sql(rows, "INSERT INTO users (email) VALUES ('a')")
    (found,) = predicted(rows, trace)
    assert found.severity is Severity.WARNING
    assert not really_fails(lab, rows, trace)


def test_what_the_run_creates_is_not_asked_about(lab: Lab) -> None:
    """A new table has no rows that could fail or be lost."""
    trace = lab.trace(
        """
        op.create_table("tags", sa.Column("name", sa.Text(), nullable=False, unique=True))
        op.create_index("ix_tags", "tags", ["name"], unique=True)
        op.drop_table("tags")
        """
    )
    assert questions(trace) == ()
