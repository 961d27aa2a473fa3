"""Makes its connections itself."""

import os

import psycopg2
from alembic import context
from sqlalchemy import MetaData, create_engine, pool

PORT = os.environ["LISTENER_PORT"]


def connect():
    return psycopg2.connect(f"host=127.0.0.1 port={PORT} dbname=app user=app password=hunter22pw application_name=app")


engine = create_engine("postgresql+psycopg2://", creator=connect, poolclass=pool.StaticPool)

with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=MetaData())
    with context.begin_transaction():
        context.run_migrations()
