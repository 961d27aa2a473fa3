"""Which tables, views and functions changes concern."""

from __future__ import annotations

import contextlib

import pytest

from db_migrate.catalog.diff import diff
from db_migrate.catalog.objects import Catalog
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect
from db_migrate.schemas.scratch import read
from db_migrate.testing.changed import tables_of

GROUND = """
    CREATE SCHEMA audit;
    CREATE TYPE mood AS ENUM ('good', 'bad');
    CREATE DOMAIN amount AS numeric CHECK (VALUE >= 0);
    CREATE TABLE users (id int PRIMARY KEY, name text, mood mood);
    CREATE TABLE invoices (id int PRIMARY KEY, user_id int, total amount);
    CREATE TABLE plain (id int);
    CREATE TABLE "Order Lines" (id int);
    CREATE TABLE parts (at date) PARTITION BY RANGE (at);
    CREATE TABLE parts_old PARTITION OF parts FOR VALUES FROM ('2000-01-01') TO ('2020-01-01');
    CREATE TABLE audit.logs (id int);
    CREATE VIEW totals AS SELECT user_id, sum(total) AS total FROM invoices GROUP BY user_id;
    CREATE VIEW best AS SELECT * FROM totals WHERE total > 10;
    CREATE MATERIALIZED VIEW names AS SELECT name FROM users;
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN INSERT INTO audit.logs VALUES (1); RETURN NEW; END';
    CREATE TRIGGER note AFTER INSERT ON plain FOR EACH ROW EXECUTE FUNCTION note();
    CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
    CREATE TABLE doubled (x int DEFAULT twice(1));
"""


def concerned(database: ConnInfo, sql: str, ground: str = GROUND) -> tuple[str, ...]:
    """What the SQL concerns, on the usual ground."""
    before = made(database, ground)
    after = made(database, sql)
    changes = diff(before, after)
    assert changes
    return tables_of(changes, before, after)


def made(database: ConnInfo, sql: str) -> Catalog:
    """The catalog after the SQL ran."""
    with contextlib.closing(connect(database)) as connection:
        connection.execute(sql.encode())
    return read(database)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("ALTER TABLE plain ADD y int", {"public.plain"}),
        ("CREATE INDEX ON users (name)", {"public.names", "public.users"}),
        ("ALTER TABLE invoices ADD CHECK (id > 0)", {"public.invoices", "public.totals", "public.best"}),
        ("CREATE TABLE fresh (id int)", {"public.fresh"}),
        ("DROP TABLE doubled", {"public.doubled"}),
        ("DROP VIEW best", {"public.best"}),
        ("DROP VIEW best; DROP VIEW totals", {"public.best", "public.totals"}),
        ('ALTER TABLE "Order Lines" ADD y int', {'public."Order Lines"'}),
        ("ALTER TYPE mood ADD VALUE 'so so'", {"public.users", "public.names"}),
        ("ALTER DOMAIN amount DROP CONSTRAINT amount_check", {"public.invoices", "public.totals", "public.best"}),
        ("ALTER TABLE parts ADD y int", {"public.parts", "public.parts_old"}),
        ("CREATE INDEX ON parts_old (at)", {"public.parts", "public.parts_old"}),
        ("ALTER TABLE audit.logs ADD y int", {"audit.logs", "public.note()", "public.plain"}),
        (
            "CREATE OR REPLACE FUNCTION twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + $1'",
            {"public.twice(integer)", "public.doubled"},
        ),
        (
            "ALTER TABLE invoices ADD FOREIGN KEY (user_id) REFERENCES users",
            {"public.invoices", "public.totals", "public.best", "public.users", "public.names"},
        ),
    ],
)
def test_a_change_concerns_its_relation_and_what_depends_on_it(
    database: ConnInfo, sql: str, expected: set[str]
) -> None:
    """Views over the table, tables with the function, type or partition: all that statements could name."""
    assert set(concerned(database, sql)) == expected


def test_a_renamed_table_is_known_by_both_names(database: ConnInfo) -> None:
    """Tests that were written for the old name are concerned as much as those for the new."""
    found = concerned(database, "ALTER TABLE plain RENAME TO fancy")
    assert {"public.plain", "public.fancy"} <= set(found)


def test_a_comment_concerns_nobody(database: ConnInfo) -> None:
    """No test can notice a comment."""
    assert concerned(database, "COMMENT ON TABLE plain IS 'x'") == ()


def test_a_sequence_concerns_the_table_that_owns_it(database: ConnInfo) -> None:
    """The numbers of a serial column are the table's."""
    ground = "CREATE TABLE counted (id serial); CREATE TABLE other (id serial)"
    assert "public.counted" in concerned(database, "ALTER SEQUENCE counted_id_seq INCREMENT 5", ground)
