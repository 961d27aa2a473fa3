"""Results as SQL: a plan as a script for psql, drift as what would end it, a schema as what would make it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from db_migrate.report.source import place
from db_migrate.report.style import Style, name
from db_migrate.results import Comparison, Drift, Plan, PlannedRevision, PlannedStatement, Schema


def plan_sql(plan: Plan, lock_timeout: float) -> str:
    """The plan's statements as a script that ``psql -f`` runs as they are planned, stopping at the first error.

    Each transaction is in BEGIN and COMMIT with ``lock_timeout`` (seconds) set; autocommit statements stand outside.
    The version table's changes are among the plan's own statements. Parameters stand in comments: a statement that has
    some was sent with them, and the script says so.
    """
    head = [
        f"-- {plan.direction} {_list(plan.current)} -> {_list(plan.destination)}",
        f"-- plan {plan.hash}, proved on {name(plan.proved_on)}",
        f"-- for a schema with the fingerprint {plan.fingerprint.from_}",
        "\\set ON_ERROR_STOP on",
        "",
    ]
    steps = [(revision, statement) for revision in plan.revisions for statement in revision.statements]
    body: list[str] = []
    for _, group in groupby(steps, key=lambda step: step[1].transaction):
        members = list(group)
        if members[0][1].autocommit:
            body += [line for member in members for line in (*_statement(*member), "")]
        else:
            inner = [line for member in members for line in _statement(*member)]
            body += ["BEGIN;", f"SET LOCAL lock_timeout = '{lock_timeout * 1000:.0f}ms';", *inner, "COMMIT;", ""]
    return "\n".join([*head, *body])


def _statement(revision: PlannedRevision, statement: PlannedStatement) -> Iterable[str]:
    yield f"-- {name(revision.revision)}: {place(revision.file, statement.line)}"
    if statement.parameters:
        yield f"-- with parameters: {name(', '.join(statement.parameters))}"
    yield terminated(statement.sql)


def terminated(sql: str) -> str:
    """The statement ending in one semicolon, on a line of its own where a comment ends the statement."""
    text = sql.strip()
    if text.endswith(";"):
        return text
    last = text.rsplit("\n", 1)[-1]
    return text + ("\n;" if "--" in last else ";")


def drift_sql(drift: Drift, _style: Style) -> str:
    """For every comparison what would make *from* into *to*; what has no SQL is named in a comment."""
    return "\n".join(_comparison_sql(each) for each in drift.comparisons)


def _comparison_sql(comparison: Comparison) -> str:
    lines = [f"-- {comparison.from_} -> {comparison.to}"]
    for change in comparison.changes:
        shown = f"{change.kind} {name(change.object)} {change.action}"
        lines += [f"-- {shown}", terminated(change.sql)] if change.sql else [f"-- {shown}: no SQL is known"]
    return "\n".join([*lines, ""])


def schema_sql(schema: Schema, _style: Style) -> str:
    """Every object as the SQL that PostgreSQL prints for it; what it prints none for is named in a comment."""
    lines = [f"-- {schema.side}"]
    for each in schema.objects:
        shown = f"{each.kind.replace('_', ' ')} {name(each.object)}"
        lines += [terminated(each.definition)] if each.definition else [f"-- {shown}"]
    return "\n".join(lines) + "\n"


def _list(revisions: Iterable[str]) -> str:
    return ", ".join(name(each) for each in revisions) or "base"
