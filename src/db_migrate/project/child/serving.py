"""``python -c … SOCKET CONTROL``: imports what every child needs, then becomes a child whenever the parent asks."""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.metadata
import importlib.util
import os
import socket
import sys
import tempfile
import time
from pathlib import Path

from db_migrate.project import forks
from db_migrate.project.channel import Channel
from db_migrate.project.child import drivers, inputs
from db_migrate.project.child.__main__ import child
from db_migrate.project.secrets import remember_environment

_NEEDED = (
    "logging.config",
    "psycopg",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.orm",
)
_NEEDED_WITH_ALEMBIC = (
    "alembic.autogenerate",
    "alembic.config",
    "alembic.script",
    "alembic.runtime.environment",
    "db_migrate.project.child.alembic_project",
    "db_migrate.project.child.capture",
    "db_migrate.project.child.failures",
    "db_migrate.project.child.learning",
    "db_migrate.project.child.modelling",
    "db_migrate.project.child.proposing",
    "db_migrate.project.child.running",
    "db_migrate.project.child.writing",
)
"""Modules that most children need. Drivers among them are patched as ever when they are imported."""


def main() -> None:
    """Import, say what of the environment that has looked at, and fork until the parent has gone."""
    requests, control = (socket.socket(fileno=int(argument)) for argument in sys.argv[1:3])
    for each in (requests, control):
        each.set_inheritable(False)
    channel = Channel(requests.fileno(), os.dup(requests.detach()))
    drivers.watch()
    with_plugins = _alembic_has_plugins()
    inputs.watch()
    gc.disable()
    _load(with_plugins=with_plugins)
    looked_at = inputs.pause()
    gc.freeze()  # what was imported stays: it is not looked through for garbage, here or in a fork
    gc.enable()
    with contextlib.suppress(EOFError, BrokenPipeError):
        channel.send(forks.Warm(variables=tuple(looked_at)))
        serve(channel, control)


def _load(*, with_plugins: bool) -> None:
    """Import what loads no code of the user's: Alembic only where it finds no plugins, which it loads too.

    They are looked for only where Alembic does so: what is looked at here counts as looked at by each fork.
    """
    found = with_plugins and importlib.metadata.entry_points(group="alembic.plugins")
    for name in _NEEDED if found else (*_NEEDED, *_NEEDED_WITH_ALEMBIC):
        with contextlib.suppress(ImportError):  # what a child then does without, or misses and says so
            importlib.import_module(name)


def _alembic_has_plugins() -> bool:
    """Whether the Alembic that is installed looks for plugins when it is imported, as it does from 1.18 on."""
    spec = importlib.util.find_spec("alembic")
    folders = (spec.submodule_search_locations if spec else None) or ()
    return any(Path(each, "runtime", "plugins.py").is_file() for each in folders)


def serve(channel: Channel, control: socket.socket) -> None:
    """Fork and reap as told. Returns never; raises ``EOFError`` when the parent has gone."""
    while True:
        match channel.receive(forks.Fork | forks.Reap):
            case forks.Reap(pid=pid):
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                channel.send(forks.Reaped(status=status))
            case forks.Fork() as wanted:
                _, descriptors, _, _ = socket.recv_fds(control, 1, 4)
                pid = os.fork()
                if pid == 0:
                    channel.close()
                    control.close()
                    _become(wanted, *descriptors)
                for descriptor in descriptors:
                    os.close(descriptor)
                channel.send(forks.Forked(pid=pid))


def _become(wanted: forks.Fork, read: int, write: int, control: int, output: int) -> None:
    """Be a process that might have been started by itself, and do a child's work."""
    os.setsid()
    os.chdir(wanted.directory)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.environ.clear()
    os.environ.update(wanted.environment)
    remember_environment(wanted.environment)
    time.tzset()
    tempfile.tempdir = None
    sys.argv[1:] = map(str, (read, write, control))
    child(read, write, control)
