"""A repository with a project in it and a branch, and programs that stand for those that reach a service."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.end_to_end.conftest import ROOT, Project, make_project

from db_migrate.postgres.conninfo import ConnInfo

_IDENTITY = {f"GIT_{who}_{what}": "x@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


@dataclass
class Runner:
    """A checkout in which a job runs: the folder, what programs it has, and the variables of every step."""

    project: Project
    origin: Path
    programs: Path
    temporary: Path

    @property
    def folder(self) -> Path:
        """Where the job begins."""
        return self.project.folder

    def git(self, *words: str) -> str:
        """Run git in the checkout."""
        environ = {**os.environ, **_IDENTITY}
        return subprocess.run(
            ["git", *words], cwd=self.folder, env=environ, check=True, capture_output=True, text=True
        ).stdout

    def push(self, branch: str, message: str) -> None:
        """Commit all there is to the branch and push it."""
        self.git("checkout", "-q", "-B", branch)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        self.git("push", "-q", "origin", branch)

    def program(self, name: str, text: str) -> None:
        """Put a program where steps find it first."""
        file = self.programs / name
        file.write_text(textwrap.dedent(text).lstrip())
        file.chmod(0o755)

    def run(self, shell: list[str], script: str, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a step's script as the service does."""
        path = os.pathsep.join([str(self.programs), os.environ["PATH"]])
        variables = {**self.project.environment, "PATH": path, **environ}
        return subprocess.run(
            [*shell, script], cwd=self.folder, env=variables, capture_output=True, text=True, check=False, timeout=120,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip


@pytest.fixture
def runner(tmp_path: Path, target_database: ConnInfo) -> Runner:
    """A checkout of `main` with one revision."""
    origin, programs, temporary, folder = (tmp_path / each for each in ("origin", "programs", "temporary", "work"))
    for each in (programs, temporary, folder):
        each.mkdir()
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", origin], check=True)
    project = make_project(folder, target_database)
    project.revision("a1", "op.execute('CREATE TABLE t (id bigint PRIMARY KEY, x text)')", "op.drop_table('t')")
    made = Runner(project, origin, programs, temporary)
    made.git("init", "-q", "-b", "main")
    made.git("remote", "add", "origin", origin.as_uri())
    (folder / ".gitignore").write_text("__pycache__\n")
    made.push("main", "one")
    made.program("db-migrate", f'#!/bin/sh\nexec "{sys.executable}" -m db_migrate "$@"\n')
    made.program("python", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    return made


SAFE = "op.add_column('t', sa.Column('y', sa.Text))"
SAFE_BACK = "op.drop_column('t', 'y')"
DROPS = "op.drop_column('t', 'x')"
DROPS_BACK = "op.add_column('t', sa.Column('x', sa.Text))"
__all__ = ["DROPS", "DROPS_BACK", "ROOT", "SAFE", "SAFE_BACK", "Runner"]
