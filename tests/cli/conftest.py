"""Running the command line in this process, with the library behind it replaced by one that records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import db_migrate
from db_migrate.cli import main
from db_migrate.config import Settings
from db_migrate.execute.progress import ProgressEvent, Unwatched, Watcher


@dataclass
class Outcome:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@dataclass
class Recorder:
    """Stands where the workspace is: notes each call and answers it with the next value, or raises it."""

    answers: list[object] = field(default_factory=list)
    calls: list[tuple[str, tuple[object, ...], dict[str, object]]] = field(default_factory=list)
    settings: Settings | None = None
    watcher: Watcher = field(default_factory=Unwatched)
    events: list[ProgressEvent] = field(default_factory=list)
    """What happens during each call."""

    def __getattr__(self, name: str) -> Callable[..., object]:
        def answer(*args: object, **named: object) -> object:
            self.calls.append((name, args, named))
            for event in self.events:
                self.watcher.happened(event)
            value = self.answers.pop(0)
            if isinstance(value, BaseException):
                raise value
            return value

        return answer


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty current folder, and no settings from the environment."""
    monkeypatch.chdir(tmp_path)
    for variable in ("DB_MIGRATE_URL", "DB_MIGRATE_TARGET", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run one command; its words are given as they are typed."""

    def call(*words: str) -> Outcome:
        code = main(words)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """The recorder, in the place of the library that the verbs call."""
    recorder = Recorder()

    @contextmanager
    def open_project(settings: Settings) -> Iterator[Recorder]:
        recorder.settings = settings
        yield recorder

    monkeypatch.setitem(vars(db_migrate), "open_project", open_project)
    return recorder
