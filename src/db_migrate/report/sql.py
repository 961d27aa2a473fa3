"""Results as SQL: a plan as a script for psql, drift as what would end it, a schema as what would make it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from db_migrate.catalog.diff import diff
from db_migrate.catalog.objects import Catalog, Kind, SchemaObject
from db_migrate.catalog.sql import with_sql
from db_migrate.report.source import place
from db_migrate.report.style import Style, name
from db_migrate.results import Comparison, Drift, Plan, PlannedRevision, PlannedStatement, Schema, SchemaEntry

_VIEWS = (Kind.VIEW, Kind.MATERIALIZED_VIEW)


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
