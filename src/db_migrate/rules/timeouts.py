"""Section F: timeouts, judged for how the revision will run. Under ``apply`` they are met, unless it overrides them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from db_migrate.rules import advice, grammar
from db_migrate.rules.context import Context, Hit, Place, is_table
from db_migrate.rules.finding import Severity
from db_migrate.rules.registry import About, Section, rule
from db_migrate.trace.effects import TracedRevision

_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "min": 60_000.0, "h": 3_600_000.0, "d": 86_400_000.0, "": 1.0}
LONGEST_LOCK_WAIT_MS = 10_000
"""A lock_timeout above this protects nobody: whoever queues behind the waiter waits as long."""


def milliseconds(value: str) -> float | None:
    """A timeout as PostgreSQL reads it (documentation: "20.1.1. Parameter Names and Values"); None if it is none."""
    match = re.fullmatch(r"\s*'?\s*(\d+(?:\.\d+)?)\s*(us|ms|s|min|h|d|)\s*'?\s*", value)
    return None if match is None else float(match[1]) * _UNITS[match[2]]


def _without_our_timeouts(context: Context, revision: TracedRevision) -> bool:
    return context.settings.runner != "db-migrate" or revision.file.endswith(".sql")


def _dangerous(context: Context, place: Place) -> list[str]:
    """Tables with rows on which the statement takes a lock that stops reads or writes."""
    return [
        lock.relation
        for lock in place.effects.locks
        if lock.blocks and is_table(place, lock.relation) and not context.exempt(place, lock.relation)
    ]


def _unprotected(context: Context, *settings: str) -> Iterator[tuple[Place, str]]:
    """The first dangerous statement of each revision that nothing of ``settings`` was set before."""
    for revision in context.trace.revisions:
        if not _without_our_timeouts(context, revision):
            continue
        for place in (each for each in context.places if each.revision is revision):
            if any(name in settings for name, _value in grammar.settings_of(place.statement.sql)):
                break
            tables = _dangerous(context, place)
            if tables:
                yield place, tables[0]
                break


@rule(
    "missing-lock-timeout",
    Section.TRANSACTION,
    About(
        runner="alembic",
        catches="a lock that stops reads or writes is taken without lock_timeout",
        effect="the statement waits for running transactions, and everybody else waits behind it",
        why="one forgotten session stops the whole table for as long as it likes",
        instead="SET LOCAL lock_timeout before it, and try again; db-migrate apply does so",
        bad='op.add_column("users", sa.Column("phone", sa.Text()))',
        good="""
op.execute("SET LOCAL lock_timeout = '2s'")
op.add_column("users", sa.Column("phone", sa.Text()))
""",
    ),
)
def missing_lock_timeout(context: Context) -> Iterator[Hit]:
    """Met under ``apply``."""
    for place, relation in _unprotected(context, "lock_timeout"):
        message = f"waits without limit for its lock on {context.size(place, relation)}"
        yield Hit(place, relation, message, advice.before(advice.execute("SET LOCAL lock_timeout = '2s'")))


@rule(
    "missing-statement-timeout",
    Section.TRANSACTION,
    About(
        runner="alembic",
        severity=Severity.NOTE,
        catches="a lock that stops reads or writes is taken without statement_timeout",
        effect="the statement holds its lock for as long as it takes",
        why="an estimate that was wrong is noticed by the users",
        instead="SET LOCAL statement_timeout before it; db-migrate apply does so",
        bad='op.add_column("users", sa.Column("phone", sa.Text()))',
        good="""
op.execute("SET LOCAL lock_timeout = '2s'")
op.execute("SET LOCAL statement_timeout = '30s'")
op.add_column("users", sa.Column("phone", sa.Text()))
""",
    ),
)
def missing_statement_timeout(context: Context) -> Iterator[Hit]:
    """Met under ``apply``."""
    for place, relation in _unprotected(context, "statement_timeout"):
        message = f"works without limit under its lock on {context.size(place, relation)}"
        yield Hit(place, relation, message, advice.before(advice.execute("SET LOCAL statement_timeout = '30s'")))


@rule(
    "missing-idle-or-transaction-timeout",
    Section.TRANSACTION,
    About(
        runner="alembic",
        severity=Severity.NOTE,
        catches="locks are taken without idle_in_transaction_session_timeout or transaction_timeout",
        effect="when the migrating process hangs, the server keeps its locks",
        why="a laptop that sleeps stops the table",
        instead="SET idle_in_transaction_session_timeout; on 17 and later also transaction_timeout",
        versions="transaction_timeout from 17",
        bad='op.add_column("users", sa.Column("phone", sa.Text()))',
        good="""
op.execute("SET LOCAL lock_timeout = '2s'")
op.execute("SET LOCAL idle_in_transaction_session_timeout = '60s'")
op.add_column("users", sa.Column("phone", sa.Text()))
""",
    ),
)
def missing_idle_or_transaction_timeout(context: Context) -> Iterator[Hit]:
    """Met under ``apply``."""
    names = ("idle_in_transaction_session_timeout", "transaction_timeout")
    for place, relation in _unprotected(context, *names):
        message = f"a client that hangs keeps its lock on {context.size(place, relation)}"
        fix = advice.before(advice.execute("SET LOCAL idle_in_transaction_session_timeout = '60s'"))
        yield Hit(place, relation, message, fix)


@rule(
    "timeout-bad-value",
    Section.TRANSACTION,
    About(
        catches="lock_timeout is turned off, set too long, or set after the statement that needs it",
        effect="it overrides the timeouts that apply has set",
        why="it looks like protection and is none",
        instead="a few seconds at most, before the first lock",
        bad="""
op.execute("SET LOCAL lock_timeout = 0")
op.add_column("users", sa.Column("phone", sa.Text()))
""",
        good="""
op.execute("SET LOCAL lock_timeout = '2s'")
op.add_column("users", sa.Column("phone", sa.Text()))
""",
    ),
)
def timeout_bad_value(context: Context) -> Iterator[Hit]:
    """Whoever runs the revision: it is the revision's own word."""
    for revision in context.trace.revisions:
        locked = ""
        for place in (each for each in context.places if each.revision is revision):
            for name, value in grammar.settings_of(place.statement.sql):
                if name != "lock_timeout":
                    continue
                limit = milliseconds(value)
                problem = f"lock_timeout comes after the lock on {locked}" if locked else ""
                if limit == 0:
                    problem = "lock_timeout is turned off"
                elif limit is not None and limit > LONGEST_LOCK_WAIT_MS:
                    problem = f"lock_timeout is {limit / 1000:g} s, and whoever queues behind waits as long"
                if problem:
                    fix = advice.execute("SET LOCAL lock_timeout = '2s'")
                    fix = f"# here leave it out, and at the beginning of upgrade():\n{fix}" if locked else fix
                    yield Hit(place, revision.revision, problem, fix)
            locked = locked or next(iter(_dangerous(context, place)), "")
