"""Rows of the target that keep what is left to run from running there: a copy has none of them, so there it runs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from db_migrate.catalog.objects import Catalog, Kind, SchemaObject
from db_migrate.catalog.tokens import literal, quoted
from db_migrate.execute.journal import Journal
from db_migrate.plan.make import Request, facts_for
from db_migrate.postgres.redact import redact
from db_migrate.repair.view import View
from db_migrate.repair.words import psql
from db_migrate.rules.data import Offence, offences
from db_migrate.rules.names import last
from db_migrate.rules.questions import questions
from db_migrate.trace.effects import Direction, Trace

_LONGEST_SQL = 20_000
"""So much of a statement is in the journal."""
_KEY = re.compile(r"\((?P<columns>[^()]+)\)=\((?P<values>.*?)\)")
"""How PostgreSQL names a key that is there already, in whatever language (``BuildIndexValueDescription``)."""


def in_the_way(view: View, traced: Trace) -> tuple[Offence, ...]:
    """What statements of a run that goes through on a copy would fail on; asked of the target as plan asks it."""
    if not questions(traced):
        return ()
    request = Request("heads", Direction.UPGRADE)
    return tuple(offences(traced, facts_for(view.target, traced, request, view.settings)))


def shows(view: View, offence: Offence) -> str:
    """The command that shows the rows; where none is to be corrected, the one that shows what to write instead."""
    if offence.query:
        return psql(view.target.conninfo, offence.query)
    return f"db-migrate plan {shlex.quote(offence.revision)}"


@dataclass(frozen=True, slots=True)
class Failed:
    """A statement that ran on a copy, and that the target's server refused when it was last tried there."""

    sql: str
    error: str
    query: str

    @property
    def reason(self) -> str:
        """The server's first line."""
        return self.error.strip().partition("\n")[0]


def last_failure(view: View, revision: str, sent: Iterable[str]) -> Failed | None:
    """How the revision failed when db-migrate last ran it here, while it still sends (``sent``) that statement."""
    with view.session() as connection:
        found = Journal(connection, view.target.schema).last_failure(revision)
    if found is None or found[0] not in {redact(each)[:_LONGEST_SQL] for each in sent}:
        return None
    sql, error = found
    return Failed(sql, error, query_for(view.live, error))


def query_for(live: Catalog, error: str) -> str:
    """A query for the row that has the key which the server's words name; empty where they name none of a table."""
    key = _KEY.search(error)
    unique = next((each for each in live if _is_named(each, error.partition("\n")[0])), None)
    if key is None or unique is None:
        return ""
    table = unique.parent or ""
    columns = [quoted(each.strip().strip('"')) for each in key["columns"].split(",")]
    shown = f"{columns[0]}::text" if len(columns) == 1 else f"concat_ws(', ', {', '.join(columns)})"
    return f"SELECT * FROM {table} WHERE {shown} = {literal(key['values'])}"


def _is_named(item: SchemaObject, line: str) -> bool:
    """Whether a message is about this constraint or index over which rows must not be the same."""
    return item.kind in _UNIQUE and f'"{last(item.name).strip(chr(34))}"' in line


_UNIQUE = frozenset({Kind.PRIMARY_KEY, Kind.UNIQUE, Kind.INDEX})
