"""Which relations and functions a statement uses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db_migrate.testing.mentions import mentions, plain, same, split
from db_migrate.testing.statements import used_by


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM a JOIN b.c ON true WHERE x IN (SELECT y FROM d)", {("", "a"), ("b", "c"), ("", "d")}),
        ('SELECT 1 FROM "Odd ""one"', {("", 'Odd "one')}),
        ("SELECT 1 FROM Invoices", {("", "invoices")}),
        ("INSERT INTO a SELECT * FROM b", {("", "a"), ("", "b")}),
        ("UPDATE a SET x = b.x FROM b", {("", "a"), ("", "b")}),
        ("DELETE FROM a USING b WHERE a.x = b.x", {("", "a"), ("", "b")}),
        ("MERGE INTO a USING b ON true WHEN MATCHED THEN DELETE", {("", "a"), ("", "b")}),
        ("COPY a FROM STDIN", {("", "a")}),
        ("EXPLAIN ANALYZE SELECT * FROM a", {("", "a")}),
        ("DECLARE c CURSOR FOR SELECT * FROM a", {("", "a")}),
        ("LOCK TABLE a", {("", "a")}),
        ("REFRESH MATERIALIZED VIEW a", {("", "a")}),
        ("SELECT f(1), s.g(2)", {("", "f"), ("s", "g")}),
        ("CALL s.p(1)", {("s", "p")}),
        ("SELECT 1; SELECT * FROM a", {("", "a")}),
        ("DO $$ BEGIN DELETE FROM a WHERE x; PERFORM 1 FROM s.b; END $$", {("", "a"), ("s", "b")}),
    ],
)
def test_what_a_statement_uses(sql: str, expected: set[tuple[str, str]]) -> None:
    """Relations that are read, written or locked, and functions that are called, as the statement names them."""
    assert used_by(sql).relations == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("WITH x AS (SELECT * FROM a) SELECT * FROM x", {("", "a")}),
        ("WITH a AS (SELECT * FROM a) SELECT * FROM a", {("", "a")}),
        ("WITH x AS (SELECT 1), y AS (SELECT * FROM x) SELECT * FROM y", set()),
        ("WITH RECURSIVE t AS (SELECT 1 UNION SELECT * FROM t) SELECT * FROM t, b", {("", "b")}),
        ("WITH x AS (SELECT 1) INSERT INTO x SELECT * FROM x", {("", "x")}),
        ("WITH x AS (SELECT 1) SELECT * FROM s.x", {("s", "x")}),
        ("WITH x AS (DELETE FROM a WHERE b RETURNING 1) SELECT * FROM x", {("", "a")}),
        ("SELECT * FROM (WITH x AS (SELECT 1) SELECT * FROM x) AS y, x", {("", "x")}),
    ],
)
def test_a_common_table_expression_is_no_relation(sql: str, expected: set[tuple[str, str]]) -> None:
    """Names of WITH count only where they mean a real relation: inside themselves, written to, or qualified."""
    assert used_by(sql).relations == expected


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO a (x, y) VALUES (%(x)s::VARCHAR, %(y)s)",
        "INSERT INTO a VALUES (%s, %s)",
        "INSERT INTO a VALUES ($1::integer)",
        "INSERT INTO a VALUES (:x, :y)",
        "INSERT INTO a VALUES (?, ?)",
        "INSERT INTO a SELECT '%%' WHERE 5 %% 2 = %(x)s AND '1'::int = 1",
        "SELECT * FROM a WHERE j ? 'key'",
        "SELECT * FROM a WHERE x LIKE '%s'",
    ],
)
def test_placeholders_of_every_driver_are_understood(sql: str) -> None:
    """Statements are read as the drivers are given them, parameters not filled in."""
    assert used_by(sql).relations == {("", "a")}


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE a (x int REFERENCES b)",
        "ALTER TABLE a ADD x int",
        "DROP TABLE a",
        "CREATE VIEW v AS SELECT * FROM a",
        "SET search_path = a",
        "BEGIN",
        "SAVEPOINT a",
        "COMMENT ON TABLE a IS 'from b'",
        "SELECT 1 FROM pg_class, pg_catalog.pg_type, information_schema.tables",
        "",
        ";",
        "-- from a",
    ],
)
def test_making_a_table_and_looking_at_the_catalog_is_no_use(sql: str) -> None:
    """DDL, session commands and the system catalogs name nothing that a test is about."""
    assert used_by(sql).relations == set()


def test_emptying_is_told_from_deleting() -> None:
    """TRUNCATE and DELETE of all rows empty a table; a condition, or another statement beside it, makes it use."""
    assert used_by("TRUNCATE a, b").empties
    assert used_by("DELETE FROM a").empties
    assert used_by("DELETE FROM a; TRUNCATE b").empties
    assert not used_by("DELETE FROM a WHERE x = 1").empties
    assert not used_by("DELETE FROM a USING b").empties
    assert not used_by("DELETE FROM a; SELECT * FROM b").empties


def test_what_the_grammar_cannot_read_is_searched_for_names() -> None:
    """A statement of another database still names its tables."""
    assert used_by("REPLACE INTO a VALUES (1) FROM !!").relations == {("", "a")}


@given(st.text())
def test_no_text_breaks_the_reading(text: str) -> None:
    """Whatever is sent, reading it gives relations with names, or none."""
    assert all(name for _, name in used_by(text).relations)


@given(st.text(min_size=1).filter(lambda name: "\0" not in name), st.booleans())
def test_quoted_names_are_read_as_they_are(name: str, qualified: bool) -> None:
    """A name that SQL quotes comes out as PostgreSQL stores it."""
    quoted = '"' + name.replace('"', '""') + '"'
    expected = ("s", name) if qualified else ("", name)
    assert mentions(f"select * from {'s.' if qualified else ''}{quoted}") == {expected}
    assert split(f"s.{quoted}") == ("s", name)
    assert plain(quoted) == name


def test_a_function_is_split_without_its_arguments() -> None:
    """The catalog's name of a function carries types, which a call does not."""
    assert split("public.total(integer, text)") == ("public", "total")


def test_a_missing_schema_can_be_any() -> None:
    """Names that leave the schema to the search_path match in every schema; two schemas never match."""
    assert same(("a", "x"), ("", "x"))
    assert same(("a", "x"), ("a", "x"))
    assert not same(("a", "x"), ("b", "x"))
    assert not same(("", "x"), ("", "y"))
