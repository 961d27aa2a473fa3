"""Runs plans on a full copy of their database, with the time of each statement; the target is not changed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from db_migrate.catalog.objects import Catalog
from db_migrate.config import HookSettings, Settings
from db_migrate.execute.full_copy import FullCopy, full_copy
from db_migrate.execute.progress import Observer, ProgressEvent, ProgressKind
from db_migrate.execute.run import Order, execute_plan
from db_migrate.execute.verify import verify
from db_migrate.plan.document import plan_hash
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import read_only
from db_migrate.project.config import ProjectConfig
from db_migrate.results import Plan, Rehearsal
from db_migrate.schemas.scratch import read
from db_migrate.schemas.target import Target, look_at


@dataclass(frozen=True)
class Rehearsed:
    """One plan that is to be rehearsed: for a target, by the project that migrates that alone."""

    plan: Plan
    project: ProjectConfig
    target: Target


def rehearse(
    wanted: Sequence[Rehearsed],
    settings: Settings,
    verb: str,
    elsewhere: ConnInfo | None,
    observer: Observer,
) -> tuple[Rehearsal, ...]:
    """Execute plans of one database on one copy of it, one after the other, up to the first that fails.

    Raises as ``full_copy`` and ``execute_plan`` do.
    """
    quiet = replace(settings, hooks=HookSettings())

    def say(text: str) -> None:
        observer(ProgressEvent(ProgressKind.REHEARSAL, "", message=text))

    done: list[Rehearsal] = []
    with full_copy(wanted[0].target.conninfo, elsewhere, say) as copy:
        for each in wanted:
            done.append(_one(each, copy, quiet, verb, observer))
            if done[-1].error is not None:
                break
    return tuple(done)


def _one(each: Rehearsed, copy: FullCopy, settings: Settings, verb: str, observer: Observer) -> Rehearsal:
    target = replace(each.target, conninfo=copy.conninfo, as_is=False)
    with read_only(copy.conninfo) as connection:
        summary = look_at(connection, target).summary
    plan = replace(each.plan, target=summary)
    plan = replace(plan, hash=plan_hash(plan))

    def read_copy() -> Catalog:
        return read(copy.conninfo)

    began = time.monotonic()
    run = execute_plan(
        Order(
            plan=plan,
            project=each.project,
            target=target,
            settings=settings,
            read_live=read_copy,
            verb=verb,
            confirm=copy.conninfo.dbname,
            observer=observer,
            follows=read_copy().fingerprint,
        )
    )
    seconds = time.monotonic() - began
    checked = verify(target, read_copy(), expected=None, planned=plan.destination) if run.error is None else None
    return Rehearsal(
        target=each.plan.target,
        method=copy.method,
        server=f"{copy.conninfo.host}:{copy.conninfo.port}",
        bytes=copy.bytes,
        copy_seconds=copy.seconds,
        seconds=seconds,
        state=run.state,
        to=run.to,
        steps=run.steps,
        problems=checked.problems if checked else (),
        warnings=run.warnings,
        error=run.error,
    )
