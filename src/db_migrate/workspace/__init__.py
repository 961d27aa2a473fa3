"""One project and one target, and everything that can be done with them: what the command line calls.

Nothing is started before it is needed, and what was started is stopped when the context of :func:`open_project` ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from db_migrate.config import Settings
from db_migrate.postgres.looks import looks_kept
from db_migrate.workspace.acting import Workspace

__all__ = ["Workspace", "open_project"]


@contextmanager
def open_project(settings: Settings) -> Iterator[Workspace]:
    """The workspace for these settings. Raises ``ConfigurationError`` when there is no Alembic project."""
    with ExitStack() as stack:
        stack.enter_context(looks_kept())
        yield Workspace(settings, stack)
