"""Where kept data is: tables of the schema ``db_migrate_kept``, and parked columns of the tables they come from.

A comment on each says what it is. It is made in the transaction that puts the data aside, so there is never one
without the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from db_migrate.errors import Refused
from db_migrate.schemas.scratch import KEPT_SCHEMA, PARKED

if TYPE_CHECKING:
    from psycopg import Connection


SCHEMA = KEPT_SCHEMA

Run = Callable[[str], Sequence[Sequence[str | None]]]
"""Runs one SQL text and returns its rows as texts; within the transaction that everything belongs to."""

_TABLES = f"""
SELECT pg_catalog.quote_ident(c.relname), pg_catalog.obj_description(c.oid, 'pg_class'),
       pg_catalog.pg_total_relation_size(c.oid)::text, '', (
       SELECT pg_catalog.count(*)::text FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = '{SCHEMA}' AND c.relkind = 'r'
"""

_COLUMNS = f"""
SELECT pg_catalog.quote_ident(a.attname), pg_catalog.col_description(c.oid, a.attnum), NULL,
       pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), '1'
  FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE pg_catalog.starts_with(a.attname, '{PARKED}') AND a.attnum > 0 AND NOT a.attisdropped AND a.attinhcount = 0
"""


class Label(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a kept table says of itself. ``object`` is a table, or a column when ``column`` names it.

    ``direction`` is the way in which ``revision`` ran when it dropped the object; empty where only a person puts it
    back, since all else that was kept with it is back. ``key`` are the columns that a kept column's rows are found
    again by. ``sequences`` has the last value of each column that a sequence fills.
    ``kept_at`` is ISO 8601 in UTC. ``number`` orders what one run has kept. ``width`` is the number of columns that the
    kept table was made with, so that nothing takes one away unseen. ``marker`` is the column beside a parked one that
    is true in the rows which were there when it was parked. ``compared`` are the columns whose new values are kept too.
    ``schema``: of several that env.py migrates, the one that was migrated.
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
    number: int = 0
    width: int = 0
    marker: str = ""
    compared: tuple[str, ...] = ()
    schema: str = ""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is kept: the table in ``db_migrate_kept`` that holds it, its label, its bytes on disk.

    Of a parked column ``name`` is what it is called now, and ``parked_in`` its table, under the name of today.
    ``whole``: no column of it has been dropped since.
    """

    name: str
    label: Label
    bytes: int | None
    parked_in: str = ""
    whole: bool = True

    @property
    def qualified(self) -> str:
        """The table's or the parked column's name as SQL writes it."""
        return f"{self.parked_in or SCHEMA}.{self.name}"

    @property
    def is_whole_table(self) -> bool:
        """Whether it is all of a table, and no column or rows of one."""
        return not self.parked_in and not self.label.column and self.label.strategy != "rows"

    @property
    def id(self) -> str:
        """What people name it by."""
        return self.name.removeprefix(PARKED).removeprefix("k_")


def runner(connection: Connection[tuple[object, ...]]) -> Run:
    """Runs SQL on a connection of our own."""

    def run(sql: str) -> list[list[str | None]]:
        cursor = connection.execute(sql.encode())
        rows = cursor.fetchall() if cursor.description else []
        return [[_text(value) for value in row] for row in rows]

    return run


def _text(value: object) -> str | None:
    """A value as PostgreSQL writes it."""
    if isinstance(value, bool):
        return "t" if value else "f"
    return None if value is None else str(value)


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


def kept_objects(run: Run, *, parked: bool = True) -> tuple[Kept, ...]:
    """Everything that is kept, oldest first. What has no label of ours is not ours.

    ``parked``: columns too, for which all columns of the database are looked at (measured: 35 ms for 3,000 tables).
    """
    found = []
    for name, comment, size, parked_in, width in run(f"{_TABLES} UNION ALL {_COLUMNS}" if parked else _TABLES):
        try:
            label = msgspec.json.decode(comment or "", type=Label)
        except msgspec.DecodeError:
            continue
        held = int(size) if size is not None else None
        whole = label.width in (0, int(width or 0))
        found.append(Kept(name=name or "", label=label, bytes=held, parked_in=parked_in or "", whole=whole))
    return tuple(sorted(found, key=lambda each: (each.label.kept_at, each.label.run, each.label.number)))


def purge(run: Run, kept: Kept) -> None:
    """Give up what is kept, for good."""
    if kept.parked_in:
        marker = f", DROP COLUMN IF EXISTS {kept.label.marker}" if kept.label.marker else ""
        run(f"ALTER TABLE {kept.parked_in} DROP COLUMN {kept.name}{marker}")
    else:
        run(f"DROP TABLE {kept.qualified}")


def step(command: str) -> str:
    """A command as a step for ``at_once``."""
    return f"EXECUTE {literal(command)};"


def each_of(query: str) -> str:
    """A step for ``at_once`` that runs every command which a query returns, all of them found before the first runs."""
    found = f"SELECT coalesce(pg_catalog.array_agg(c), '{{}}') FROM ({query}) AS found (c)"
    return f"FOREACH each_of IN ARRAY ({found}) LOOP EXECUTE each_of; END LOOP;"


def at_once(run: Run, steps: Sequence[str]) -> None:
    """Run steps in one round trip, for others wait meanwhile; a block, since some drivers send one statement only."""
    run(f"DO $db_migrate$ DECLARE each_of text; BEGIN {' '.join(steps)} END $db_migrate$")


def literal(text: str) -> str:
    """``text`` as an SQL string."""
    escaped = text.replace("'", "''")
    return f" E'{escaped.replace(chr(92), chr(92) * 2)}'" if "\\" in text else f"'{escaped}'"
