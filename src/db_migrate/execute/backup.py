"""Before a run: the tables that it touches, dumped into a folder, with a checksum and what restores them."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from db_migrate.errors import Failed
from db_migrate.execute.blockers import statement
from db_migrate.postgres import binaries
from db_migrate.postgres.binaries import Binaries
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.dump import DUMP_FAILED, dump_tables, sets_what_is_unknown
from db_migrate.results import Backup, Plan
from db_migrate.results.typed import command_of

if TYPE_CHECKING:
    from psycopg import Connection

_HEAD_LINES = 30
"""A dump's settings are in these, before any row."""


def touched(plan: Plan) -> tuple[str, ...]:
    """The relations that a plan locks strongly, as what drops one does, writes or rewrites, qualified, each once."""
    return tuple(dict.fromkeys(_touched(plan)))


def _touched(plan: Plan) -> Iterator[str]:
    for effects in (each.effects for revision in plan.revisions for each in revision.statements):
        yield from (lock.relation for lock in effects.locks if lock.blocks)
        yield from effects.writes
        yield from (each.relation for each in effects.rewrites)


def back_up(
    connection: Connection[tuple[object, ...]], target: ConnInfo, plan: Plan, folder: Path, run: str
) -> Backup | None:
    """Dump the tables that ``plan`` touches and that exist; None where there are none.

    Beside the dump there is a file for ``sha256sum --check``. Raises ``Failed`` (``backup.failed``, and what
    ``dump.dump_tables`` raises); a dump that is not whole is not left there.
    """
    rows: list[Any] = connection.execute(statement("tables_among"), {"relations": list(touched(plan))}).fetchall()
    tables = [(str(schema), str(name)) for schema, name in rows]
    if not tables:
        return None
    file = folder.absolute() / f"{re.sub(r'[^A-Za-z0-9_.-]', '_', target.dbname)}-{run}.dump"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600, exist_ok=False)
    except OSError as error:
        raise _failed(plan, file, error) from error
    try:
        version = connection.info.server_version
        programs = binaries.find(version // 10000) or binaries.embedded()
        dump_tables(target, programs, tables, file)
        with file.open("rb") as dumped:
            digest = hashlib.file_digest(dumped, "sha256").hexdigest()
        file.with_name(f"{file.name}.sha256").write_text(f"{digest}  {file.name}\n")
    except BaseException as error:
        file.unlink(missing_ok=True)
        if isinstance(error, OSError) or (isinstance(error, Failed) and error.code == DUMP_FAILED):
            raise _failed(plan, file, error) from error
        raise
    shown = tuple(f"{schema}.{name}" for schema, name in tables)
    return Backup(str(file), digest, file.stat().st_size, shown, _restore(target, file, programs, version))


def _failed(plan: Plan, file: Path, error: OSError | Failed) -> Failed:
    return Failed(
        "backup.failed",
        "the backup could not be written",
        why=(error.why if isinstance(error, Failed) else "") or str(error),
        where=str(file),
        state="nothing was changed",
        next=[f"{command_of(plan)} --backup DIR"],
    )


def _restore(target: ConnInfo, file: Path, programs: Binaries, version: int) -> str:
    """The command that puts the tables back as they were: all of them, or none.

    Where the server is older than the programs by so much that it refuses what their dumps set first, that line is left
    out; and the programs are named by their paths, since those of the server's own version cannot read the dump.
    """
    address = f"--dbname=host={target.host} port={target.port} user={target.user} dbname={target.dbname}"
    asked = ["--clean", "--if-exists"]
    if not sets_what_is_unknown(programs, version):
        return shlex.join(["pg_restore", *asked, "--single-transaction", "--exit-on-error", address, str(file)])
    # First all of it into a file: what broke off half-way would be taken for the whole in a pipe.
    script = f"{file}.sql"
    write = shlex.join([str(programs.program("pg_restore")), *asked, f"--file={script}", str(file)])
    known = f"sed '1,{_HEAD_LINES}{{/^SET transaction_timeout/d;}}' {shlex.quote(script)}"
    quiet = ["--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1"]
    run = shlex.join([str(programs.program("psql")), *quiet, address])
    return f"(umask 077; {write} && {known} | {run})"
