"""What must be true before a plan is executed: it is unchanged, and so are the files, the server and the schema."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from db_migrate import __version__
from db_migrate.catalog.change import Change
from db_migrate.catalog.diff import diff, drifted
from db_migrate.catalog.objects import Catalog
from db_migrate.errors import Refused
from db_migrate.plan.document import checksum, plan_hash
from db_migrate.results import Plan, TargetSummary
from db_migrate.results.typed import plan_command

_SHOWN = 10


def check_document(plan: Plan) -> None:
    """Raise ``Refused`` (``plan.altered``) when the plan is not the one that its hash names.

    ``plan.other-version`` when another version of db-migrate has made it, which may know more of a plan than we do.
    """
    if plan_hash(plan) == plan.hash:
        return
    code, message = "plan.altered", "the plan was changed after it was made"
    if plan.made_by not in ("", __version__):
        code, message = "plan.other-version", f"db-migrate {plan.made_by} made the plan, this is {__version__}"
    raise Refused(
        code,
        message,
        why="its hash is not that of its content, as this version reads it",
        state="nothing was changed",
        next=["db-migrate plan --out plan.json"],
    )


def check_files(plan: Plan, files: Mapping[str, Path]) -> None:
    """Raise ``Refused`` (``plan.stale``) when a revision's file is not the one that was traced."""
    for each in plan.revisions:
        path = files.get(each.revision)
        if path is None:
            raise _stale(plan, f"revision {each.revision} has no file any more", each.file)
        if checksum(str(path)) != each.checksum:
            raise _stale(plan, f"revision {each.revision} was edited after it was planned", str(path))


def check_server(plan: Plan, live: TargetSummary) -> None:
    """Raise ``Refused`` when the plan is about another database or server (``plan.other-target``).

    ``plan.stale`` when the server has become one of another version since.
    """
    if plan.target is None:
        raise Refused(
            "plan.no-target",
            "the plan is about no database",
            why="it was made by lint, without a target",
            state="nothing was changed",
            next=["db-migrate plan --out plan.json"],
        )
    planned = plan.target
    if planned.database != live.database:
        raise _other(plan, f"the plan is about the database {planned.database!r}, the target is {live.database!r}")
    if planned.schema != live.schema:
        raise _other(plan, f"the plan is about {_schema(planned)}, this run about {_schema(live)}")
    if planned.server_id and live.server_id and planned.server_id != live.server_id:
        raise _other(
            plan,
            f"the plan is about the database {live.database!r} of another server",
            f"its server has the system identifier {planned.server_id}, this one {live.server_id}",
        )
    if planned.database_id and live.database_id and planned.database_id != live.database_id:
        raise _other(
            plan,
            f"the plan is about another database that was called {live.database!r}",
            f"that one had the number {planned.database_id} at its server (its oid), this one has {live.database_id}: "
            "it was made, or got its name, after the plan",
        )
    if planned.server_version != live.server_version:
        raise _stale(
            plan,
            f"the server is PostgreSQL {live.server_version} now, the plan was made for {planned.server_version}",
            "",
        )


def _other(plan: Plan, message: str, why: str = "") -> Refused:
    return Refused("plan.other-target", message, why=why, state="nothing was changed", next=[plan_command(plan)])


def _schema(target: TargetSummary) -> str:
    return f"the schema {target.schema!r}" if target.schema else f"the database {target.database!r} as a whole"


def check_start(
    plan: Plan, current: Iterable[str], live: Catalog, began: Callable[[], Catalog | None], follows: str = ""
) -> None:
    """Raise ``Refused`` (``plan.stale``) when the database is not where the plan begins; says what changed.

    ``follows`` is the fingerprint after another schema of the database was migrated, where the plan was made for that.
    """
    if set(current) != set(plan.current):
        raise _stale(
            plan,
            f"the database is at {_named(current)}, the plan begins at {_named(plan.current)}",
            "the version table",
        )
    if live.fingerprint in (plan.fingerprint.from_, follows):
        return
    expected = began()
    changes = drifted(diff(expected, live)) if expected is not None else ()
    raise _stale(plan, "the schema was changed after the plan was made", "", "; ".join(_described(changes)))


def _described(changes: tuple[Change, ...]) -> Iterable[str]:
    for change in changes[:_SHOWN]:
        attributes = ", ".join(each.name for each in change.attributes)
        yield f"{change.kind} {change.object} {change.action}{f' ({attributes})' if attributes else ''}"
    if len(changes) > _SHOWN:
        yield f"and {len(changes) - _SHOWN} more"


def _named(revisions: Iterable[str]) -> str:
    return ", ".join(sorted(revisions)) or "base"


def _stale(plan: Plan, message: str, where: str, why: str = "") -> Refused:
    return Refused(
        "plan.stale",
        message,
        why=why or "what was proved is not what would happen now",
        where=where,
        state="nothing was changed",
        next=[plan_command(plan)],
    )


def check_environment(recorded: str | None, name: str) -> None:
    """Raise ``Refused`` (``environment.other``) when this database belongs to a target of another name."""
    if recorded is None or recorded == name:
        return
    raise Refused(
        "environment.other",
        f"this database belongs to the target {recorded!r}, and this run is for {name!r}",
        why="the first run here was recorded under that name",
        state="nothing was changed",
        next=[f"db-migrate --target {recorded} status"],
    )
