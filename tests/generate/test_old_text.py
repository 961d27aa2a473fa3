"""What people wrote about a column in its new names, used while it has its old ones."""

from __future__ import annotations

import contextlib

import pytest
from tests.acceptance.oracles import Bench

from db_migrate.generate.filling import Fill, How
from db_migrate.generate.old_text import OldText
from db_migrate.generate.request import Request
from db_migrate.postgres.scratch import scratch_database
from db_migrate.postgres.session import connect

from .running import between, run

TEXT = OldText(
    table=frozenset({"people", "users"}),
    columns={"full_name": "name", '"full"': "part", '"Odd"': "even", "length": "size"},
    others={"people": "users", "grade": "level"},
    labels={"public.grade": {"low": "little", "it's": "it was"}},
)
WRITTEN = (
    ("full_name || 'full_name'", "name || 'full_name'"),
    ('Full_Name || "full_name"', 'name || "full_name"'),
    ('people.full || users.full_name || "Odd" || odd', "users.part || users.name || even || odd"),
    ("length(full_name) + length", "length(name) + size"),
    (
        "(SELECT max(t.full_name) FROM t WHERE t.id = people.full_name)",
        "(SELECT max(t.full_name) FROM t WHERE t.id = users.name)",
    ),
    ("(SELECT full_name FROM t) || full_name", "(SELECT full_name FROM t) || name"),
    ("full_name.x", "full_name.x"),
    ("'little'", "'low'"),
    ("CASE WHEN a = 'little' THEN 'little' ELSE 'it was' END", "CASE WHEN a = 'little' THEN 'low' ELSE 'it''s' END"),
    ("'little'::grade", "'low'::level"),
    ("'little'::public.grade", "'low'::public.level"),
    ("'little'::text", "'little'::text"),
    ("", ""),
)


@pytest.mark.parametrize(("written", "wanted"), WRITTEN)
def test_names_and_labels_are_replaced_where_they_are_meant(written: str, wanted: str) -> None:
    """A row's own columns, its table, types and labels; nothing in a literal, of another table, or of a subquery."""
    assert TEXT.of(written, "public.grade") == wanted
    assert OldText(frozenset(), {}).of(written, None) == written


OLD = """
CREATE TYPE level AS ENUM ('low', 'high');
CREATE TABLE site (a text, b int, maybe int, name text NOT NULL UNIQUE, l level DEFAULT 'low', PRIMARY KEY (a, b));
CREATE INDEX i ON site (maybe)
"""
NEW = """
CREATE TYPE level AS ENUM ('little', 'high', 'top');
CREATE TABLE site (aa text, b int, surely int NOT NULL CONSTRAINT pos CHECK (surely > 0), "full" text NOT NULL UNIQUE,
    l level DEFAULT 'little', l2 level NOT NULL, twice int NOT NULL UNIQUE, PRIMARY KEY (aa, b));
CREATE INDEX i ON site (surely)
"""
REQUEST = Request(
    renames=(
        *(
            ("site.a", "site.aa"),
            ("site.maybe", "site.surely"),
            ("site.name", "site.full"),
            ("level.low", "level.little"),
        ),
    ),
    fills={
        "site.surely": Fill(How.BACKFILL, "length(site.full)"),
        "site.l2": Fill(How.BACKFILL, "CASE WHEN b < 2 THEN 'little' ELSE l END"),
        "site.twice": Fill(How.BACKFILL, "2 * b"),
    },
)


def test_renames_that_wait_beside_backfills_of_the_same_table(bench: Bench) -> None:
    """Keys, labels and the filled column itself are renamed in a revision of their own, after the rows are filled."""
    made = between(bench.catalog(OLD), bench.catalog(NEW), request=REQUEST)
    assert [bool(each) for each in made.waits] == [False, True, True]
    with scratch_database(bench.server, purpose="backfills") as database:
        with contextlib.closing(connect(database)) as connection:
            connection.execute(f"SET search_path = public; {OLD}".encode())
            connection.execute(
                b"INSERT INTO public.site SELECT 'a', i, NULL, repeat('n', i) FROM generate_series(1, 3) i"
            )
        there, back = [up for up, _ in made.revisions], [down for _, down in reversed(made.revisions)]
        for way, query, rows in (
            (
                there,
                'SELECT aa, b, surely, "full", l::text, l2::text, twice',
                [("little", "little", 2), ("little", "little", 4)],
            ),
            (back, "SELECT a, b, maybe, name, l::text", [("low",), ("low",)]),
            (
                there,
                'SELECT aa, b, surely, "full", l::text, l2::text, twice',
                [("little", "little", 2), ("little", "little", 4)],
            ),
        ):
            for each in way:
                run(each, database)
            with contextlib.closing(connect(database)) as connection:
                found = connection.execute(f"{query} FROM public.site ORDER BY b LIMIT 2".encode()).fetchall()
            assert found == [("a", n, n, "n" * n, *rest) for n, rest in enumerate(rows, 1)]
