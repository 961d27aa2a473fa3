"""Renames beside other changes: the running release goes on under the old names until the revision that waits."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import psycopg
import pytest
from tests.acceptance.oracles import Bench

from db_migrate.catalog.diff import diff, drifted
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.scratch import scratch_database
from db_migrate.postgres.session import connect

from .running import Yes, between, catalog_of, run
from .test_renames import NEW, OLD, Names


@dataclass(frozen=True)
class Release:
    """A release that reads and writes everything under its names."""

    names: Names

    def at_work(self, database: ConnInfo, pairs: int) -> int:
        """Look at all rows and put two more in, as a role that may use the table; how many pairs there are then."""
        with contextlib.closing(connect(database)) as connection:
            connection.execute(f"SET ROLE {_role(database)}".encode())
            assert self.names.rows(connection) == self.names.expected(pairs)
            self.names.fill(connection)
            assert self.names.rows(connection) == self.names.expected(pairs + 1)
        return pairs + 1

    def is_out(self, database: ConnInfo) -> None:
        """Its names mean nothing any more."""
        query = f"SELECT {self.names.column} FROM public.{self.names.table} WHERE level = '{self.names.label}'"
        with contextlib.closing(connect(database)) as connection, pytest.raises(psycopg.Error):
            connection.execute(query.encode())


def _role(database: ConnInfo) -> str:
    return f"app_{database.dbname}"


BESIDE = "age int NOT NULL DEFAULT 7, number int"


def _schema(names: Names, *, more: bool) -> str:
    """Other changes: a column, an index, a table that refers to the renamed one."""
    if not more:
        return names.schema
    return f"""{names.schema.replace("number int", BESIDE, 1)}
        CREATE INDEX of_age ON {names.table} (age, {names.column});
        CREATE TABLE notes (person_id int REFERENCES {names.table}, level level DEFAULT '{names.label}');
    """


@pytest.mark.parametrize("new", NEW, ids=str)
def test_the_running_release_goes_on_until_the_revision_that_waits(new: Names, bench: Bench) -> None:
    """Under the old names it reads and writes before and between the revisions, up and down; the new one after them."""
    old_release, new_release = Release(OLD), Release(new)
    before, after = (bench.catalog(_schema(n, more=m)) for n, m in ((OLD, False), (new, True)))
    made = between(before, after, questioner=Yes())
    ups, downs = [up for up, _ in made.revisions], [down for _, down in reversed(made.revisions)]
    assert [bool(each) for each in made.waits] == [False, True]
    with scratch_database(bench.server, purpose="bridges") as database:
        with contextlib.closing(connect(database)) as connection:
            connection.execute(f"SET search_path = public; {_schema(OLD, more=False)}".encode())
            role = _role(database)
            connection.execute(f"CREATE ROLE {role}; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}".encode())
            connection.execute(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}".encode())
        pairs = old_release.at_work(database, 0)
        for _ in range(2):
            run(ups[0], database)
            pairs = old_release.at_work(database, pairs)
            if new.table != OLD.table and new.label == OLD.label:
                pairs = new_release.at_work(database, pairs)
            run(ups[1], database)
            pairs = new_release.at_work(database, pairs)
            old_release.is_out(database)
            assert drifted(diff(catalog_of(database), after)) == ()
            run(downs[0], database)
            pairs = old_release.at_work(database, pairs)
            run(downs[1], database)
            pairs = old_release.at_work(database, pairs)
            assert drifted(diff(catalog_of(database), before)) == ()
        with contextlib.closing(connect(database)) as connection:
            connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())
