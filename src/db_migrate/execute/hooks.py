"""Hooks: what a project wants to be run around a run, around each revision, and after a failure.

Commands are the user's own programs and run as the user would run them. Python callables are the project's code: they
run in a jailed child process, which reaches the target's server and nothing else.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from db_migrate import gentle
from db_migrate.config import HookSettings
from db_migrate.errors import DbMigrateError, Failed
from db_migrate.execute.interruption import Interruption
from db_migrate.postgres.redact import redact
from db_migrate.project.child_process import Child, ChildDied, open_child
from db_migrate.project.config import ProjectConfig

PYTHON = "python:"
"""How the name of a callable begins; what begins otherwise is a command."""

_LONGEST_OUTPUT = 2000
_LONGEST_KEPT = 1 << 16
"""Bytes, so much more than what is shown that a password which begins before that is still known for one."""
_POLL_SECONDS = 0.1
_LAST_WORDS_SECONDS = 1.0


class Moment(StrEnum):
    """When hooks are run."""

    BEFORE_RUN = "before_run"
    BEFORE_REVISION = "before_revision"
    AFTER_REVISION = "after_revision"
    ON_FAILURE = "on_failure"
    AFTER_RUN = "after_run"


@dataclass(frozen=True, slots=True)
class HookFailure:
    """A hook that did not do its work, and why."""

    hook: str
    why: str

    def described(self, moment: Moment) -> str:
        """For a warning."""
        return f"the {moment.value} hook `{self.hook}` {self.why}"


class Hooks:
    """The hooks of one run. A context manager, which ends the process of the callables.

    ``facts`` are what every hook is told; ``note`` writes into the journal, ``tell`` says what is run. Ctrl-C ends
    the hook that is running.
    """

    def __init__(
        self,
        settings: HookSettings,
        project: ProjectConfig,
        root: Path,
        allowed: Mapping[str, str],
        facts: Mapping[str, Any],
        note: Callable[[Mapping[str, Any]], None],
        tell: Callable[[str], None],
        interruption: Interruption,
    ) -> None:
        self._settings = settings
        self._project = project
        self._root = root
        self._allowed = allowed
        self._facts = facts
        self._note = note
        self._tell = tell
        self._interruption = interruption
        self._after_ctrl_c = False
        self._stack = ExitStack()
        self._child: Child | None = None
        self._begun: set[str] = set()

    def __enter__(self) -> Hooks:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def begin_revision(self, verb: str, again: str, revision: str) -> None:
        """Before a revision, once however often it is begun. Raises as ``begin``."""
        if revision in self._begun:
            return
        self._begun.add(revision)
        self.begin(verb, again, Moment.BEFORE_REVISION, revision=revision)

    def begin(self, verb: str, again: str, moment: Moment, **facts: object) -> None:
        """Before something is done. Raises ``Failed`` as of ``refusal``, ``InterruptedByUser`` where Ctrl-C came."""
        failures = self.run(moment, **facts)
        self._interruption.check()
        for failure in failures:
            raise refusal(verb, again, moment, failure)

    def run(self, moment: Moment, **facts: object) -> list[HookFailure]:
        """Run the hooks of a moment in their order; those that failed. After a ``before`` one that did, no further."""
        wanted: Sequence[str] = getattr(self._settings, moment.value)
        failures: list[HookFailure] = []
        for hook in wanted:
            self._tell(hook)
            self._after_ctrl_c = self._interruption.asked
            began = time.monotonic()
            why, output = self._one(hook, {"hook": moment.value, **self._facts, **facts})
            seconds = round(time.monotonic() - began, 3)
            state = "failed" if why else "done"
            said = {"hook": hook, "moment": moment.value, "state": state, "why": why, "seconds": seconds}
            self._note({**said, **({"output": output} if output else {})})
            if why:
                failures.append(HookFailure(redact(hook), why))
                if moment in (Moment.BEFORE_RUN, Moment.BEFORE_REVISION):
                    break
        return failures

    def _one(self, hook: str, facts: Mapping[str, object]) -> tuple[str, str]:
        """Why it failed, empty if it did not, and the end of what it printed."""
        if hook.startswith(PYTHON):
            return self._callable(hook.removeprefix(PYTHON), facts), ""
        return self._command(hook, msgspec.json.encode(facts))

    def _command(self, hook: str, told: bytes) -> tuple[str, str]:
        with tempfile.TemporaryFile() as facts:
            facts.write(told)
            facts.seek(0)
            output, write = os.pipe()
            printed = _Printed(output)
            try:
                with gentle.suspended():
                    process = subprocess.Popen(
                        ["/bin/sh", "-c", hook],
                        cwd=self._root,
                        stdin=facts,
                        stdout=write,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
            finally:
                os.close(write)
        try:
            over = self._wait(lambda seconds: _has_ended(process, seconds))
        except BaseException:
            _kill(process)
            raise
        if over:
            _kill(process)
            return over, ""
        return _ended(process.returncode, printed.end())

    def _wait(self, ended: Callable[[float], bool]) -> str:
        """Until it has ended; else why it may not go on: its time is over, or Ctrl-C came after it was begun."""
        deadline = time.monotonic() + self._settings.timeout
        while not ended(min(_POLL_SECONDS, max(0.0, deadline - time.monotonic()))):
            if self._interruption.asked and not self._after_ctrl_c:
                return "was stopped, as you asked"
            if time.monotonic() >= deadline:
                return f"did not end within {self._settings.timeout:g} s and was stopped"
        return ""

    def _callable(self, path: str, facts: Mapping[str, object]) -> str:
        over: list[str] = []
        ended = threading.Event()

        def watch(pid: int) -> None:
            over.append(self._wait(ended.wait))
            if over[0]:
                os.kill(pid, signal.SIGKILL)

        try:
            child = self._open_child()
            watching = threading.Thread(target=watch, args=(child.pid,), daemon=True)
            watching.start()
            try:
                child.call(path, facts)
            finally:
                ended.set()
                watching.join()
        except ChildDied as error:
            self._child = None
            return over[0] if over and over[0] else f"failed: {error.message}"
        except DbMigrateError as error:
            return f"failed: {error.message}{': ' if error.why else ''}{redact(error.why)}"
        return ""

    def _open_child(self) -> Child:
        if self._child is None:
            self._child = self._stack.enter_context(open_child(self._project, allowed=[self._allowed]))
        return self._child


class _Printed:
    """What a command prints is read for as long as somebody may print, so that nobody has to wait; its end is kept."""

    def __init__(self, descriptor: int) -> None:
        self._end = b""
        self._reader = threading.Thread(target=self._read, args=(descriptor,), daemon=True)
        self._reader.start()

    def end(self) -> str:
        """The end of what was printed, once the command has ended; what it has left running may print on."""
        self._reader.join(_LAST_WORDS_SECONDS)
        return redact(self._end.decode(errors="replace")).strip()[-_LONGEST_OUTPUT:]

    def _read(self, descriptor: int) -> None:
        with open(descriptor, "rb", buffering=0) as stream:
            while read := stream.read(1 << 16):
                self._end = (self._end + read)[-_LONGEST_KEPT:]


def _ended(code: int, output: str) -> tuple[str, str]:
    """Why a command failed, empty if it did not, and the end of what it printed."""
    if code == 0:
        return "", output
    last = output.splitlines()[-1:] or [""]
    return f"ended with exit code {code}{': ' if last[0] else ''}{last[0]}", output


def refusal(verb: str, again: str, moment: Moment, failure: HookFailure) -> Failed:
    """The error (``VERB.hook``) of a run that a hook stopped; ``again`` is what to type when the hook lets it."""
    return Failed(
        f"{verb}.hook",
        failure.described(moment),
        why="a hook that runs before stops the run",
        state="nothing was changed",
        next=["db-migrate config", again],
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End what is left of a command, with all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _has_ended(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether it has, after at most so many seconds."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    return process.returncode is not None
