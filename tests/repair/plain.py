"""Plain Alembic in a process of its own: ``python plain.py JOBS``, a JSON list of jobs, done one after the other.

``verb`` (upgrade) and ``to``: what Alembic is asked for; ``url``: where. ``stop``: the process is killed after so
many statements that do something. ``mode``: "as written", or "autocommit", where every statement is committed by
itself. ``snapshots``: after each of ``revisions``, a command for the ``maintenance`` database with {revision} in it.
The numbers of statements of each are printed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, event

QUIET = ("SELECT", "SHOW", "SET", "BEGIN", "COMMIT", "ROLLBACK")


def main(jobs: list[dict[str, Any]]) -> int:
    """Do each job in a fork of this process, in the current folder; how many did not end as they should."""
    sys.path.insert(0, str(Path.cwd()))
    wrong = 0
    for job in jobs:
        child = os.fork()
        if child == 0:
            do(job)
            sys.stdout.flush()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        expected = signal.SIGKILL if "stop" in job else 0
        wrong += status != expected
    return wrong


def do(job: dict[str, Any]) -> None:
    """Do one job."""
    os.environ["DATABASE_URL"] = job["url"]
    if job.get("mode") == "autocommit":
        event.listen(
            Engine, "engine_connect", lambda connection: connection.execution_options(isolation_level="AUTOCOMMIT")
        )
    counts = Counter[str]()
    watch(counts, job.get("stop"))
    config = Config("alembic.ini", attributes={"configure_logger": False})
    if "snapshots" not in job:
        getattr(command, job.get("verb", "upgrade"))(config, job["to"])
        return
    numbers = {}
    for revision in job["revisions"]:
        counts.clear()
        command.upgrade(config, revision)
        numbers[revision] = counts["sent"]
        with psycopg.connect(**job["maintenance"], autocommit=True) as connection:
            connection.execute(job["snapshots"].format(revision=revision))
    print(json.dumps(numbers))


def watch(counts: Counter[str], stop: int | None) -> None:
    """Count the statements that do something, Alembic's own not; kill this process after ``stop`` of them."""

    def after(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.lstrip().upper().startswith(QUIET) or "alembic_version" in statement:
            return
        counts["sent"] += 1
        if counts["sent"] == stop:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "after_cursor_execute", after)


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
