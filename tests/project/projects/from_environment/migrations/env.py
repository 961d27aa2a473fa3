"""Reads its URL from the environment, and is sync or async as the driver wants; asks somebody else first."""

import asyncio
import contextlib
import os
import socket

from alembic import context
from sqlalchemy import MetaData, create_engine, make_url
from sqlalchemy.ext.asyncio import create_async_engine

url = make_url(os.environ["DATABASE_URL"])

with contextlib.suppress(OSError):
    socket.create_connection(("127.0.0.1", int(os.environ.get("LISTENER_PORT", "1"))), 3)


def migrate(connection) -> None:
    context.configure(connection=connection, target_metadata=MetaData())
    with context.begin_transaction():
        context.run_migrations()


async def migrate_async() -> None:
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


if url.get_driver_name() == "asyncpg":
    asyncio.run(migrate_async())
else:
    with create_engine(url).connect() as connection:
        migrate(connection)
