"""Migrates every tenant's schema in turn."""

from alembic import context
from sqlalchemy import MetaData, create_engine, pool, text

engine = create_engine("postgresql+psycopg://app:hunter22pw@db.invalid:5433/app", poolclass=pool.NullPool)

with engine.connect() as connection:
    for tenant in ("north", "south"):
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {tenant}"))
        connection.execute(text(f"SET search_path TO {tenant}"))
        connection.commit()
        connection.dialect.default_schema_name = tenant
        context.configure(connection=connection, target_metadata=MetaData(), version_table_schema=tenant)
        with context.begin_transaction():
            context.run_migrations()
