"""What a project's own tests use: a URL of a throw-away database, for each driver."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

from db_migrate.testing import scratch_database

QUERY = text("SELECT current_database(), (SELECT count(*) FROM pg_tables WHERE schemaname = 'public')")


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_a_synchronous_driver_gets_an_empty_database(driver: str) -> None:
    """The URL works as it is, and its database is gone afterwards."""
    with scratch_database(driver) as url:
        engine = create_engine(url)
        with engine.connect() as connection:
            name, tables = connection.execute(QUERY).one()
        engine.dispose()
    assert tables == 0
    with scratch_database(driver) as url:
        engine = create_engine(url)
        with engine.connect() as connection:
            names = connection.scalars(text("SELECT datname FROM pg_database")).all()
        engine.dispose()
    assert name not in names


def test_asyncpg_gets_an_empty_database() -> None:
    """The same for asyncpg, whose URLs name the socket in another way."""

    async def look(url: str) -> int:
        engine = create_async_engine(url)
        async with engine.connect() as connection:
            tables = (await connection.execute(QUERY)).one()[1]
        await engine.dispose()
        return int(tables)

    with scratch_database("asyncpg") as url:
        assert asyncio.run(look(url)) == 0
