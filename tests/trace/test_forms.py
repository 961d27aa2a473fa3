"""The trace of each form of DDL and DML against an independent measurement.

The trace runs on empty tables, as it does for users; the measurement is made where there are rows, but for the few
statements whose way depends on them. What a statement locks, rewrites, reads through and builds must be the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import pytest
from forms import FORMS, GROUND, ROWS, Form
from measuring import Measured, measure
from trace_lab import Lab

from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect
from db_migrate.schemas.scratch import read
from db_migrate.trace.effects import Effects, TracedRevision
from db_migrate.trace.run import install

_AT_ONCE = 15


def batches(major: int) -> list[Sequence[Form]]:
    """The forms that a server knows, some at a time."""
    known = [form for form in FORMS if form.since <= major]
    return [known[start : start + _AT_ONCE] for start in range(0, len(known), _AT_ONCE)]


def schema_of(number: int) -> str:
    """The schema of the form with this number in its batch."""
    return f"f{number:02}"


def _in_each(forms: Sequence[Form], sql: Callable[[Form], str]) -> str:
    """SQL run in the schema of each form."""
    parts = (f"SET search_path = {schema_of(n)}, public; {sql(form)};" for n, form in enumerate(forms))
    return "\n".join(parts)


_GROUNDS = "\n".join(
    f"CREATE SCHEMA {schema_of(n)}; SET search_path = {schema_of(n)}, public; {GROUND}" for n in range(_AT_ONCE)
)


def in_schema(form: Form, number: int) -> str:
    """The form's statement for its schema."""
    return form.sql.replace("{schema}", schema_of(number))


def revision(form: Form, number: int) -> str:
    """The body of a revision that runs the form."""
    lines = [f"SET LOCAL search_path = {schema_of(number)}, public", form.local, in_schema(form, number)]
    return "\n".join(f"op.execute({line!r})" for line in lines if line)


def traced(effects: Effects, before: set[str]) -> Measured:
    """The effects in the form of a measurement."""
    return Measured(
        locks=frozenset((lock.relation, lock.mode.value) for lock in effects.locks),
        scans=frozenset(effects.scans),
        rewrites=frozenset(each.relation for each in effects.rewrites),
        truncated=frozenset(effects.truncated),
        built=frozenset(each.index for each in effects.index_builds if each.relation in before),
    )


def compare(lab: Lab, forms: Sequence[Form]) -> list[str]:
    """What differs between trace and measurement, in words."""
    with _grounded(lab, forms, rows=False) as database:
        install(lab.scratch.server.conninfo(database.dbname))
        before = [set(_names(database, schema_of(number))) for number in range(len(forms))]
        found = lab.trace_on(database, *(revision(form, number) for number, form in enumerate(forms)))
        stored = read(lab.scratch.server.conninfo(database.dbname))
    assert [r.error for r in found.revisions] == [None] * len(forms)
    differences = [] if found.after.fingerprint == stored.fingerprint else ["the catalog in the end"]
    with _grounded(lab, forms, rows=True) as full, _grounded(lab, forms, rows=False) as empty:
        for number, (form, done) in enumerate(zip(forms, found.revisions, strict=True)):
            ours = traced(_effects(form, number, done), before[number])
            place = empty if form.by_rows else full
            theirs = measure(place, schema_of(number), form.local, in_schema(form, number))
            if ours != theirs:
                differences.append(f"{form.sql} | {form.setup}\n   traced   {ours}\n   measured {theirs}")
    return differences


@contextlib.contextmanager
def _grounded(lab: Lab, forms: Sequence[Form], *, rows: bool) -> Iterator[ConnInfo]:
    """A plain database with a schema for each form."""
    added = _in_each(forms, lambda form: f"{ROWS if rows else ''}; {form.setup}")
    with lab.plain_database(added, ground=_GROUNDS) as database:
        yield database


def _effects(form: Form, number: int, done: TracedRevision) -> Effects:
    (statement,) = (s for s in done.statements if s.sql == in_schema(form, number))
    return statement.effects


def _names(database: ConnInfo, schema: str) -> list[str]:
    with contextlib.closing(connect(database)) as connection:
        rows = connection.execute(
            "SELECT format('%%I.%%I', n.nspname, c.relname) FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s",
            [schema],
        ).fetchall()
    return [str(name) for (name,) in rows]


@pytest.mark.parametrize("batch", range(len(batches(18))))
def test_trace_equals_measurement(trace_lab: Lab, batch: int) -> None:
    """On PostgreSQL 18 each form locks, rewrites, scans, empties and builds what an independent measurement says."""
    differences = compare(trace_lab, batches(18)[batch])
    assert not differences, "\n".join(differences)


@pytest.mark.pg15
@pytest.mark.parametrize("batch", range(len(batches(15))))
def test_trace_equals_measurement_on_15(trace_lab15: Lab, batch: int) -> None:
    """The same on PostgreSQL 15."""
    differences = compare(trace_lab15, batches(15)[batch])
    assert not differences, "\n".join(differences)
