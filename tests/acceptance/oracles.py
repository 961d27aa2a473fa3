"""The judges of a case: the change is named and nothing else; its SQL leads there and back; pg_dump agrees."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import psycopg
from tests.acceptance.cases import Case, Expected, seen

from db_migrate.catalog.change import Change, ChangeClass
from db_migrate.catalog.diff import diff
from db_migrate.catalog.objects import Catalog
from db_migrate.catalog.reader import read_catalog
from db_migrate.catalog.sql import with_sql
from db_migrate.postgres import binaries
from db_migrate.postgres.dump import dump_schema
from db_migrate.postgres.scratch import scratch_database
from db_migrate.postgres.server import Server
from db_migrate.postgres.session import connect

PRIVILEGES = "privileges"


@dataclass(frozen=True)
class Bench:
    """A server and one connection to an empty database on it, in which every case is rolled back."""

    server: Server
    connection: psycopg.Connection[tuple[object, ...]]
    prepared: dict[str, str] = field(default_factory=dict, init=False, repr=False)

    @contextlib.contextmanager
    def passing(self, script: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
        """The connection within a transaction that leaves nothing behind, after a script."""
        with self.connection.transaction(force_rollback=True):
            self.connection.execute("SET LOCAL search_path = public")
            self.connection.execute(script.encode())
            yield self.connection

    def catalog(self, *scripts: str, privileges: bool = False) -> Catalog:
        """The catalog after some scripts, which leave nothing behind."""
        with self.connection.transaction(force_rollback=True):
            for script in scripts:
                if script.strip():
                    self.connection.execute(script.encode())
            return read(self.connection, privileges=privileges, prepared=self.prepared)


def read(
    connection: psycopg.Connection[tuple[object, ...]],
    *,
    privileges: bool = False,
    prepared: dict[str, str] | None = None,
) -> Catalog:
    """The catalog of a connection's database, as its transaction sees it.

    ``prepared`` are the names of statements by their text: planning the queries takes longer than running them.
    """
    connection.execute("SET LOCAL search_path = pg_catalog")
    names = {} if prepared is None else prepared

    def run(query: str) -> str:
        if query not in names:
            names[query] = f"query_{len(names)}"
            connection.execute(f"PREPARE {names[query]} AS {query}".encode())
        row = connection.execute(f"EXECUTE {names[query]}".encode()).fetchone()
        assert row is not None
        return str(row[0])

    return read_catalog(run, connection.info.server_version, privileges=privileges)


def judge(case: Case, bench: Bench) -> None:
    """Hold the case against the first two oracles, its SQL in both directions."""
    privileges = PRIVILEGES in case.flags
    before, after = (bench.catalog(side, privileges=privileges) for side in (case.old, case.new))
    changes = diff(before, after)
    found = sorted(map(seen, changes), key=repr)
    if bench.server.major == binaries.embedded().major:
        assert found == sorted(case.expected, key=repr), _difference(found, case.expected)
    else:  # another version may print the same definition in other words
        assert sorted(map(_outline, found)) == sorted(map(_outline, case.expected)), _difference(found, case.expected)
    assert all(change.explanation for change in changes)
    drifts = any(change.class_ is ChangeClass.DRIFT for change in changes)
    assert (before.fingerprint != after.fingerprint) == drifts
    scripts = with_sql(changes, before, after)
    assert sorted(map(seen, scripts), key=repr) == found
    if "one way" not in case.flags:
        there = bench.catalog(case.old, *forward(scripts), privileges=privileges)
        assert not remaining(diff(there, after)), forward(scripts)
    if "no way back" not in case.flags:
        back = bench.catalog(case.new, *backward(scripts), privileges=privileges)
        assert not remaining(diff(back, before)), backward(scripts)


def _outline(change: Expected) -> str:
    """A change without the values of its attributes."""
    names = [name for name, _, _ in change.attributes]
    return f"{change.kind} {change.object} {change.action} {change.from_object} {names} {change.class_}"


def _difference(found: Iterable[Expected], expected: Iterable[Expected]) -> str:
    lines = [f"unexpected: {each}" for each in found if each not in expected]
    return "\n".join(["", *lines, *(f"missing: {each}" for each in expected if each not in found)])


def forward(changes: Sequence[Change]) -> list[str]:
    """The SQL that makes *from* into *to*."""
    return [change.sql for change in changes]


def backward(changes: Sequence[Change]) -> list[str]:
    """The SQL that makes *to* into *from*."""
    return [change.reverse_sql for change in reversed(changes)]


def remaining(changes: Iterable[Change]) -> list[Change]:
    """The changes that are left and that SQL could have made: not the physical order of columns."""
    return [change for change in changes if change.class_ is not ChangeClass.ORDER_ONLY]


def judge_dump(case: Case, server: Server) -> None:
    """Hold the case against pg_dump: *from* after the SQL, and *to*, are dumped alike."""
    with scratch_database(server) as first, scratch_database(server) as second:
        with connect(first) as one, connect(second) as other:
            one.execute(case.old.encode())
            other.execute(case.new.encode())
            with one.transaction(), other.transaction():
                before, after = read(one), read(other)
            for script in forward(with_sql(diff(before, after), before, after)):
                if script:
                    one.execute(script.encode())
        dumps = [normalised(dump_schema(each, server.binaries)) for each in (first, second)]
    assert dumps[0] == dumps[1]


def normalised(dump: str) -> list[str]:
    """The statements of a dump without comments, in no order."""
    lines = (line for line in dump.splitlines() if line and not line.startswith("--"))
    statements = re.split(r";\n", "\n".join(lines) + "\n")
    return sorted(_sorted_columns(statement) for statement in statements)


def _sorted_columns(statement: str) -> str:
    """A CREATE TABLE with its columns in no order."""
    match = re.fullmatch(r"(CREATE (?:\w+ )*TABLE \S+ \()\n(.*)\n(\).*)", statement, re.DOTALL)
    if match is None:
        return statement
    columns = sorted(line.strip().rstrip(",") for line in match[2].splitlines())
    return "\n".join([match[1], *columns, match[3]])
