"""A target's URL that was given serves env.py too, where it wants one of the environment and there is none.

Whoever says ``--url`` need not set ``DATABASE_URL`` as well. Where env.py goes is decided by whoever runs it
(``child.redirect``), so that what it is told matters only in that it can begin. Nothing is set before env.py has failed
without: one that has a default, with a driver of its own, keeps that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from db_migrate.project.events import Failure

NOWHERE = "postgresql+psycopg://db-migrate@db-migrate.invalid/scratch"
"""The URL for what needs no target, with the driver that is always there; nothing is ever connected to it."""

_USUAL = ("DATABASE_URL", "DB_URL", "SQLALCHEMY_DATABASE_URI", "SQLALCHEMY_DATABASE_URL")
_NAME = re.compile(r"\b[A-Z]\w*_(?:URL|URI|DSN)(?:_\w+)?\b", re.IGNORECASE)
_OTHER_CAUSES = ("SyntaxError", "IndentationError", "TabError", "ImportError", "ModuleNotFoundError")


def variables_for(url: str, failure: Failure, environ: Mapping[str, str]) -> Mapping[str, str]:
    """The variables with which env.py may do better; none where it did not fail for want of a URL.

    Those that its message names (``KeyError``, pydantic, decouple), else those that such variables are usually called.
    """
    named = tuple(each.upper() for each in _NAME.findall(failure.message))
    kind = failure.type.rpartition(".")[2]
    if failure.kind == "alembic" or kind in _OTHER_CAUSES or (kind == "KeyError" and not named):
        return {}
    return {name: url for name in named or _USUAL if name not in environ}
