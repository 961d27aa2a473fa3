"""How a run gets hold of a target: the lock between runners, a session to look around, and who it is that runs."""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from db_migrate.errors import Interrupted
from db_migrate.execute.progress import Blocker, Observer, ProgressEvent, ProgressKind
from db_migrate.postgres.advisory import Holder, RunnerLock
from db_migrate.postgres.session import connect
from db_migrate.schemas.target import LiveState, Target, look_at

if TYPE_CHECKING:
    from psycopg import Connection

_JOBS = ("GITHUB_RUN_ID", "CI_JOB_URL", "BUILD_URL", "CIRCLE_BUILD_URL", "BUILDKITE_BUILD_URL", "BUILD_BUILDURI")
"""What GitHub, GitLab, Jenkins, CircleCI, Buildkite and Azure call the job that runs."""


@contextlib.contextmanager
def locked(target: Target, verb: str, again: str, budget: float, observer: Observer) -> Iterator[RunnerLock]:
    """The lock between runners. ``again`` is the command that wants it.

    Raises ``LockBudgetExceeded``, and ``Interrupted`` when Ctrl-C ends the waiting.
    """

    def wait(holder: Holder) -> None:
        blocker = Blocker(
            holder.pid, holder.user, holder.application, holder.age, "", holder.query, "the target", "the runner lock"
        )
        observer(ProgressEvent(ProgressKind.LOCK_WAIT, "", blockers=(blocker,)))

    try:
        lock = RunnerLock.acquire(target.conninfo, budget_s=budget, on_wait=wait)
    except KeyboardInterrupt as error:
        raise interrupted(verb, again) from error
    with lock:
        yield lock


def interrupted(verb: str, again: str) -> Interrupted:
    """The user has stopped a run that had not begun anything; ``again`` would begin it."""
    return Interrupted(
        f"{verb}.interrupted",
        "interrupted before anything was begun",
        state="nothing was changed",
        next=[again],
    )


@contextlib.contextmanager
def watching(target: Target) -> Iterator[Connection[tuple[object, ...]]]:
    """A second session, to look at what the others hold."""
    settings = {"search_path": "pg_catalog"}
    with contextlib.closing(
        connect(target.conninfo, application_name="db-migrate watch", settings=settings)
    ) as connection:
        yield connection


def state_of(connection: Connection[tuple[object, ...]], target: Target) -> LiveState:
    """What the target says of itself now. In a transaction, for the search_path that this looks through."""
    with connection.transaction():
        return look_at(connection, target)


def who(role: str) -> dict[str, Any]:
    """Who runs this, as far as the machine and the CI system tell."""
    try:
        os_user = getpass.getuser()
    except (KeyError, OSError):
        os_user = str(os.geteuid())
    job = next((os.environ[name] for name in _JOBS if os.environ.get(name)), "")
    return {"role": role, "os_user": os_user, "host": socket.gethostname(), "pid": os.getpid(), "job": job}
