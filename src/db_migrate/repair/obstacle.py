"""What stopped us from looking is something to cure itself."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from difflib import get_close_matches

from db_migrate.catalog.objects import Value
from db_migrate.errors import ConnectionLost, DbMigrateError
from db_migrate.postgres.session import read_only
from db_migrate.project.outcomes import ChildError
from db_migrate.repair.environment import explained
from db_migrate.repair.unready import owner
from db_migrate.repair.view import View
from db_migrate.repair.words import psql
from db_migrate.results import Cure, Diagnosis
from db_migrate.rules.finding import Severity

LOCKED = "target.locked"
_WHO = (
    "SELECT pid, relation::regclass, state, left(query, 60) FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " WHERE mode = 'AccessExclusiveLock' AND granted AND relation IS NOT NULL"
)


def as_diagnosis(error: DbMigrateError, view: View) -> Diagnosis:
    """The diagnosis of an error."""
    if isinstance(error, ChildError):
        return explained(error, view.project)
    if error.code == "connect.database":
        return _no_database(error, view)
    if error.code == "target.versions":
        return _unreadable(error, view)
    if error.code == LOCKED:
        cure = Cure(psql(view.target.conninfo, _WHO), "shows who has locks on tables; wait, or end that session")
        return Diagnosis(
            error.code, Severity.ERROR, view.target.conninfo.dbname, error.message, {"why": error.why}, cure
        )
    if isinstance(error, ConnectionLost) or error.code == "target.canceled":
        cure = Cure("db-migrate doctor", "looks again; what is told beside this is so, but it is not all")
        return Diagnosis(
            error.code, Severity.ERROR, error.where, error.message, {"why": error.why, "where": error.where}, cure
        )
    command = error.next[0] if error.next else "db-migrate config --sources"
    evidence = {"why": error.why, "where": error.where}
    effect = "shows what is wrong; nothing can be told of the target before"
    return Diagnosis(error.code, Severity.ERROR, error.where, error.message, evidence, Cure(command, effect))


def _unreadable(error: DbMigrateError, view: View) -> Diagnosis:
    """The role may not read the version table: somebody who may give that has to."""
    role = view.live_state.role
    command = psql(view.target.conninfo.replace(user=owner(view, role)), "; ".join(error.next))
    cure = Cure(command, "run by somebody who may give it, lets the role see where the database is")
    return Diagnosis(error.code, Severity.ERROR, role, error.message, {"why": error.why, "grants": error.next}, cure)


def _no_database(error: DbMigrateError, view: View) -> Diagnosis:
    """The server has no such database: those that it has are named, and the one that may be meant."""
    name = view.target.conninfo.dbname
    others = _databases(view)
    evidence: dict[str, Value] = {"why": error.why, "where": error.where, "databases": tuple(others)}
    meant = get_close_matches(name, others, 1)
    address = view.target.conninfo
    create = shlex.join(["createdb", "-h", address.host, "-p", str(address.port), "-U", address.user, name])
    cure = Cure(create, "makes an empty database of that name, which `db-migrate apply` fills")
    if meant:
        url = f"postgresql://{address.user}@{address.host}:{address.port}/{meant[0]}"
        effect = f"looks at {meant[0]} instead; set the URL to it if it is the one. `{create}` makes an empty one"
        cure = Cure(f"db-migrate --url {shlex.quote(url)} doctor", effect)
    return Diagnosis(error.code, Severity.ERROR, error.where, error.message, evidence, cure)


def _databases(view: View) -> Sequence[str]:
    query = "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1"
    try:
        with read_only(view.target.conninfo.replace(dbname="postgres")) as connection:
            return [str(name) for (name,) in connection.execute(query).fetchall()]
    except DbMigrateError:
        return ()
