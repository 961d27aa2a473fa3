"""Plans as scripts for psql, drift and schemas as SQL."""

from __future__ import annotations

from dataclasses import replace

from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect
from db_migrate.report.sql import drift_sql, plan_sql, schema_sql, terminated
from db_migrate.report.style import Style
from db_migrate.results import Schema, SchemaEntry

from .values import DEFAULT_CHANGED, INDEX_RENAMED, a_drift, a_plan, a_revision, a_statement


def test_a_plan_is_a_script_with_its_own_transactions() -> None:
    """Each transaction is bracketed and has the lock timeout; autocommit statements stand outside."""
    lines = plan_sql(a_plan(), 0.05).splitlines()
    assert lines[3] == "\\set ON_ERROR_STOP on"
    assert lines[5:] == [
        "BEGIN;",
        "SET LOCAL lock_timeout = '50ms';",
        "-- 0102: versions/0102_drop.py:20",
        "ALTER TABLE users DROP COLUMN legacy;",
        "-- 0102: versions/0102_drop.py:20",
        "UPDATE alembic_version SET version_num='0102';",
        "COMMIT;",
        "",
        "-- 0103: versions/0103_drop.py:20",
        "CREATE INDEX CONCURRENTLY ix ON users (email);",
    ]


def test_parameters_are_named_in_a_comment() -> None:
    """A statement that was sent with parameters says which; they cannot break out of the comment."""
    statement = replace(a_statement("UPDATE t SET a = %s"), parameters=("1\nDROP TABLE t;",))
    plan = replace(a_plan(), revisions=(a_revision("0102", statement),))
    assert "-- with parameters: 1\\nDROP TABLE t;\n" in plan_sql(plan, 0.05)


def test_every_statement_ends_in_one_semicolon() -> None:
    """Also where a comment ends the statement."""
    assert terminated("SELECT 1") == "SELECT 1;"
    assert terminated("SELECT 1;\n") == "SELECT 1;"
    assert terminated("SELECT 1 -- one") == "SELECT 1 -- one\n;"
    assert terminated("DO $$ BEGIN END; $$") == "DO $$ BEGIN END; $$;"


def test_names_that_steer_a_terminal_are_written_with_escapes(database: ConnInfo) -> None:
    """The script means the same, and holds none of the characters, but in the body of a function."""
    table, text = 'a\x1b[2J\\b"\u202e', "l'\x07\tx\n\x85"
    quoted = '"' + table.replace('"', '""') + '"'
    script = terminated(f"CREATE TABLE {quoted} (c text DEFAULT '{text.replace(chr(39), chr(39) * 2)}')")
    assert not set(script) & set("\x1b\x07\x85\u202e")
    with connect(database) as connection:
        connection.execute(script.encode())
        connection.execute(f"INSERT INTO {quoted} DEFAULT VALUES".encode())
        assert connection.execute(f"SELECT c FROM {quoted}".encode()).fetchall() == [(text,)]
    assert terminated("DO $$ BEGIN /*\x07*/ END $$") == "DO $$ BEGIN /*\x07*/ END $$;"
    assert terminated("SELECT E'\x07', N'\x07'") == "SELECT E'\x07', N'\x07';"


def test_drift_without_sql_is_named() -> None:
    """A change without SQL stands there as a comment, so that nothing is silently left out."""
    assert drift_sql(a_drift(DEFAULT_CHANGED, INDEX_RENAMED), Style()).splitlines() == [
        "-- history -> live",
        "-- column public.users.role altered",
        "ALTER TABLE public.users ALTER COLUMN role SET DEFAULT 'x';",
        "-- index public.ix_new renamed: no SQL is known",
    ]


def test_a_schema_is_made_in_an_order_that_postgresql_accepts() -> None:
    """Types come before tables, constraints after them, views last; a nested definition is used."""
    column = SchemaEntry("column", "public.t.id", {"type": "integer", "nullable": False})
    key = SchemaEntry("primary_key", "public.t.t_pkey", {"columns": ("id",)}, (), "PRIMARY KEY (id)")
    view = SchemaEntry("view", "public.a_view", {}, (), "CREATE VIEW public.a_view AS SELECT t.id FROM public.t")
    table = SchemaEntry("table", "public.t", {"persistence": "permanent"}, (column, key))
    enum = SchemaEntry("enum", "public.mood", {"labels": ("ok", "so, so")})
    shown = schema_sql(Schema(side="live", objects=(view, table, enum)), Style())
    places = [
        shown.index(each) for each in ("CREATE TYPE public.mood", "CREATE TABLE public.t", "PRIMARY KEY (id)", "VIEW")
    ]
    assert places == sorted(places)
    assert "'so, so'" in shown
