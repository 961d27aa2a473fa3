"""Plain Alembic in a process of its own: ``python plain.py JOB``, where the job says how far, and where it dies.

``to``: what to upgrade to. ``stop``: after so many of the statements that do something, the process is killed.
``mode``: "as written", or "autocommit", where every statement is committed by itself. ``snapshots``: a command for the
database after each single revision: SQL with {revision} in it, run on the maintenance database.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, event

QUIET = ("SELECT", "SHOW", "SET", "BEGIN", "COMMIT", "ROLLBACK")


def main(job: dict[str, Any]) -> None:
    """Do the job in the current folder."""
    os.environ["DATABASE_URL"] = job["url"]
    sys.path.insert(0, str(Path.cwd()))
    if job.get("mode") == "autocommit":
        event.listen(
            Engine, "engine_connect", lambda connection: connection.execution_options(isolation_level="AUTOCOMMIT")
        )
    if "stop" in job:
        die_after(job["stop"])
    config = Config("alembic.ini", attributes={"configure_logger": False})
    if "snapshots" not in job:
        getattr(command, job.get("verb", "upgrade"))(config, job["to"])
        return
    for revision in job["revisions"]:
        command.upgrade(config, revision)
        with psycopg.connect(**job["maintenance"], autocommit=True) as connection:
            connection.execute(job["snapshots"].format(revision=revision))


def die_after(number: int) -> None:
    """Kill this process after so many statements that do something, Alembic's own not counted."""
    seen = [0]

    def after(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.lstrip().upper().startswith(QUIET) or "alembic_version" in statement:
            return
        seen[0] += 1
        if seen[0] >= number:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "after_cursor_execute", after)
    if number == 0:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
