"""Small real projects, one for each shape of env.py, and what is needed to watch them."""

from __future__ import annotations

import contextlib
import functools
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from db_migrate.postgres.server import Server
from db_migrate.project import events
from db_migrate.project.child_process import Child, Link, open_child
from db_migrate.project.loading import load_project

PROJECTS = Path(__file__).parent / "projects"


@dataclass(slots=True)
class Recorder:
    """Remembers every event, and does what a test wants at some of them."""

    react: Callable[[events.Event, Link], None] = lambda _event, _link: None
    events: list[events.Event] = field(default_factory=list)

    def event(self, event: events.Event, link: Link) -> None:
        """Remember, then react."""
        self.events.append(event)
        self.react(event, link)

    def of(self, kind: type[Any]) -> list[Any]:
        """The events of one kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    def sql(self, revision: str | None = None) -> list[str]:
        """The statements that a revision itself sent, or all that are not Alembic's own."""
        return [
            each.sql
            for each in self.of(events.Statement)
            if not each.internal and (revision is None or each.revision == revision)
        ]

    def shape(self) -> str:
        """What happened, one letter each: steps (<>), begin, commit, rollback, statements of revisions (s)."""
        letters = {
            events.StepBegin: "<",
            events.StepEnd: ">",
            events.Begin: "B",
            events.Commit: "C",
            events.Rollback: "R",
            events.ExternalTransaction: "x",
        }
        found = []
        for event in self.events:
            if isinstance(event, events.Statement):
                found.append("" if event.internal else "s")
            else:
                found.append(letters.get(type(event), ""))
        return "".join(found)


@dataclass(slots=True)
class Listener:
    """A server that must never be reached: it counts who connects, and hangs up."""

    port: int
    path: str
    connections: int = 0


@pytest.fixture(scope="session")
def listener() -> Iterator[Listener]:
    """A real listener on TCP and on a Unix socket named like PostgreSQL's, which nobody may ever reach."""
    with contextlib.ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = tcp.getsockname()[1]
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="dbm-test-", dir="/tmp"))
        path = f"{folder}/.s.PGSQL.{port}"
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind(path)
        unix.listen()
        found = Listener(port, path)
        stop = threading.Event()

        def serve(sock: socket.socket) -> None:
            sock.settimeout(0.05)
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    connection, _ = sock.accept()
                    found.connections += 1
                    connection.close()

        threads = [threading.Thread(target=serve, args=(sock,)) for sock in (tcp, unix)]
        for thread in threads:
            thread.start()
        try:
            yield found
        finally:
            stop.set()
            for thread in threads:
                thread.join()


OpenProject = Callable[..., contextlib.AbstractContextManager[Child]]

_SETTINGS: dict[str, dict[str, Any]] = {
    "flask_migrate": {"around": "shop:in_application"},
    "flask_command": {"around": "flask"},
    "built_config": {"alembic_config": "manage_built:alembic_config"},
    "offline_raises": {"name": "maindb", "x": ("host=db.invalid",)},
}


def _open(
    shape: str, folder: Path, allowed: Sequence[dict[str, str]], env: dict[str, str] | None
) -> contextlib.AbstractContextManager[Child]:
    if not folder.exists():
        shutil.copytree(PROJECTS / shape, folder)
    return open_child(load_project(folder, **_SETTINGS.get(shape, {})), allowed=allowed, env=env)


@pytest.fixture
def open_project(tmp_path: Path) -> OpenProject:
    """Opens a child for one of the projects, from a copy of it."""

    def opener(
        shape: str, *allowed: dict[str, str], env: dict[str, str] | None = None
    ) -> contextlib.AbstractContextManager[Child]:
        return _open(shape, tmp_path / shape, allowed, env)

    return opener


SharedChild = Callable[[str], Child]


@pytest.fixture(scope="session")
def shared_child(server: Server, listener: Listener, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedChild]:
    """One child for each of the projects, used by many tests, as one process serves many jobs."""
    folder = tmp_path_factory.mktemp("shared")
    env = {"LISTENER_PORT": str(listener.port)}
    with contextlib.ExitStack() as stack:

        @functools.cache
        def opener(shape: str) -> Child:
            return stack.enter_context(_open(shape, folder / shape, [server.conninfo().as_libpq()], env))

        yield opener
