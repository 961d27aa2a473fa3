"""Alembic's environment, as the async template has it."""

import asyncio

from alembic import context
from app_psycopg_async import Base
from sqlalchemy import Connection, pool
from sqlalchemy.ext.asyncio import create_async_engine


def do_run_migrations(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()


async def run_async_migrations() -> None:
    connectable = create_async_engine(
        "postgresql+psycopg://app:hunter22pw@db.invalid:5433/app", poolclass=pool.NullPool
    )
    async with connectable.connect() as connection:
        await connection.run_sync(do_run_migrations)
    await connectable.dispose()


asyncio.run(run_async_migrations())
