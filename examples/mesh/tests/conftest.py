"""A database of its own for each test session, and a transaction that is rolled back for each test.

With DATABASE_URL set, the session's database is made next to the one that it names, which is not touched. Without,
it is made on the PostgreSQL that db-migrate runs.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.orm import Session

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

PROJECT = Path(__file__).parent.parent


@contextmanager
def database_beside(url: str) -> Iterator[str]:
    """The URL of an empty database on the same server, dropped afterwards."""
    own = make_url(url).set(database=f"mesh_test_{os.getpid()}")
    server = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with server.connect() as connection:
            connection.exec_driver_sql(f'CREATE DATABASE "{own.database}" TEMPLATE template0')
        try:
            yield own.render_as_string(hide_password=False)
        finally:
            with server.connect() as connection:
                connection.exec_driver_sql(f'DROP DATABASE "{own.database}" WITH (FORCE)')
    finally:
        server.dispose()


def empty_database() -> AbstractContextManager[str]:
    """The URL of an empty database, beside the one in DATABASE_URL or else on db-migrate's server."""
    if "DATABASE_URL" in os.environ:
        return database_beside(os.environ["DATABASE_URL"])
    from db_migrate.testing import scratch_database

    return scratch_database()


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The session's database, migrated to head."""
    with empty_database() as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", url)
        command.upgrade(Config(str(PROJECT / "alembic.ini")), "head")
        engine = create_engine(url)
        yield engine
        engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """A session whose work, commits included, is undone after the test."""
    with engine.connect() as connection:
        transaction = connection.begin()
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            yield session
        transaction.rollback()


@pytest.fixture
def client(session: Session) -> "Iterator[TestClient]":
    """A client of the service, which works in the test's session."""
    from fastapi.testclient import TestClient

    from src.app import create_app
    from src.session import get_session

    app = create_app()
    app.dependency_overrides[get_session] = lambda: session
    with TestClient(app) as client:
        yield client
