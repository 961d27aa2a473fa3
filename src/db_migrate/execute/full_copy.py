"""A copy of a whole database, rows and all, for as long as a rehearsal lasts.

On the target's own server it is a clone (``CREATE DATABASE … TEMPLATE``), which PostgreSQL makes only while nobody else
is connected to the original; on another server it is a dump that is restored there.
"""

from __future__ import annotations

import contextlib
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from db_migrate.errors import DbMigrateError, Refused
from db_migrate.postgres import binaries
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.dump import dump_all, restore_all
from db_migrate.postgres.looks import forget
from db_migrate.postgres.redact import redact
from db_migrate.postgres.session import connect, server_version

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[object, ...]]

PREFIX = "db_migrate_rehearsal_"
"""How the names of copies begin."""

TEMPLATE, DUMP = "template", "pg_dump"

_FACTS = """
SELECT pg_catalog.pg_database_size(d.oid),
       (SELECT r.rolsuper OR r.rolcreatedb FROM pg_catalog.pg_roles r WHERE r.rolname = current_user),
       pg_catalog.pg_has_role(current_user, d.datdba, 'USAGE') OR d.datistemplate
  FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
"""
_OTHERS = """
SELECT pid, coalesce(usename, ''), coalesce(application_name, '') FROM pg_catalog.pg_stat_activity
 WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid()
   AND backend_type NOT LIKE 'autovacuum%%' AND pid <> %s ORDER BY pid
"""


@dataclass(frozen=True, slots=True)
class FullCopy:
    """A copy, how it was made, how large the original is in bytes, and how long copying took in seconds."""

    conninfo: ConnInfo
    method: str
    bytes: int
    seconds: float


@contextlib.contextmanager
def full_copy(target: ConnInfo, elsewhere: ConnInfo | None, say: Callable[[str], None]) -> Iterator[FullCopy]:
    """A copy of ``target`` on its own server, or on that of ``elsewhere``; dropped at the end.

    ``say`` is told what it needs before anything is done. Raises ``Refused``: ``rehearse.forbidden`` for missing
    rights, ``rehearse.busy`` where others are connected to the target; ``Failed`` where copying fails.
    """
    name = f"{PREFIX}{secrets.token_hex(6)}"
    method = TEMPLATE if elsewhere is None else DUMP
    left = forget(target)
    with contextlib.closing(connect(target)) as connection:
        size = _size(connection, target, method, left)
        home = elsewhere or target.replace(dbname=_other_database(connection))
    with contextlib.closing(connect(home, application_name="db-migrate rehearsal")) as admin:
        say(_needs(target, home, name, method, size))
        _check_may_create(admin, home)
        began = time.monotonic()
        _create(admin, target, name, method)
        try:
            copy = home.replace(dbname=name)
            if method == DUMP:
                _carry(target, copy)
            _comment(admin, name, target)
            yield FullCopy(copy, method, size, time.monotonic() - began)
        finally:
            _drop(admin, home, name)


def _size(connection: Connection, target: ConnInfo, method: str, left: int) -> int:
    """How large the database is; refuses what this role may not clone, or what nobody may clone now.

    ``left`` is the process of a session of ours that has just ended.
    """
    row: Any = connection.execute(_FACTS.encode()).fetchone()
    size, _creates, owns = row
    if method == DUMP:
        return int(size)
    if not owns:
        raise _forbidden(f"{target.user} may not copy {target.dbname}", "only its owner and superusers may", target)
    others = connection.execute(_OTHERS.encode(), (left,)).fetchall()
    if others:
        shown = [f"process {pid} of {user}{f' ({name})' if name else ''}" for pid, user, name in others]
        raise Refused(
            "rehearse.busy",
            f"{len(others)} other session{'s are' if len(others) > 1 else ' is'} connected to {target.dbname}",
            why="PostgreSQL clones a database only while nobody else is connected: " + ", ".join(shown[:5]),
            where=target.redacted(),
            state="nothing was changed",
            next=["db-migrate apply --rehearse-on postgresql://OTHER-SERVER/postgres"],
        )
    return int(size)


def _other_database(connection: Connection) -> str:
    """A database to be connected to while the target is copied."""
    row = connection.execute(
        "SELECT datname FROM pg_catalog.pg_database WHERE datallowconn AND datname <> pg_catalog.current_database()"
        " AND pg_catalog.has_database_privilege(datname, 'CONNECT')"
        " ORDER BY datname = 'postgres' DESC, datname = 'template1' DESC LIMIT 1"
    ).fetchone()
    return str(row[0]) if row else "postgres"


def _needs(target: ConnInfo, home: ConnInfo, name: str, method: str, size: int) -> str:
    room = f"about {size / 1024**2:,.1f} MB on the disk of {home.host}"
    how = "a clone" if method == TEMPLATE else "pg_dump and pg_restore, with room for the dump here"
    return f"copies {target.dbname} to {name} ({how}); that needs {room} and the right to create databases"


def _check_may_create(admin: Connection, home: ConnInfo) -> None:
    row: Any = admin.execute(_FACTS.encode()).fetchone()
    if not row[1]:
        raise _forbidden(f"{home.user} may not create databases", "the role has no CREATEDB", home)


def _forbidden(message: str, why: str, where: ConnInfo) -> Refused:
    return Refused(
        "rehearse.forbidden",
        message,
        why=why,
        where=where.redacted(),
        state="nothing was changed",
        next=[f"ALTER ROLE {where.user} CREATEDB", "db-migrate apply --rehearse-on postgresql://OTHER-SERVER/postgres"],
    )


def _create(admin: Connection, target: ConnInfo, name: str, method: str) -> None:
    from psycopg import errors, sql

    query = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
        sql.Identifier(name), sql.Identifier(target.dbname if method == TEMPLATE else "template0")
    )
    if method == TEMPLATE and server_version(admin) >= 150000:
        query += sql.SQL(" STRATEGY file_copy")  # else all of it would go through the write-ahead log
    try:
        admin.execute(query)
    except errors.ObjectInUse as error:  # somebody has connected since we looked
        raise Refused(
            "rehearse.busy",
            f"others are connected to {target.dbname}",
            why=redact(str(error)).strip(),
            where=target.redacted(),
            state="nothing was changed",
            next=["db-migrate apply --rehearse-on postgresql://OTHER-SERVER/postgres"],
        ) from error


def _carry(target: ConnInfo, copy: ConnInfo) -> None:
    with contextlib.closing(connect(target)) as one, contextlib.closing(connect(copy)) as other:
        major = max(server_version(one), server_version(other)) // 10000
    programs = binaries.find(major) or binaries.embedded()
    with tempfile.TemporaryDirectory(prefix="db-migrate-rehearsal-") as folder:
        file = Path(folder) / "all.dump"
        dump_all(target, programs, file)
        restore_all(copy, programs, file)


def _comment(admin: Connection, name: str, target: ConnInfo) -> None:
    """So that whoever finds it after a crash knows that it may go."""
    from psycopg import sql

    text = f"a copy of {target.dbname} that a rehearsal of db-migrate has made; it can be dropped"
    admin.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), sql.Literal(text)))


def _drop(admin: Connection, home: ConnInfo, name: str) -> None:
    from psycopg import OperationalError

    try:
        _drop_in(admin, name)
    except OperationalError:
        with contextlib.suppress(DbMigrateError), contextlib.closing(connect(home)) as again:
            _drop_in(again, name)


def _drop_in(admin: Connection, name: str) -> None:
    from psycopg import sql

    query = sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name))
    if server_version(admin) >= 130000:
        query += sql.SQL(" WITH (FORCE)")
    else:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
    admin.execute(query)
