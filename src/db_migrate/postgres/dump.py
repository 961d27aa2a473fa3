"""A schema as SQL text: taken from a server with pg_dump, put into a scratch database.

pg_dump takes ACCESS SHARE on every table it describes, so it waits for a lock no longer than it is told. It gets the
password through its environment, which other users cannot see; a command line they can.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from db_migrate.errors import ConfigurationError, DbMigrateError, Failed, LockBudgetExceeded
from db_migrate.home import home
from db_migrate.postgres.binaries import Binaries
from db_migrate.postgres.conninfo import ConnInfo, connect_timeout_given
from db_migrate.postgres.lacking import lacking
from db_migrate.postgres.lost import lost
from db_migrate.postgres.redact import redact, redact_sql
from db_migrate.postgres.session import connect, read_only, server_version
from db_migrate.postgres.tls import tunnel

if TYPE_CHECKING:
    from psycopg import Connection

_NOT_A_STATEMENT = re.compile(r"^\\(?:un)?restrict .*\n?", re.MULTILINE)
DUMP_FAILED = "dump.failed"
"""The code of what is neither a lock nor a privilege: a disk that is full, say."""
_NO_TLS = "SSL support is not compiled in"
_NEWER_SETTING = re.compile(r"^SET transaction_timeout = 0;\n", re.MULTILINE)
_KNOWS_NEWER_SETTING = 17
"""From this major on programs set it at the head of what is loaded, and servers know it."""
_NEWER_SETTING_REFUSED = re.compile(
    r"pg_restore: error: [^\n]*\"transaction_timeout\"\nCommand was: SET transaction_timeout = 0;\n"
)
_ENTRY = re.compile(
    r"""'[^']*'|"[^"]*"|(?<![\w$])\$(?P<tag>\w*)\$.*?\$(?P=tag)\$|(?P<entry>^--\n-- Name: [^\n]*)|--[^\n]*|/\*.*?\*/""",
    re.DOTALL | re.MULTILINE,
)
"""What pg_dump writes over each object, if no literal, name or comment around it holds the same text."""
_AT_ONCE = 500
"""Objects that are made in one transaction. The server goes through all locks of a transaction after each statement,
so that one for 3,000 tables (35,000 objects) took 30 s, and those of 50 to 1,000 objects 9 to 10 s."""
_LOST = (
    "server closed the connection",
    "terminating connection",
    "connection to server",
    "no connection to the server",
)


def dump_schema(
    conninfo: ConnInfo,
    binaries: Binaries,
    *,
    exclude_tables: Sequence[tuple[str, str]] = (),
    exclude_schemas: Sequence[str] = (),
    lock_wait_timeout_ms: int = 5000,
) -> str:
    """The schema of the database as SQL, with owners and privileges, without subscriptions and tablespaces.

    ``exclude_tables`` are pairs of schema and name. Passwords of user mappings and in connection strings come out as
    ``***``. Raises ``ConfigurationError`` (``dump.version``) when the server is newer than ``binaries``,
    ``LockBudgetExceeded`` (``dump.lock``) when a table stays locked, ``Failed`` (``dump.privilege``, ``dump.failed``,
    and what ``session.connect`` raises).
    """
    options = [
        "--schema-only",
        "--no-subscriptions",
        "--no-tablespaces",
        "--encoding=UTF8",
        f"--lock-wait-timeout={lock_wait_timeout_ms}",
        *(f"--exclude-schema={_pattern(schema)}" for schema in exclude_schemas),
        *(f"--exclude-table={_pattern(schema)}.{_pattern(table)}" for schema, table in exclude_tables),
    ]
    return redact_sql(_NOT_A_STATEMENT.sub("", _dump(conninfo, binaries, options)))


def dump_tables(
    conninfo: ConnInfo,
    binaries: Binaries,
    tables: Sequence[tuple[str, str]],
    file: Path,
    *,
    lock_wait_timeout_ms: int = 5000,
) -> None:
    """Write tables (pairs of schema and name) with their rows into ``file``, in pg_dump's own format for pg_restore.

    Raises as ``dump_schema`` does.
    """
    options = [
        "--format=custom",
        f"--file={file}",
        f"--lock-wait-timeout={lock_wait_timeout_ms}",
        *(f"--table={_pattern(schema)}.{_pattern(table)}" for schema, table in tables),
    ]
    _dump(conninfo, binaries, options)


def dump_all(conninfo: ConnInfo, binaries: Binaries, file: Path, *, lock_wait_timeout_ms: int = 5000) -> None:
    """Write the whole database with its rows into ``file``, for ``restore_all``. Raises as ``dump_schema`` does."""
    options = ["--format=custom", f"--file={file}", f"--lock-wait-timeout={lock_wait_timeout_ms}", "--no-subscriptions"]
    _dump(conninfo, binaries, options)


def restore_all(conninfo: ConnInfo, binaries: Binaries, file: Path) -> None:
    """Put a dump into an empty database, where all of it then belongs to the role of ``conninfo``.

    Raises ``Failed`` (``dump.restore``), and what ``session.connect`` raises.
    """
    with contextlib.closing(connect(conninfo)) as connection:
        older = sets_what_is_unknown(binaries, server_version(connection))
    options = ["--no-owner", "--no-privileges", "--no-tablespaces", *([] if older else ["--exit-on-error"]), str(file)]
    done = _run(conninfo, binaries, options, "pg_restore")
    if done.returncode != 0 and not (older and _is_restored(done)):
        raise Failed(
            "dump.restore",
            "the dump could not be restored",
            why=redact(done.stderr).strip(),
            where=conninfo.redacted(),
            state="the target was not changed",
        )


def sets_what_is_unknown(binaries: Binaries, version: int) -> bool:
    """Whether a dump of the programs begins with a setting that a server of ``version`` refuses."""
    return version // 10000 < _KNOWS_NEWER_SETTING <= binaries.major


def _is_restored(done: subprocess.CompletedProcess[str]) -> bool:
    """Whether nothing failed but the setting that an older server does not know."""
    others, refused = _NEWER_SETTING_REFUSED.subn("", done.stderr)
    return done.returncode == 1 and refused == 1 and "pg_restore: error:" not in others


def _dump(conninfo: ConnInfo, binaries: Binaries, options: Sequence[str]) -> str:
    """Run pg_dump; what it printed."""
    with read_only(conninfo, again=True) as connection:
        version, encrypted = server_version(connection), bool(connection.pgconn.ssl_in_use)
    _check_version(version, binaries, conninfo)
    # Encrypted as our own connection is: left to itself, a pg_dump without TLS would quietly go without.
    address = conninfo.replace(options={**conninfo.options, "sslmode": _at_least_required(conninfo)})
    done = _run(address if encrypted else conninfo, binaries, options)
    if encrypted and _NO_TLS in done.stderr:
        with tunnel(address) as inside:
            done = _run(inside, binaries, options)
    if done.returncode != 0:
        raise _explain(done.stderr, conninfo)
    return done.stdout


def load(conninfo: ConnInfo, sql: str) -> None:
    """Run a dumped schema in ``conninfo``, whose role has to be a superuser.

    It is of no use when that fails: a large schema is then there in part. Raises ``Failed``: ``dump.extension`` when
    the server lacks an extension, else ``dump.load`` with the statement.
    """
    with loaded(conninfo, sql):
        pass


@contextlib.contextmanager
def loaded(conninfo: ConnInfo, sql: str) -> Iterator[Connection[tuple[object, ...]]]:
    """``load``, and the session that did it for what comes next: a dump's settings are taken off it again."""
    from psycopg import errors

    with contextlib.closing(connect(conninfo, settings={"client_min_messages": "warning"}, told=True)) as connection:
        if server_version(connection) // 10000 < _KNOWS_NEWER_SETTING:
            sql = _NEWER_SETTING.sub("", sql, count=1)
        for part in _parts(sql):
            try:
                connection.execute(part.encode())  # without parameters, a simple query: one round trip, one transaction
            except errors.Error as error:
                statement = _statement_at(part, error.diag.statement_position)
                raise _explain_load(str(error), statement, conninfo) from error
        connection.execute("DISCARD ALL")
        yield connection


def _parts(sql: str) -> Iterator[str]:
    """What is run in one transaction each."""
    entries = [match.start() for match in _ENTRY.finditer(sql) if match["entry"]]
    for start, end in pairwise((0, *entries[_AT_ONCE::_AT_ONCE], len(sql))):
        yield sql[start:end]


def _check_version(version: int, binaries: Binaries, conninfo: ConnInfo) -> None:
    if version // 10000 > binaries.major:
        raise ConfigurationError(
            "dump.version",
            f"the server is PostgreSQL {version // 10000}, newer than the programs at hand ({binaries.major})",
            why="pg_dump reads older servers, not newer ones",
            where=f"{conninfo.redacted()}, {binaries.source}",
        )


def _at_least_required(conninfo: ConnInfo) -> str:
    given = conninfo.options.get("sslmode", "prefer")
    return given if given in ("require", "verify-ca", "verify-full") else "require"


def _pattern(name: str) -> str:
    """A name that pg_dump takes for exactly that, not for a pattern."""
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def _run(
    conninfo: ConnInfo, binaries: Binaries, options: Sequence[str], program: str = "pg_dump"
) -> subprocess.CompletedProcess[str]:
    parameters = conninfo.as_libpq()
    password = parameters.pop("password", None)
    parameters.pop("sslpassword", None)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    environment |= {"LC_ALL": "C", "PGAPPNAME": "db-migrate", "PGCONNECT_TIMEOUT": connect_timeout_given()}
    if password is not None:
        environment["PGPASSWORD"] = password
    public = ConnInfo(host=parameters.pop("host"), port=int(parameters.pop("port")), options=parameters)
    return subprocess.run(
        [binaries.program(program), "--no-password", f"--dbname={public.dsn()}", *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=environment,
        cwd=home().anchor,
        check=False,
    )


def _explain(stderr: str, conninfo: ConnInfo) -> DbMigrateError:
    why = redact(stderr).strip()
    where = conninfo.redacted()
    if "LOCK TABLE" in why and "timeout" in why:
        return LockBudgetExceeded(
            "dump.lock",
            "a table stayed locked while it was to be dumped",
            why=why,
            where=where,
            state="nothing was changed",
            next=["db-migrate doctor"],
        )
    if any(words in why for words in _LOST):
        return lost(conninfo, why)
    if "permission denied" in why:
        return Failed(
            "dump.privilege",
            f"{conninfo.user!r} may not read the whole schema",
            why=why,
            where=where,
            state="nothing was changed",
        )
    return Failed(DUMP_FAILED, "pg_dump could not read the database", why=why, where=where, state="nothing was changed")


def _explain_load(message: str, statement: str, conninfo: ConnInfo) -> Failed:
    why = redact(message).strip()
    if (missing := lacking("dump.extension", why, redact(statement))) is not None:
        return missing
    return Failed(
        "dump.load",
        "the schema could not be copied to scratch",
        why=why,
        where=redact(statement) or conninfo.redacted(),
    )


def _statement_at(sql: str, position: str | None) -> str:
    """The lines around a position that the server counts in characters from 1."""
    if position is None:
        return ""
    start = int(position) - 1
    begin, end = sql.rfind("\n\n", 0, start), sql.find("\n\n", start)
    return sql[max(begin, 0) : end if end != -1 else len(sql)].strip()[:2000]
