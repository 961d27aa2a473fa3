"""Runs in autocommit, with transactions as text in the revisions."""

from alembic import context
from sqlalchemy import MetaData, create_engine

engine = create_engine("postgresql+psycopg://app:hunter22pw@db.invalid:5433/app")

with engine.connect() as connection:
    context.configure(connection=connection.execution_options(isolation_level="AUTOCOMMIT"), target_metadata=MetaData())
    with context.begin_transaction():
        context.run_migrations()
