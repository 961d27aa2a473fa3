"""Extensions that the embedded server lacks and histories often create: SQL-only stand-ins for pgcrypto and uuid-ossp.

PostgreSQL 18 finds them by ``extension_control_path``, after its own, so a server that has the real ones uses those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg

STANDINS = ("pgcrypto", "uuid-ossp")

_USED = """
SELECT e.extname
FROM pg_catalog.pg_extension AS e
WHERE e.extname = ANY (%s)
  AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_depend AS d
    JOIN pg_catalog.pg_proc AS p ON p.oid = d.objid
    JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
    WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.refobjid = e.oid AND d.deptype = 'e'
      AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND l.lanname = 'c')
ORDER BY e.extname
"""


def standins_used(connection: psycopg.Connection[tuple[object, ...]]) -> list[str]:
    """The extensions of this database that are stand-ins: they have no function in C, as the real ones do."""
    return [str(name) for (name,) in connection.execute(_USED, [list(STANDINS)]).fetchall()]
