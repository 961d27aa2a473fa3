"""An Alembic project whose env.py imports the module ``models``."""

from __future__ import annotations

INI = "[alembic]\nscript_location = %(here)s/migrations\nprepend_sys_path = %(here)s\n"

ENV = """
from alembic import context
from sqlalchemy import create_engine, pool

import models

engine = create_engine("postgresql+psycopg2://u@db.invalid/app", poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=models.metadata)
    with context.begin_transaction():
        context.run_migrations()
"""
