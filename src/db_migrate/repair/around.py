"""Diagnoses of what is around the schema: which database this is, who is in it, what was left open."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from db_migrate.catalog.objects import Value
from db_migrate.errors import Refused
from db_migrate.execute.journal import Journal, Unfinished
from db_migrate.execute.kept import overdue
from db_migrate.execute.preflight import check_environment
from db_migrate.execute.progress import Blocker
from db_migrate.execute.unfinished import still_running
from db_migrate.postgres.advisory import NOT_POOLED, Holder, holder_of, is_pooled
from db_migrate.postgres.ownership import is_alive, is_mark
from db_migrate.postgres.redact import redact
from db_migrate.repair.registry import Case, Need, diagnosis
from db_migrate.repair.view import View, query
from db_migrate.repair.words import plural, psql
from db_migrate.results import Cure
from db_migrate.rules.finding import Severity
from db_migrate.schemas.asked import where_swallowed

_LONGEST = 200
_GO_SOMEWHERE = ("apply", "rollback")


@dataclass(frozen=True, slots=True)
class Around:
    """What one look told. ``prepared``, ``idle`` and ``detaching`` are rows of the queries of these names."""

    pooled: bool
    standby: bool
    read_only: bool
    environment: str | None
    holder: Holder | None
    holder_idle: float
    unfinished: tuple[Unfinished, ...]
    broken: tuple[int, ...]
    damage: str
    at_work: tuple[Blocker, ...]
    prepared: tuple[Any, ...]
    idle: tuple[Any, ...]
    detaching: tuple[Any, ...]
    scratch: tuple[str, ...]


def look_around(view: View) -> Around:
    """One look at the server around the schema."""
    environment, unfinished, broken, damage = _of_the_journal(view)
    with view.session() as connection:
        holder = holder_of(connection)
        row: Any = connection.execute(query("server"), {"holder": holder.pid if holder else 0}).fetchone()
        names = [str(name) for (name,) in connection.execute("SELECT datname FROM pg_database").fetchall()]
        return Around(
            pooled=is_pooled(connection),
            standby=row[0],
            read_only=row[1] == "on",
            environment=environment,
            holder=holder,
            holder_idle=row[2] or 0.0,
            unfinished=unfinished,
            broken=broken,
            damage=damage,
            at_work=tuple(each for run in unfinished for each in still_running(connection, run.workers)),
            prepared=tuple(connection.execute(query("prepared")).fetchall()),
            idle=tuple(connection.execute(query("idle")).fetchall()),
            detaching=tuple(connection.execute(query("detaching")).fetchall())
            if view.live_state.server_version >= 140000
            else (),
            scratch=tuple(sorted(name for name in names if is_mark(name) and not is_alive(name))),
        )


def _of_the_journal(view: View) -> tuple[str | None, tuple[Unfinished, ...], tuple[int, ...], str]:
    """The target's name, open runs and broken entries by the journal; in a session of its own, which damage ends."""
    with view.session() as connection:
        journal = Journal(connection)
        try:
            return journal.environment(), journal.unfinished(), journal.check_chain(), ""
        except Refused as error:
            return None, (), (), error.why


@diagnosis("environment.other", Severity.ERROR, Need.TARGET)
def other_environment(view: View) -> Iterator[Case]:
    """The journal says that this database belongs to a target of another name."""
    recorded = view.once(look_around).environment
    try:
        check_environment(recorded, view.target.name)
    except Refused as error:
        cure = Cure(
            f"db-migrate --target {shlex.quote(str(recorded))} status",
            f"looks at it as {recorded}; if {view.target.name} was meant, the URL is that of the wrong database",
        )
        evidence = {"recorded": recorded, "asked": view.target.name, "database": view.database}
        yield Case(view.database, error.message, cure, evidence)


@diagnosis("env.transactions", Severity.WARNING, Need.TARGET)
def void_transactions(view: View) -> Iterator[Case]:
    """env.py wants a transaction for each revision, and has begun one that swallows them all."""
    began = where_swallowed(view.scratch)
    if began:
        file = str(view.project.script_location / "env.py")
        cure = Cure(
            f"grep -n 'configure\\|execute\\|begin' {shlex.quote(file)}",
            "shows the lines: commit what runs before context.configure (`connection.commit()`), or move it behind; "
            "db-migrate commits each revision alone either way, alembic does not",
        )
        message = "transaction_per_migration is void: env.py has begun a transaction before context.configure"
        yield Case(file, message, cure, {"began_with": began})


@diagnosis("target.pooler", Severity.ERROR, Need.TARGET)
def pooler(view: View) -> Iterator[Case]:
    """Sessions go through a pooler, which shares them out by transaction."""
    if view.once(look_around).pooled:
        cure = Cure(
            f"db-migrate --url postgresql://SERVER:5432/{view.database} doctor",
            "goes to the server itself; let env.py migrate through that address too",
        )
        place = view.target.conninfo.redacted()
        yield Case(place, "there is a connection pooler between us and the server", cure, {"why": NOT_POOLED})


@diagnosis("target.standby", Severity.ERROR, Need.TARGET)
def standby(view: View) -> Iterator[Case]:
    """The server is a standby: it can be looked at, and nothing can be changed there."""
    if view.once(look_around).standby:
        cure = Cure(
            f"db-migrate --url postgresql://PRIMARY:5432/{view.database} doctor",
            "goes to the primary; a standby gets what happens there",
        )
        place = view.target.conninfo.redacted()
        yield Case(place, "the target is a standby, where nothing can be changed", cure)


@diagnosis("target.read-only", Severity.ERROR, Need.TARGET)
def only_read(view: View) -> Iterator[Case]:
    """Transactions of this role in this database are read-only unless they say otherwise."""
    around = view.once(look_around)
    if around.read_only and not around.standby:
        statement = (
            "SELECT setdatabase, setrole::regrole, setconfig FROM pg_db_role_setting"
            " WHERE 'default_transaction_read_only=on' = ANY (setconfig)"
        )
        cure = Cure(
            psql(view.target.conninfo, statement),
            "shows whether it was set for the database or for the role; ALTER DATABASE or ALTER ROLE … RESET "
            "default_transaction_read_only takes it back",
        )
        yield Case(view.database, "transactions are read-only here by default, so no revision can run", cure)


@diagnosis("run.stale", Severity.ERROR, Need.TARGET)
def stale_run(view: View) -> Iterator[Case]:
    """A session has the lock between runners and has done nothing for long: its client is gone, or stopped."""
    around = view.once(look_around)
    holder, limit = around.holder, view.settings.budget("lock_threshold") or 0.0
    if holder is None:
        return
    working = [each for each in around.at_work if each.state == "active"]
    evidence: dict[str, Value] = {
        "process": holder.pid,
        "role": holder.user,
        "application": holder.application,
        "seconds": round(holder.age),
        "idle_seconds": round(around.holder_idle),
    }
    stale = around.holder_idle > limit and not working
    statement = f"SELECT pg_terminate_backend({holder.pid})"
    yield Case(
        str(holder.pid),
        f"the lock between runners is held by process {holder.pid}, which has done nothing for "
        f"{around.holder_idle:.0f} s"
        if stale
        else f"a run is going on: process {holder.pid} has the lock between runners",
        Cure(psql(view.target.conninfo, statement), "ends that session and gives the lock back; then db-migrate repair")
        if stale
        else Cure("", "wait for it; what is half-done now is its work"),
        evidence,
        None if stale else Severity.NOTE,
    )


@diagnosis("run.unfinished", Severity.WARNING, Need.TARGET)
def unfinished_run(view: View) -> Iterator[Case]:
    """A run ended without a word, and nobody has noted what became of it."""
    around = view.once(look_around)
    if around.holder is not None:
        return
    for each in around.unfinished:
        opened = each.opened
        alive = tuple(f"process {b.pid}: {redact(b.query)[:_LONGEST]}" for b in around.at_work)
        evidence: dict[str, Value] = {
            "verb": str(opened.get("verb")),
            "who": str(opened.get("who", {}).get("os_user", "")),
            "alive": alive,
        }
        message = f"{opened.get('verb')} {each.run} ended without a word"
        if alive:
            message += f", and {plural(len(alive), 'session')} of it still at work"
        effect = f"waits for what is still at work, and notes in the journal what became of it{_going_on(opened)}"
        yield Case(each.run, message, Cure("db-migrate repair", effect), evidence)


def _going_on(opened: Mapping[str, Any]) -> str:
    """What goes on where a run was going, by its first entry in the journal."""
    verb, to = opened.get("verb"), opened.get("destination") or ["base"]
    return f"; `{shlex.join(['db-migrate', verb, *to])}` goes on" if verb in _GO_SOMEWHERE and len(to) == 1 else ""


@diagnosis("journal.broken", Severity.ERROR, Need.TARGET)
def broken_journal(view: View) -> Iterator[Case]:
    """Entries of the journal were changed or taken away by somebody."""
    around = view.once(look_around)
    if around.damage:
        cure = Cure(
            "DROP SCHEMA db_migrate CASCADE;",
            "takes away what is left of it (`pg_dump --schema=db_migrate` keeps that): the next run begins another "
            "journal, and what became of an unfinished run is not known",
        )
        yield Case("db_migrate", "the journal cannot be read as one", cure, {"why": around.damage})
    if found := around.broken:
        cure = Cure(
            "db-migrate history --runs",
            "shows what the journal still says; what is gone can only come from a backup of the schema db_migrate, and "
            "the migrations themselves do not need it",
        )
        message = f"entry {found[0]} of the journal is not what was written, or others are missing before it"
        yield Case("db_migrate.entries", message, cure, {"entries": tuple(str(each) for each in found)})


@diagnosis("transaction.prepared", Severity.WARNING, Need.TARGET)
def prepared(view: View) -> Iterator[Case]:
    """A prepared transaction holds locks for longer than any run would wait for."""
    limit = view.settings.budget("lock_budget") or 0.0
    for name, owner, age, relations in view.once(look_around).prepared:
        if age <= limit:
            continue
        literal = "'" + str(name).replace("'", "''") + "'"
        evidence = {"owner": owner, "seconds": round(age), "locks": tuple(relations)}
        cure = Cure(
            psql(view.target.conninfo, f"ROLLBACK PREPARED {literal}"),
            "gives its locks back and forgets what it did; COMMIT PREPARED keeps that: ask whoever prepared it",
        )
        held = f" and holds locks on {', '.join(relations)}" if relations else ""
        yield Case(str(name), f"transaction {name} was prepared {age:.0f} s ago{held}", cure, evidence)


@diagnosis("session.idle", Severity.WARNING, Need.TARGET)
def idle_session(view: View) -> Iterator[Case]:
    """A session sits in a transaction that it does not end, with locks that a migration would wait for."""
    limit = view.settings.budget("lock_threshold") or 0.0
    for pid, user, application, idle, relations, last in view.once(look_around).idle:
        if idle <= limit:
            continue
        evidence = {
            "role": user,
            "application": application,
            "locks": tuple(relations),
            "last": redact(last)[:_LONGEST],
        }
        cure = Cure(
            psql(view.target.conninfo, f"SELECT pg_terminate_backend({pid})"),
            "ends the session; what it did in this transaction is rolled back",
        )
        message = f"process {pid} has been idle in a transaction for {idle:.0f} s, with locks on {', '.join(relations)}"
        yield Case(str(pid), message, cure, evidence)


@diagnosis("partition.detach-pending", Severity.ERROR, Need.TARGET)
def detaching(view: View) -> Iterator[Case]:
    """A DETACH PARTITION CONCURRENTLY was interrupted: who reads the parent no longer sees the partition's rows."""
    for name, parent in view.once(look_around).detaching:
        statement = f"ALTER TABLE {parent} DETACH PARTITION {name} FINALIZE;"
        message = f"{name} is being detached from {parent}, and nobody goes on with it"
        cure = Cure("db-migrate repair", f"{statement} the partition is a table of its own, with its rows")
        yield Case(str(name), message, cure, {"parent": parent, "statement": statement})


@diagnosis("kept.overdue", Severity.WARNING, Need.TARGET)
def kept_too_long(view: View) -> Iterator[Case]:
    """What migrations dropped is kept for longer than the settings say."""
    found = overdue(view.target, view.settings.keep_for)
    if not found:
        return
    days = view.settings.keep_for / 86400
    rows = sum(each.rows or 0 for each in found)
    objects = tuple(f"{each.object}, kept at {each.kept_at[:10]}" for each in found)
    command = f"db-migrate kept purge {' '.join(each.id for each in found)} --confirm {shlex.quote(view.database)}"
    message = f"{plural(len(found), 'object')} that migrations dropped {_is(found)} kept for more than {days:g} days"
    cure = Cure(command, f"gives up {plural(rows, 'row')} for good; `db-migrate kept list` shows them")
    yield Case(view.database, message, cure, {"objects": objects, "rows": rows})


def _is(found: tuple[object, ...]) -> str:
    return "is" if len(found) == 1 else "are"


@diagnosis("scratch.left", Severity.WARNING, Need.TARGET)
def scratch_left(view: View) -> Iterator[Case]:
    """Scratch databases of a run that is gone lie on the target's server."""
    for name in view.once(look_around).scratch:
        cure = Cure(psql(view.target.conninfo, f"DROP DATABASE {name}"), "it was a copy, and nobody uses it")
        yield Case(name, f"the scratch database {name} was left by a run that is gone", cure)
