"""What only the driver knows about a connection: its transaction, its process at the server, its notices.

One small class for each driver that SQLAlchemy has for PostgreSQL; they speak of DBAPI connections as SQLAlchemy's
pool holds them (for asyncpg and psycopg's async form: the adapters that SQLAlchemy puts around them).
"""

from __future__ import annotations

import contextlib
import datetime
import json
from collections.abc import Callable
from typing import Any, Protocol

from db_migrate.project import jobs
from db_migrate.project.child.failures import server_message, sqlstate

NoticeHandler = Callable[[str, str, "str | None"], None]
"""Called with severity, message and SQLSTATE."""

_IDLE, _IN_ERROR = 0, 3  # PQtransactionStatus, the same numbers in psycopg and psycopg2


class Session(Protocol):
    """One DBAPI connection."""

    dbapi: Any

    def backend_pid(self) -> int | None:
        """The process at the server."""

    def in_transaction(self) -> bool:
        """Whether the server is inside a transaction block."""

    def failed(self) -> bool:
        """Whether it is inside a block that can only be rolled back."""

    def begins(self) -> bool:
        """Whether the driver will send a BEGIN before the next statement."""

    def note(self, *, failed: bool) -> None:
        """The last statement has failed, or has not."""

    def listen(self, handler: NoticeHandler) -> None:
        """Call ``handler`` for each notice."""

    def flush(self) -> None:
        """See that notices which have arrived have been handled."""


class PsycopgSession:
    """psycopg 3, plain and async."""

    def __init__(self, dbapi: Any) -> None:
        self.dbapi = dbapi

    def backend_pid(self) -> int | None:
        return int(self.dbapi.info.backend_pid)

    def in_transaction(self) -> bool:
        return int(self.dbapi.info.transaction_status) != _IDLE

    def failed(self) -> bool:
        return int(self.dbapi.info.transaction_status) == _IN_ERROR

    def begins(self) -> bool:
        return not self.dbapi.autocommit and not self.in_transaction()

    def note(self, *, failed: bool) -> None:
        """Nothing: libpq knows."""

    def listen(self, handler: NoticeHandler) -> None:
        def handle(diagnostic: Any) -> None:
            severity = diagnostic.severity_nonlocalized or diagnostic.severity or ""
            handler(severity, diagnostic.message_primary or "", diagnostic.sqlstate)

        self.dbapi.add_notice_handler(handle)

    def flush(self) -> None:
        """Nothing: psycopg calls its handlers while it reads the result."""


class _NoticeList(list[str]):
    """Takes the place of psycopg2's list of notices; hands on what is appended, and keeps the last few."""

    _kept = 50

    def __init__(self, handler: NoticeHandler) -> None:
        super().__init__()
        self._handler = handler

    def append(self, text: str) -> None:
        """``text`` is the whole report, as libpq prints it: ``NOTICE:  message`` and further lines."""
        super().append(text)
        del self[: -self._kept]
        severity, _, message = text.partition(":")
        self._handler(severity.strip(), message.strip(), None)


_READY = 1  # psycopg2.extensions.STATUS_READY


class Psycopg2Session:
    """psycopg2. Its notices come as text in the server's language, without SQLSTATE."""

    def __init__(self, dbapi: Any) -> None:
        self.dbapi = dbapi

    def backend_pid(self) -> int | None:
        return int(self.dbapi.info.backend_pid)

    def in_transaction(self) -> bool:
        return int(self.dbapi.info.transaction_status) != _IDLE

    def failed(self) -> bool:
        return int(self.dbapi.info.transaction_status) == _IN_ERROR

    def begins(self) -> bool:
        # It goes by its own book, in which a COMMIT as text is not written.
        return not self.dbapi.autocommit and int(self.dbapi.status) == _READY

    def note(self, *, failed: bool) -> None:
        """Nothing: libpq knows."""

    def listen(self, handler: NoticeHandler) -> None:
        self.dbapi.notices = _NoticeList(handler)

    def flush(self) -> None:
        """Nothing: psycopg2 appends its notices before it returns."""


class AsyncpgSession:
    """asyncpg behind SQLAlchemy's adapter."""

    def __init__(self, dbapi: Any) -> None:
        self.dbapi = dbapi
        self._failed = False

    def backend_pid(self) -> int | None:
        return int(self.dbapi.driver_connection.get_server_pid())

    def in_transaction(self) -> bool:
        return bool(self.dbapi.driver_connection.is_in_transaction())

    def failed(self) -> bool:
        """As ``note`` has it: asyncpg knows, but does not tell."""
        return self._failed and self.in_transaction()

    def begins(self) -> bool:
        # The adapter begins when it believes that no transaction is open, which a COMMIT as text does not tell it.
        return not self.dbapi.autocommit and self.dbapi._transaction is None

    def note(self, *, failed: bool) -> None:
        self._failed = failed

    def listen(self, handler: NoticeHandler) -> None:
        def handle(_connection: object, message: Any) -> None:
            handler(message.severity_en or message.severity or "", message.message or "", message.sqlstate)

        self.dbapi.driver_connection.add_log_listener(handle)

    def flush(self) -> None:
        """asyncpg calls its listeners from the event loop, which must get its turn."""
        import asyncio

        from sqlalchemy.util import await_only

        await_only(asyncio.sleep(0))


class Pg8000Session:
    """pg8000. It keeps notices in a queue, of dictionaries of bytes."""

    def __init__(self, dbapi: Any) -> None:
        self.dbapi = dbapi
        self._handler: NoticeHandler | None = None

    def backend_pid(self) -> int | None:
        # The protocol's BackendKeyData: process number and secret, four bytes each.
        data = getattr(self.dbapi, "_backend_key_data", None)
        return int.from_bytes(data[:4]) if data else None

    def in_transaction(self) -> bool:
        return bool(self.dbapi._in_transaction)

    def failed(self) -> bool:
        return bool(self.dbapi._transaction_status == b"E")

    def begins(self) -> bool:
        return not self.dbapi.autocommit and not self.in_transaction()

    def note(self, *, failed: bool) -> None:
        """Nothing: the server said so itself."""

    def listen(self, handler: NoticeHandler) -> None:
        self._handler = handler

    def flush(self) -> None:
        while self._handler and self.dbapi.notices:
            fields = {key: value.decode(errors="replace") for key, value in self.dbapi.notices.popleft().items()}
            self._handler(fields.get(b"V") or fields.get(b"S", ""), fields.get(b"M", ""), fields.get(b"C"))


_CLASSES: dict[str, Callable[[Any], Session]] = {
    "psycopg": PsycopgSession,
    "psycopg_async": PsycopgSession,
    "psycopg2": Psycopg2Session,
    "psycopg2cffi": Psycopg2Session,
    "asyncpg": AsyncpgSession,
    "pg8000": Pg8000Session,
}


def session_for(driver: str, dbapi: Any) -> Session | None:
    """The session of ``dbapi``, a connection of SQLAlchemy's ``driver``; None for a driver that we do not know."""
    make = _CLASSES.get(driver)
    return make(dbapi) if make else None


def query(session: Session, sql: str, *, inside: bool = False) -> jobs.Answer:
    """The rows of ``sql`` on this connection, as text; an error is told, not raised.

    Outside of a transaction it is committed by itself, so that what it SET stays and no snapshot does; with ``inside``
    it begins the transaction that the next statement would have begun. Within a transaction it is part of it: an
    error makes the transaction fail, as any error would.
    """
    alone = not session.in_transaction() and not inside
    try:
        rows = _rows(session.dbapi, sql)
    except Exception as error:
        if alone and session.in_transaction():
            with contextlib.suppress(Exception):  # of a connection that is lost; the error that is told says so
                session.dbapi.rollback()
        else:
            session.note(failed=True)
        return jobs.Answer(error=server_message(error), sqlstate=sqlstate(error))
    if alone and session.in_transaction():
        session.dbapi.commit()
    return jobs.Answer(rows=rows)


def _rows(dbapi: Any, sql: str) -> list[list[str | None]]:
    cursor = dbapi.cursor()
    try:
        cursor.execute(sql)
        found = cursor.fetchall() if cursor.description else []
    finally:
        cursor.close()
    return [[as_text(value) for value in row] for row in found]


def as_text(value: Any) -> str | None:
    """``value`` as PostgreSQL would print it, as far as a driver's own type tells; cast in SQL what must be exact."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, bytes | bytearray | memoryview):
        data = bytes(value)
        return data.decode() if data.isascii() and data.isalnum() else f"\\x{data.hex()}"
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat(" ") if isinstance(value, datetime.datetime) else value.isoformat()
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, default=as_text, ensure_ascii=False)
    return str(value)
