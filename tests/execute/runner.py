"""Executes a plan in a process of its own, so that tests can kill it: ``python runner.py FILE [step]``.

``FILE`` is a pickled :class:`Errand`. Each progress event is a line of JSON on standard output; with ``step`` it is
answered by a line on standard input before the run goes on. The last line is the outcome.
"""

from __future__ import annotations

import json
import pickle
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from db_migrate.catalog.objects import Catalog
from db_migrate.config import Settings
from db_migrate.errors import DbMigrateError
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


def main(file: str, *, stepping: bool) -> int:
    """Do it, and say how it went."""
    errand: Errand = pickle.loads(Path(file).read_bytes())

    def live() -> Catalog:
        with read_only(errand.conninfo) as connection:
            return read_through(connection)

    def observe(event: ProgressEvent) -> None:
        facts = {"event": event.event.value, "revision": event.revision, "sql": event.sql, "statement": event.statement}
        print(json.dumps(facts), flush=True)
        if stepping:
            sys.stdin.readline()

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
        outcome = {"state": "", "to": [], "code": error.code, "message": error.message, "next": list(error.next)}
        print(json.dumps({"outcome": outcome | {"exit_code": error.exit_code, "said": error.state}}), flush=True)
        return error.exit_code
    outcome = {"state": result.state, "to": list(result.to), "code": "", "message": "", "next": [], "said": ""}
    if result.error is not None:
        error_report = result.error
        outcome |= {"code": error_report.code, "message": error_report.message, "said": error_report.state}
        outcome |= {"next": list(error_report.next)}
    print(json.dumps({"outcome": outcome | {"exit_code": result.exit_code}}), flush=True)
    return result.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], stepping="step" in sys.argv[2:]))
