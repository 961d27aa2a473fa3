"""Alembic's environment, as the template has it."""

from alembic import context
from app_built_config import Base
from sqlalchemy import create_engine, pool

connectable = create_engine(context.config.attributes["url"], poolclass=pool.NullPool)

with connectable.connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()
