"""Runs of the runner as a test sees them: events in, faults out."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from db_migrate.results import Plan

from .conftest import Site
from .runner import Errand, main

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["db_migrate.execute.run", "psycopg", "postgast", __name__])


class Process:
    """One run in a process of its own."""

    def __init__(self, site: Site, plan: Plan, *, stepping: bool = False, **settings: Any) -> None:
        verb = "rollback" if plan.direction == "downgrade" else "apply"
        defaults = {"lock_budget": site.settings.lock_budget}
        errand = Errand(site.folder, site.conninfo, plan, defaults | settings, verb)
        self._pipe, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=main, args=(errand, theirs, stepping))
        self._process.start()
        theirs.close()
        self._stepping = stepping
        self._held = False
        self.outcome: dict[str, Any] | None = None

    @property
    def pid(self) -> int:
        """The process id of the run."""
        assert self._process.pid is not None
        return self._process.pid

    def events(self) -> Iterator[dict[str, Any]]:
        """The progress events, each of which lets the run go on when the next one is asked for."""
        with contextlib.suppress(EOFError, ConnectionResetError):
            while True:
                message: dict[str, Any] = self._pipe.recv()
                if "outcome" in message:
                    self.outcome = message["outcome"]
                    return
                self._held = self._stepping
                yield message
                self.go_on()

    def go_on(self) -> None:
        """Let the run go on from its last event, before the next one is asked for."""
        if self._held:
            self._held = False
            with contextlib.suppress(BrokenPipeError):
                self._pipe.send("go on")

    def fork_server(self) -> int:
        """The process id of the server that the child is a fork of."""
        return _only(_children(self.pid, "db_migrate.project.child.serving"))

    def child(self) -> int:
        """The process id of the child that runs the project's code: env.py is at work in it."""
        return _only(_children(self.fork_server(), "db_migrate.project.child.serving"))

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the run."""
        os.kill(self.pid, number)

    def end(self) -> int:
        """Wait for the end; the exit code."""
        for _ in self.events():
            continue
        self._process.join(60)
        code = self._process.exitcode
        assert code in (0, 1, 3, 4, 5, 6, 130, -signal.SIGKILL), f"exit code {code}"
        return int(code)

    def close(self) -> None:
        """Kill it if it still runs, and forget it."""
        self._process.kill()
        self._process.join()
        self._process.close()
        self._pipe.close()


def _children(pid: int, running: str) -> list[int]:
    """The children of a process whose command line names this module; those that have ended have none."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(each) for each in children if running in Path(f"/proc/{each}/cmdline").read_text()]


def _only(found: list[int]) -> int:
    assert len(found) == 1, f"{len(found)} processes may be meant: {found}"
    return found[0]


@contextlib.contextmanager
def running(site: Site, plan: Plan, *, stepping: bool = False, **settings: Any) -> Iterator[Process]:
    """A run for as long as the context lasts."""
    process = Process(site, plan, stepping=stepping, **settings)
    try:
        yield process
    finally:
        process.close()
