"""The schema ``db_migrate_kept``: one table for each thing that is kept, whose comment says what it is.

The comment is made in the transaction that puts the data aside, so there is never one without the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from db_migrate.errors import Refused

if TYPE_CHECKING:
    from psycopg import Connection

SCHEMA = "db_migrate_kept"

Run = Callable[[str], Sequence[Sequence[str | None]]]
"""Runs one SQL text and returns its rows as texts; within the transaction that everything belongs to."""

_LIST = f"""
SELECT pg_catalog.quote_ident(c.relname), pg_catalog.obj_description(c.oid, 'pg_class'),
       pg_catalog.pg_total_relation_size(c.oid)::text
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = '{SCHEMA}' AND c.relkind = 'r'
 ORDER BY c.oid
"""


class Label(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a kept table says of itself. ``object`` is a table, or a column when ``column`` names it.

    ``direction`` is the way in which ``revision`` ran when it dropped the object. ``key`` are the columns that a kept
    column's rows are found again by. ``sequences`` has the last value of each column that a sequence fills.
    ``kept_at`` is ISO 8601 in UTC.
    """

    object: str
    table: str
    strategy: str
    run: str
    revision: str
    direction: str
    kept_at: str
    rows: int
    column: str = ""
    key: tuple[str, ...] = ()
    sequences: dict[str, int] = {}


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is kept: the table in ``db_migrate_kept`` that holds it, its label, its bytes on disk."""

    name: str
    label: Label
    bytes: int

    @property
    def qualified(self) -> str:
        """The table's name as SQL writes it."""
        return f"{SCHEMA}.{self.name}"


def prepare(connection: Connection[tuple[object, ...]]) -> None:
    """Make the schema where there is none. Raises ``Refused`` (``kept.forbidden``) when the role may not."""
    from psycopg import errors

    if (
        connection.execute("SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'db_migrate_kept'").fetchone()
        is not None
    ):
        return
    try:
        connection.execute("CREATE SCHEMA IF NOT EXISTS db_migrate_kept")
    except errors.InsufficientPrivilege as error:
        raise Refused(
            "kept.forbidden",
            f"the role {connection.info.user} may not make the schema {SCHEMA}, which keeps what is dropped",
            why=str(error).strip(),
            state="nothing was changed",
            next=[f"GRANT CREATE ON DATABASE {connection.info.dbname} TO {connection.info.user};"],
        ) from error


def kept_objects(run: Run) -> tuple[Kept, ...]:
    """Everything that is kept, in the order in which it was. A table without a label of ours is not ours."""
    found = []
    for name, comment, size in run(_LIST):
        try:
            label = msgspec.json.decode(comment or "", type=Label)
        except msgspec.DecodeError:
            continue
        found.append(Kept(name=name or "", label=label, bytes=int(size or 0)))
    return tuple(found)


def purge(run: Run, kept: Kept) -> None:
    """Give up what is kept, for good."""
    run(f"DROP TABLE {kept.qualified}")


def literal(text: str) -> str:
    """``text`` as an SQL string."""
    escaped = text.replace("'", "''")
    return f" E'{escaped.replace(chr(92), chr(92) * 2)}'" if "\\" in text else f"'{escaped}'"
