"""Wraps the whole run in one transaction, begun after configure."""

from alembic import context
from sqlalchemy import MetaData, create_engine

engine = create_engine("postgresql+psycopg2://app:hunter22pw@db.invalid:5433/app")

with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=MetaData())
    with connection.begin():
        context.run_migrations()
