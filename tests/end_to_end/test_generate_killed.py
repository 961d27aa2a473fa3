"""What is left of ``generate`` when it is killed, interrupted or ended at each of its steps: nothing, or all of it."""

from __future__ import annotations

import contextlib
import itertools
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .conftest import Project
from .test_killed import descendants

LONG = os.environ.get("DB_MIGRATE_TEST_LONG") == "1"

GATE = """
import pathlib
import time

HERE = pathlib.Path(__file__).parent


def gate(name):
    if (HERE / f"stop-at-{name}").exists():
        (HERE / f"reached-{name}").touch()
        while (HERE / f"stop-at-{name}").exists():
            time.sleep(0.01)
"""
MODELS = """
import sqlalchemy as sa

from gates import gate

gate("dispose")


class Base:
    metadata = sa.MetaData()


sa.Table("t", Base.metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("old", sa.Text),
         sa.Column("gone", sa.Boolean))
"""
CHANGED = MODELS.replace('"old"', '"new"').replace(
    'sa.Column("gone", sa.Boolean)', 'sa.Column("n", sa.Integer, index=True, nullable=False)'
)
ENV = """
import os

from alembic import context
from sqlalchemy import create_engine, pool

from gates import HERE, gate
from models import Base


def proposing(context, revision, directives):
    gate("propose")


def applied(step, **_):
    if not list((HERE / "migrations" / "versions").glob(f"{step.up_revision_id}*")):
        gate("prove")


engine = create_engine(os.environ["DATABASE_URL"], poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata,
                      process_revision_directives=proposing, on_version_apply=applied)
    with context.begin_transaction():
        context.run_migrations()
"""
TEMPLATE = """<%
from gates import gate

gate("make-safe")
%>
import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade():
    ${upgrades if upgrades else "pass"}


def downgrade():
    ${downgrades if downgrades else "pass"}
"""
HOOK = """
import sys

from gates import gate

gate("write")
text = open(sys.argv[1]).read()
open(sys.argv[1], "w").write(text.replace("def upgrade():", "def upgrade():  # hooked"))
"""
INI = """
[post_write_hooks]
hooks = own
own.type = exec
own.executable = %(here)s/hook
own.options = REVISION_SCRIPT_FILENAME
"""
STEPS = ("propose", "dispose", "ask", "make-safe", "write", "prove")
"""Where it is stopped: in the hook of autogenerate, in the models, at the question, when the safe revision is made a
file by the template, in the hook after that, and while the file is run."""
SIGNALS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
CASES = list(itertools.product(STEPS, SIGNALS)) if LONG else list(zip(STEPS, SIGNALS * 2, strict=True))
FLAGS = ("--rename", "t.old=t.new", "--backfill", "t.n=1")


@pytest.fixture
def gated(project: Project) -> Project:
    """A project that can be stopped at each step, with a change to be generated: a rename, a drop, a backfill."""
    project.write("gates.py", GATE)
    project.write("models.py", MODELS)
    project.write("migrations/env.py", ENV)
    project.write("migrations/script.py.mako", TEMPLATE)
    project.write("db-migrate.toml", 'revision_ids = "sequential"\n')
    (project.folder / "alembic.ini").write_text((project.folder / "alembic.ini").read_text() + INI)
    project.write("hook.py", HOOK)
    hook = project.write("hook", f'#!/bin/sh\nexec "{sys.executable}" "$(dirname "$0")/hook.py" "$@"\n')
    hook.chmod(0o755)
    assert project.run("generate", "-m", "first").code == 0
    project.write("models.py", CHANGED)
    return project


def test_what_is_left_of_generate(gated: Project) -> None:
    """At no step does a half-written file stay; the exit code and the message say what happened; then it works."""
    versions = gated.folder / "migrations" / "versions"
    before = _contents(versions)
    for step, number in CASES:
        code, error = _stopped(gated, step, number)
        assert _contents(versions) == before, (step, number)
        if number is signal.SIGINT:
            assert code == 130, (step, error)
            for words in ("error[interrupted]", "nothing was written", "db-migrate generate -m change"):
                assert words in error, (step, error)
        else:
            assert code == -number, (step, error)
        assert "Traceback" not in error, (step, error)
    done = gated.run("generate", "-m", "change", *FLAGS)
    assert done.code == 0, done.err
    written = _contents(versions)
    assert sorted(written.keys() - before.keys()) == [
        "0002_change.py",
        "0003_change_backfill.py",
        "0004_change_contract.py",
    ]
    assert all("# hooked" in text for text in written.values())


def _contents(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir() if file.is_file()}


def _stopped(project: Project, step: str, number: signal.Signals) -> tuple[int, str]:
    """Start it, stop it at the step, send the signal; its exit code and what it had to say."""
    asked = step == "ask"
    flags = () if asked else FLAGS
    stop, reached = (project.folder / f"{word}-{step}" for word in ("stop-at", "reached"))
    if not asked:
        stop.touch()
    with _terminal() as (ours, theirs):
        process = subprocess.Popen(
            project.command("generate", "-m", "change", *flags),
            cwd=project.folder,
            env={**project.environment, "NO_COLOR": "1"},
            stdin=theirs if asked else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=theirs,
            start_new_session=True,
        )
        said = _until(ours, process, lambda text: "renamed to" in text if asked else reached.exists())
        children = descendants(process.pid)
        if number is signal.SIGINT:
            os.killpg(process.pid, number)  # as the terminal does it: everybody gets it
        else:
            process.send_signal(number)
        code = process.wait(60)
        said += _until(ours, process, lambda _: True)
    _gone(children)  # before they could go on: what they start would find the gates of the next case
    stop.unlink(missing_ok=True)
    reached.unlink(missing_ok=True)
    return code, said


@contextlib.contextmanager
def _terminal() -> Iterator[tuple[int, int]]:
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    try:
        yield ours, theirs
    finally:
        os.close(ours)
        os.close(theirs)


def _until(ours: int, process: subprocess.Popen[bytes], there: Callable[[str], bool]) -> str:
    """What is said on the terminal until something is there."""
    said = ""
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(BlockingIOError, OSError):
            while text := os.read(ours, 65536).decode(errors="replace"):
                said += text
        if there(said):
            return said
        assert process.poll() is None, said
        assert time.monotonic() < deadline, said
        time.sleep(0.02)


def _gone(pids: list[int]) -> None:
    """Wait until none of the processes runs any more that ran the project's code."""
    deadline = time.monotonic() + 20
    while any(_runs_user_code(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _runs_user_code(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return b"project.child" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False
