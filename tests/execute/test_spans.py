"""Runs as OpenTelemetry spans, by the SDK itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from db_migrate.errors import Refused
from db_migrate.execute.progress import ProgressKind
from db_migrate.execute.spans import operation_of
from db_migrate.postgres.session import connect

from .conftest import Site
from .faults import wait_until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SECRET = "only-a-row-has-this"


@pytest.fixture(scope="module")
def exporter() -> Iterator[InMemorySpanExporter]:
    """What a program that uses the library has set up, until these tests are over.

    A provider that stays starts a thread in each child that is forked, and one with threads enters no user namespace:
    other tests of this process start servers so.
    """
    made = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(made))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trace, "get_tracer_provider", lambda: provider)
        yield made
    provider.shutdown()


def tree(spans: tuple[ReadableSpan, ...]) -> list[tuple[str, str]]:
    """The spans by the time when they began, each with the name of the one around it."""
    names = {each.context.span_id: each.name for each in spans}
    began = sorted(spans, key=lambda each: each.start_time or 0)
    return [(each.name, names.get(each.parent.span_id, "outside") if each.parent else "") for each in began]


def test_a_run_is_spans_of_revisions_and_statements(
    site: Site, exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One in the other, with what they are about, who was waited for and how they ended; no text, no row, no secret."""
    monkeypatch.setenv("TRACEPARENT", f"00-{TRACE}-00f067aa0ba902b7-01")
    site.sql("CREATE TABLE a (id int PRIMARY KEY, note text)", f"INSERT INTO a VALUES (1, '{SECRET}')")
    site.revision("r1", f"op.execute(\"INSERT INTO a VALUES (2, '{SECRET}')\")\nop.execute('ALTER TABLE a ADD b int')")
    site.revision("r2", "op.execute('ALTER TABLE a ADD CONSTRAINT one UNIQUE (note)')")
    plan = site.plan()
    with contextlib.closing(connect(site.conninfo, application_name="bystander")) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM a")
        with ThreadPoolExecutor(1) as thread:
            run = thread.submit(site.execute, plan)
            wait_until(lambda: bool(site.seen(ProgressKind.LOCK_WAIT)), "the reader is not waited for")
            other.rollback()
            result = run.result()
    assert (result.exit_code, result.to) == (4, ("r1",)), result.error
    assert result.error is not None
    spans = exporter.get_finished_spans()
    exporter.clear()
    assert tree(spans) == [
        ("db-migrate apply", "outside"),
        ("r1", "db-migrate apply"),
        ("INSERT public.a", "r1"),
        ("ALTER TABLE public.a", "r1"),
        ("INSERT public.alembic_version", "r1"),
        ("r2", "db-migrate apply"),
        ("ALTER TABLE public.a", "r2"),
    ]
    root = next(each for each in spans if each.name == "db-migrate apply")
    about = dict(root.attributes or {})
    assert f"{root.context.trace_id:032x}" == TRACE
    assert (about["db_migrate.run"], about["db_migrate.plan"]) == (result.run, plan.hash)
    assert (about["db.system.name"], about["db.namespace"]) == ("postgresql", site.conninfo.dbname)
    assert (about["db_migrate.exit_code"], about["db_migrate.to"], about["error.type"]) == (4, "r1", "apply.failed")
    ended = {each.name: each.status.status_code.name for each in spans}
    assert (ended["r1"], ended["r2"], ended["db-migrate apply"]) == ("UNSET", "ERROR", "ERROR")
    waits = [event for each in spans for event in each.events if event.name == "lock_wait"]
    assert [
        (dict(each.attributes or {})["application"], dict(each.attributes or {})["relation"]) for each in waits
    ] == [("bystander", "public.a")]
    everything = "".join(each.to_json() for each in spans)
    assert SECRET not in everything
    assert "INTO a" not in everything

    site.sql("ALTER TABLE a ADD c int")
    with pytest.raises(Refused):
        site.execute(plan)
    (refused,) = exporter.get_finished_spans()
    assert (refused.status.status_code.name, refused.status.description) == ("ERROR", "plan.stale")


@pytest.mark.parametrize(
    ("sql", "operation"),
    [
        ("ALTER TABLE a ADD b int", "ALTER TABLE"),
        ("\n-- CREATE TABLE\n /* DROP */ create unique index concurrently i on a (b)", "CREATE INDEX"),
        ("CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE FUNCTION"),
        ("DO $$ BEGIN PERFORM 1; END $$", "DO"),
        ("update a set b = 'x'", "UPDATE"),
        ("WITH x AS (SELECT 1) INSERT INTO a SELECT * FROM x", "WITH"),
        ("DROP MATERIALIZED VIEW v", "DROP VIEW"),
        ("(SELECT 'secret')", "statement"),
        ("", "statement"),
    ],
)
def test_a_statement_is_called_by_its_first_words(sql: str, operation: str) -> None:
    """Comments do not count, and nothing that may be a value is ever part of it."""
    assert operation_of(sql) == operation
