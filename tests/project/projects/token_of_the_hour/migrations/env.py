"""Asks a metadata service for the password of the hour whenever it connects."""

import os
import urllib.request

from alembic import context
from sqlalchemy import Engine, MetaData, create_engine, event

PORT = os.environ["LISTENER_PORT"]
engine = create_engine("postgresql+psycopg2://iam@db.invalid/app")


@event.listens_for(Engine, "do_connect")
def token(dialect, record, arguments, parameters) -> None:  # noqa: ARG001 - SQLAlchemy's signature
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/token", timeout=3) as answer:
        parameters["password"] = answer.read()


with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=MetaData())
    with context.begin_transaction():
        context.run_migrations()
