"""Runs a file of SQL on a scratch database as psql would, and traces it like a revision.

A statement that fails is noted, its transaction goes on without it: a linter that stopped at the first would say
nothing of the others.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.server import Server
from db_migrate.postgres.session import connect
from db_migrate.project import events
from db_migrate.project.outcomes import QueryError
from db_migrate.schemas.scratch import read
from db_migrate.trace.effects import (
    Direction,
    Effects,
    RevisionError,
    Trace,
    TracedRevision,
    TracedStatement,
)
from db_migrate.trace.psql import Piece, read_script
from db_migrate.trace.stand_ins import MISSING, StandIn, find_stand_in, make
from db_migrate.trace.tracer import Place, RevisionSource, Tracer

if TYPE_CHECKING:
    import psycopg

_CONNECTION = 1
_LONGEST_MS = 60_000
_ATTEMPTS = 8
MadeUp = Mapping[int, tuple[StandIn, ...]]
"""The stand-ins that each statement of a file needs, by its place among them."""

_COPIES = re.compile(r"COPY\s.*\b(STDIN|STDOUT)\b", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class ScriptFile:
    """A file of SQL: what results call it, where it is, and its text."""

    name: str
    path: str
    text: str


def trace_script(server: Server, database: ConnInfo, file: ScriptFile, made_up: MadeUp | None = None) -> Trace:
    """Run the file on a scratch database that has the observers, and record what each statement did.

    ``made_up`` are the stand-ins that its statements need, see ``rehearse``.
    """
    script = read_script(file.text)
    warnings = tuple(
        f"{file.name}:{each.line}: {each.sql.split()[0]} is a command of psql and was not run"
        for each in script.left_out
    )
    source = RevisionSource((), "", file.path, {})
    superuser = server.conninfo(database.dbname)
    tracer = Tracer(Place(superuser, server.version, server.log), {file.name: source})
    with contextlib.closing(connect(database, statement_timeout_ms=_LONGEST_MS)) as connection:
        run = _Run(connection, tracer, superuser, file, made_up or {})
        run.begin()
        for index, piece in enumerate(script.pieces):
            run.make_up(_needed(script.pieces, index, made_up or {}))
            run.piece(piece, index)
        revision = run.end()
    return Trace((revision,), server.version, revision.before, revision.after, warnings)


def rehearse(database: ConnInfo, file: ScriptFile) -> MadeUp:
    """Run the file on a scratch database to find out what it needs that nobody made; each statement commits alone."""
    found: dict[int, tuple[StandIn, ...]] = {}
    with contextlib.closing(connect(database, statement_timeout_ms=_LONGEST_MS)) as connection:
        link = _Link(connection)
        for index, piece in enumerate(read_script(file.text).pieces):
            if piece.begins or piece.ends:
                continue
            stand_ins = tuple(_rehearsed(connection, link, piece))
            if stand_ins:
                found[index] = stand_ins
    return found


def _rehearsed(connection: psycopg.Connection[Any], link: _Link, piece: Piece) -> Iterator[StandIn]:
    from psycopg import Error

    for _ in range(_ATTEMPTS):
        try:
            _send(connection, piece.sql)
        except Error as error:
            stand_in = find_stand_in(error, piece.sql, link.schema) if error.sqlstate in MISSING else None
            if stand_in is None or not _made(connection, stand_in):
                return
            yield stand_in
        else:
            return


def _made(connection: psycopg.Connection[Any], stand_in: StandIn) -> bool:
    from psycopg import Error

    try:
        make(connection, stand_in)
    except Error:
        return False
    return True


def _needed(pieces: Sequence[Piece], index: int, made_up: MadeUp) -> Iterator[StandIn]:
    """What has to be there before a statement; before one that begins a transaction, for all of that."""
    if not pieces[index].begins:
        inside = [piece for piece in pieces[:index] if piece.begins or piece.ends]
        if not (inside and inside[-1].begins):
            yield from made_up.get(index, ())
        return
    for later in range(index, len(pieces)):
        yield from made_up.get(later, ())
        if pieces[later].ends:
            return


def _send(connection: psycopg.Connection[Any], sql: str) -> int:
    """Run a statement; COPY gets no rows, and gives none."""
    cursor = connection.cursor()
    copies = _COPIES.match(sql)
    if copies is None:
        return cursor.execute(sql.encode()).rowcount
    with cursor.copy(sql.encode()) as copy:
        if copies[1].upper() == "STDOUT":
            for _row in copy:
                pass
    return cursor.rowcount


class _Link:
    """The connection, as the tracer asks through it."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def query(self, sql: str) -> list[list[str | None]]:
        from psycopg import Error

        try:
            cursor = self._connection.execute(sql.encode())
        except Error as error:
            raise QueryError(str(error), error.sqlstate) from error
        if cursor.description is None:
            return []
        return [[None if value is None else str(value) for value in row] for row in cursor.fetchall()]

    def abort(self, reason: str) -> None:
        raise RuntimeError(reason)

    def again(self) -> None:
        """Nothing: on scratch nobody else has a lock."""

    def skip(self) -> None:
        """Nothing: every statement of a file is sent."""

    def stop(self) -> None:
        """Nothing: a file has no steps."""

    def schema(self) -> str:
        """Where the session looks for what has no schema."""
        rows = self.query("SELECT current_schema()")
        return rows[0][0] or "public" if rows else "public"


class _Run:
    """One file on its way through one connection."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        tracer: Tracer,
        superuser: ConnInfo,
        file: ScriptFile,
        made_up: MadeUp,
    ) -> None:
        self._connection = connection
        self._tracer = tracer
        self._link = _Link(connection)
        self._superuser = superuser
        self._file = file
        self._made_up = made_up
        self._inside = False
        self._kept: list[TracedStatement | int] = []
        """What becomes of the tracer's statements: their places among those, and what it was not told."""
        self._indexes: dict[int, int] = {}

    def begin(self) -> None:
        """Tell the tracer of the connection and of the one revision that the file is."""
        self._connection.add_notice_handler(self._notice)
        pid = self._connection.info.backend_pid
        self._tell(events.Connected(connection=_CONNECTION, backend_pid=pid, driver="psycopg"))
        self._tell(events.StepBegin(**self._step()))

    def make_up(self, stand_ins: Iterable[StandIn]) -> None:
        """Make what nobody made, unseen by the tracer."""
        for each in stand_ins:
            with contextlib.closing(
                connect(self._superuser, settings={"log_statement": "none"}, told=True)
            ) as connection:
                _made(connection, each)
            self._tracer.look_again()

    def piece(self, piece: Piece, index: int) -> None:
        """Run one statement."""
        if piece.begins:
            self._unwatched(piece)
            self._inside = True
        elif piece.ends:
            self._unwatched(piece)
            self._end_transaction(rolled_back=piece.rolls_back)
        else:
            place = self._statement(piece)
            self._kept.append(place)
            self._indexes[place] = index

    def end(self) -> TracedRevision:
        """End what the file left open, as the server would, and the record of it."""
        if self._inside:
            self._connection.execute("ROLLBACK")
            self._end_transaction(rolled_back=True)
        self._tell(events.StepEnd(**self._step()))
        (revision,) = self._tracer.revisions
        statements = tuple(self._statements(revision.statements))
        failed = next((i for i, each in enumerate(statements) if _fails(each)), None)
        error = None if failed is None else _revision_error(statements[failed], failed)
        after = read(self._superuser)
        return replace(revision, statements=statements, after=after, error=error)

    def _statements(self, traced: Sequence[TracedStatement]) -> Iterator[TracedStatement]:
        transaction = 0
        for each in self._kept:
            if isinstance(each, int):
                transaction = traced[each].transaction
                made_up = self._made_up.get(self._indexes[each], ())
                yield replace(traced[each], assumed=tuple(stand_in.name for stand_in in made_up))
            else:
                yield replace(each, transaction=transaction + 1 if each.autocommit else transaction)

    def _step(self) -> dict[str, Any]:
        step = {"revision": self._file.name, "direction": Direction.UPGRADE.value, "index": 0, "context": 0}
        return {**step, "connection": _CONNECTION}

    def _tell(self, event: events.Event) -> None:
        self._tracer.event(event, self._link)

    def _notice(self, diagnostic: Any) -> None:
        severity = diagnostic.severity_nonlocalized or ""
        self._tell(events.Notice(connection=_CONNECTION, severity=severity, message=diagnostic.message_primary or ""))

    def _unwatched(self, piece: Piece) -> None:
        """Begin or end a transaction, which the tracer gets to know by what happens."""
        self._recover()
        self._connection.execute(piece.sql.encode())
        self._kept.append(_as_sent(piece, self._file.path))

    def _recover(self) -> None:
        """Out of a statement in autocommit mode that failed within the block that the tracer had put around it."""
        from psycopg.pq import TransactionStatus

        if not self._inside and self._connection.info.transaction_status is not TransactionStatus.IDLE:
            self._connection.execute("ROLLBACK")

    def _end_transaction(self, *, rolled_back: bool) -> None:
        self._inside = False
        kind = events.Rollback if rolled_back else events.Commit
        self._tell(kind(connection=_CONNECTION))

    def _statement(self, piece: Piece) -> int:
        """Run a statement; its place among the tracer's."""
        from psycopg import Error

        self._recover()
        if self._inside:
            self._connection.execute("SAVEPOINT before_statement")
        self._tell(self._as_event(piece.sql, piece.line))
        place = len(self._tracer.statements)
        began = time.perf_counter()
        try:
            rows = _send(self._connection, piece.sql)
        except Error as error:
            self._tell(
                events.StatementFailed(
                    connection=_CONNECTION,
                    sqlstate=error.sqlstate,
                    message=error.diag.message_primary or str(error),
                    seconds=time.perf_counter() - began,
                )
            )
            self._go_on_after_failure()
            return place
        seconds = time.perf_counter() - began
        self._tell(events.StatementDone(connection=_CONNECTION, rowcount=rows, seconds=seconds))
        return place

    def _as_event(self, sql: str, line: int) -> events.Statement:
        return events.Statement(
            connection=_CONNECTION,
            sql=sql,
            rendered=sql,
            autocommit=not self._inside,
            revision=self._file.name,
            file=self._file.path,
            line=line,
        )

    def _go_on_after_failure(self) -> None:
        if not self._inside:
            self._recover()
            return
        undo = "ROLLBACK TO SAVEPOINT before_statement"
        self._tell(self._as_event(undo, 0))
        self._connection.execute(undo)
        self._tell(events.StatementDone(connection=_CONNECTION, rowcount=-1, seconds=0.0))


def _as_sent(piece: Piece, path: str) -> TracedStatement:
    return TracedStatement(
        sql=piece.sql,
        parameters=(),
        file=path,
        line=piece.line,
        transaction=0,
        autocommit=piece.begins,
        effects=Effects(),
        seconds=0.0,
        ddl=False,
    )


def _fails(statement: TracedStatement) -> bool:
    return statement.error is not None and statement.error.sqlstate not in MISSING


def _revision_error(statement: TracedStatement, index: int) -> RevisionError:
    assert statement.error is not None
    return RevisionError(
        f"SQLSTATE {statement.error.sqlstate}",
        statement.error.message,
        statement.error.sqlstate,
        statement.file,
        statement.line,
        index,
    )
