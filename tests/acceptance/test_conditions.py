"""The conditions under which a catalog query is asked at all: never false while it has rows."""

from __future__ import annotations

import re

from tests.acceptance.oracles import Bench

from db_migrate.catalog.reader import QUERIES, condition, query
from db_migrate.postgres.session import run_text

FUNCTION = "CREATE FUNCTION f() RETURNS {} LANGUAGE plpgsql AS 'BEGIN END'"

ALONE = (
    ("schemas", "CREATE SCHEMA s"),
    ("types", "CREATE TYPE e AS ENUM ()"),
    ("types", "CREATE DOMAIN d AS int"),
    ("types", "CREATE TYPE r AS RANGE (SUBTYPE = int)"),
    ("types", "CREATE TYPE c AS (a int)"),
    ("sequences", "CREATE SEQUENCE s"),
    ("functions", FUNCTION.format("int")),
    ("functions", "CREATE AGGREGATE a (int) (SFUNC = int4pl, STYPE = int)"),
    ("operators", "CREATE OPERATOR ### (FUNCTION = int4pl, LEFTARG = int, RIGHTARG = int)"),
    ("operators", "CREATE CAST (int AS box) WITH INOUT"),
    ("operators", "CREATE COLLATION c (LOCALE = 'C')"),
    ("operators", "CREATE TEXT SEARCH CONFIGURATION c (PARSER = pg_catalog.default)"),
    ("operators", "CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = simple)"),
    ("tables", "CREATE TABLE t ()"),
    ("columns", "CREATE TABLE t (a int)"),
    ("constraints", "CREATE TABLE t (a int CHECK (a > 0))"),
    ("indexes", "CREATE TABLE t (a int); CREATE INDEX ON t (a)"),
    ("statistics", "CREATE TABLE t (a int, b int); CREATE STATISTICS s ON a, b FROM t"),
    ("views", "CREATE VIEW v AS SELECT 1"),
    ("views", "CREATE MATERIALIZED VIEW v AS SELECT 1"),
    (
        "triggers",
        (
            f"{FUNCTION.format('trigger')}; CREATE TABLE t ();"
            "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()"
        ),
    ),
    ("triggers", "CREATE TABLE t (); CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING"),
    ("triggers", "CREATE TABLE t (); CREATE POLICY p ON t"),
    (
        "triggers",
        f"{FUNCTION.format('event_trigger')}; CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f()",
    ),
    ("publications", "CREATE PUBLICATION p"),
    ("foreign", "CREATE FOREIGN DATA WRAPPER w"),
    ("foreign", "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w"),
    ("comments", "CREATE VIEW v AS SELECT 1; COMMENT ON VIEW v IS 'x'"),
    ("not_covered", "CREATE OPERATOR CLASS c FOR TYPE int USING btree FAMILY integer_ops AS STORAGE int"),
    ("not_covered", "CREATE OPERATOR FAMILY f USING btree"),
    ("not_covered", "CREATE CONVERSION c FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8"),
    ("not_covered", "CREATE LANGUAGE l HANDLER plpgsql_call_handler"),
    (
        "not_covered",
        (
            "CREATE FUNCTION f(internal) RETURNS internal LANGUAGE internal STRICT IMMUTABLE AS 'textlike_support';"
            "CREATE TRANSFORM FOR int LANGUAGE plpgsql (FROM SQL WITH FUNCTION f(internal))"
        ),
    ),
    ("not_covered", "CREATE ACCESS METHOD a TYPE TABLE HANDLER heap_tableam_handler"),
    (
        "not_covered",
        (
            "CREATE TEXT SEARCH PARSER p (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end,"
            " LEXTYPES = prsd_lextype)"
        ),
    ),
    ("not_covered", "CREATE TEXT SEARCH TEMPLATE t (LEXIZE = dsimple_lexize)"),
    (
        "not_covered",
        (
            "CREATE TYPE b; CREATE FUNCTION i(cstring) RETURNS b LANGUAGE internal STRICT IMMUTABLE AS 'int4in';"
            "CREATE FUNCTION o(b) RETURNS cstring LANGUAGE internal STRICT IMMUTABLE AS 'int4out';"
            "CREATE TYPE b (INPUT = i, OUTPUT = o, LIKE = int)"
        ),
    ),
    ("not_covered", "CREATE SUBSCRIPTION s CONNECTION 'dbname=none' PUBLICATION p WITH (connect = false)"),
    (
        "not_covered",
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;CREATE USER MAPPING FOR PUBLIC SERVER s",
    ),
    (
        "not_covered",
        (
            "SET LOCAL allow_system_table_mods = on; CREATE TABLE t ();"
            "INSERT INTO pg_seclabel VALUES ('t'::regclass, 'pg_class'::regclass, 0, 'nobody', 'secret')"
        ),
    ),
    ("not_covered", "SELECT lo_create(0)"),
)
"""What has to be asked because of which statements, and for no other reason."""


def alternatives(name: str) -> list[str]:
    """Each of what makes the condition true by itself."""
    return re.split(r"\s+OR\s+(?=EXISTS)", condition(name))


def test_what_has_rows_is_asked_for(bench: Bench) -> None:
    """One object by itself is enough, of each kind, and each alternative of a condition is there for one of them."""
    used = set()
    for name, script in ALONE:
        with bench.passing(script) as connection:
            connection.execute("SET LOCAL search_path = pg_catalog")
            run = run_text(connection)
            assert run(query(name, bench.server.major)) != "[]", script
            for each in (*QUERIES, "not_covered"):
                assert run(f"SELECT {condition(each)}") == "True" or run(query(each, bench.server.major)) == "[]", (
                    script
                )
            (true,) = [each for each in alternatives(name) if run(f"SELECT {each}") == "True"]
            used.add((name, true))
    conditional = [name for name in (*QUERIES, "not_covered", "dependencies") if condition(name) != "true"]
    assert used == {(name, each) for name in conditional for each in alternatives(name)}


def test_where_there_is_nothing_nothing_is_asked_for(bench: Bench) -> None:
    """An empty database opens none of the conditions."""
    run = run_text(bench.connection)
    conditional = [name for name in (*QUERIES, "not_covered") if condition(name) != "true"]
    assert [name for name in conditional if run(f"SELECT {condition(name)}") != "False"] == []
