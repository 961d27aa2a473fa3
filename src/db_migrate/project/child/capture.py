"""Sees every statement that SQLAlchemy sends, on every connection of the process, and how transactions really end.

It wraps the dialect of each engine when that engine's pool makes its first connection: the dialect's ``do_execute``
and its kin are the last thing between SQLAlchemy (and all of the project's event listeners) and the driver.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from db_migrate.project import events, jobs
from db_migrate.project.child import drivers, failures, places, sessions
from db_migrate.project.child.link import Link
from db_migrate.project.child.rendering import plain_parameters, rendered

_ENDS = frozenset({"COMMIT", "END"})
_FIRST_PARAMETER_SETS = 20


@dataclass(slots=True)
class Running:
    """What the child is doing while a statement comes by."""

    revision: str | None = None
    file: str | None = None
    alembic: bool = False
    """Alembic keeps its version table."""
    quiet: bool = False
    """The statements are our own, or SQLAlchemy's handshake, and are nobody's business."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A statement on its way to the driver; ``many`` when ``parameters`` are several sets of them."""

    cursor: Any
    sql: str
    parameters: Any
    context: Any
    many: bool = False

    @property
    def percent(self) -> bool:
        """Whether the driver writes placeholders with a percent sign, which then is doubled in the text itself."""
        style = getattr(getattr(self.context, "dialect", None), "paramstyle", "pyformat")
        return self.parameters is not None and style in ("pyformat", "format")

    def rendered(self) -> str | None:
        """The text with its parameters as literals; None for several sets of them."""
        return None if self.many else rendered(self.sql, self.parameters, percent=self.percent)

    def shown(self) -> Any:
        """The parameters as text; of many sets, the first ones."""
        if not self.parameters:
            return None
        return plain_parameters(self.parameters[:_FIRST_PARAMETER_SETS] if self.many else self.parameters)


class Capture:
    """The connections of this process, by number, and what goes over them."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._numbers: dict[int, tuple[int, sessions.Session]] = {}
        self._begun: set[int] = set()
        self._wrapped: weakref.WeakSet[Any] = weakref.WeakSet()
        self.running = Running()
        self.watchers: list[Callable[[Sent], None]] = []
        """Called with each statement before it is sent."""

    def install(self) -> None:
        """Watch every pool that SQLAlchemy will ever make in this process."""
        from sqlalchemy import pool as pools

        pool_class: Any = pools.Pool
        wrap = pool_class._should_wrap_creator

        def wrap_creator(pool: Any, creator: Any) -> Any:
            make = wrap(pool, creator)
            return lambda record: self._connect(pool, make, record)

        pool_class._should_wrap_creator = wrap_creator

    def _connect(self, pool: Any, make: Callable[[Any], Any], record: Any) -> Any:
        dialect = pool._dialect
        if getattr(dialect, "name", "") != "postgresql":
            return make(record)
        self._link.check()
        token = drivers.connecting(dialect.driver)
        try:
            dbapi = make(record)
        finally:
            drivers.connected(token)
        try:
            self._register(dialect, dbapi)
        except BaseException:
            dbapi.close()
            raise
        return dbapi

    def _register(self, dialect: Any, dbapi: Any) -> None:
        session = sessions.session_for(dialect.driver, dbapi)
        if session is None:
            raise failures.ProjectError(f"the driver {dialect.driver} is not one that db-migrate knows")
        if id(dbapi) in self._numbers:
            return  # a creator that hands out one connection again and again
        number = len(self._numbers) + 1
        self._numbers[id(dbapi)] = (number, session)
        if drivers.redirect.targets:
            last = drivers.redirect.targets[-1]
            drivers.redirect.targets[-1] = events.Target(
                drivername=last.drivername, parameters=last.parameters, at_import=last.at_import, connection=number
            )
        session.listen(self._notice_handler(number))
        if dialect not in self._wrapped:
            self._wrapped.add(dialect)
            self._wrap(dialect)
        event = events.Connected(connection=number, backend_pid=session.backend_pid(), driver=dialect.driver)
        self._link.ask(event, partial(sessions.query, session))

    def _notice_handler(self, number: int) -> sessions.NoticeHandler:
        def handle(severity: str, message: str, sqlstate: str | None) -> None:
            self._link.tell(events.Notice(connection=number, severity=severity, message=message, sqlstate=sqlstate))

        return handle

    def find(self, connection: Any) -> tuple[int, sessions.Session] | None:
        """Number and session of a DBAPI connection, whether or not SQLAlchemy's pool has wrapped it."""
        return self._numbers.get(id(getattr(connection, "dbapi_connection", connection)))

    def number_of(self, connection: Any) -> int | None:
        """The number of a SQLAlchemy ``Connection``; None where there is none (offline mode)."""
        found = self.find(connection.connection) if hasattr(connection, "connection") else None
        return found[0] if found else None

    def querier(self, connection: Any) -> Callable[[str], jobs.Answer] | None:
        """Runs the parent's queries on a SQLAlchemy ``Connection``."""
        found = self.find(connection.connection) if hasattr(connection, "connection") else None
        if found is None:
            return None
        session = found[1]
        return partial(sessions.query, session)

    @contextmanager
    def quietly(self) -> Iterator[None]:
        """Nothing that is sent meanwhile is told."""
        before = self.running.quiet
        self.running.quiet = True
        try:
            yield
        finally:
            self.running.quiet = before

    def _wrap(self, dialect: Any) -> None:
        execute, no_params, many = dialect.do_execute, dialect.do_execute_no_params, dialect.do_executemany
        commit, rollback, initialize = dialect.do_commit, dialect.do_rollback, dialect.initialize

        def do_execute(cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
            send = partial(execute, cursor, statement, parameters, context)
            self._statement(send, Sent(cursor, statement, parameters, context))

        def do_execute_no_params(cursor: Any, statement: str, context: Any = None) -> None:
            send = partial(no_params, cursor, statement, context)
            self._statement(send, Sent(cursor, statement, None, context))

        def do_executemany(cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
            send = partial(many, cursor, statement, parameters, context)
            self._statement(send, Sent(cursor, statement, parameters, context, many=True))

        def quiet_initialize(connection: Any) -> Any:
            with self.quietly():
                return initialize(connection)

        dialect.do_execute, dialect.do_execute_no_params = do_execute, do_execute_no_params
        dialect.do_executemany, dialect.initialize = do_executemany, quiet_initialize
        dialect.do_commit = lambda connection: self._end(connection, commit, committing=True)
        dialect.do_rollback = lambda connection: self._end(connection, rollback, committing=False)

    def _end(self, connection: Any, end: Callable[[Any], Any], *, committing: bool) -> None:
        """SQLAlchemy ends a transaction; it is news only where the server has one."""
        found = self.find(connection)
        if found is None or found[0] not in self._begun or not found[1].in_transaction():
            end(connection)
            return
        number, session = found
        doomed = session.failed()
        if committing and not doomed:
            event = events.Committing(connection=number, revision=self.running.revision)
            self._link.ask(event, partial(sessions.query, session))
        end(connection)
        self._ended(number, committed=committing and not doomed)

    def _begin(self, number: int) -> None:
        self._begun.add(number)
        self._link.tell(events.Begin(connection=number))

    def _ended(self, number: int, *, committed: bool) -> None:
        self._begun.discard(number)
        self._link.tell((events.Commit if committed else events.Rollback)(connection=number))

    def commit_at_driver(self, connection: Any) -> bool:
        """Commit what is open on a SQLAlchemy ``Connection`` without its knowledge; whether anything was open."""
        found = self.find(connection.connection)
        if found is None or not found[1].in_transaction():
            return False
        self._end(connection.connection.dbapi_connection, lambda dbapi: dbapi.commit(), committing=True)
        return True

    def _statement(self, send: Callable[[], Any], sent: Sent) -> None:
        root = getattr(sent.context, "root_connection", None)
        found = self.find(root.connection) if root is not None else None
        if found is None or self.running.quiet:
            send()
            return
        number, session = found
        for watch in self.watchers:
            watch(sent)
        autocommit = not session.begins() and not session.in_transaction()
        query = partial(sessions.query, session, inside=not autocommit)
        if session.begins():
            self._begin(number)
        self._link.ask(self._event(number, sent, autocommit=autocommit), query)
        if not autocommit and _first_word(sent.sql) in _ENDS and not session.failed():
            event = events.Committing(connection=number, revision=self.running.revision, sql=sent.sql)
            self._link.ask(event, query)
        seconds = self._send(send, number, session, autocommit=autocommit, sql=sent.sql)
        rowcount = getattr(sent.cursor, "rowcount", None)
        done = events.StatementDone(connection=number, rowcount=-1 if rowcount is None else rowcount, seconds=seconds)
        self._link.ask(done, partial(sessions.query, session))

    def _send(
        self, send: Callable[[], Any], number: int, session: sessions.Session, *, autocommit: bool, sql: str
    ) -> float:
        """Send a statement and tell what became of the transaction. Returns the seconds it took."""
        doomed = session.failed()
        start = time.perf_counter()
        try:
            send()
        except BaseException as error:
            session.note(failed=True)
            self._link.tell(
                events.StatementFailed(
                    connection=number,
                    sqlstate=failures.sqlstate(error),
                    message=failures.server_message(error),
                    seconds=time.perf_counter() - start,
                )
            )
            raise
        seconds = time.perf_counter() - start
        session.note(failed=False)
        session.flush()
        inside = session.in_transaction()
        if autocommit and inside:
            self._begin(number)
        if not autocommit and not inside:
            committed = _first_word(sql) not in ("ROLLBACK", "ABORT") and not doomed
            self._ended(number, committed=committed)
        return seconds

    def _event(self, number: int, sent: Sent, *, autocommit: bool) -> events.Statement:
        file, line = places.within(self.running.file)
        caller_file, caller_line = places.caller()
        text = sent.rendered()
        return events.Statement(
            connection=number,
            sql=sent.sql if sent.parameters or text is None else text,
            parameters=sent.shown(),
            parameter_sets=len(sent.parameters) if sent.many else 1,
            rendered=text,
            executemany=sent.many,
            internal=self.running.alembic,
            autocommit=autocommit,
            revision=self.running.revision,
            file=file,
            line=line,
            caller_file=caller_file,
            caller_line=caller_line,
        )


def _first_word(sql: str) -> str:
    return sql.split(None, 1)[0].rstrip(";").upper() if sql.strip() else ""
