"""``python -m db_migrate.project.child READ WRITE CONTROL``: three inherited file descriptors and nothing else."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from db_migrate.project import events, jobs
from db_migrate.project.channel import Channel
from db_migrate.project.child import drivers, inputs, lock
from db_migrate.project.child.link import Link, leave
from db_migrate.project.child.redirect import redirect


class Worker:
    """Carries out one job after the other, in one process, with the user's modules loaded once."""

    def __init__(self, start: jobs.Start, link: Link) -> None:
        from db_migrate.project.child.alembic_project import AlembicProject
        from db_migrate.project.child.capture import Capture
        from db_migrate.project.child.running import Contexts

        self._link = link
        self._project = AlembicProject(start)
        self._capture = Capture(link)
        self._contexts = Contexts(self._capture, link)
        self._capture.connections.install()
        self._contexts.install()

    def work(self, job: jobs.Job) -> None:
        """Do ``job`` and tell its result, or what it raised."""
        from db_migrate.project.child import failures

        self._prepare(job)
        last: events.Event
        try:
            with _loading() if isinstance(job, _LOADS) else contextlib.nullcontext():
                result = self._do(job)
        except BaseException as error:
            last = failures.describe(error)
        else:
            if any(target.at_import for target in redirect.targets):
                inputs.notes.refuse("a module connects to a database while it is imported")
            last = events.Done(result=result)
        # First what was printed: the parent may read it as soon as it knows that the job has ended.
        sys.stdout.flush()
        sys.stderr.flush()
        self._link.tell(last)

    def _prepare(self, job: jobs.Job) -> None:
        self._link.reset()
        self._contexts.opened.clear()
        self._contexts.numbers.clear()
        self._capture.begin_job()
        self._project.seen = getattr(job, "seen", None)
        database = getattr(job, "database", None)
        redirect.begin(database, learning=isinstance(job, jobs.Learn) and database is None)
        redirect.enough = self._enough

    def _enough(self) -> None:
        self._link.tell(events.Done(result=tuple(redirect.targets)))
        leave()

    def _do(self, job: jobs.Job) -> Any:
        from db_migrate.project.child import alembic_project, learning, modelling, proposing, running, writing

        match job:
            case jobs.Mean():
                redirect.only, redirect.tables = job.only, job.tables
                return None
            case jobs.Call():
                with self._project.entered():
                    alembic_project.resolve(job.path, "hooks")(job.facts)
                return None
            case jobs.Describe():
                return self._project.describe()
            case jobs.Learn():
                return learning.learn(self._project, self._contexts)
            case jobs.Steps():
                return running.steps(self._project, job)
            case jobs.Models():
                return modelling.models(self._project, job, self._capture)
            case jobs.Propose():
                return proposing.propose(self._project, job)
            case jobs.WriteRevision():
                return writing.write(self._project, job)
            case jobs.Migrate():
                return self._migrate(job)
            case jobs.TellInputs(revisions=only):
                return inputs.report(revisions=only)
            case jobs.Stamp():
                work = running.stamp_steps(job)
                return self._project.run_env(work, command="stamp", purge=job.purge, destination_rev=job.revisions)
        raise ValueError(f"no such job: {type(job).__name__}")

    def _migrate(self, job: jobs.Migrate) -> list[str]:
        from db_migrate.project.child.running import Run

        run = Run(job, self._capture, self._contexts, self._link)
        self._project.run_env(run.work, command=job.direction, destination_rev=job.target)
        return run.done


_LOADS = (jobs.Describe, jobs.Learn, jobs.Models)
"""The jobs that load the project's code and let nothing run for long."""


@contextlib.contextmanager
def _loading() -> Iterator[None]:
    """Modules and models stay for as long as the process does; looking for garbage among them takes long."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def main() -> None:
    """Be the child that the arguments tell of."""
    drivers.watch()
    child(*(int(argument) for argument in sys.argv[1:4]))


def child(read: int, write: int, control: int) -> None:
    """Lock the door, then take jobs until the parent has gone."""
    for descriptor in (read, write, control):
        os.set_inheritable(descriptor, False)
    link = Link(Channel(read, write))
    start = link.next_job()
    if not isinstance(start, jobs.Start):
        leave()
    lock.die_with(start.parent)
    with socket.socket(fileno=control) as sock:
        jail = lock.lock(start.jail, start.allowed, sock, link.tell)
    redirect.guards_raw = jail in ("namespace", "python")
    sys.path.append(str(Path.cwd()))
    sys.path[:0] = start.first
    redirect.tell = link.tell
    redirect.only, redirect.tables = start.only, start.tables
    if start.inputs:
        inputs.watch()
        if start.answered:
            inputs.notes.refuse("env.py wants a URL of the environment, which has none")
    worker = Worker(start, link)
    while True:
        worker.work(link.next_job())


if __name__ == "__main__":
    main()
