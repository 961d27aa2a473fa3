"""Plans as scripts for psql, drift and schemas as SQL."""

from __future__ import annotations

from dataclasses import replace

from db_migrate.report.sql import drift_sql, plan_sql, terminated
from db_migrate.report.style import Style

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


def test_drift_without_sql_is_named() -> None:
    """A change without SQL stands there as a comment, so that nothing is silently left out."""
    assert drift_sql(a_drift(DEFAULT_CHANGED, INDEX_RENAMED), Style()).splitlines() == [
        "-- history -> live",
        "-- column public.users.role altered",
        "ALTER TABLE public.users ALTER COLUMN role SET DEFAULT 'x';",
        "-- index public.ix_new renamed: no SQL is known",
    ]
