"""What the SQL of many changes costs grows with their number, and not with its square."""

from __future__ import annotations

import contextlib
import re

from tests.calls import lines

from db_migrate.catalog.diff import diff
from db_migrate.catalog.objects import Catalog, SchemaObject
from db_migrate.catalog.sql import with_sql
from db_migrate.postgres.scratch import scratch_database
from db_migrate.postgres.server import Server
from db_migrate.postgres.session import connect
from db_migrate.schemas.scratch import read

TABLES = """
DO $$ BEGIN FOR i IN 1 .. 300 LOOP EXECUTE format(
  'CREATE TABLE t%1$s (id serial PRIMARY KEY, u int UNIQUE REFERENCES t%1$s, note text NOT NULL);'
  'CREATE INDEX ON t%1$s (note)', i
); END LOOP; END $$
"""


def of_first(catalog: Catalog, number: int) -> Catalog:
    """What belongs to the first so many tables."""

    def is_of_them(item: SchemaObject) -> bool:
        return all(int(found) <= number for found in re.findall(r"\bt(\d+)", f"{item.name} {item.parent}"))

    return catalog.only(is_of_them)


def test_twice_as_many_changes_cost_twice_as_much(server: Server) -> None:
    """Both ways: what makes the tables, and what takes them away again."""
    with scratch_database(server) as database, contextlib.closing(connect(database)) as connection:
        empty = read(database)
        connection.execute(TABLES.encode())
        catalog = read(database)
    for way in ((lambda some: (empty, some)), (lambda some: (some, empty))):
        sides = [way(of_first(catalog, number)) for number in (150, 300)]
        some, more = (diff(*pair) for pair in sides)
        assert 2 * len(some) == len(more)
        first, second = (lines(lambda: with_sql(c, *s)) for c, s in zip((some, more), sides, strict=True))  # noqa: B023
        assert second < 2.2 * first, (first, second)
