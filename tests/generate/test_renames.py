"""Renames of tables, columns and labels with rows in place: what is beside them stays, there, back and there again."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pytest
from tests.acceptance.oracles import Bench

from db_migrate.catalog.diff import diff, drifted
from db_migrate.errors import UsageError
from db_migrate.generate.request import Request
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


SOME = """
CREATE SCHEMA old;
CREATE TABLE t (id int, a int);
CREATE TABLE u (id int);
CREATE TABLE old.t (id int);
CREATE MATERIALIZED VIEW m AS SELECT 1 AS one;
"""
OTHERS = """
CREATE SCHEMA new;
CREATE TABLE t (id int);
CREATE TABLE u (id int, a int);
CREATE TABLE new.t (id int);
CREATE MATERIALIZED VIEW mm AS SELECT 1 AS one;
"""


def test_what_was_renamed_is_asked_of_schemas_and_materialized_views_too(bench: Bench) -> None:
    """What nobody renamed is dropped and made anew; no rename moves a column to another table."""
    before, after = bench.catalog(SOME), bench.catalog(OTHERS)
    kinds = {"schema", "materialized_view"}
    for yes, actions in ((True, {"renamed"}), (False, {"created", "dropped"})):
        changes = between(before, after, questioner=Yes(rename=yes)).decision.changes
        assert {c.action for c in changes if c.kind in kinds} == actions
    for pair in (("t.a", "u.a"), ("t.b", "t.c"), ("t", "m")):
        with pytest.raises(UsageError, match=f"{pair[0]} cannot have been renamed to {pair[1]}") as refused:
            between(before, after, request=Request(renames=(pair,)))
        assert refused.value.code == "generate.unknown-rename"


KINDS = """
CREATE TYPE mood AS ENUM ('low', 'high');
CREATE TYPE pair AS (x int, y int);
CREATE DOMAIN pos AS int CHECK (VALUE > 0);
CREATE SEQUENCE nums START 7;
CREATE TABLE node (id serial PRIMARY KEY, up int REFERENCES node, n int DEFAULT nextval('nums'));
CREATE INDEX ON node (up);
CREATE TABLE part (id int, day date, x text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE part_20 PARTITION OF part FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE part_rest PARTITION OF part DEFAULT;
CREATE TABLE calc (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a pos, b int GENERATED ALWAYS AS (a * 2) STORED,
    m mood DEFAULT 'low', ms mood[] DEFAULT '{low}', p pair DEFAULT '(1,2)');
CREATE INDEX ON calc (b) WHERE m = 'low';
CREATE TABLE key (name text UNIQUE);
CREATE TABLE lock (key_name text REFERENCES key (name) ON UPDATE CASCADE, EXCLUDE USING btree (key_name WITH =));
CREATE TABLE "a b" ("c%d" text NOT NULL CHECK ("c%d" <> '50%'), "e:f" int)
"""
OTHER_KINDS = """
CREATE TYPE feeling AS ENUM ('little', 'high');
CREATE TYPE point2 AS (x int, y int);
CREATE DOMAIN plus AS int CHECK (VALUE > 0);
CREATE SEQUENCE numbers START 7;
CREATE TABLE knot (id serial PRIMARY KEY, parent int REFERENCES knot, n int DEFAULT nextval('numbers'));
CREATE INDEX ON knot (parent);
CREATE TABLE piece (id int, at date, x text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE piece_20 PARTITION OF piece FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE piece_rest PARTITION OF piece DEFAULT;
CREATE TABLE sum (nr int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, aa plus, bb int GENERATED ALWAYS AS (aa * 2) STORED,
    m feeling DEFAULT 'little', ms feeling[] DEFAULT '{little}', p point2 DEFAULT '(1,2)');
CREATE INDEX ON sum (bb) WHERE m = 'little';
CREATE TABLE door (named text UNIQUE);
CREATE TABLE lock (door_named text REFERENCES door (named) ON UPDATE CASCADE, EXCLUDE USING btree (door_named WITH =));
CREATE TABLE "a""b" ("d%%" text NOT NULL CHECK ("d%%" <> '50%'), "e:f" int)
"""
FLAGS = Request(
    renames=(
        *(("mood", "feeling"), ("mood.low", "feeling.little"), ("pair", "point2"), ("pos", "plus")),
        *(("nums", "numbers"), ("node", "knot"), ("node.up", "knot.parent")),
        *(("part", "piece"), ("part_20", "piece_20"), ("part_rest", "piece_rest"), ("part.day", "piece.at")),
        *(("calc", "sum"), ("calc.id", "sum.nr"), ("calc.a", "sum.aa"), ("calc.b", "sum.bb")),
        *(("key", "door"), ("key.name", "door.named"), ("lock.key_name", "lock.door_named")),
        *(('"a b"', '"a""b"'), ('"a b"."c%d"', '"a""b"."d%%"')),
    )
)
FILL = """
SET search_path = public;
INSERT INTO node (up) VALUES (NULL), (1), (1);
INSERT INTO part VALUES (1, '2020-02-01', 'a'), (2, '2022-01-01', 'b');
INSERT INTO calc (a) VALUES (3), (4);
INSERT INTO key VALUES ('x'), ('y');
INSERT INTO lock VALUES ('x'), ('y');
INSERT INTO "a b" VALUES ('it', 1)
"""
ROWS = {
    ("node", "knot"): ["(1,,7)", "(2,1,8)", "(3,1,9)"],
    ("part", "piece"): ["(1,2020-02-01,a)", "(2,2022-01-01,b)"],
    ("calc", "sum"): ['(1,3,6,low,{low},"(1,2)")', '(2,4,8,low,{low},"(1,2)")'],
    ("key", "door"): ["(x)", "(y)"],
    ("lock", "lock"): ["(x)", "(y)"],
    ('"a b"', '"a""b"'): ["(it,1)"],
}
"""The rows under the old names, by both names of the table."""


def test_renames_of_all_kinds_at_once(bench: Bench) -> None:
    """Types, a sequence, partitions, a table that refers to itself, generated columns and keys: no row is touched."""
    before, after = bench.catalog(KINDS), bench.catalog(OTHER_KINDS)
    made = between(before, after, request=FLAGS)
    assert not [c for c in made.decision.changes if c.action in ("created", "dropped")]
    ups, downs = [up for up, _ in made.revisions], [down for _, down in reversed(made.revisions)]
    with scratch_database(bench.server, purpose="renames") as database:
        with contextlib.closing(connect(database)) as connection:
            connection.execute(f"SET search_path = public; {KINDS}; {FILL}".encode())
        for way, ends, name in ((ups, after, 1), (downs, before, 0), (ups, after, 1)):
            for body in way:
                run(body, database)
            with contextlib.closing(connect(database)) as connection:
                for tables, rows in ROWS.items():
                    found = connection.execute(f"SELECT t::text FROM public.{tables[name]} t ORDER BY 1".encode())
                    expected = [row.replace("low", "little") if name else row for row in rows]
                    assert [row for (row,) in found] == expected
            assert drifted(diff(catalog_of(database), ends)) == ()
