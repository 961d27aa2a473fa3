"""Executes a plan in a process of its own, so that tests can kill it.

Each progress event is sent through a pipe; with ``stepping`` it is answered before the run goes on. The last message
is the outcome.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from db_migrate.catalog.objects import Catalog
from db_migrate.config import Settings
from db_migrate.errors import DbMigrateError
from db_migrate.execute import worker
from db_migrate.execute.progress import ProgressEvent
from db_migrate.execute.run import Order, execute_plan
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import read_only
from db_migrate.project.config import load_config
from db_migrate.results import Plan
from db_migrate.schemas.scratch import read_through
from db_migrate.schemas.target import Target, VersionTable


@dataclass(frozen=True)
class Errand:
    """What is to be executed; settings by name."""

    folder: Path
    conninfo: ConnInfo
    plan: Plan
    settings: dict[str, Any]
    verb: str


def main(errand: Errand, pipe: Connection, stepping: bool) -> None:
    """Do it, say how it went, and end with its exit code."""
    worker._CLIENT_CHECK = "500ms"  # the server need not be waited for ten seconds when this process is killed

    def live() -> Catalog:
        with read_only(errand.conninfo) as connection:
            return read_through(connection)

    def observe(event: ProgressEvent) -> None:
        facts = {"event": event.event.value, "revision": event.revision, "sql": event.sql, "statement": event.statement}
        pipe.send(facts)
        if stepping:
            pipe.recv()

    order = Order(
        plan=errand.plan,
        project=load_config(errand.folder),
        target=Target("default", errand.conninfo, True, (VersionTable(),)),
        settings=Settings(root=errand.folder, **errand.settings),
        read_live=live,
        verb=errand.verb,
        confirm=errand.conninfo.dbname,
        observer=observe,
    )
    try:
        result = execute_plan(order)
    except DbMigrateError as error:
        _tell(pipe, "", (), error.exit_code, error)
        sys.exit(error.exit_code)
    _tell(pipe, result.state, result.to, result.exit_code, result.error)
    sys.exit(result.exit_code)


def _tell(pipe: Connection, state: str, to: tuple[str, ...], exit_code: int, error: Any) -> None:
    outcome = {"state": state, "to": list(to), "exit_code": exit_code, "code": "", "message": "", "said": "", "why": ""}
    outcome["next"] = []
    if error is not None:
        outcome |= {"code": error.code, "message": error.message, "said": error.state, "next": list(error.next)}
        outcome["why"] = error.why
    pipe.send({"outcome": outcome})
