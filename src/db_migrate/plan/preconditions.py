"""Asks the target the data preconditions of a run, one by one, each in its own savepoint and time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from db_migrate.rules.facts import Answer
from db_migrate.rules.questions import LOSSES, Question

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[object, ...]]

_LONGEST_SAMPLE = 200


def ask(
    connection: Connection, questions: Iterable[Question], timeout_s: float, *, values: bool = True
) -> Mapping[str, Answer]:
    """The answers by question. ``connection`` is in a READ ONLY transaction, with ``search_path = pg_catalog``.

    ``timeout_s`` is for each query, in seconds. First the first offender is looked for; only where there is one are
    all counted. With ``values`` False the offending keys are not in the answers.
    """
    return {question.id: _answer(connection, question, timeout_s, values=values) for question in questions}


def _answer(connection: Connection, question: Question, timeout_s: float, *, values: bool) -> Answer:
    if question.refused:
        return Answer(question.id, None, error=question.refused)
    first, error = _one(connection, question.first_sql, timeout_s)
    if error:
        return Answer(question.id, None, error=error)
    if first is None:
        return Answer(question.id, 0)
    count, error = _one(connection, question.sql, timeout_s)
    shown = values and question.kind not in LOSSES
    sample = first if len(first) <= _LONGEST_SAMPLE else first[:_LONGEST_SAMPLE] + "..."
    return Answer(question.id, None if error or count is None else int(count), sample if shown else "")


def _one(connection: Connection, sql: str, timeout_s: float) -> tuple[str | None, str]:
    """The single value of a query as text, or why there is none. A failure is the server's, and changes nothing."""
    from psycopg import DatabaseError, OperationalError, errors

    try:
        with connection.transaction(force_rollback=True):  # the timeout goes with the savepoint
            connection.execute(f"SET LOCAL statement_timeout = {int(timeout_s * 1000)}".encode())
            row = connection.execute(sql.encode()).fetchone()
    except errors.QueryCanceled:
        return None, f"no answer within {timeout_s:g} s"
    except DatabaseError as error:
        if isinstance(error, OperationalError) and connection.broken:
            raise
        return None, error.diag.message_primary or type(error).__name__
    return (None if row is None else str(row[0])), ""
