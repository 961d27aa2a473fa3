"""What is said of a connection that was lost, or of a scratch server that has ended."""

from __future__ import annotations

from db_migrate.errors import ConnectionLost
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.instance import SCRATCH_SUPERUSER
from db_migrate.postgres.ownership import is_mark
from db_migrate.postgres.redact import redact

LOOKED = "looking changes nothing; what was committed before stays"


def is_scratch(conninfo: ConnInfo) -> bool:
    """Whether this is the address of a scratch server, or of a database on it."""
    return conninfo.user == SCRATCH_SUPERUSER or is_mark(conninfo.dbname)


def loss(conninfo: ConnInfo, error: Exception) -> ConnectionLost:
    """The error for a connection that was lost, with the words of whoever noticed it."""
    return lost(conninfo, redact(str(error)).strip())


def lost(conninfo: ConnInfo, why: str) -> ConnectionLost:
    """As ``loss``, with these words."""
    if is_scratch(conninfo):
        return scratch_lost(conninfo, why)
    return ConnectionLost(
        "connect.lost",
        f"the connection to the database {conninfo.dbname} was lost",
        why=why,
        where=conninfo.redacted(),
        state=LOOKED,
        next=["db-migrate status", "db-migrate doctor"],
    )


def scratch_lost(conninfo: ConnInfo, why: str) -> ConnectionLost:
    """The error for a scratch server that has ended, or has hung up."""
    return ConnectionLost(
        "scratch.lost",
        "the scratch server has ended while it was needed",
        why=why,
        where=conninfo.host,
        state="on a scratch server there are copies only: nothing of the target is lost with it",
        next=["db-migrate doctor"],
    )


def scratch_broken(conninfo: ConnInfo, error: Exception) -> ConnectionLost:
    """The error for a scratch server that runs, and whose files are gone: its installation was replaced or removed."""
    return ConnectionLost(
        "scratch.broken",
        "the scratch server does not find its own files any more",
        why=f"{redact(str(error)).strip()}: PostgreSQL was removed, or replaced, while the server was running. It ends "
        "with the last process that uses it, and the next one starts another",
        where=conninfo.host,
        state="nothing was changed",
        next=["pgrep -af db-migrate", "db-migrate doctor"],
    )
