"""The job that asks env.py where it would connect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from db_migrate.project import events
from db_migrate.project.child.alembic_project import AlembicProject
from db_migrate.project.child.redirect import NotConnecting, redirect
from db_migrate.project.child.running import Contexts

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext


def nothing(_heads: Any, _context: MigrationContext) -> tuple[()]:
    """Alembic's migration function for a job that migrates nothing."""
    return ()


def learn(project: AlembicProject, contexts: Contexts) -> tuple[events.Target, ...]:
    """Every connection that env.py asks for, in order.

    Without a database to go to, the first that is refused usually ends env.py. What env.py raises after it has asked
    says nothing: it was only not given what it wanted.
    """
    try:
        project.run_env(nothing, command="current", dont_mutate=True)
    except NotConnecting:
        return _targets(contexts)
    except BaseException:
        if not redirect.targets:
            raise
    return _targets(contexts)


def _targets(contexts: Contexts) -> tuple[events.Target, ...]:
    # Their numbers were noted when they were configured: by now env.py may have closed them.
    return tuple(
        msgspec.structs.replace(target, configured=target.connection in contexts.numbers) for target in redirect.targets
    )
