"""Has two metadata, and filters."""

from alembic import context
from app_rich_models import Base, others
from sqlalchemy import create_engine


def include_name(name, type_, parent_names):
    if type_ == "schema":
        return name in (None, "family", "other")
    if type_ == "table":
        return parent_names["schema_qualified_table_name"] != "family.hidden"
    return True


def include_object(object_, name, type_, reflected, compare_to):
    if type_ == "column":
        return name != "legacy" or "seen" not in object_.table.columns
    if type_ == "index":
        return [column.name for column in object_.columns] != ["ignored"]
    if type_ == "table" and reflected and compare_to is None:
        return object_.schema != "other"
    return True


with create_engine("postgresql+psycopg://app:hunter22pw@db.invalid/app").connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=[Base.metadata, others],
        include_name=include_name,
        include_object=include_object,
        include_schemas=True,
        version_table="history",
        version_table_schema="family",
    )
    with context.begin_transaction():
        context.run_migrations()
