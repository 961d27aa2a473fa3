"""Sees every statement that SQLAlchemy sends, on every connection of the process, and how transactions really end.

It wraps the dialect of each engine when that engine's pool makes its first connection: the dialect's ``do_execute``
and its kin are the last thing between SQLAlchemy (and all of the project's event listeners) and the driver.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from db_migrate.project import events, jobs
from db_migrate.project.child import failures, places, sessions
from db_migrate.project.child.connections import Connections, Known
from db_migrate.project.child.link import Link
from db_migrate.project.child.rendering import plain_parameters, rendered

_ENDS = frozenset({"COMMIT", "END"})
_UNDOES = frozenset({"ROLLBACK", "ABORT"})
_MOST_SETS_RENDERED = 1000
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
    """A statement on its way to the driver; ``many`` when ``parameters`` are several sets of them.

    ``context`` is SQLAlchemy's, None for what is sent with a cursor of the driver's own.
    """

    cursor: Any
    sql: str
    parameters: Any
    context: Any
    many: bool = False
    driver: str = ""

    @property
    def percent(self) -> bool:
        """Whether the driver writes placeholders with a percent sign, which then is doubled in the text itself."""
        by_driver = "numeric" if self.driver == "asyncpg" else "pyformat"
        style = getattr(getattr(self.context, "dialect", None), "paramstyle", by_driver)
        return self.parameters is not None and style in ("pyformat", "format")

    def rendered(self) -> str | None:
        """The text with its parameters as literals, once for each set of them; None for very many sets."""
        if not self.many:
            return rendered(self.sql, self.parameters, percent=self.percent)
        if not 0 < len(self.parameters) <= _MOST_SETS_RENDERED:
            return None
        sql = self.sql.rstrip().removesuffix(";")
        return ";\n".join(rendered(sql, each, percent=self.percent) for each in self.parameters)

    def shown(self) -> Any:
        """The parameters as text; of many sets, the first ones."""
        if not self.parameters:
            return None
        return plain_parameters(self.parameters[:_FIRST_PARAMETER_SETS] if self.many else self.parameters)


class Capture:
    """Tells the parent of statements and transactions. ``connections`` are those of this process."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.connections = Connections(link, self._wrap, self)
        self.running = Running()
        self.watchers: list[Callable[[Sent], None]] = []
        """Called with each statement before it is sent."""

    def begin_job(self) -> None:
        """Forget what the last job was doing."""
        self.running = Running()
        self.connections.begin_job()

    def number_of(self, connection: Any) -> int | None:
        """The number of a SQLAlchemy ``Connection``; None where there is none (offline mode)."""
        known = self.connections.of_sqlalchemy(connection)
        return known.number if known else None

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
            self._statement(send, self._known(context), Sent(cursor, statement, parameters, context))

        def do_execute_no_params(cursor: Any, statement: str, context: Any = None) -> None:
            send = partial(no_params, cursor, statement, context)
            self._statement(send, self._known(context), Sent(cursor, statement, None, context))

        def do_executemany(cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
            send = partial(many, cursor, statement, parameters, context)
            self._statement(send, self._known(context), Sent(cursor, statement, parameters, context, many=True))

        def quiet_initialize(connection: Any) -> Any:
            with self.quietly():
                return initialize(connection)

        dialect.do_execute, dialect.do_execute_no_params = do_execute, do_execute_no_params
        dialect.do_executemany, dialect.initialize = do_executemany, quiet_initialize
        dialect.do_commit = lambda connection: self._commit(connection, commit)
        dialect.do_rollback = lambda connection: self._rollback(connection, rollback)

    def _commit(self, connection: Any, commit: Callable[[Any], Any]) -> None:
        """A transaction is to be committed; the parent has the last word if the server has one open."""
        known = self.connections.of(connection)
        if known is None or self.running.quiet or not known.session.in_transaction():
            commit(connection)
            return
        doomed = known.session.failed()
        if not known.begun:
            self._begin(known)  # by something that SQLAlchemy has not seen either
        if not doomed:
            event = events.Committing(connection=known.number, revision=self.running.revision)
            self._link.ask(event, partial(sessions.query, known.session))
        commit(connection)
        self._ended(known, committed=not doomed)

    def _rollback(self, connection: Any, rollback: Callable[[Any], Any]) -> None:
        """A transaction, perhaps of an earlier job, is rolled back; it is news only if its beginning was."""
        known = self.connections.lookup(connection)
        told = known is not None and known.begun and known.session.in_transaction()
        rollback(connection)
        if known is not None and told:
            self._ended(known, committed=False)

    def _begin(self, known: Known) -> None:
        known.begun = True
        self._link.tell(events.Begin(connection=known.number))

    def _ended(self, known: Known, *, committed: bool) -> None:
        known.begun = False
        self._link.tell((events.Commit if committed else events.Rollback)(connection=known.number))

    def commit_at_driver(self, connection: Any) -> bool:
        """Commit what is open on a SQLAlchemy ``Connection`` without its knowledge; whether anything was open."""
        known = self.connections.of_sqlalchemy(connection)
        if known is None or not known.session.in_transaction():
            return False
        self._commit(connection.connection.dbapi_connection, lambda dbapi: dbapi.commit())
        return True

    def _known(self, context: Any) -> Known | None:
        return self.connections.of_sqlalchemy(getattr(context, "root_connection", None))

    def raw(self, send: Callable[[], Any], cursor: Any, sql: str, parameters: Any, *, many: bool) -> None:
        """Send a statement with a cursor of the driver's own, and tell of it."""
        known, sent = self._raw(cursor, sql, parameters, many=many)
        self._statement(send, known, sent)

    @contextmanager
    def raw_block(self, cursor: Any, sql: str, parameters: Any) -> Iterator[bool]:
        """The same of COPY, which goes on for as long as the context; false where it is not to be sent."""
        known, sent = self._raw(cursor, sql, parameters)
        if known is None or self.running.quiet:
            yield True
            return
        autocommit = self._about_to_send(known, sent)
        if autocommit is None:
            yield False
            return
        with self._sending(known, sent, autocommit=autocommit) as seconds:
            yield True
        self._done(known, sent, seconds())

    def _raw(self, cursor: Any, sql: str, parameters: Any, *, many: bool = False) -> tuple[Known | None, Sent]:
        """The connection of a driver's own cursor; None where its parameters do not fit, which the driver will say."""
        owner = getattr(cursor, "_adapt_connection", None) or cursor.connection
        known = self.connections.of(owner)
        sent = Sent(cursor, sql, parameters, None, many, known.driver if known else "")
        try:
            sent.rendered()
        except (KeyError, IndexError, StopIteration, TypeError):
            return None, sent
        return known, sent

    def _statement(self, send: Callable[[], Any], known: Known | None, sent: Sent) -> None:
        if known is None or self.running.quiet:
            send()
            return
        autocommit = self._about_to_send(known, sent)
        if autocommit is not None:
            self._done(known, sent, self._send_until_done(send, known, sent, autocommit=autocommit))

    def _about_to_send(self, known: Known, sent: Sent) -> bool | None:
        """Tell of a statement: whether it runs in autocommit mode; None where it is not to be sent."""
        for watch in self.watchers:
            watch(sent)
        session = known.session
        autocommit = not session.begins() and not session.in_transaction()
        query = partial(sessions.query, session, inside=not autocommit)
        if session.begins():
            self._begin(known)
        if isinstance(self._link.ask(self._event(known, sent, autocommit=autocommit), query), jobs.Skip):
            known.begun = session.in_transaction()
            return None
        if not autocommit and _first_word(sent.sql) in _ENDS and not session.failed():
            event = events.Committing(connection=known.number, revision=self.running.revision, sql=sent.sql)
            self._link.ask(event, query)
        return autocommit

    def _done(self, known: Known, sent: Sent, seconds: float) -> None:
        rowcount = getattr(sent.cursor, "rowcount", None)
        done = events.StatementDone(
            connection=known.number, rowcount=-1 if rowcount is None else rowcount, seconds=seconds
        )
        self._link.ask(done, partial(sessions.query, known.session))

    def _send_until_done(self, send: Callable[[], Any], known: Known, sent: Sent, *, autocommit: bool) -> float:
        """Send a statement, outside of transaction blocks as often as the parent wants it. Returns the last seconds."""
        while True:
            try:
                return self._send(send, known, sent, autocommit=autocommit)
            except Exception as error:
                event = events.MayRetry(connection=known.number, sqlstate=failures.sqlstate(error))
                if not autocommit or not self._wants_again(event, known):
                    raise

    def _wants_again(self, event: events.MayRetry, known: Known) -> bool:
        return isinstance(self._link.ask(event, partial(sessions.query, known.session)), jobs.Again)

    def _send(self, send: Callable[[], Any], known: Known, sent: Sent, *, autocommit: bool) -> float:
        """Send a statement and tell what became of the transaction. Returns the seconds it took."""
        with self._sending(known, sent, autocommit=autocommit) as seconds:
            send()
        return seconds()

    @contextmanager
    def _sending(self, known: Known, sent: Sent, *, autocommit: bool) -> Iterator[Callable[[], float]]:
        session = known.session
        doomed = session.failed()
        start = time.perf_counter()
        took = start
        try:
            yield lambda: took - start
        except BaseException as error:
            session.note(failed=True)
            failed = events.StatementFailed(
                connection=known.number,
                sqlstate=failures.sqlstate(error),
                message=failures.server_message(error),
                seconds=time.perf_counter() - start,
            )
            self._link.tell(failed)
            raise
        took = time.perf_counter()
        session.note(failed=False)
        session.flush()
        inside = session.in_transaction()
        if autocommit and inside:
            self._begin(known)
        if not autocommit and not inside:
            self._ended(known, committed=not doomed and _first_word(sent.sql) not in _UNDOES)

    def _event(self, known: Known, sent: Sent, *, autocommit: bool) -> events.Statement:
        file, line = places.within(self.running.file)
        caller_file, caller_line = places.caller()
        text = sent.rendered()
        return events.Statement(
            connection=known.number,
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
