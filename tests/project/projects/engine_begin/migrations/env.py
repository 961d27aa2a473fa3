"""Wraps the whole run in one transaction, begun before configure."""

import asyncio

from alembic import context
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import create_async_engine


def migrate(connection) -> None:
    context.configure(connection=connection, target_metadata=MetaData())
    context.run_migrations()


async def main() -> None:
    engine = create_async_engine("postgresql+asyncpg://app:hunter22pw@db.invalid:5433/app")
    async with engine.begin() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


asyncio.run(main())
