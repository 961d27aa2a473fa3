"""Settings that a target gives its sessions (ALTER DATABASE … SET, ALTER ROLE … SET), made again on a scratch copy.

They decide what SQL means there, search_path above all, and pg_dump leaves them out of one database's dump. On scratch
all are bound to the database, with which they go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg


@dataclass(frozen=True, slots=True)
class SessionSetting:
    """A configuration parameter that sessions of ``role`` (None: of everybody) get in this database."""

    role: str | None
    name: str
    value: str


_NOT_CARRIED = (
    "session_preload_libraries",
    "local_preload_libraries",
    "default_tablespace",
    "temp_tablespaces",
    "lock_timeout",
    "statement_timeout",
    "transaction_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
)
"""What refers to files and folders of the target's machine; a missing library would refuse every session.

And the limits on time: a statement that is observed takes longer, and there is nobody whom it keeps waiting.
"""

_BECOMING = ("role", "session_authorization")
"""What makes a session another role's, which may not give the setting on."""

# Role in database, then role, then database: the order in which PostgreSQL lets one setting win over another.
_READ = """
SELECT DISTINCT ON (s.setrole, split.name) r.rolname, split.name, split.value
FROM pg_catalog.pg_db_role_setting AS s
CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS entry
CROSS JOIN LATERAL (SELECT pg_catalog.split_part(entry, '=', 1),
                           pg_catalog.substr(entry, pg_catalog.strpos(entry, '=') + 1)) AS split (name, value)
LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole
WHERE s.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
  AND (s.setrole = 0 OR r.rolname = ANY (%s))
  AND NOT split.name = ANY (%s)
ORDER BY s.setrole, split.name, s.setdatabase DESC
"""


def read_settings(
    connection: psycopg.Connection[tuple[object, ...]], roles: Iterable[str]
) -> tuple[SessionSetting, ...]:
    """What sessions of ``roles`` and of everybody get in the connected database. Readable by all."""
    rows = connection.execute(_READ, [list(roles), list(_NOT_CARRIED)]).fetchall()
    return tuple(SessionSetting(str(role) if role else None, str(name), str(value)) for role, name, value in rows)


def apply_settings(
    connection: psycopg.Connection[tuple[object, ...]], settings: Iterable[SessionSetting]
) -> tuple[SessionSetting, ...]:
    """Give them to the connected scratch database, whose roles must exist; on a superuser's connection.

    Returns those that this server's version does not know or take.
    """
    return tuple(setting for setting in settings if not _apply(connection, setting))


def _apply(connection: psycopg.Connection[tuple[object, ...]], setting: SessionSetting) -> bool:
    from psycopg import errors, sql

    database, name = sql.Identifier(connection.info.dbname), sql.Identifier(*setting.name.split("."))
    owner = sql.SQL("DATABASE {}").format(database)
    if setting.role is not None:
        owner = sql.SQL("ROLE {} IN DATABASE {}").format(sql.Identifier(setting.role), database)
    try:
        if setting.name in _BECOMING:
            connection.execute(sql.SQL("ALTER {} SET {} TO {}").format(owner, name, sql.Literal(setting.value)))
            return True
        with connection.transaction():
            # The value as text is a list for search_path and the like, which SET would take for one name.
            connection.execute("SELECT pg_catalog.set_config(%s, %s, true)", [setting.name, setting.value])
            connection.execute(sql.SQL("ALTER {} SET {} FROM CURRENT").format(owner, name))
    except (errors.UndefinedObject, errors.InvalidParameterValue, errors.CantChangeRuntimeParam):
        return False
    return True
