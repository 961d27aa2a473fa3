"""The pytest plugin: does nothing, and loads next to nothing, unless it is asked to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options and settings."""
    group = parser.getgroup("db-migrate", "PostgreSQL migrations")
    group.addoption(
        "--db-migrate-record",
        action="store_true",
        help="Record which tables each test touches, for `db-migrate test`, in .db-migrate/tests.json.",
    )
    parser.addini("db_migrate_record", "Always record, as --db-migrate-record does.", type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """Begin to record where that is wanted."""
    if config.getoption("--db-migrate-record") or config.getini("db_migrate_record"):
        from db_migrate.testing.recorder import Recorder

        config.pluginmanager.register(Recorder(config), "db-migrate-recorder")
