"""Exceptions of user code as messages without secrets."""

from __future__ import annotations

import traceback
from collections.abc import Iterator

from db_migrate.project import events
from db_migrate.project.child.link import Aborted
from db_migrate.project.child.places import of_text, of_traceback
from db_migrate.project.secrets import redact

_MOST_LINES = 60


class ProjectError(Exception):
    """A setting of ours (``around``, ``alembic_config``) or the project's Alembic configuration cannot be used."""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """``error`` and what it was raised from, the driver's own exception (``orig``) included."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        original = getattr(current, "orig", None)
        current = original if isinstance(original, BaseException) else current.__cause__ or current.__context__


def sqlstate(error: BaseException) -> str | None:
    """The SQLSTATE of ``error``, whichever driver raised it; None when the server did not."""
    for cause in _causes(error):
        for name in ("sqlstate", "pgcode"):
            if isinstance(code := getattr(cause, name, None), str):
                return code
        first = cause.args[0] if cause.args else None
        if isinstance(first, dict) and isinstance(code := first.get("C"), str):
            return code  # pg8000
    return None


def server_message(error: BaseException) -> str:
    """The driver's own message, without what SQLAlchemy adds (statement, parameters, link)."""
    original = getattr(error, "orig", None)
    return redact(str(original if isinstance(original, BaseException) else error).strip())


def _kind(error: BaseException) -> str:
    from alembic.util import CommandError

    if isinstance(error, Aborted):
        return "aborted"
    if isinstance(error, ProjectError):
        return "project"
    if isinstance(error, SystemExit):
        return "exit"
    return "alembic" if isinstance(error, CommandError) else "user"


def _lines(error: BaseException) -> tuple[str, ...]:
    text = redact("".join(traceback.format_exception(error)))
    return tuple(text.splitlines()[-_MOST_LINES:])


def describe(error: BaseException) -> events.Failure:
    """``error`` as the event that ends a job."""
    file, line = of_text(error) if isinstance(error, SyntaxError) else (None, None)
    if file is None:
        file, line = of_traceback(error.__traceback__)
    return events.Failure(
        kind=_kind(error),
        type=f"{type(error).__module__}.{type(error).__qualname__}",
        message=server_message(error) or type(error).__name__,
        sqlstate=sqlstate(error),
        traceback=_lines(error),
        file=file,
        line=line,
    )
