"""The parent's side of the child process: starts it, asks it to do jobs, hands what it tells to a handler.

.. code-block:: python

    with open_child(config, allowed=[database]) as child:
        (target,) = child.learn()
        outcome = child.migrate("upgrade", "head", database, handler)

A child does one job at a time, any number of them, and keeps the user's modules loaded in between. Nothing of it is
safe to use from two threads; it dies with the thread that opened it.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from db_migrate.errors import ConfigurationError, DbMigrateError
from db_migrate.jail.supervisor import DATAGRAM, Policy, Supervisor, can_supervise
from db_migrate.project import events, jobs
from db_migrate.project.addresses import as_text, policy_for
from db_migrate.project.channel import Channel
from db_migrate.project.config import ProjectConfig
from db_migrate.project.jobs import Candidate, ModelFacts, Step
from db_migrate.project.surroundings import Surroundings, environment, surroundings

_BOOTSTRAP = "import sys; sys.path.append(sys.argv.pop(1)); from db_migrate.project.child.__main__ import main; main()"
_GRACE_SECONDS = 2.0
_OUTPUT_TAIL = 20


class ChildError(ConfigurationError):
    """User code, or Alembic on its behalf, raised. ``failure`` has the details; codes begin with ``project.``."""

    def __init__(self, failure: events.Failure, *, next: Sequence[str] = ()) -> None:
        self.failure = failure
        place = f"{failure.file}:{failure.line}" if failure.file else ""
        name = failure.type.removeprefix("builtins.")
        if failure.kind == "alembic":
            super().__init__("project.alembic", "Alembic cannot do this", why=failure.message, where=place, next=next)
        elif failure.kind == "project":
            super().__init__("project.setting", failure.message, where=place, next=next)
        else:
            code = "project.exit" if failure.kind == "exit" else "project.raised"
            super().__init__(code, f"the project's code raised {name}", why=failure.message, where=place, next=next)


class ChildDied(DbMigrateError):
    """The child process ended by itself: a crash in a library, ``os._exit``, the out-of-memory killer."""

    exit_code = 4

    def __init__(self, status: int | None, output: str) -> None:
        how = (
            f"was killed by {signal.Signals(-status).name}" if status is not None and status < 0 else f"exited {status}"
        )
        lines = output.strip().splitlines()[-_OUTPUT_TAIL:]
        super().__init__(
            "project.child-died",
            f"the process that runs the project's code {how}",
            why="\n".join(lines),
            state="what it had not committed is rolled back by the server",
        )


class Link(Protocol):
    """What a handler may do about the event that it was called with."""

    def query(self, sql: str) -> list[list[str | None]]:
        """Rows of ``sql``, run on the event's own connection. Raises ``QueryError``."""

    def abort(self, reason: str) -> None:
        """Refuse: user code gets an exception that it cannot swallow, and nothing more is sent or committed."""

    def stop(self) -> None:
        """Let the current step end (at its beginning: do not begin it) and begin no further one."""


class Handler(Protocol):
    """Gets every event of a job, in order."""

    def event(self, event: events.Event, link: Link) -> None:
        """``link`` may be used only while a waiting event (``event.waits``) is handled."""


class QueryError(Exception):
    """A query on a borrowed connection failed. Within a transaction, the transaction has failed with it."""

    def __init__(self, message: str, sqlstate: str | None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class Ignore:
    """The handler that lets everything pass."""

    def event(self, event: events.Event, link: Link) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class LearnedTarget:
    """Where env.py connects: SQLAlchemy's driver name, and the driver's own parameters with the password.

    ``at_import``: some module connects while it is imported; that need not be what is migrated. ``configured``: env.py
    gave this connection to Alembic (known only when the connection was really made, on scratch).
    """

    drivername: str
    parameters: Mapping[str, object]
    at_import: bool = False
    configured: bool = False

    def __repr__(self) -> str:
        """Without parameters, since passwords hide in several of them."""
        return f"LearnedTarget({self.drivername!r}, at_import={self.at_import}, configured={self.configured})"


@dataclass(frozen=True, slots=True)
class MigrateOutcome:
    """How a run ended. ``state``: done, stopped (by the handler or the limit of steps), aborted or failed.

    ``revisions`` are the steps that ended well, in order. What the database holds must be read from the database.
    """

    state: str
    revisions: tuple[str, ...]
    failure: events.Failure | None = None

    def raise_for_failure(self) -> None:
        """Raise ``ChildError`` if the run failed or was aborted."""
        if self.failure is not None:
            raise ChildError(self.failure)


@dataclass(frozen=True, slots=True)
class ModelsOutcome:
    """What the models declare, and which candidates Alembic's filters let through."""

    facts: ModelFacts
    included: Mapping[Candidate, bool]


class _Link:
    """One waiting event's answer in the making."""

    def __init__(self, channel: Channel, *, waits: bool) -> None:
        self._channel = channel
        self._waits = waits
        self.reply: jobs.Reply = jobs.Go()

    def _check(self) -> None:
        if not self._waits:
            raise RuntimeError("this event does not wait for an answer")

    def query(self, sql: str) -> list[list[str | None]]:
        self._check()
        self._channel.send(jobs.Query(sql=sql))
        answer: jobs.Answer = self._channel.receive(jobs.Answer)
        if answer.error is not None:
            raise QueryError(answer.error, answer.sqlstate)
        return answer.rows

    def abort(self, reason: str) -> None:
        self._check()
        self.reply = jobs.Abort(reason=reason)

    def stop(self) -> None:
        self._check()
        if not isinstance(self.reply, jobs.Abort):
            self.reply = jobs.Stop()


class Child:
    """A running child process. Made by ``open_child``."""

    def __init__(self, process: subprocess.Popen[bytes], channel: Channel, output: Path) -> None:
        self._process = process
        self._channel = channel
        self._output = output
        self._refused: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._attempts: list[events.Attempt] = []
        self.jail = "none"
        self.jail_why = ""

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def output(self) -> str:
        """What the child, and all that it started, has printed so far."""
        return self._output.read_text(encoding="utf-8", errors="replace")

    def learn(
        self, database: Mapping[str, str] | None = None, handler: Handler | None = None
    ) -> tuple[LearnedTarget, ...]:
        """What env.py connects to, in order, after all of the project's own listeners.

        Nothing is connected to, so env.py usually ends at the first. With a scratch ``database`` it connects there and
        runs to its end, which tells all of them, and which one Alembic was given. Raises ``ChildError`` when env.py
        raises before it has asked for a connection, or asks for none.
        """
        found = self._run(jobs.Learn(database=dict(database) if database else None), handler or Ignore())
        if isinstance(found, events.Failure):
            raise ChildError(found)
        targets = jobs.convert(found, tuple[events.Target, ...])
        if not targets:
            raise ConfigurationError(
                "project.no-connection",
                "env.py connects to nothing that we could see",
                why="no SQLAlchemy engine asked for a connection while it ran",
                next=["db-migrate --url URL status"],
            )
        return tuple(
            LearnedTarget(each.drivername, each.parameters, each.at_import, each.configured) for each in targets
        )

    def steps(self, direction: str, target: str, current: Sequence[str]) -> tuple[Step, ...]:
        """Alembic's own ordered steps from the heads ``current`` to ``target``; ``direction``: upgrade, downgrade.

        Raises ``ChildError`` (``project.alembic``) with Alembic's words for an unknown revision, several heads and
        so on.
        """
        found = self._run(jobs.Steps(direction=direction, target=target, current=tuple(current)), Ignore())
        if isinstance(found, events.Failure):
            raise ChildError(found, next=["db-migrate history"])
        answer: jobs.StepsAnswer = jobs.convert(found, jobs.StepsAnswer)
        return answer.steps

    def describe(self) -> jobs.Described:
        """The folders that the project's own ``Config`` names. Raises ``ChildError``."""
        found = self._run(jobs.Describe(), Ignore())
        if isinstance(found, events.Failure):
            raise ChildError(found)
        described: jobs.Described = jobs.convert(found, jobs.Described)
        return described

    def migrate(
        self,
        direction: str,
        target: str,
        database: Mapping[str, str] | None,
        handler: Handler | None = None,
        steps: int | None = None,
    ) -> MigrateOutcome:
        """Run Alembic's steps to ``target``, at most ``steps`` of them, each committed alone.

        ``database`` has libpq's keys (host, port, user, password, dbname); None leaves env.py's own connections as
        they are. Raises ``ChildDied``; what user code raises is in the outcome.
        """
        keeper = _Keeper(handler or Ignore())
        job = jobs.Migrate(direction=direction, target=target, database=_as_dict(database), steps=steps)
        return keeper.outcome(self._run(job, keeper), steps)

    def stamp(
        self,
        revisions: Sequence[str],
        database: Mapping[str, str] | None,
        handler: Handler | None = None,
        *,
        purge: bool = False,
    ) -> None:
        """Set the version table as ``alembic stamp`` does. Raises ``ChildError``."""
        job = jobs.Stamp(revisions=tuple(revisions), database=_as_dict(database), purge=purge)
        found = self._run(job, handler or Ignore())
        if isinstance(found, events.Failure):
            raise ChildError(found)

    def models(
        self,
        database: Mapping[str, str],
        create: bool,
        candidates: Sequence[Candidate] = (),
        handler: Handler | None = None,
    ) -> ModelsOutcome:
        """What env.py's models declare; with ``create`` also made real in ``database``. Raises ``ChildError``."""
        job = jobs.Models(database=dict(database), create=create, candidates=tuple(candidates))
        found = self._run(job, handler or Ignore())
        if isinstance(found, events.Failure):
            raise ChildError(found)
        facts: ModelFacts = jobs.convert(found, ModelFacts)
        return ModelsOutcome(facts, dict(zip(candidates, facts.included, strict=False)))

    def _run(self, job: jobs.Job, handler: Handler) -> Any:
        """Do ``job``; its result, or the ``Failure`` that it ended with."""
        try:
            self._channel.send(job)
            while True:
                event: events.Event = self._channel.receive(events.AnyEvent)
                if isinstance(event, events.Attempt):
                    self._attempts.append(event)
                    continue
                self._tell_refusals(handler)
                if isinstance(event, events.Done):
                    return event.result
                if isinstance(event, events.Failure):
                    handler.event(event, _Link(self._channel, waits=False))
                    return event
                self._handle(event, handler)
        except (EOFError, BrokenPipeError) as error:
            raise ChildDied(self._status(), self.output()) from error

    def _handle(self, event: events.Event, handler: Handler) -> None:
        link = _Link(self._channel, waits=event.waits)
        handler.event(event, link)
        if event.waits:
            self._channel.send(link.reply)

    def _tell_refusals(self, handler: Handler) -> None:
        """Hand on what the supervisor has refused, with the place where the child was about to connect.

        The child told of each attempt before it made it, so by its next other event all of them are known.
        """
        while not self._refused.empty():
            address = self._refused.get()
            same = [attempt for attempt in self._attempts if attempt.address == address] or self._attempts[-1:]
            attempt = same[-1] if same else events.Attempt(address=address)
            shown = attempt.address if address == DATAGRAM else address
            event = events.Refused(address=shown, by="seccomp", file=attempt.file, line=attempt.line)
            handler.event(event, _Link(self._channel, waits=False))
        self._attempts.clear()

    def _status(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(_GRACE_SECONDS)
        return None


class _Keeper:
    """Passes events on and remembers what the outcome is made of."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._revisions: list[str] = []
        self._stopped = False

    def event(self, event: events.Event, link: Link) -> None:
        if isinstance(event, events.StepEnd):
            self._revisions.append(event.revision)
        self._handler.event(event, link)
        self._stopped = self._stopped or isinstance(getattr(link, "reply", None), jobs.Stop)

    def outcome(self, found: Any, steps: int | None) -> MigrateOutcome:
        revisions = tuple(self._revisions)
        if isinstance(found, events.Failure):
            return MigrateOutcome("aborted" if found.kind == "aborted" else "failed", revisions, found)
        limited = steps is not None and len(revisions) >= steps
        return MigrateOutcome("stopped" if self._stopped or limited else "done", revisions)


def _as_dict(database: Mapping[str, str] | None) -> dict[str, str] | None:
    return None if database is None else dict(database)


@contextlib.contextmanager
def open_child(
    config: ProjectConfig,
    *,
    allowed: Sequence[Mapping[str, str]],
    jail: bool = True,
    env: Mapping[str, str] | None = None,
) -> Iterator[Child]:
    """A child process for ``config`` that can reach only the servers in ``allowed`` (libpq-like parameters).

    ``env`` changes its environment variables. It is killed at the end, whatever it is doing. Raises ``ChildDied`` when
    it cannot start.
    """
    policy = policy_for(allowed)
    with contextlib.ExitStack() as stack:
        made = stack.enter_context(surroundings())
        parent_control, child_control = socket.socketpair()
        stack.enter_context(parent_control)
        with child_control:
            process, channel = _spawn(config, made, env, child_control.fileno())
        stack.callback(_end, process, channel)
        child = Child(process, channel, made.output)
        _start(child, config, strongest(process.pid) if jail else "none", policy)
        if child.jail == "seccomp":
            supervisor = Supervisor(_receive_listener(parent_control), policy, child._refused.put)
            stack.callback(supervisor.close)
        yield child


def strongest(pid: int) -> str:
    """The strongest jail that we could supervise child ``pid`` in; the kernel may still refuse it to the child."""
    return "seccomp" if can_supervise(pid) else "namespace"


def _spawn(
    config: ProjectConfig, made: Surroundings, env: Mapping[str, str] | None, control: int
) -> tuple[subprocess.Popen[bytes], Channel]:
    child_read, parent_write = os.pipe()
    parent_read, child_write = os.pipe()
    root = str(Path(__file__).parents[2])
    try:
        with made.output.open("wb") as output:
            process = subprocess.Popen(
                # -P: the current folder does not go first on the path, as it does not for the alembic command.
                [sys.executable, "-P", "-c", _BOOTSTRAP, root, str(child_read), str(child_write), str(control)],
                cwd=config.directory,
                env=environment(made, env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(child_read, child_write, control),
                start_new_session=True,
            )
    except BaseException:
        os.close(parent_read)
        os.close(parent_write)
        raise
    finally:
        os.close(child_read)
        os.close(child_write)
    return process, Channel(parent_read, parent_write)


def _start(child: Child, config: ProjectConfig, jail: str, policy: Policy) -> None:
    """Tell the child what project this is, and hear that it has locked itself in."""
    start = jobs.Start(
        jail=jail,
        allowed=as_text(policy),
        parent=os.getpid(),
        ini=str(config.ini) if config.ini else None,
        pyproject=str(config.pyproject) if config.pyproject else None,
        name=config.name,
        x=config.x,
        script_location=str(config.script_location) if config.set_script_location else None,
        around=config.around,
        alembic_config=config.alembic_config,
    )
    try:
        child._channel.send(start)
        ready: events.Ready = child._channel.receive(events.Ready)
    except (EOFError, BrokenPipeError) as error:
        raise ChildDied(child._status(), child.output()) from error
    child.jail, child.jail_why = ready.jail, ready.why


def _receive_listener(control: socket.socket) -> int:
    _, descriptors, _, _ = socket.recv_fds(control, 1, 1)
    return descriptors[0]


def _end(process: subprocess.Popen[bytes], channel: Channel) -> None:
    """Let go of the child, and kill it and all that it started if it does not leave at once."""
    channel.close()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
