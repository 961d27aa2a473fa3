"""Results as SQL: a plan as a script for psql, drift as what would end it, a schema as what would make it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby

from db_migrate.catalog.diff import diff
from db_migrate.catalog.objects import Catalog, Kind, SchemaObject
from db_migrate.catalog.sql import with_sql
from db_migrate.catalog.tokens import quoted, tokens
from db_migrate.postgres.redact import MASK
from db_migrate.report.source import place
from db_migrate.report.style import Style, name
from db_migrate.results import (
    Comparison,
    Drift,
    Plan,
    PlannedRevision,
    PlannedStatement,
    Schema,
    SchemaEntry,
    TargetSummary,
)
from db_migrate.trace.grammar import UNREADABLE, sort_of

_ENDED = re.compile(r"\s*(COMMIT|END|ROLLBACK|ABORT)\s*;?\s*$", re.IGNORECASE)
_VIEWS = (Kind.VIEW, Kind.MATERIALIZED_VIEW)


def plan_sql(plan: Plan, lock_timeout: float) -> str:
    """The plan's statements as a script that ``psql -f`` runs as they are planned, stopping at the first error.

    Each transaction is in BEGIN and COMMIT with ``lock_timeout`` (seconds) set, unless it ends itself; autocommit
    statements stand outside. Queries of the catalogs are left out; the version table's changes are among the plan's
    own statements. The script stops before a statement that is not in the plan as it was sent: one with a password, or
    with very many sets of parameters.
    Of several databases each is connected to in turn.
    """
    if plan.targets:
        return "\n".join(
            f"{_connect(each, plan.target)}{plan_sql(each, lock_timeout)}" for each in plan.targets if each.revisions
        )
    head = [
        f"-- {plan.direction} {_list(plan.current)} -> {_list(plan.destination)}",
        f"-- plan {plan.hash}, proved on {name(plan.proved_on)}",
        f"-- for a schema with the fingerprint {plan.fingerprint.from_}",
        "\\set ON_ERROR_STOP on",
        *([f"SET search_path = {plan.search_path};"] if plan.search_path else []),
        "",
    ]
    steps = [(each, statement) for each in plan.revisions for statement in each.statements if not statement.only_looks]
    timeout = f"SET LOCAL lock_timeout = '{lock_timeout * 1000:.0f}ms';"
    body = ["-- before the first revision, by Alembic itself"] if plan.prepared else []
    body += [line for each in plan.prepared for line in (terminated(each.strip()), "")]
    for _, group in groupby(steps, key=lambda step: step[1].transaction):
        members = list(group)
        inner = [line for member in members for line in _statement(*member)]
        if members[0][1].autocommit:
            body += [*inner, ""]
            continue
        ended = bool(_ENDED.match(members[-1][1].sql))
        body += ["BEGIN;", timeout, *inner, *([] if ended else ["COMMIT;"]), ""]
    return "\n".join([*head, *body])


def _connect(plan: Plan, common: TargetSummary | None) -> str:
    """How the script gets to a plan's database, where it is not that of all."""
    if common is not None or plan.target is None:
        return ""
    return f"\\connect {quoted(plan.target.database)}\n"


def _statement(revision: PlannedRevision, statement: PlannedStatement) -> Iterable[str]:
    yield f"-- {name(revision.revision)}: {place(revision.file, statement.line)}"
    if statement.parameters:
        yield f"-- with parameters: {name(', '.join(statement.parameters))}"
    lacks = _lacks(statement.sql)
    if lacks:
        yield f"\\echo stopped: the next statement has {lacks}, which no plan holds. Write it in, and take this out."
        yield "\\quit"
    yield terminated(statement.sql)


def _lacks(sql: str) -> str:
    """What of the statement is not in its text, in a word."""
    if f"'{MASK}'" in sql or f":{MASK}@" in sql or f"={MASK}" in sql:
        return "a password"
    return "parameters" if UNREADABLE in sort_of(sql).nodes else ""


def terminated(sql: str) -> str:
    """The statement ending in one semicolon, on a line of its own where a comment ends the statement."""
    text = _printable(sql.strip())
    if text.endswith(";"):
        return text
    last = text.rsplit("\n", 1)[-1]
    return text + ("\n;" if "--" in last else ";")


def _printable(sql: str) -> str:
    """The same SQL, in which names and texts with characters that steer a terminal are written with escapes.

    PostgreSQL reads ``U&"…"`` and ``U&'…'`` as what they stand for (documentation: "4.1.2.3. String Constants With
    Unicode Escapes"). What is quoted otherwise, the body of a function say, stays as it is.
    """
    if not any(_steers(each) for each in sql):
        return sql
    parts = tokens(sql)
    for at, token in enumerate(parts):
        prefixed = at > 0 and parts[at - 1][-1:].isalpha()
        if token[:1] in "\"'" and any(map(_steers, token)) and not prefixed:
            parts[at] = f"U&{''.join(_escape(each) for each in token)}"
    return "".join(parts)


def _escape(character: str) -> str:
    if character == "\\":
        return "\\\\"
    return f"\\{ord(character):04X}" if _steers(character) else character


def _steers(character: str) -> bool:
    return character not in "\n\t" and name(character) != character


def drift_sql(drift: Drift, _style: Style) -> str:
    """For every comparison what would make *from* into *to*; what has no SQL is named in a comment."""
    return "\n".join(_comparison_sql(each) for each in drift.comparisons)


def _comparison_sql(comparison: Comparison) -> str:
    lines = [f"-- {comparison.source} -> {comparison.to}"]
    for change in comparison.changes:
        shown = f"{change.kind} {name(change.object)} {change.action}"
        lines += [f"-- {shown}", terminated(change.sql)] if change.sql else [f"-- {shown}: no SQL is known"]
    return "\n".join([*lines, ""])


def schema_sql(schema: Schema, _style: Style) -> str:
    """What would make the schema in an empty database, in an order that PostgreSQL accepts."""
    catalog = _catalog(schema)
    empty = Catalog.of((), catalog.server_version)
    lines = [f"-- {schema.side}"]
    # What a view reads is not among its entry's attributes, so views come after everything that they can read.
    for change in sorted(with_sql(diff(empty, catalog), empty, catalog), key=lambda each: each.kind in _VIEWS):
        lines.append(
            terminated(change.sql) if change.sql else f"-- {change.kind} {name(change.object)}: no SQL is known"
        )
    return "\n".join(lines) + "\n"


def _catalog(schema: Schema) -> Catalog:
    """The catalog that the entries were made from."""
    objects = []
    for each in schema.objects:
        objects.append(_object(each, None, 0))
        objects += [_object(part, each.object, position) for position, part in enumerate(each.columns, 1)]
    major, _, minor = (schema.target.server_version if schema.target else "18.0").partition(".")
    return Catalog.of(objects, int(major) * 10000 + int(minor or 0))


def _object(entry: SchemaEntry, parent: str | None, position: int) -> SchemaObject:
    place = position if entry.kind == Kind.COLUMN else 0
    return SchemaObject(Kind(entry.kind), entry.object, parent, entry.attributes, entry.definition, place)


def _list(revisions: Iterable[str]) -> str:
    return ", ".join(name(each) for each in revisions) or "base"
