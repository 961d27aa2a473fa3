"""A scratch server that loses its files, or ends, while it is used: told as that, and no revision is blamed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from tests.trace.trace_lab import open_lab

from db_migrate.errors import ConnectionLost
from db_migrate.postgres import binaries
from db_migrate.postgres.instance import read_state, scratch_instance
from db_migrate.postgres.server import running
from db_migrate.postgres.session import connect
from db_migrate.project import events
from db_migrate.project.child_process import Link
from db_migrate.schemas.replay import Witness
from db_migrate.trace.run import install

from .servers import wait_until


def test_what_becomes_of_the_server_is_told(folder: Path, tmp_path: Path) -> None:
    """When its installation is replaced, when it is killed within a revision, and when somebody asks it after that."""
    found = binaries.embedded()
    installed = tmp_path / "installed"
    shutil.copytree(found.bindir.parent, installed)
    found = replace(found, bindir=installed / "bin")
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(running(scratch_instance(found, folder), found))
        state = read_state(server.instance)
        assert state is not None
        lab = stack.enter_context(open_lab(server, tmp_path / "project"))
        revision = lab._add("op.execute('CREATE TABLE a (id int)')", None)
        database = server.conninfo("postgres")
        told = stack.enter_context(contextlib.closing(connect(server.conninfo(), told=True)))

        installed.rename(tmp_path / "away")
        with pytest.raises(ConnectionLost) as caught:
            install(database)
        assert (caught.value.code, caught.value.exit_code) == ("scratch.broken", 4)
        (tmp_path / "away").rename(installed)
        install(database)

        class Killing(Witness):
            def event(self, event: events.Event, link: Link) -> None:
                super().event(event, link)
                if isinstance(event, events.StepBegin):
                    os.kill(state.postmaster, signal.SIGKILL)
                    wait_until(lambda: not server.listens())

        with pytest.raises(ConnectionLost) as caught:
            lab.scratch.migrate("upgrade", revision, database, Killing())
        assert caught.value.code == "scratch.lost"
        for ask in (lambda: told.execute("SELECT 1"), lambda: connect(server.conninfo())):
            with pytest.raises(ConnectionLost) as caught:
                ask()
            assert (caught.value.code, caught.value.where) == ("scratch.lost", str(server.socket_dir))
