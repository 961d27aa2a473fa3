"""Has no offline branch, and reads its URL from the -x argument and the ini file."""

from alembic import context
from sqlalchemy import MetaData, engine_from_config

if context.is_offline_mode():
    raise RuntimeError("offline mode is not supported")

section = context.config.get_section(context.config.config_ini_section)
section["sqlalchemy.url"] = section["sqlalchemy.url"].replace(
    "HOST", context.get_x_argument(as_dictionary=True)["host"]
)
connectable = engine_from_config(section, prefix="sqlalchemy.")

with connectable.connect() as connection:
    context.configure(connection=connection, target_metadata=MetaData(), version_table="schema_version")
    with context.begin_transaction():
        context.run_migrations()
