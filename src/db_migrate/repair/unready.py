"""Diagnoses of what keeps the pending revisions from being applied now."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from db_migrate.catalog.objects import Value
from db_migrate.catalog.tokens import quoted
from db_migrate.postgres.redact import redact
from db_migrate.repair.graph_trouble import commutation
from db_migrate.repair.pending import pending_evidence
from db_migrate.repair.registry import Case, Need, diagnosis
from db_migrate.repair.rows import shows
from db_migrate.repair.strange import ahead
from db_migrate.repair.trial import trial, waiting
from db_migrate.repair.view import View, query
from db_migrate.repair.words import plural, psql
from db_migrate.results import Cure
from db_migrate.rules.finding import Severity
from db_migrate.trace.effects import TracedRevision

_CUT = 200
_PACKAGES = {"vector": "postgresql-{major}-pgvector", "postgis": "postgresql-{major}-postgis-3"}
"""Debian's packages of extensions that are called otherwise than their package."""


@diagnosis("revisions.fail", Severity.ERROR, Need.HISTORY)
def failing(view: View) -> Iterator[Case]:
    """A pending revision does not run on a copy of the target, and no version of the server would help."""
    tried = view.once(trial)
    if tried.why:
        message = f"whether what is pending would apply cannot be told: {tried.why}"
        yield Case(view.database, message, Cure("db-migrate plan", "says it at length"), pending_evidence(view, tried))
    failed, clash = tried.failed, view.once(commutation)
    if failed is None or failed.error is None or tried.newer or tried.extensions or tried.why:
        return
    if (clash is not None and not clash.proved) or view.once(ahead):
        return  # that is why
    error = failed.error.message.strip()
    message = f"revision {failed.revision} is pending, and does not run on a copy of the target: "
    cure = Cure(
        f"db-migrate plan {shlex.quote(failed.revision)}",
        "shows how far it comes; it is not applied here, so edit it, or change what stands in its way",
    )
    evidence = {**pending_evidence(view, tried), **_failure(failed)}
    yield Case(failed.revision, message + error.partition("\n")[0], cure, evidence)


def _failure(failed: TracedRevision) -> dict[str, Value]:
    error = failed.error
    refused = failed.statements[-1] if failed.statements and failed.statements[-1].error else None
    return {
        "where": f"{error.file}:{error.line}" if error and error.file else failed.file,
        "statement": redact(" ".join(refused.sql.split()))[:_CUT] if refused else "",
        "raised": redact(error.message) if error else "",
    }


@diagnosis("revisions.rows", Severity.ERROR, Need.HISTORY)
def rows(view: View) -> Iterator[Case]:
    """What is pending runs on a copy of the target, and would fail on the target, on rows that are there."""
    tried = view.once(trial)
    for each in tried.rows:
        message = f"revision {each.revision} is pending, and would fail on the target: {each.message}"
        effect = "shows them; correct them, and `db-migrate apply` goes through"
        if not each.query:
            effect = "shows what to write instead: whatever is in these rows, it fails"
        evidence = {**pending_evidence(view, tried), "rows": (each.message,), "query": each.query}
        yield Case(each.object, message, Cure(shows(view, each), effect), evidence)


@diagnosis("role.privilege", Severity.ERROR, Need.HISTORY)
def privilege(view: View) -> Iterator[Case]:
    """The role lacks privileges that the pending revisions need; with these they run on a copy."""
    tried = view.once(trial)
    if not tried.grants:
        return
    role = view.live_state.role
    cure = Cure(
        psql(view.target.conninfo.replace(user=owner(view, role)), "; ".join(tried.grants)),
        "run by somebody who may give them, it lets the pending revisions run, as tried on a copy",
    )
    message = f"the role {role} lacks {plural(len(tried.grants), 'privilege')} that what is pending needs: "
    evidence = {**pending_evidence(view, tried), "grants": tried.grants}
    yield Case(role, message + "; ".join(tried.grants), cure, evidence)


@diagnosis("journal.forbidden", Severity.ERROR, Need.HISTORY)
def no_journal(view: View) -> Iterator[Case]:
    """Something is pending, and the role may not keep the journal without which nothing is applied."""
    if not view.settings.journal or not view.once(waiting):
        return
    with view.session() as connection:
        row: Any = connection.execute(query("journal")).fetchone()
    grants: tuple[str, ...]
    database, role = quoted(view.database), quoted(view.live_state.role)
    if row[0] is None and not row[1]:
        grants = (f"GRANT CREATE ON DATABASE {database} TO {role}",)
    elif row[0] is False:
        grants = (
            f"GRANT USAGE ON SCHEMA db_migrate TO {role}",
            f"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA db_migrate TO {role}",
        )
    else:
        return
    cure = Cure(
        psql(view.target.conninfo.replace(user=owner(view, view.live_state.role)), "; ".join(grants)),
        "run by somebody who may give it; or set journal to off, which gives up what the journal is for",
    )
    if set(grants) <= set(view.once(trial).grants):
        return  # that is asked for already
    message = f"the role {view.live_state.role} may not keep the journal: {'; '.join(grants)}"
    yield Case(view.live_state.role, message, cure, {**pending_evidence(view, view.once(trial)), "grants": grants})


@diagnosis("schema.none", Severity.ERROR, Need.HISTORY)
def no_schema(view: View) -> Iterator[Case]:
    """Something is pending, and the role's search_path names no schema that is there to make it in."""
    if not view.once(waiting):
        return
    with view.session() as connection:
        connection.execute(query("own_path"))
        row = connection.execute("SELECT current_schema(), current_setting('search_path')").fetchone()
    if row and row[0] is None:
        cure = Cure(psql(view.target.conninfo, "CREATE SCHEMA public"), "makes the schema that a new database has")
        message = f"none of the schemas of the search_path ({row[1]}) is there: nothing can be made without naming one"
        yield Case(view.database, message, cure, {"search_path": str(row[1])})


def owner(view: View, role: str) -> str:
    """Who may give privileges: the database's owner, or a superuser."""
    with view.session() as connection:
        row = connection.execute(
            "SELECT rolname::text FROM pg_roles r WHERE rolsuper AND rolcanlogin AND rolname <> %s"
            " ORDER BY r.oid = (SELECT datdba FROM pg_database WHERE datname = current_database()) DESC, r.oid LIMIT 1",
            [role],
        ).fetchone()
    return str(row[0]) if row else "postgres"


@diagnosis("server.too-old", Severity.ERROR, Need.HISTORY)
def too_old(view: View) -> Iterator[Case]:
    """A pending revision uses what the target's version does not know and a newer one does."""
    tried = view.once(trial)
    failed = tried.failed
    if failed is None or not tried.newer:
        return
    version = view.live_state.summary.server_version
    message = f"revision {failed.revision} runs on PostgreSQL {tried.newer}, and not on {version}, which the target is"
    cure = Cure(
        f"db-migrate plan {shlex.quote(failed.revision)}",
        "shows the statement; write it with what this version knows, or upgrade the server first",
    )
    evidence = {"server": version, "runs_on": tried.newer, **pending_evidence(view, tried), **_failure(failed)}
    yield Case(failed.revision, message, cure, evidence)


@diagnosis("extension.missing", Severity.ERROR, Need.HISTORY)
def missing_extension(view: View) -> Iterator[Case]:
    """What is pending creates an extension that the target's server has not installed."""
    tried = view.once(trial)
    major = view.live_state.server_version // 10000
    for name in tried.extensions:
        package = _PACKAGES.get(name, "postgresql-{major}-" + name.replace("_", "-")).format(major=major)
        cure = Cure(
            f"apt-get install {package}",
            f"on the server's machine, or whatever installs {name} there; those of contrib are in postgresql-contrib",
        )
        message = f"what is pending needs the extension {name}, which the target's server does not have"
        yield Case(name, message, cure, pending_evidence(view, tried))
