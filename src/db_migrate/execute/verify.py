"""Whether a database is what its revisions say, and everything in it does its work."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from db_migrate.catalog.change import Action, Change
from db_migrate.catalog.diff import diff, drifted
from db_migrate.catalog.objects import Catalog, SchemaObject
from db_migrate.errors import Refused
from db_migrate.execute.blockers import statement
from db_migrate.execute.journal import Journal
from db_migrate.postgres.session import read_only
from db_migrate.results import Problem, VerifyOutcome
from db_migrate.schemas.target import Target, look_at

if TYPE_CHECKING:
    from psycopg import Connection

BUILDING = "index.building"

_CURES = {
    BUILDING: "db-migrate doctor",
    "index.invalid": "db-migrate repair",
    "constraint.not-validated": "ALTER TABLE {table} VALIDATE CONSTRAINT {name};",
    "trigger.disabled": "ALTER TABLE {table} ENABLE TRIGGER {name};",
    "foreign-key.disabled": "ALTER TABLE {table} ENABLE TRIGGER ALL;",
}
_MESSAGES = {
    BUILDING: "the index is not valid yet: it is being built now",
    "index.invalid": "the index is invalid: a CREATE INDEX CONCURRENTLY did not finish; it is kept up and never used",
    "constraint.not-validated": "the constraint was never validated: rows from before it may violate it",
    "trigger.disabled": "the trigger is disabled",
    "foreign-key.disabled": "the foreign key is not enforced, since its triggers are disabled",
}


def verify(
    target: Target,
    live: Catalog,
    *,
    expected: Catalog | None,
    hidden: Collection[str] = (),
    planned: Sequence[str] | None = None,
    files: Mapping[str, Path] | None = None,
) -> VerifyOutcome:
    """What is off in the target.

    ``live`` and ``expected`` are catalogs as one server prints them, ``expected`` None when nobody can say what should
    be there; objects named in ``hidden``, and what belongs to them, are left out. ``planned`` are the revisions that a
    run was to reach. ``files`` has the file of each revision, to be held against the scripts in the journal.
    """
    with read_only(target.conninfo, again=True) as connection:
        current = look_at(connection, target).current
        problems = [
            *_revision(current, planned),
            *_drift(live, expected, hidden),
            *(each for each in flaws(connection, expected) if each.code != BUILDING),
            *behind(connection),
            *_of_the_journal(connection, current, files or {}, target.schema),
        ]
    found = tuple(dict.fromkeys(problems))
    return VerifyOutcome(not found, found)


def _revision(current: Sequence[str], planned: Sequence[str] | None) -> Iterator[Problem]:
    if planned is not None and set(current) != set(planned):
        yield Problem(
            "revision.other",
            "",
            f"the database is at {_named(current)}, planned was {_named(planned)}",
            "db-migrate status",
        )


def _named(revisions: Sequence[str]) -> str:
    return ", ".join(sorted(revisions)) or "base"


def _drift(live: Catalog, expected: Catalog | None, hidden: Collection[str]) -> Iterator[Problem]:
    if expected is None:
        return
    for change in drifted(diff(_without(expected, hidden), _without(live, hidden))):
        yield Problem(
            f"schema.{change.action.value}", change.object, _told(change), "db-migrate drift --from history --to live"
        )


def _told(change: Change) -> str:
    if change.action is Action.RENAMED:
        return f"{change.kind.value} renamed from {change.from_object}, which no revision does"
    attributes = "".join(f", {a.name} {a.from_!r} → {a.to!r}" for a in change.attributes)
    return f"{change.kind.value} {change.action.value}, which no revision does{attributes}"


def _without(catalog: Catalog, hidden: Collection[str]) -> Catalog:
    if not hidden:
        return catalog
    return catalog.only(lambda o: o.name not in hidden and o.parent not in hidden)


def flaws(connection: Connection[tuple[object, ...]], expected: Catalog | None) -> Iterator[Problem]:
    """Invalid indexes and their like, but for those that the revisions themselves want so.

    With the code ``index.building`` those that somebody is about to build.
    """
    wanted = {each.name for each in expected or () if _is_wanted_flaw(each)}
    rows: list[Any] = connection.execute(statement("flaws")).fetchall()
    for code, name, table, short in rows:
        if name not in wanted:
            yield Problem(code, name, _MESSAGES[code], _CURES[code].format(table=table, name=short))


def _is_wanted_flaw(item: SchemaObject) -> bool:
    states = [item.attributes.get(name) for name in ("valid", "validated", "enforced")]
    return False in states or " DISABLE TRIGGER " in item.definition


def behind(connection: Connection[tuple[object, ...]]) -> Iterator[Problem]:
    """Sequences whose next value is in their column already."""
    from psycopg import sql

    owned: list[Any] = connection.execute(statement("owned_sequences")).fetchall()
    for begin in range(0, len(owned), _AT_ONCE):
        some = owned[begin : begin + _AT_ONCE]
        for (table, column, sequence), (highest, last) in zip(some, _positions(connection, some), strict=True):
            if highest is not None and highest > 0 and (last is None or last < highest):
                literal = sql.Literal(sequence).as_string(None)
                yield Problem(
                    "sequence.behind",
                    sequence,
                    f"its next value is in {table}.{column} already, which goes up to {highest}",
                    f"SELECT setval({literal}, (SELECT max({column}) FROM {table}));",
                )


_AT_ONCE = 100
"""How many tables are looked into by one query. What it locks is let go of before the next: a transaction may hold some
6,400 locks as PostgreSQL is set up, and each table takes one for itself, one for each index and one for its sequence.
"""


def _positions(connection: Connection[tuple[object, ...]], owned: Sequence[Any]) -> Sequence[Any]:
    """The highest value in each column, and the last of its sequence.

    Asked of the sequence itself: pg_sequence_last_value would hold its lock until the whole transaction ends.
    """
    each = (
        f"SELECT {place}, (SELECT max({column}) FROM {table})::bigint, CASE WHEN s.is_called THEN s.last_value END"
        f" FROM {sequence} s"
        for place, (table, column, sequence) in enumerate(owned)
    )
    connection.execute(b"SAVEPOINT looked")
    rows: list[Any] = connection.execute(f"{' UNION ALL '.join(each)} ORDER BY 1".encode()).fetchall()
    connection.execute(b"ROLLBACK TO looked")
    return [(highest, last) for _, highest, last in rows]


def _of_the_journal(
    connection: Connection[tuple[object, ...]], current: Sequence[str], files: Mapping[str, Path], schema: str
) -> Sequence[Problem]:
    try:
        return tuple(_journal(connection, current, files, schema))
    except Refused as error:
        return (Problem("journal.broken", error.where, f"{error.message}: {error.why}", error.next[0]),)


def _journal(
    connection: Connection[tuple[object, ...]], current: Sequence[str], files: Mapping[str, Path], schema: str
) -> Iterator[Problem]:
    journal = Journal(connection, schema)
    broken = journal.check_chain()
    if broken:
        yield Problem(
            "journal.broken",
            "db_migrate.entries",
            f"entry {broken[0]} is not what was written, or others are missing before it",
            "db-migrate history --runs",
        )
    last = journal.last_run()
    if last is not None and last.state == "crashed" and journal.unfinished():
        yield Problem(
            "run.unfinished",
            last.run,
            f"{last.verb} of {last.started_at} ended without a word; the database is at {_named(current)}",
            "db-migrate apply",
        )
    for each in journal.applied():
        path = files.get(each.revision)
        if each.direction != "upgrade" or path is None or not path.is_file():
            continue
        if hashlib.sha256(path.read_bytes()).hexdigest() != each.checksum:
            yield Problem(
                "revision.edited",
                each.revision,
                f"{path.name} was edited after it was applied",
                "db-migrate doctor",
            )
