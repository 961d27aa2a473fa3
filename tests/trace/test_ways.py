"""Whatever a revision does its work with, the trace has what was done: one history, one revision for each way."""

from __future__ import annotations

import pytest
from trace_lab import Lab

from db_migrate.trace.effects import Trace, TracedRevision

GROUND = """
CREATE TABLE users (id bigint PRIMARY KEY, email text, name text);
CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint);
CREATE FUNCTION add_note(wanted text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN EXECUTE format('ALTER TABLE users ADD COLUMN %I text', wanted); UPDATE orders SET user_id = 0; END $$;
"""
WAYS = {
    "dynamic SQL": """
        op.execute("DO $$ BEGIN EXECUTE 'ALTER TABLE us' || 'ers DROP COLUMN em' || 'ail'; END $$")
    """,
    "a function": """
        op.execute("SELECT add_note('remark')")
    """,
    "create_all": """
        metadata = sa.MetaData()
        code = sa.Column("code", sa.Text, index=True)
        sa.Table("parcels", metadata, sa.Column("id", sa.Integer, primary_key=True), code)
        metadata.create_all(op.get_bind())
    """,
    "a guard that asks": """
        names = {c["name"] for c in sa.inspect(op.get_bind()).get_columns("users")}
        if "email" not in names:
            op.add_column("users", sa.Column("mail", sa.Text))
        if op.get_bind().execute(sa.text("SELECT to_regclass('orders')")).fetchone()[0]:
            op.execute("ALTER TABLE orders ADD COLUMN note text")
        op.create_index("ix_orders_note", "orders", ["note"], if_not_exists=True)
        op.create_index("ix_orders_note", "orders", ["note"], if_not_exists=True)
    """,
    "a raw cursor": """
        cursor = op.get_bind().connection.cursor()
        cursor.execute("ALTER TABLE users ADD COLUMN raw text")
        cursor.execute("UPDATE orders SET user_id = %s", (1,))
        with cursor.copy("COPY orders (id) FROM STDIN") as copy:
            copy.write_row(["9"])
    """,
    "the driver's own protocol": """
        op.get_bind().connection.driver_connection.pgconn.exec_(b"ALTER TABLE users ADD COLUMN hidden text")
        op.execute("ALTER TABLE users ADD COLUMN seen text")
    """,
    "a batch": """
        with op.batch_alter_table("users") as batch:
            batch.add_column(sa.Column("age", sa.Integer))
            batch.alter_column("name", new_column_name="full_name")
    """,
    "bulk_insert": """
        op.bulk_insert(sa.table("orders", sa.column("id")), [{"id": 1}, {"id": 2}])
    """,
    "the ORM": """
        from sqlalchemy.orm import Session, declarative_base
        Base = declarative_base()
        class Order(Base):
            __tablename__ = "orders"
            id = sa.Column(sa.BigInteger, primary_key=True)
            user_id = sa.Column(sa.BigInteger)
        session = Session(op.get_bind())
        session.execute(sa.update(Order).where(Order.id == 1).values(user_id=7))
        session.add(Order(id=3, user_id=7))
        session.flush()
    """,
    "a second connection": """
        op.execute("CREATE TABLE first (id int)")
        with op.get_bind().engine.connect().execution_options(isolation_level="AUTOCOMMIT") as other:
            other.exec_driver_sql("CREATE TABLE second (id int)")
            other.exec_driver_sql("CREATE INDEX CONCURRENTLY ix_second ON second (id)")
    """,
    "COMMIT as text": """
        op.execute("CREATE TABLE before_it (id int)")
        op.execute("COMMIT")
        op.execute("CREATE TABLE after_it (id int)")
    """,
    "a savepoint": """
        try:
            with op.get_bind().begin_nested():
                op.execute("ALTER TABLE orders ADD COLUMN gone text")
                op.execute("UPDATE users SET age = 1")
                op.execute("SELECT 1/0")
        except sa.exc.DBAPIError:
            op.execute("ALTER TABLE orders ADD COLUMN kept text")
    """,
}


@pytest.fixture(scope="module")
def ways(trace_lab: Lab) -> dict[str, TracedRevision]:
    """The trace of every way."""
    with trace_lab.database(GROUND) as database:
        trace: Trace = trace_lab.trace_on(database, *WAYS.values())
    assert [each.error for each in trace.revisions] == [None] * len(WAYS)
    return dict(zip(WAYS, trace.revisions, strict=True))


def done(revision: TracedRevision) -> list[str]:
    """What the revision's statements changed, dropped and wrote, in order; the version table apart."""
    found: list[str] = []
    for statement in revision.statements:
        effects = statement.effects
        found += [f"{change.action} {change.object}" for change in effects.changes]
        found += [f"wrote {name}" for name in effects.writes if name != "public.alembic_version"]
    return found


EXPECTED = {
    "dynamic SQL": ["dropped public.users.email"],
    "a function": ["created public.users.remark", "wrote public.orders"],
    "create_all": ["created public.parcels", "created public.ix_parcels_code"],
    "a guard that asks": [
        "created public.users.mail",
        "created public.orders.note",
        "created public.ix_orders_note",
    ],
    "a raw cursor": ["created public.users.raw", "wrote public.orders", "wrote public.orders"],
    "the driver's own protocol": ["created public.users.seen"],
    "a batch": ["created public.users.age", "renamed public.users.full_name"],
    "bulk_insert": ["wrote public.orders"],
    "the ORM": ["wrote public.orders", "wrote public.orders"],
    "a second connection": ["created public.first", "created public.second", "created public.ix_second"],
    "COMMIT as text": ["created public.before_it", "created public.after_it"],
    "a savepoint": ["created public.orders.gone", "wrote public.users", "created public.orders.kept"],
}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_is_traced_for_what_it_does(ways: dict[str, TracedRevision], way: str) -> None:
    """Objects and tables by name, in the order in which the statements were sent."""
    assert done(ways[way]) == EXPECTED[way]


def test_what_the_driver_sends_unseen_is_told_and_is_in_the_schema(ways: dict[str, TracedRevision]) -> None:
    """By the server's log, and by what the revision leaves."""
    revision = ways["the driver's own protocol"]
    assert revision.unseen == ("ALTER TABLE users ADD COLUMN hidden text",)
    left = [c.name for c in revision.after.columns("public.users")]
    assert {"public.users.hidden", "public.users.seen"} <= set(left)
    assert all(each.unseen == () for each in ways.values() if each is not revision)


def test_commits_are_where_they_really_were(ways: dict[str, TracedRevision]) -> None:
    """By text, and on a connection of its own; CONCURRENTLY is alone and waits for others."""
    text = {s.sql: s.transaction for s in ways["COMMIT as text"].statements}
    assert text["CREATE TABLE before_it (id int)"] != text["CREATE TABLE after_it (id int)"]
    second = {s.sql: s for s in ways["a second connection"].statements}
    first, made, built = (second[sql] for sql in list(second)[:3])
    assert len({first.transaction, made.transaction, built.transaction}) == 3
    assert (first.autocommit, made.autocommit, built.autocommit) == (False, True, True)
    assert built.effects.index_builds
    assert built.effects.phases


def test_after_a_savepoint_nothing_is_counted_twice(ways: dict[str, TracedRevision]) -> None:
    """What the failed part did is not what the next statement did."""
    last = next(s for s in ways["a savepoint"].statements if "kept" in s.sql)
    assert (last.effects.scans, last.effects.writes) == ((), ())
    assert [lock.relation for lock in last.effects.locks] == ["public.orders"]
