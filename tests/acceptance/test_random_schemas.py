"""Schemas that nobody thought of: never a change where there is none, always exactly the one that was made."""

from __future__ import annotations

import os
from dataclasses import dataclass

import psycopg
import sqlalchemy as sa
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from tests.acceptance.mutations import Mutation, mutations
from tests.acceptance.oracles import Bench, forward, read
from tests.strategies import metadata

from db_migrate.catalog.diff import diff
from db_migrate.catalog.objects import Catalog
from db_migrate.catalog.sql import with_sql
from db_migrate.catalog.tokens import last_part, unquoted
from db_migrate.postgres.dump import dump_schema, load
from db_migrate.postgres.scratch import scratch_database
from db_migrate.postgres.server import Server
from db_migrate.postgres.session import connect

LONG = os.environ.get("DB_MIGRATE_TEST_LONG") == "1"
_SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]


@dataclass(frozen=True, slots=True)
class Mutated:
    """A schema as DDL, and one change of it."""

    ddl: str
    mutation: Mutation


def ddl(schema: sa.MetaData) -> str:
    """What ``create_all`` sends for the metadata."""
    statements: list[str] = []
    dialect = sa.create_mock_engine("postgresql+psycopg://", lambda *_, **__: None).dialect

    def collect(statement: sa.schema.ExecutableDDLElement, *_: object, **__: object) -> None:
        statements.append(str(statement.compile(dialect=dialect)).replace("%%", "%"))

    schema.create_all(sa.create_mock_engine("postgresql+psycopg://", collect), checkfirst=False)
    return ";\n".join(statements)


def mutated() -> st.SearchStrategy[Mutated]:
    """Any schema with any change."""
    return metadata().flatmap(lambda schema: mutations(schema).map(lambda mutation: Mutated(ddl(schema), mutation)))


def _read(bench: Bench, connection: psycopg.Connection[tuple[object, ...]]) -> Catalog:
    catalog = read(connection, prepared=bench.prepared)
    connection.execute("SET LOCAL search_path = public")
    return catalog


@settings(max_examples=2000 if LONG else 100, deadline=None, database=None, suppress_health_check=_SLOW)
@given(drawn=mutated())
def test_one_mutation_is_exactly_one_change(drawn: Mutated, bench: Bench) -> None:
    """Created twice there is no change; after one statement there is that change, and its SQL makes it too."""
    mutation = drawn.mutation
    with bench.passing(drawn.ddl) as connection:
        before = _read(bench, connection)
        try:
            connection.execute(mutation.sql.encode())
        except psycopg.errors.InvalidTableDefinition:
            reject()  # an identity column cannot become nullable, and the like
        after = _read(bench, connection)
    changes = diff(before, after)
    assert [(c.kind, c.action, tuple(a.name for a in c.attributes)) for c in changes] == [
        (mutation.kind, mutation.action, mutation.attributes)
    ]
    assert mutation.object[:63] in ("", unquoted(last_part(changes[0].object)))
    drifts = changes[0].class_ == "drift"
    assert (before.fingerprint != after.fingerprint) == drifts
    with bench.passing(drawn.ddl) as connection:
        assert not diff(before, _read(bench, connection))
        for script in forward(with_sql(changes, before, after)):
            connection.execute(script.encode())
        assert not diff(_read(bench, connection), after)


@settings(max_examples=200 if LONG else 10, deadline=None, database=None, suppress_health_check=_SLOW)
@given(schema=metadata().map(ddl))
def test_dumped_and_loaded_is_the_same(schema: str, server: Server) -> None:
    """A schema that went through pg_dump has no change, and the same fingerprint."""
    with scratch_database(server) as first, scratch_database(server) as second:
        with connect(first) as connection:
            connection.execute(schema.encode())
        load(second, dump_schema(first, server.binaries))
        catalogs = []
        for conninfo in (first, second):
            with connect(conninfo) as connection, connection.transaction():
                catalogs.append(read(connection))
    assert diff(*catalogs) == ()
    assert catalogs[0].fingerprint == catalogs[1].fingerprint
