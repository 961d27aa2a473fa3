"""Sees what user code sends with a cursor of the driver's own, which no dialect of SQLAlchemy's is asked for.

SQLAlchemy uses the same cursors; whose statement it is, the caller tells. What is not seen here (a driver's own
asynchronous connection, psycopg2's cursors of a class given by hand) the scratch server's log tells afterwards.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from types import FrameType
from typing import Any, Protocol

_DRIVERS = frozenset({"psycopg", "psycopg2", "asyncpg", "pg8000"})
_NOT_USERS = frozenset({"sqlalchemy", "db_migrate"})
_PARAMETERS = ("params", "vars", "parameters", "args", "seq_of_parameters")


class Watcher(Protocol):
    """What is told of a raw statement; ``cursor`` is the driver's."""

    def raw(self, send: Callable[[], Any], cursor: Any, sql: str, parameters: Any, *, many: bool) -> None:
        """Send a statement, and tell of it."""

    def raw_block(self, cursor: Any, sql: str, parameters: Any) -> AbstractContextManager[bool]:
        """The same of one that goes on for a while; false where it is not to be sent."""


def watch(dbapi: Any, watcher: Watcher) -> None:
    """Tell ``watcher`` of what is sent with cursors of a new DBAPI connection."""
    cursor = dbapi.cursor()
    kind = type(cursor)
    cursor.close()
    if kind.__module__.partition(".")[0] == "psycopg2":  # written in C, so that nothing can be put in its place
        dbapi.cursor_factory = _watched(kind, watcher)
    elif not hasattr(kind.execute, "__wrapped__"):
        _wrap(kind, kind, watcher)


def _watched(kind: type[Any], watcher: Watcher) -> type[Any]:
    """A class of cursors like ``kind``, of psycopg2."""
    own = type(kind.__name__, (kind,), {})
    _wrap(own, kind, watcher)
    return own


def _wrap(onto: Any, kind: Any, watcher: Watcher) -> None:
    onto.execute = _told(kind.execute, watcher, many=False)
    onto.executemany = _told(kind.executemany, watcher, many=True)
    if hasattr(kind, "copy_expert"):
        onto.copy_expert = _told(kind.copy_expert, watcher, many=False, parameters=False)
    elif hasattr(kind, "copy"):
        onto.copy = _told_block(kind.copy, watcher)


def _told(plain: Callable[..., Any], watcher: Watcher, *, many: bool, parameters: bool = True) -> Callable[..., Any]:
    @wraps(plain)
    def execute(cursor: Any, *given: Any, **named: Any) -> Any:
        if not _is_users(sys._getframe(1)):
            return plain(cursor, *given, **named)
        result = cursor

        def send() -> None:
            nonlocal result
            result = plain(cursor, *given, **named)

        values = _parameters(given, named) if parameters else None
        watcher.raw(send, cursor, _text(_query(given, named), cursor), values, many=many)
        return result

    return execute


def _told_block(plain: Callable[..., Any], watcher: Watcher) -> Callable[..., Any]:
    @wraps(plain)
    @contextmanager
    def copy(cursor: Any, *given: Any, **named: Any) -> Iterator[Any]:
        text = _text(_query(given, named), cursor)
        with watcher.raw_block(cursor, text, _parameters(given, named)) as wanted:
            if not wanted:
                yield _Nothing()
                return
            with plain(cursor, *given, **named) as block:
                yield block

    return copy


class _Nothing:
    """In place of a COPY that is not to be sent again: takes everything, and has nothing."""

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *_args, **_named: () if name == "rows" else None


def _is_users(frame: FrameType | None) -> bool:
    """Whether it is not SQLAlchemy, nor we, that called the driver."""
    while frame is not None:
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package not in _DRIVERS:
            return package not in _NOT_USERS
        frame = frame.f_back
    return False


def _query(given: tuple[Any, ...], named: Mapping[str, Any]) -> Any:
    return given[0] if given else next((value for key, value in named.items() if key not in _PARAMETERS), "")


def _parameters(given: tuple[Any, ...], named: Mapping[str, Any]) -> Any:
    if len(given) > 1:
        return given[1] or None
    return next((named[key] for key in _PARAMETERS if named.get(key)), None)


def _text(query: Any, cursor: Any) -> str:
    """The statement, which drivers also take as bytes, and composed of parts."""
    if isinstance(query, bytes):
        return query.decode(errors="replace")
    compose = getattr(query, "as_string", None)
    return str(compose(cursor) if compose is not None else query)
