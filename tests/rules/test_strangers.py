"""Revisions written in ways that no rule was made for: what is said of them, and what must not be."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from rules_lab import Lab, known
from splitting import trace_each

from db_migrate.rules import judge
from db_migrate.rules.facts import Answer, Blocker, ServerFacts
from db_migrate.rules.questions import questions
from db_migrate.trace.effects import Trace


@dataclass(frozen=True)
class Stranger:
    """A body of ``upgrade()``, the rules that have something to say about it, and those that would be wrong.

    ``rule:object`` where it matters of what.
    """

    body: str
    said: str = ""
    wrong: str = ""


ENUM = """
op.execute("ALTER TYPE order_state RENAME TO order_state_old")
op.execute("CREATE TYPE order_state AS ENUM ({labels})")
op.execute("ALTER TABLE orders ALTER COLUMN state DROP DEFAULT")
op.execute("ALTER TABLE orders ALTER COLUMN state TYPE order_state USING state::text::order_state")
op.execute("ALTER TABLE orders ALTER COLUMN state SET DEFAULT 'new'")
op.execute("DROP TYPE order_state_old")
"""
ONE_TRANSACTION = {
    "an enum gets a label by hand": Stranger(
        ENUM.format(labels="'new', 'paid', 'sent', 'lost'"),
        "change-type-rewrite prepared-statement-breaks",
        "change-type-narrowing drop-default change-default",
    ),
    "an enum loses a label by hand": Stranger(ENUM.format(labels="'new', 'paid'"), "change-type-narrowing"),
    "a time zone that the statement names": Stranger(
        "op.execute(\"ALTER TABLE users ALTER seen_at TYPE timestamptz USING seen_at AT TIME ZONE 'Europe/Berlin'\")",
        "change-type-rewrite",
        "change-type-timestamp-tz",
    ),
    "a column added, filled and closed in one block": Stranger(
        '''
op.execute("""
DO $$ BEGIN
  ALTER TABLE users ADD COLUMN tenant bigint;
  UPDATE users SET tenant = 1;
  ALTER TABLE users ALTER COLUMN tenant SET NOT NULL;
END $$""")
''',
        "set-not-null-scan mixed-data-and-schema update-delete-without-where data-change-needs-analyze",
        "add-column-not-null-no-default",
    ),
    "a default that is away for a moment": Stranger(
        'op.alter_column("users", "balance", server_default=None)\n'
        'op.alter_column("users", "balance", server_default="0")',
        "",
        "drop-default change-default",
    ),
    "a default that changes twice": Stranger(
        'op.alter_column("users", "balance", server_default=None)\n'
        'op.alter_column("users", "balance", server_default="7")',
        "change-default",
        "drop-default",
    ),
    "NULL allowed for a moment": Stranger(
        'op.alter_column("users", "email", nullable=True)\nop.alter_column("users", "email", nullable=False)',
        "",
        "drop-not-null",
    ),
    "a sequence that may count further": Stranger(
        'op.execute("ALTER SEQUENCE ticket_number MINVALUE -5")', "", "sequence-alter"
    ),
    "a sequence that may count less": Stranger(
        'op.execute("ALTER SEQUENCE ticket_number AS integer")', "sequence-alter"
    ),
    "what belongs to no revision": Stranger(
        """
op.execute("LISTEN migrations")
op.execute("NOTIFY migrations, 'begun'")
op.execute("SELECT pg_advisory_xact_lock(4711)")
op.execute("UNLISTEN *")
""",
        "",
        "raw-sql-unchecked explicit-lock-table missing-downgrade",
    ),
    "a drop with the driver's own cursor": Stranger(
        'op.get_bind().connection.cursor().execute("ALTER TABLE users DROP COLUMN legacy_email")',
        "drop-column",
        "raw-sql-unchecked",
    ),
    "rows counted, copied and merged": Stranger(
        '''
op.execute("CREATE TEMP TABLE twice ON COMMIT DROP AS SELECT lower(email) AS e FROM users GROUP BY 1")
op.execute("CREATE INDEX ON twice (e)")
op.execute("UPDATE users u SET code = t.e FROM twice t WHERE lower(u.email) = t.e")
op.execute("""WITH gone AS (DELETE FROM audit WHERE happened_at < '2020-01-01' RETURNING *)
INSERT INTO invoices (number, year) SELECT id, 2020 FROM gone""")
''',
        "",
        "create-index-blocking update-delete-without-where loses-data create-matview-with-data",
    ),
    "a function that a query calls for each of its rows": Stranger(
        """
op.execute("CREATE FUNCTION bump(n int) RETURNS void LANGUAGE sql AS 'UPDATE users SET balance = n'")
op.execute("SELECT bump(g) FROM generate_series(1, 2) g")
""",
        "update-delete-without-where data-change-needs-analyze",
        "raw-sql-unchecked data-dependent",
    ),
    "a function whose body is no string": Stranger(
        """
op.execute("CREATE FUNCTION bump() RETURNS void BEGIN ATOMIC UPDATE users SET balance = 1; END")
op.execute("SELECT bump()")
""",
        "update-delete-without-where data-change-needs-analyze",
        "data-dependent",
    ),
    "a function that nobody calls": Stranger(
        "op.execute(\"CREATE FUNCTION bump() RETURNS void LANGUAGE sql AS 'UPDATE users SET balance = 1'\")",
        "",
        "update-delete-without-where data-change-needs-analyze data-dependent",
    ),
    "a WHERE that is always true": Stranger(
        "op.execute(\"UPDATE users SET nickname = '' WHERE true\")\nop.execute('DELETE FROM audit WHERE 1 = 1')",
        "update-delete-without-where",
    ),
    "a table swapped for its copy": Stranger(
        '''
op.execute("CREATE TABLE users_new (LIKE users INCLUDING ALL)")
op.execute("INSERT INTO users_new SELECT * FROM users")
op.execute("ALTER TABLE orders DROP CONSTRAINT orders_user_id_fkey")
op.execute("DROP VIEW active_users")
op.execute("DROP TABLE users")
op.execute("ALTER TABLE users_new RENAME TO users")
op.execute("""ALTER TABLE orders ADD CONSTRAINT orders_user_id_fkey
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE RESTRICT""")
op.execute("CREATE VIEW active_users AS SELECT id, email FROM users WHERE active")
''',
        "drop-table add-foreign-key-validating",
        "rename-table create-index-blocking data-change-needs-analyze foreign-key-on-delete-review",
    ),
    "one statement of which one action rewrites": Stranger(
        '''
op.execute("CREATE DOMAIN plain AS text")
op.execute("""ALTER TABLE users ADD COLUMN a int NOT NULL DEFAULT 0, ADD COLUMN p plain,
    ADD CONSTRAINT a_ok CHECK (a >= 0) NOT VALID, ADD COLUMN b uuid DEFAULT gen_random_uuid(),
    ADD COLUMN c text GENERATED ALWAYS AS (lower(full_name)) VIRTUAL, ADD COLUMN d timestamptz DEFAULT now()""")
''',
        "add-column-volatile-default:public.users.b rewrite-under-lock constraint-never-validated",
        "add-column-volatile-default:public.users.a add-column-volatile-default:public.users.d "
        "add-column-inline-check add-column-constrained-domain add-column-generated-stored add-check-validating",
    ),
    "the index of a partitioned table piece by piece": Stranger(
        """
op.execute("CREATE INDEX ix_events_kind ON ONLY events (kind)")
op.execute("CREATE INDEX ix_events_2025_kind ON events_2025 (kind)")
op.execute("ALTER INDEX ix_events_kind ATTACH PARTITION ix_events_2025_kind")
""",
        "create-index-blocking:public.ix_events_2025_kind",
        "create-index-blocking:public.ix_events_kind index-on-partitioned-parent left-invalid",
    ),
    "a unique constraint that takes over its index": Stranger(
        """
op.execute("CREATE UNIQUE INDEX uq ON invoices (number, year)")
op.execute("ALTER TABLE invoices ADD CONSTRAINT uq UNIQUE USING INDEX uq")
op.execute("DROP INDEX uq_invoices_number")
""",
        "create-index-blocking:public.uq unique-on-existing-data:public.uq drop-index-blocking",
        "add-unique-constraint",
    ),
    "every json column, whichever they are": Stranger(
        '''
op.execute("""DO $$ DECLARE r record; BEGIN
    FOR r IN SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND a.atttypid = 'json'::regtype LOOP
        EXECUTE format('ALTER TABLE %I ALTER COLUMN %I TYPE jsonb', r.relname, r.attname);
    END LOOP; END $$""")
''',
        "change-type-rewrite:public.users.profile rewrite-under-lock sql-built-from-strings",
        "change-type-narrowing",
    ),
    "a renamed table with a view under the old name": Stranger(
        'op.execute("ALTER TABLE users RENAME TO people")\nop.execute("CREATE VIEW users AS SELECT * FROM people")',
        "",
        "rename-table",
    ),
    "a copy put aside": Stranger(
        'op.execute("SELECT * INTO backup_users FROM users")',
        "",
        "data-dependent create-matview-with-data loses-data data-change-needs-analyze",
    ),
    "a domain's column that becomes a plain one": Stranger(
        'op.execute("ALTER TABLE orders ALTER COLUMN quantity TYPE integer")',
        "",
        "change-type-rewrite change-type-narrowing set-not-null-scan",
    ),
    "a new table with all that there is": Stranger(
        """
op.execute("CREATE TABLE bookings (id serial, during tsrange, EXCLUDE USING gist (during WITH &&))")
op.execute("ALTER TABLE bookings ADD CHECK (NOT isempty(during))")
op.execute("ALTER TABLE bookings ADD PRIMARY KEY (id), ALTER during SET NOT NULL")
op.execute("CREATE INDEX ON bookings (lower(during))")
op.execute("UPDATE bookings SET id = id + 1")
""",
        "",
        "add-exclusion-constraint add-check-validating add-primary-key set-not-null-scan create-index-blocking "
        "index-build-memory-and-time combine-alter-table statement-after-access-exclusive update-delete-without-where",
    ),
}


@pytest.fixture(scope="module")
def traced(lab: Lab) -> dict[str, Trace]:
    """All of them in one database."""
    return trace_each(lab, {name: each.body for name, each in ONE_TRANSACTION.items()})


@pytest.mark.parametrize("name", ONE_TRANSACTION)
def test_a_stranger_is_judged_for_what_it_does(lab: Lab, traced: dict[str, Trace], name: str) -> None:
    """What it does is said, and nothing is said of what it only looks like."""
    each = ONE_TRANSACTION[name]
    assert traced[name].revisions[0].error is None
    findings = judge(traced[name], lab.no_facts)
    said = {finding.rule for finding in findings} | {f"{finding.rule}:{finding.object}" for finding in findings}
    assert set(each.said.split()) <= said
    assert said & set(each.wrong.split()) == set()


HELPER = """
import sqlalchemy as sa
from alembic import op

SCHEMA = "public"


def timestamps(table):
    op.add_column(table, sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.text("now()")))
"""
IDENTITY = (
    "ALTER TABLE {0} ALTER id DROP DEFAULT; DROP SEQUENCE {0}_id_seq; "
    "ALTER TABLE {0} ALTER id SET NOT NULL, ALTER id ADD GENERATED BY DEFAULT AS IDENTITY"
)
WHOLE = (
    Stranger('op.execute("CREATE TABLE one (id serial PRIMARY KEY)")\nop.execute("CREATE TABLE two (id serial)")'),
    Stranger(f'op.execute("{IDENTITY.format("one")}")', "sequence-alter", "drop-view-function-sequence"),
    Stranger(
        f'''op.execute("{IDENTITY.format("two")}")
op.execute("SELECT setval('two_id_seq', (SELECT coalesce(max(id), 1) FROM two))")''',
        "",
        "sequence-alter",
    ),
    Stranger(
        """
op.alter_column("users", "balance", server_default=None)
with op.get_context().autocommit_block():
    op.create_index("ix_users_balance", "users", ["balance"], postgresql_concurrently=True)
op.alter_column("users", "balance", server_default="0")
""",
        "drop-default change-default",
    ),
    Stranger(
        """
try:
    with op.get_bind().begin_nested():
        op.execute("ALTER TABLE nowhere DROP COLUMN nothing")
except sa.exc.ProgrammingError:
    op.add_column("users", sa.Column("phone", sa.Text()))
""",
        "savepoint-use",
        "missing-object",
    ),
    Stranger("import helper\n\nhelper.timestamps('orders')", "", "dml-orm-in-migration"),
    Stranger(
        """
def upgrade() -> None:
    op.execute("NOTIFY migrations")


def downgrade() -> None:
    pass
""",
        "",
        "missing-downgrade",
    ),
    Stranger(
        """
bind = op.get_bind().connection.driver_connection
bind.pgconn.exec_(b"ALTER TABLE users DROP COLUMN legacy_email")
""",
        "raw-sql-unchecked",
    ),
    Stranger(
        """
op.execute("DROP TABLE orders CASCADE")
op.execute("DROP TABLE documents CASCADE")
""",
        "drop-table",
    ),
)


def test_strangers_that_are_a_history_of_their_own(lab: Lab) -> None:
    """Where transactions, files and what is beside them matter; what goes has only names that it has on the target."""
    (lab.versions.parent.parent / "helper.py").write_text(HELPER)
    trace = lab.trace(*(each.body for each in WHOLE))
    assert [each.error for each in trace.revisions] == [None] * len(WHOLE)
    said: dict[str, set[str]] = {each.revision: set() for each in trace.revisions}
    findings = judge(trace, lab.no_facts)
    for finding in findings:
        said[finding.revision].add(finding.rule)
    for each, rules in zip(WHOLE, said.values(), strict=True):
        assert set(each.said.split()) <= rules, each.body
        assert rules & set(each.wrong.split()) == set(), each.body
    raw = {each.object: each.severity.value for each in findings if each.rule == "raw-sql-unchecked"}
    assert raw["public.users.legacy_email"] == "error"
    dropped = {name for s in trace.revisions[-1].statements for name in s.effects.dropped}
    assert {"public.orders", "public.documents", "public.memos"} <= dropped
    assert not [name for name in dropped if "pg_toast" in name or "RI_Constraint" in name or "_RETURN" in name]


def test_concurrently_waits_for_whoever_has_an_old_snapshot(lab: Lab) -> None:
    """A long transaction that holds no lock at all is in the way of it, and of nothing else."""
    asleep = Blocker(4711, "app", "report", "", "", 3600.0, "idle in transaction")
    block = "with op.get_context().autocommit_block():\n    "
    create = 'op.create_index("ix", "users", ["code"]{})'
    for body, told in (
        (block + create.format(", postgresql_concurrently=True"), ["public.users"]),
        (create.format(""), []),
    ):
        trace = lab.trace(body)
        found = judge(trace, known(lab, trace, long_transactions=(asleep,)))
        assert [each.object for each in found if each.rule == "blocked-right-now"] == told
        assert all("4711" in each.message for each in found if each.rule == "blocked-right-now")


def test_what_nobody_could_wait_for_is_told_by_statistics(lab: Lab) -> None:
    """How many are NULL, or are lost, by what ANALYZE has found."""
    trace = lab.trace('op.drop_column("users", "legacy_email")\nop.alter_column("users", "code", nullable=False)')
    facts = known(lab, trace)
    fractions = {"legacy_email": 0.9, "code": 0.25}
    tables = {"public.users": replace(facts.tables["public.users"], rows=1000, null_fractions=fractions)}
    answers = {q.id: Answer(q.id, None, error="no answer within 5 s") for q in questions(trace)}
    found = judge(trace, replace(facts, tables=tables, answers=answers))
    messages = {each.object: each.message for each in found if "no answer within" in each.message}
    assert "about 100 by the statistics)" in messages["public.users.legacy_email"]
    assert "about 250 by the statistics)" in messages["public.users.code"]


def test_a_disk_that_is_too_small_stops_a_rewrite(lab: Lab) -> None:
    """Twice the table for a rewrite, the table for an index; with room enough only what slots hold back counts."""
    rewrite = 'op.alter_column("users", "balance", type_=sa.BigInteger())'
    index = 'op.create_index("ix", "users", ["code"])'
    for body, free, slot, told in (
        (rewrite, 100, 0, ("error", "needs about 120 GB; 100 GB are free")),
        (rewrite, 121, 0, None),
        (rewrite, 121, 61, ("warning", "a replication slot already holds back 61 GB of WAL")),
        (index, 40, 61, ("warning", "builds an index, which may need up to 48 GB; 40 GB are free")),
        (index, 49, 61, None),
    ):
        trace = lab.trace(body)
        server = ServerFacts(slots=1, slot_lag_bytes=slot * 1024**3, free_bytes=free * 1024**3)
        found = [each for each in judge(trace, known(lab, trace, server=server)) if each.rule == "headroom"]
        assert [(each.severity.value, each.message) for each in found] == ([told] if told else [])
