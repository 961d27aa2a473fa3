"""The parent's side of the child process: starts it, asks it to do jobs, hands what it tells to a handler.

.. code-block:: python

    with open_child(config, allowed=[database]) as child:
        (target,) = child.learn()
        outcome = child.migrate("upgrade", "head", database, handler)

A child does one job at a time, any number of them, and keeps the user's modules loaded in between. Nothing of it is
safe to use from two threads; it dies with this process, or with the thread that opened it.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from db_migrate.jail.supervisor import Policy, Supervisor, can_supervise
from db_migrate.project import events, jobs
from db_migrate.project.addresses import as_text, policy_for
from db_migrate.project.channel import Channel
from db_migrate.project.config import ProjectConfig
from db_migrate.project.conversation import Child
from db_migrate.project.demanded import variables_for
from db_migrate.project.fork_server import Process, fork_server, gone
from db_migrate.project.jobs import Candidate, ModelFacts, Step
from db_migrate.project.outcomes import (
    ChildDied,
    ChildError,
    Handler,
    LearnedTarget,
    Link,
    MigrateOutcome,
    ModelsOutcome,
    QueryError,
)
from db_migrate.project.surroundings import Surroundings, environment, surroundings

__all__ = [
    "Candidate",
    "Child",
    "ChildDied",
    "ChildError",
    "Handler",
    "LearnedTarget",
    "Link",
    "MigrateOutcome",
    "ModelFacts",
    "ModelsOutcome",
    "QueryError",
    "Step",
    "open_child",
]

_BOOTSTRAP = "import sys; sys.path.append(sys.argv.pop(1)); from db_migrate.project.child.__main__ import main; main()"


@contextlib.contextmanager
def open_child(
    config: ProjectConfig,
    *,
    allowed: Sequence[Mapping[str, str]],
    jail: bool = True,
    env: Mapping[str, str] | None = None,
    inputs: bool = False,
    first: Sequence[Path] = (),
) -> Iterator[Child]:
    """A child process for ``config`` that can reach only the servers in ``allowed`` (libpq-like parameters).

    ``env`` changes its environment variables. With ``inputs`` it notes what running env.py looks at; in the
    folders ``first`` it looks for modules before all others. It is killed at the end, whatever it is doing. Raises
    ``ChildDied`` when it cannot start.
    """
    policy = policy_for(allowed)
    with contextlib.ExitStack() as stack:
        made = stack.enter_context(surroundings())
        running = stack.enter_context(contextlib.ExitStack())
        child = Child(made.output)

        def begin(more: Mapping[str, str]) -> None:
            running.close()
            parent_control, child_control = socket.socketpair()
            running.enter_context(parent_control)
            with child_control:
                process, parent, channel = _spawn(config, made, {**(env or {}), **more}, child_control.fileno())
            running.callback(_end, process, channel)
            kind = strongest(process.pid) if jail else "none"
            start = _start(config, kind, policy, parent, inputs=inputs, first=first, answered=bool(more))
            child.begin(process, channel, start)
            if child.jail == "seccomp":
                supervisor = Supervisor(_receive_listener(parent_control), policy, child.refused.put)
                running.callback(supervisor.close)

        begin({})
        child.again = functools.partial(_begin_with, begin, config.url)
        yield child


def _begin_with(begin: Callable[[Mapping[str, str]], None], url: str | None, failure: events.Failure) -> bool:
    """Begin anew with the URL where env.py has failed for want of one; False where there is nothing to try."""
    variables = variables_for(url, failure, os.environ) if url is not None else {}
    if variables:
        begin(variables)
    return bool(variables)


def strongest(pid: int) -> str:
    """The strongest jail that we could supervise child ``pid`` in; the kernel may still refuse it to the child."""
    return "seccomp" if can_supervise(pid) else "namespace"


def _spawn(
    config: ProjectConfig, made: Surroundings, env: Mapping[str, str] | None, control: int
) -> tuple[Process, int, Channel]:
    """A new child process, the process id of its parent, and the channel to it."""
    child_read, parent_write = os.pipe()
    parent_read, child_write = os.pipe()
    try:
        with made.output.open("wb") as output:
            ends = (child_read, child_write, control, output.fileno())
            process, parent = _started(config.directory, environment(made, env), ends)
    except BaseException:
        os.close(parent_read)
        os.close(parent_write)
        raise
    finally:
        os.close(child_read)
        os.close(child_write)
    return process, parent, Channel(parent_read, parent_write)


def _started(directory: Path, env: Mapping[str, str], ends: tuple[int, int, int, int]) -> tuple[Process, int]:
    """A fork of the fork server, or a process that starts from nothing; with its parent's process id."""
    server = fork_server()
    if server is not None:
        try:
            fork = server.fork(directory, env, ends)
        except (OSError, EOFError):
            gone(server)  # killed, as any process may be
        else:
            if fork is not None:
                return fork, server.pid
    *inherited, output = ends
    process = subprocess.Popen(
        # -P: the current folder does not go first on the path, as it does not for the alembic command.
        [sys.executable, "-P", "-c", _BOOTSTRAP, str(Path(__file__).parents[2]), *map(str, inherited)],
        cwd=directory,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        pass_fds=inherited,
        start_new_session=True,
    )
    return process, os.getpid()


def _start(
    config: ProjectConfig,
    jail: str,
    policy: Policy,
    parent: int,
    *,
    inputs: bool,
    first: Sequence[Path],
    answered: bool,
) -> jobs.Start:
    """The first message to the child."""
    return jobs.Start(
        jail=jail,
        allowed=as_text(policy),
        parent=parent,
        ini=str(config.ini) if config.ini else None,
        pyproject=str(config.pyproject) if config.pyproject else None,
        name=config.name,
        x=config.x,
        script_location=str(config.script_location) if config.set_script_location else None,
        around=config.around,
        alembic_config=config.alembic_config,
        inputs=inputs,
        first=tuple(map(str, first)),
        answered=answered,
        only=config.only,
        tables=config.tables,
    )


def _receive_listener(control: socket.socket) -> int:
    _, descriptors, _, _ = socket.recv_fds(control, 1, 1)
    return descriptors[0]


def _end(process: Process, channel: Channel) -> None:
    """Let go of the child, and kill it and all that it started if it does not leave at once."""
    channel.close()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
