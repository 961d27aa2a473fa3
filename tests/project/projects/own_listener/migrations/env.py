"""Has its own do_connect listeners, one on the class and one on the engine, and makes the connection itself."""

import os

import psycopg
from alembic import context
from sqlalchemy import Engine, MetaData, create_engine, event

PORT = os.environ["LISTENER_PORT"]
engine = create_engine(
    "postgresql+psycopg://nobody@127.0.0.1/app", connect_args={"options": "-c search_path=wanted,public"}
)


@event.listens_for(Engine, "do_connect")
def token(dialect, record, arguments, parameters) -> None:  # noqa: ARG001 - SQLAlchemy's signature
    parameters["password"] = "token-of-the-hour"
    parameters["user"] = "iam"


@event.listens_for(engine, "do_connect")
def own_connection(dialect, record, arguments, parameters):  # noqa: ARG001 - SQLAlchemy's signature
    return psycopg.connect(**{**parameters, "port": PORT, "hostaddr": "127.0.0.1", "sslmode": "require"})


with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=MetaData())
    with context.begin_transaction():
        context.run_migrations()
