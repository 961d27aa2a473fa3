"""Small real projects, one for each shape of env.py, and what is needed to watch them."""

from __future__ import annotations

import contextlib
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

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


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    """A real listener on TCP and on a Unix socket named like PostgreSQL's."""
    with contextlib.ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = tcp.getsockname()[1]
        path = str(tmp_path / f".s.PGSQL.{port}")
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
    "built_config": {"alembic_config": "manage_built:alembic_config"},
    "offline_raises": {"name": "maindb", "x": ("host=db.invalid",)},
}


@pytest.fixture
def open_project(tmp_path: Path) -> OpenProject:
    """Opens a child for one of the projects, from a copy of it."""

    @contextlib.contextmanager
    def opener(
        shape: str, *allowed: dict[str, str], env: dict[str, str] | None = None, **options: Any
    ) -> Iterator[Child]:
        folder = tmp_path / shape
        if not folder.exists():
            shutil.copytree(PROJECTS / shape, folder)
        config = load_project(folder, **_SETTINGS.get(shape, {}))
        with open_child(config, allowed=allowed, env=env, **options) as child:
            yield child

    return opener
