"""The DBAPI connections that SQLAlchemy's pools have opened in this process, by number and by job."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from db_migrate.project import events
from db_migrate.project.child import raw, sessions
from db_migrate.project.child.failures import ProjectError
from db_migrate.project.child.link import Link, Querier
from db_migrate.project.child.redirect import pool_connects, redirect


@dataclass(slots=True)
class Known:
    """One connection: its number in the current job, and the job and database that it was opened for.

    ``begun``: the parent has been told that a transaction began, and not yet how it ended.
    """

    number: int
    session: sessions.Session
    driver: str
    job: int
    database: Mapping[str, str] | None
    begun: bool = False


class Connections:
    """Every connection of every pool. ``on_dialect`` is called once for each engine's dialect.

    ``watcher`` is told of what is sent with their own cursors.
    """

    def __init__(self, link: Link, on_dialect: Callable[[Any], None], watcher: raw.Watcher) -> None:
        self._link = link
        self._on_dialect = on_dialect
        self._watcher = watcher
        self._known: dict[int, Known] = {}
        self._pools: weakref.WeakSet[Any] = weakref.WeakSet()
        self._dialects: weakref.WeakSet[Any] = weakref.WeakSet()
        self._job = 0
        self._count = 0

    def install(self) -> None:
        """Watch every pool that SQLAlchemy will ever make in this process."""
        from sqlalchemy import pool as pools

        pool_class: Any = pools.Pool
        wrap = pool_class._should_wrap_creator

        def wrap_creator(pool: Any, creator: Any) -> Any:
            make = wrap(pool, creator)
            return lambda record: self._connect(pool, make, record)

        pool_class._should_wrap_creator = wrap_creator

    def begin_job(self) -> None:
        """Number from 1 again, and let no pool hand out what it opened for an earlier job's database."""
        self._job += 1
        self._count = 0
        for pool in self._pools:
            pool._invalidate_time = time.time()

    def of(self, connection: Any) -> Known | None:
        """What is known of a connection (DBAPI's, or the pool's wrapper of it), for use in the current job.

        Raises ``ProjectError`` for one that user code has kept from an earlier job, of another database.
        """
        known = self.lookup(connection)
        if known is not None and known.job != self._job:
            if known.database != redirect.database:
                raise ProjectError("the project still uses a connection that it opened in an earlier run of env.py")
            known.job = self._job
            self._announce(known)
        return known

    def lookup(self, connection: Any) -> Known | None:
        """What is known of a connection, whichever job it belongs to."""
        return self._known.get(id(getattr(connection, "dbapi_connection", connection)))

    def of_sqlalchemy(self, connection: Any) -> Known | None:
        """What is known of a SQLAlchemy ``Connection``; None where there is none (offline mode)."""
        return self.of(connection.connection) if hasattr(connection, "connection") else None

    def querier(self, connection: Any) -> Querier | None:
        """Runs the parent's queries on a SQLAlchemy ``Connection``."""
        known = self.of_sqlalchemy(connection)
        return partial(sessions.query, known.session) if known else None

    def _connect(self, pool: Any, make: Callable[[Any], Any], record: Any) -> Any:
        dialect = pool._dialect
        if getattr(dialect, "name", "") != "postgresql":
            return make(record)
        self._link.check()
        self._pools.add(pool)
        with pool_connects(dialect.driver):
            dbapi = _made(dialect, make, record)
        if self.of(dbapi) is not None:
            return dbapi  # a creator that hands out one connection again and again
        try:
            self._register(dialect, dbapi)
        except BaseException:
            dbapi.close()
            raise
        return dbapi

    def _register(self, dialect: Any, dbapi: Any) -> None:
        session = sessions.session_for(dialect.driver, dbapi)
        if session is None:
            raise ProjectError(f"the driver {dialect.driver} is not one that db-migrate knows")
        known = Known(0, session, dialect.driver, self._job, redirect.database)
        self._known[id(dbapi)] = known  # which holds the connection, so that its id is not given to another
        # Up to 2.0 SQLAlchemy's cursors of an asynchronous psycopg name the driver's own connection.
        self._known[id(getattr(dbapi, "driver_connection", dbapi))] = known
        if dialect not in self._dialects:
            self._dialects.add(dialect)
            self._on_dialect(dialect)
        session.listen(self._notice_handler(known))
        raw.watch(dbapi, self._watcher)
        self._announce(known)

    def _announce(self, known: Known) -> None:
        self._count += 1
        known.number = self._count
        if redirect.targets:
            redirect.targets[-1] = msgspec.structs.replace(redirect.targets[-1], connection=known.number)
        pid = known.session.backend_pid()
        event = events.Connected(connection=known.number, backend_pid=pid, driver=known.driver)
        self._link.ask(event, partial(sessions.query, known.session))

    def _notice_handler(self, known: Known) -> sessions.NoticeHandler:
        def handle(severity: str, message: str, sqlstate: str | None) -> None:
            if severity == "LOG":  # the statements themselves, which a server that explains itself says back
                return
            self._link.tell(
                events.Notice(connection=known.number, severity=severity, message=message, sqlstate=sqlstate)
            )

        return handle


def _made(dialect: Any, make: Callable[[Any], Any], record: Any) -> Any:
    """A new DBAPI connection.

    Where the project's own way to make one fails before it has come to any driver (it asks for a password of the hour,
    say, from somebody whom the jail refuses), the driver is called without it.
    """
    asked = len(redirect.targets)
    try:
        return make(record)
    except Exception:
        if redirect.database is None or len(redirect.targets) > asked:
            raise
    return dialect.connect("")
