"""Alembic's environment, as the template has it."""

from alembic import context
from sqlalchemy import create_engine, pool

connectable = create_engine("postgresql+psycopg://app:hunter22pw@db.invalid:5433/app", poolclass=pool.NullPool)

with connectable.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
