"""A scratch server that another session of the same user has started: where its socket is, that session chose."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.schemas.projects import ENV, INI

from db_migrate.project.config import load_config
from db_migrate.project.jobs import ModelFacts
from db_migrate.schemas.scratch import Scratch, open_scratch

from .servers import holder

MODELS = """
from sqlalchemy import Column, Integer, MetaData, Table

metadata = MetaData()
Table("things", metadata, Column("id", Integer, primary_key=True))
"""


@pytest.fixture
def project(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project, whose scratch server has its data in ``folder``; no variable says where sockets are."""
    for name, text in (("alembic.ini", INI), ("migrations/env.py", ENV), ("models.py", MODELS)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("DB_MIGRATE_RUNTIME_DIR", str(folder))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    return tmp_path


def session(*, xdg: Path | None = None) -> dict[str, str]:
    """The environment of another session, which only knows where the data is."""
    environ = {name: value for name, value in os.environ.items() if name != "DB_MIGRATE_RUNTIME_DIR"}
    return {**environ, "XDG_RUNTIME_DIR": str(xdg)} if xdg else environ


def declared(scratch: Scratch) -> ModelFacts:
    """What the project's own code says, for which it connects to scratch."""
    with scratch.database("another session") as database:
        return scratch.child.models(database.as_libpq(), create=True, mappers=False, modules=False).facts


@pytest.mark.parametrize("has_xdg", [True, False])
def test_the_server_of_another_session_is_used(project: Path, folder: Path, *, has_xdg: bool) -> None:
    """The project's code, in its jail, may connect to the server that runs, wherever it listens."""
    xdg = folder / "session"
    xdg.mkdir(mode=0o700)
    with holder(folder, session(xdg=xdg if has_xdg else None)), open_scratch(load_config(project), None) as scratch:
        assert declared(scratch).has_metadata
        assert str(folder / "session") in str(scratch.server.socket_dir) or not has_xdg


def test_a_server_that_another_session_starts_after_us_is_used(project: Path, folder: Path) -> None:
    """The child is there first; the server that it comes to is another session's."""
    with open_scratch(load_config(project), None) as scratch:
        assert scratch.child  # is started
        with holder(folder, session()):
            assert declared(scratch).has_metadata
            assert folder not in scratch.server.socket_dir.parents
