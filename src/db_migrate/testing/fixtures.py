"""What the plugin offers to a project's own tests: databases that are migrated, and checks of the history as tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from db_migrate.config import load
from db_migrate.errors import DbMigrateError
from db_migrate.testing.checks import CHECKS, CheckFailed, running_release_works
from db_migrate.testing.history import History, MigratedDatabase, open_history

_HISTORY = pytest.StashKey[History]()


def history_of(config: pytest.Config) -> History:
    """The project's history, opened once per process and closed when pytest ends."""
    if _HISTORY not in config.stash:
        resources = ExitStack()
        config.stash[_HISTORY] = resources.enter_context(open_history(config.rootpath))
        config.add_cleanup(resources.close)
    return config.stash[_HISTORY]


def database_maker(config: pytest.Config, resources: ExitStack) -> Callable[..., MigratedDatabase]:
    """A function that makes databases at a revision, which live as long as ``resources``."""

    def make(revision: str = "heads") -> MigratedDatabase:
        return resources.enter_context(history_of(config).database(revision))

    return make


def add_checks(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Put the checks before the collected tests; that of the release where one is named."""
    release = load(cwd=session.config.rootpath).running_release
    names = [name for name in CHECKS if release is not None or CHECKS[name] is not running_release_works]
    items[:0] = [Check.from_parent(session, name=name, nodeid=f"db-migrate::{name}") for name in names]


class Check(pytest.Item):
    """One check of the history as a test."""

    def runtest(self) -> None:
        """Run the check."""
        CHECKS[self.name](history_of(self.config))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What is wrong with the project, without our own code around it."""
        if isinstance(excinfo.value, CheckFailed):
            return str(excinfo.value)
        if isinstance(excinfo.value, DbMigrateError):
            error = excinfo.value
            parts = (error.message, error.why, error.where, *(f"next: {each}" for each in error.next))
            return "\n".join(part for part in parts if part)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[str, None, str]:
        """How pytest names it."""
        return "db-migrate", None, f"db-migrate::{self.name}"


def migrated(config: pytest.Config) -> Iterator[MigratedDatabase]:
    """A database at the heads, for as long as the fixture lives."""
    with history_of(config).database() as database:
        yield database
