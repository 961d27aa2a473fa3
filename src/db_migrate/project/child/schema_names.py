"""Which schema is meant by what a project writes: none, or one that a map of schemas stands for another."""

from __future__ import annotations

from typing import Any


def meant(connection: Any, schema: str | None) -> str:
    """The schema that SQLAlchemy means by ``schema`` on that connection now.

    What is not mapped (``schema_translate_map``) is itself, and none is the dialect's default.
    """
    mapped: str | None = (connection.get_execution_options().get("schema_translate_map") or {}).get(schema)
    return mapped or schema or connection.dialect.default_schema_name or "public"


def home(connection: Any) -> str:
    """The schema in which a revision makes what it names without one."""
    mapped: str | None = (connection.get_execution_options().get("schema_translate_map") or {}).get(None)
    created_in: str | None = connection.exec_driver_sql("SELECT pg_catalog.current_schema()").scalar()
    return mapped or created_in or "public"
