"""Sets a timeout first, which begins a transaction that Alembic takes for the caller's."""

from alembic import context
from sqlalchemy import MetaData, create_engine, text

engine = create_engine("postgresql+psycopg://app:hunter22pw@db.invalid:5433/app")

with engine.connect() as connection:
    connection.execute(text("SET lock_timeout = '4s'"))
    context.configure(connection=connection, target_metadata=MetaData())
    with context.begin_transaction():
        context.run_migrations()
