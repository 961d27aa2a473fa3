"""Renames of tables, columns and labels with rows in place: what is beside them stays, there, back and there again."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pytest
from tests.acceptance.oracles import Bench

from db_migrate.catalog.diff import diff, drifted
from db_migrate.postgres.scratch import scratch_database
from db_migrate.postgres.session import connect

from .running import Yes, between, catalog_of, run


@dataclass(frozen=True)
class Names:
    """What the table, its column and the label of the enum are called."""

    table: str = "people"
    column: str = "fullname"
    label: str = "low"
    beside: str = ""

    @property
    def schema(self) -> str:
        """The schema: the table between one that it refers to and one that refers to it, and a view on it."""
        return f"""
        CREATE TYPE level AS ENUM ('{self.label}', 'high');
        CREATE TABLE teams (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text UNIQUE);
        CREATE SEQUENCE numbers START 100;
        CREATE TABLE {self.table} (
            id serial PRIMARY KEY, {self.column} text NOT NULL DEFAULT 'nobody' CHECK ({self.column} <> ''),
            level level NOT NULL DEFAULT '{self.label}', number int DEFAULT nextval('numbers'),
            team_id int REFERENCES teams ON DELETE CASCADE,
            initial text GENERATED ALWAYS AS (left({self.column}, 1)) STORED{self.beside}
        );
        CREATE INDEX of_name ON {self.table} ({self.column});
        CREATE INDEX of_low ON {self.table} (lower({self.column})) WHERE level = '{self.label}';
        COMMENT ON COLUMN {self.table}.{self.column} IS 'as on the badge';
        CREATE TABLE badges (
            id int PRIMARY KEY, person_id int NOT NULL CONSTRAINT badges_person REFERENCES {self.table}
        );
        CREATE VIEW seniors AS SELECT id, {self.column} AS name FROM {self.table} WHERE level = 'high';
        """

    def fill(self, connection: psycopg.Connection[Any]) -> None:
        """Two more people, of one team, one with all defaults; the second has a badge."""
        for statement in (
            "INSERT INTO teams (title) VALUES ('team ' || (SELECT count(*) FROM teams))",
            f"INSERT INTO {self.table} (team_id) SELECT max(id) FROM teams",
            f"INSERT INTO {self.table} ({self.column}, level, team_id) SELECT 'Ann', 'high', max(id) FROM teams",
            f"INSERT INTO badges SELECT max(id), max(id) FROM {self.table}",
        ):
            connection.execute(f"SET search_path = public; {statement}".encode())

    def expected(self, pairs: int) -> list[tuple[Any, ...]]:
        """The rows when so many pairs have been put in, under whatever names."""
        return [
            row
            for pair in range(pairs)
            for row in (
                (2 * pair + 1, "nobody", self.label.replace("''", "'"), 100 + 2 * pair, pair + 1, "n", None, None),
                (2 * pair + 2, "Ann", "high", 101 + 2 * pair, pair + 1, "A", 2 * pair + 2, "Ann"),
            )
        ]

    def rows(self, connection: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
        """The rows that there are."""
        query = f"""
        SELECT p.id, p.{self.column}, p.level::text, p.number, p.team_id, p.initial, b.id, v.name
          FROM public.{self.table} p LEFT JOIN public.badges b ON b.person_id = p.id
          LEFT JOIN public.seniors v ON v.id = p.id ORDER BY p.id"""
        return connection.execute(query.encode()).fetchall()


OLD = Names()
NEW = (
    Names(table="persons"),
    Names(column="full_name"),
    Names(label="little"),
    Names(table="persons", column="full_name"),
    Names(table='"Order"', column='"both"', label="it''s"),
)


@pytest.mark.parametrize("new", NEW, ids=str)
def test_renames_keep_the_rows(new: Names, bench: Bench) -> None:
    """Each row is there under the new names and the old, with all defaults, sequences, keys and views at work."""
    before, after = bench.catalog(OLD.schema), bench.catalog(new.schema)
    made = between(before, after)
    assert not [c for c in made.decision.changes if c.action in ("created", "dropped")]
    assert not [each for bodies in made.revisions for body in bodies for each in body.statements if "INDEX" in each]
    with scratch_database(bench.server, purpose="renames") as database:
        with contextlib.closing(connect(database)) as connection:
            connection.execute(f"SET search_path = public; {OLD.schema}".encode())
            OLD.fill(connection)
        pairs = 1
        there = [(new, up) for up, _ in made.revisions]
        back = [(OLD, down) for _, down in reversed(made.revisions)]
        for names, body in (*there, *back, *there):
            run(body, database)
            with contextlib.closing(connect(database)) as connection:
                assert names.rows(connection) == names.expected(pairs)
                names.fill(connection)
                pairs += 1
                assert names.rows(connection) == names.expected(pairs)
        assert drifted(diff(catalog_of(database), after)) == ()


GONE = ", nick text NOT NULL DEFAULT 'none' CHECK (nick <> ''), age int"
"""What the table has beside it all in the history, and in the models."""
COME = ", born date DEFAULT '2001-01-01' NOT NULL, age int NOT NULL"


@pytest.mark.parametrize("new", NEW, ids=str)
def test_renames_beside_what_waits_for_a_release(new: Names, bench: Bench) -> None:
    """A column comes, one goes in a later revision, and one is filled in between: the rows are there at each step.

    Everything has its new name from the revision on that waits; a table, and a column of a renamed table, before that
    too, where a view can have the old names.
    """
    late = new.table == OLD.table or new.label != OLD.label
    first, last = replace(OLD, beside=GONE), replace(new, beside=COME)
    before, after = bench.catalog(first.schema), bench.catalog(last.schema)
    made = between(before, after, questioner=Yes(expression="7"))
    ups, downs = [up for up, _ in made.revisions], [down for _, down in reversed(made.revisions)]
    assert len(ups) == 3
    with scratch_database(bench.server, purpose="renames") as database:
        with contextlib.closing(connect(database)) as connection:
            connection.execute(f"SET search_path = public; {first.schema}".encode())
            first.fill(connection)
            connection.execute(b"UPDATE people SET nick = 'A', age = NULL")
        pairs = 1
        for way, ends, release in ((ups, last, 0), (downs, first, 2), (ups, last, 0)):
            for number, body in enumerate(way):
                run(body, database)
                contracted, taken_back = (way is ups and number == 2), (way is downs and number == 2)
                names = last if contracted or not (late or taken_back) else first
                with contextlib.closing(connect(database)) as connection:
                    assert names.rows(connection) == names.expected(pairs)
                    if number == release:
                        names.fill(connection)
                        pairs += 1
            assert drifted(diff(catalog_of(database), after if ends is last else before)) == ()
        with contextlib.closing(connect(database)) as connection:
            ages = f"SELECT DISTINCT age, born::text FROM public.{new.table}"
            assert connection.execute(ages.encode()).fetchall() == [(7, "2001-01-01")]
