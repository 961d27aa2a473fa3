"""The pytest plugin: fixtures with migrated databases, checks of the history, and the record of what tests touch.

It does nothing, and loads next to nothing, unless it is asked to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from db_migrate.testing.history import MigratedDatabase


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options and settings."""
    group = parser.getgroup("db-migrate", "PostgreSQL migrations")
    group.addoption(
        "--db-migrate-record",
        action="store_true",
        help="Record which tables each test touches, for `db-migrate test`, in .db-migrate/tests.json.",
    )
    group.addoption(
        "--db-migrate-checks",
        action="store_true",
        help="Check the history too: single head, up and down, models, no unsafe newest revision, the release.",
    )
    parser.addini("db_migrate_record", "Always record, as --db-migrate-record does.", type="bool", default=False)
    parser.addini("db_migrate_checks", "Always check, as --db-migrate-checks does.", type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """Begin to record where that is wanted."""
    if _wanted(config, "record"):
        from db_migrate.testing.recorder import Recorder

        config.pluginmanager.register(Recorder(config), "db-migrate-recorder")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the checks where they are wanted."""
    if _wanted(config, "checks"):
        from db_migrate.testing.fixtures import add_checks

        add_checks(session, items)


def _wanted(config: pytest.Config, what: str) -> bool:
    return bool(config.getoption(f"--db-migrate-{what}") or config.getini(f"db_migrate_{what}"))


@pytest.fixture
def migrated_database(request: pytest.FixtureRequest) -> Iterator[MigratedDatabase]:
    """A database of the test's own at the newest revision: `.url`, `.conninfo`, `.upgrade()`, `.downgrade()`."""
    from db_migrate.testing.fixtures import migrated

    yield from migrated(request.config)


@pytest.fixture
def migrated_url(migrated_database: MigratedDatabase) -> str:
    """The SQLAlchemy URL of a database of the test's own at the newest revision."""
    return migrated_database.url


@pytest.fixture(scope="session")
def migrated_session_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The SQLAlchemy URL of one database at the newest revision for the whole session (of each worker)."""
    from db_migrate.testing.fixtures import migrated

    for database in migrated(request.config):
        yield database.url


@pytest.fixture
def database_at(request: pytest.FixtureRequest) -> Iterator[Callable[..., MigratedDatabase]]:
    """A function that makes databases at a revision: put rows in, `.upgrade()`, and see that they survive."""
    from contextlib import ExitStack

    from db_migrate.testing.fixtures import database_maker

    with ExitStack() as resources:
        yield database_maker(request.config, resources)
