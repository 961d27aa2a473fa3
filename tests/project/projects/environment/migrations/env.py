"""Lets libpq find everything in the environment, which a .env file changes half-way through the imports."""

import os

os.environ["PGHOSTADDR"] = "127.0.0.1"
os.environ["PGPORT"] = os.environ["LISTENER_PORT"]
os.environ["PGUSER"] = "from-dotenv"

from alembic import context
from sqlalchemy import MetaData, create_engine

os.environ["PGSERVICEFILE"] = "/nonexistent"
engine = create_engine("postgresql+psycopg2://")

with engine.connect() as connection:
    assert os.environ["PGUSER"] == "from-dotenv"
    context.configure(connection=connection, target_metadata=MetaData())
    with context.begin_transaction():
        context.run_migrations()
