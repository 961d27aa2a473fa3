"""Seeing every statement that a Python process sends to PostgreSQL, through SQLAlchemy or behind its back."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

Seen = Callable[[str], None]

_METHODS = {
    "psycopg": (
        ("Cursor", "AsyncCursor", "ServerCursor", "AsyncServerCursor"),
        ("execute", "executemany", "stream", "copy"),
    ),
    "asyncpg": (("Connection",), ("execute", "executemany", "fetch", "fetchrow", "fetchval", "prepare", "cursor")),
}
"""The methods of each driver's classes that take a statement as their first argument."""


@contextmanager
def watching(seen: Seen) -> Iterator[None]:
    """Call ``seen`` with the text of each statement before it is sent, as long as the context lasts.

    SQLAlchemy's engines, psycopg, psycopg2 and asyncpg are watched, those that are installed.
    """
    with ExitStack() as stack:
        if importlib.util.find_spec("sqlalchemy"):
            stack.enter_context(_engines(seen))
        for driver, (classes, methods) in _METHODS.items():
            if importlib.util.find_spec(driver):
                module = importlib.import_module(driver)
                for class_ in (getattr(module, name) for name in classes):
                    for method in methods:
                        stack.enter_context(_method(class_, method, seen))
        if importlib.util.find_spec("psycopg2"):
            stack.enter_context(_psycopg2(seen))
        yield


@contextmanager
def _engines(seen: Seen) -> Iterator[None]:
    from sqlalchemy import Engine, event

    def before(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen(statement)

    event.listen(Engine, "before_cursor_execute", before)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", before)


@contextmanager
def _method(class_: type, name: str, seen: Seen) -> Iterator[None]:
    """Replace a method by one that tells and then does the same; inherited ones are replaced where they are."""
    original = class_.__dict__.get(name)
    if original is None:
        yield
        return

    @functools.wraps(original)
    def told(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        seen(_text(query))
        return original(self, query, *args, **kwargs)

    setattr(class_, name, told)
    try:
        yield
    finally:
        setattr(class_, name, original)


@contextmanager
def _psycopg2(seen: Seen) -> Iterator[None]:
    """psycopg2's classes are written in C: its connections are given a cursor class of ours instead."""
    psycopg2: Any = importlib.import_module("psycopg2")
    plain = importlib.import_module("psycopg2.extensions").cursor
    original = psycopg2.connect

    class Telling:
        def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
            seen(_text(query))
            return super().execute(query, *args, **kwargs)  # type: ignore[misc]  # a mix-in of cursors

        def executemany(self, query: Any, *args: Any, **kwargs: Any) -> Any:
            seen(_text(query))
            return super().executemany(query, *args, **kwargs)  # type: ignore[misc]  # a mix-in of cursors

    def connect(*args: Any, **kwargs: Any) -> Any:
        connection = original(*args, **kwargs)
        connection.cursor_factory = type("TellingCursor", (Telling, connection.cursor_factory or plain), {})
        return connection

    psycopg2.connect = connect
    try:
        yield
    finally:
        psycopg2.connect = original


def _text(query: Any) -> str:
    """The statement as text: drivers take bytes and composed SQL too."""
    if isinstance(query, bytes):
        return query.decode(errors="replace")
    if hasattr(query, "as_string"):
        return str(query.as_string(None))
    return str(query)
