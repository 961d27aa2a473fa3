"""Runs of the runner as a test sees them: events in, faults out."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from db_migrate.results import Plan

from .conftest import Site
from .runner import Errand

_RUNNER = Path(__file__).with_name("runner.py")


class Process:
    """One run in a process of its own."""

    def __init__(self, site: Site, plan: Plan, *, stepping: bool = False, **settings: Any) -> None:
        verb = "rollback" if plan.direction == "downgrade" else "apply"
        defaults = {"lock_budget": site.settings.lock_budget}
        errand = Errand(site.folder, site.conninfo, plan, defaults | settings, verb)
        file = site.folder / f"errand-{len(list(site.folder.glob('errand-*')))}"
        file.write_bytes(pickle.dumps(errand))
        source = Path(__file__).parents[2] / "src"
        path = os.pathsep.join([str(source), str(Path(__file__).parents[2])])
        self._process = subprocess.Popen(
            [sys.executable, str(_RUNNER), str(file), *(["step"] if stepping else [])],
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.outcome: dict[str, Any] | None = None

    @property
    def pid(self) -> int:
        """The process id of the run."""
        return self._process.pid

    def events(self) -> Iterator[dict[str, Any]]:
        """The progress events, each of which lets the run go on when the next one is asked for."""
        assert self._process.stdin
        assert self._process.stdout
        for line in self._process.stdout:
            message: dict[str, Any] = json.loads(line)
            if "outcome" in message:
                self.outcome = message["outcome"]
                return
            yield message
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write("\n")
                self._process.stdin.flush()

    def child(self) -> int:
        """The process id of the child that runs the project's code."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return next(int(each) for each in children if "db_migrate.project.child" in _command_line(each))

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the run."""
        self._process.send_signal(number)

    def end(self) -> int:
        """Wait for the end; the exit code."""
        for _ in self.events():
            continue
        _, errors = self._process.communicate(timeout=60)
        code = self._process.returncode
        assert code in (0, 1, 3, 4, 5, 6, 130, -signal.SIGKILL), errors
        return code


def _command_line(pid: str) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


@contextlib.contextmanager
def running(site: Site, plan: Plan, *, stepping: bool = False, **settings: Any) -> Iterator[Process]:
    """A run for as long as the context lasts."""
    process = Process(site, plan, stepping=stepping, **settings)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send(signal.SIGKILL)
        process._process.communicate()
