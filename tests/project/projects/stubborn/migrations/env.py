"""Retries for ever, and catches everything."""

import time

from alembic import context
from sqlalchemy import MetaData, create_engine

engine = create_engine("postgresql+psycopg://app:hunter22pw@db.invalid:5433/app")

while True:
    try:
        connection = engine.connect()
        break
    except BaseException:
        time.sleep(0.01)

with connection:
    context.configure(connection=connection, target_metadata=MetaData())
    with context.begin_transaction():
        context.run_migrations()
