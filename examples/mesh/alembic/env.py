"""Runs the migrations, on the database in DATABASE_URL or, with `--sql`, to standard output."""

from logging.config import fileConfig
from typing import Any

from alembic import context
from sqlalchemy import create_engine, pool

from src.database import Base
from src.settings import database_url

if context.config.config_file_name is not None:
    fileConfig(context.config.config_file_name, disable_existing_loggers=False)

# What we own. Other schemas in the same database are not Alembic's to compare or drop.
OUR_SCHEMAS = (None, "public", "event_store")


def include_name(name: str | None, type_: str, _parents: dict[str, Any]) -> bool:
    return name in OUR_SCHEMAS if type_ == "schema" else True


OPTIONS: dict[str, Any] = {
    "target_metadata": Base.metadata,
    "include_schemas": True,
    "include_name": include_name,
    "compare_type": True,
    "compare_server_default": True,
    # A long history: what succeeded stays, and a new enum label may be used by the next revision.
    "transaction_per_migration": True,
}


def run_migrations_offline() -> None:
    context.configure(url=database_url(), literal_binds=True, dialect_opts={"paramstyle": "named"}, **OPTIONS)
    with context.begin_transaction():
        context.run_migrations()


def run_migrations_online() -> None:
    engine = create_engine(database_url(), poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, **OPTIONS)
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


if context.is_offline_mode():
    run_migrations_offline()
else:
    run_migrations_online()
