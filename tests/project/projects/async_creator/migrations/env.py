"""Makes its connections itself, with a driver's coroutine that it got hold of early."""

import asyncio
import os

from alembic import context
from asyncpg import connect
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import create_async_engine


async def creator(*_arguments, **_options):
    return await connect(host="127.0.0.1", port=int(os.environ["LISTENER_PORT"]), user="app", database="app")


def migrate(connection) -> None:
    context.configure(connection=connection, target_metadata=MetaData())
    with context.begin_transaction():
        context.run_migrations()


async def main() -> None:
    engine = create_async_engine("postgresql+asyncpg://", async_creator=creator)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


asyncio.run(main())
