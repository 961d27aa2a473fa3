"""Who needs an object, found from its own neighbourhood, is who needs it among all."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.oracles import read

from db_migrate.catalog.reader import query
from db_migrate.catalog.sql.needs import Needs
from db_migrate.postgres.scratch import scratch_database
from db_migrate.postgres.server import Server
from db_migrate.postgres.session import connect


def test_dependents_are_those_who_need(server: Server) -> None:
    """For every object of a schema with all kinds of them."""
    with scratch_database(server) as database, connect(database) as connection:
        connection.execute((Path(__file__).parent / "odd.sql").read_bytes())
        catalog = read(connection)
    needs = Needs(catalog)
    everyone = {key: needs.of(key) for key in catalog.objects}
    assert sum(map(len, everyone.values())) > 100
    for key in catalog.objects:
        assert needs.dependents(key) == {other for other, needed in everyone.items() if key in needed}, key


def test_each_name_is_looked_up_once(server: Server) -> None:
    """PostgreSQL copies an expression to wherever it is used, unless told not to: planning took half of the time."""
    with connect(server.conninfo(), settings={"search_path": "pg_catalog"}) as connection:
        plan = connection.execute(f"EXPLAIN {query('dependencies', server.major)}".encode()).fetchall()
    assert sum(" on pg_event_trigger " in str(line) for (line,) in plan) == 1
