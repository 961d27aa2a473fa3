"""Extensions that the models need and the history has not: found by what PostgreSQL misses when the models are made."""

from __future__ import annotations

import contextlib
import re

import psycopg
from psycopg import sql

from db_migrate.catalog.objects import Kind, SchemaObject
from db_migrate.catalog.tokens import is_plain, quoted
from db_migrate.postgres.session import connect
from db_migrate.schemas.scratch import Scratch, read

_MISSING = tuple(
    re.compile(pattern)
    for pattern in (
        r'type "(?:[\w$]+\.)?(?P<type>[\w$]+)" does not exist',
        r'operator class "(?:[\w$]+\.)?(?P<opclass>[\w$]+)" does not exist',
        r'data type (?P<input>.+) has no default operator class for access method "(?P<method>\w+)"',
        r"function (?:[\w$]+\.)?(?P<function>[\w$]+)\(",
    )
)
_OWNER = """
SELECT e.extname
  FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
  LEFT JOIN pg_type t ON d.classid = 'pg_type'::regclass AND d.objid = t.oid
  LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
  LEFT JOIN pg_opclass o ON d.classid = 'pg_opclass'::regclass AND d.objid = o.oid
  LEFT JOIN pg_am a ON a.oid = o.opcmethod
 WHERE d.deptype = 'e'
   AND (t.typname = %(type)s OR p.proname = %(function)s OR o.opcname = %(opclass)s
        OR o.opcdefault AND a.amname = %(method)s AND format_type(o.opcintype, NULL) = %(input)s)
 ORDER BY e.extname LIMIT 1
"""


def extension_for(scratch: Scratch, complaint: str) -> SchemaObject | None:
    """The extension that has what PostgreSQL complains of missing; None where none that is at hand has it.

    All that are at hand are made in a scratch database and looked through.
    """
    match = next((found for pattern in _MISSING if (found := pattern.search(complaint)) is not None), None)
    if match is None:
        return None
    wanted = {**dict.fromkeys(("type", "function", "opclass", "method", "input")), **match.groupdict()}
    with scratch.database("extensions at hand") as database:
        with contextlib.closing(connect(database, told=True)) as connection:
            for (name,) in connection.execute("SELECT name FROM pg_available_extensions ORDER BY name").fetchall():
                with contextlib.suppress(psycopg.Error):  # some need settings of the server, or another's language
                    connection.execute(
                        sql.SQL("CREATE EXTENSION IF NOT EXISTS {} CASCADE").format(sql.Identifier(str(name)))
                    )
            row = connection.execute(_OWNER, wanted).fetchone()
        name = str(row[0]) if row is not None else ""
        return read(database).get(Kind.EXTENSION, name if is_plain(name) else quoted(name))
