"""A command that changes a target leaves half of the machine to the site, but not while it holds its locks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from .conftest import Project

LOOK = """
import json, os, pathlib, sys, time

command, moment, runtime = int(sys.argv[1]), sys.argv[2], os.environ.get("DB_MIGRATE_RUNTIME_DIR", "-")

def of(pid):
    return [os.sched_getscheduler(pid) == os.SCHED_BATCH, len(os.sched_getaffinity(pid))]

def children(pid):
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            yield int(stat.parent.name)

servers = [pid for pid in children(command) if pid != os.getpid()]
named = [
    int(file.parent.name) for file in pathlib.Path("/proc").glob("[0-9]*/cmdline")
    if b"db_migrate.postgres.supervisor" in file.read_bytes() and runtime.encode() in file.read_bytes()
]
time.sleep(0.2)  # the command has gone on since it started this
with open("seen.jsonl", "a") as file:
    print(json.dumps({
        "moment": moment, "hook": of(0), "command": of(command),
        "children": [of(each) for server in servers for each in children(server)],
        "scratch": [of(each) for each in named],
    }), file=file)
"""


pytestmark = pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="the kernel has no such thing")

CORES = len(os.sched_getaffinity(0))
ORDINARY, GENTLE = [False, CORES], [True, CORES - CORES // 2]


def seen_by_hooks(project: Project, *moments: str, environment: Mapping[str, str], **how: Any) -> list[dict[str, Any]]:
    """What hooks see of an ``apply`` that is a process of its own."""
    project.revision("r1", "op.execute('CREATE TABLE a (id int)')", "op.execute('DROP TABLE a')")
    project.write("look.py", LOOK)
    hooks = ", ".join(f'{moment} = ["exec {sys.executable} look.py $PPID {moment}"]' for moment in moments)
    project.write("db-migrate.toml", f"hooks = {{ {hooks} }}")
    done = subprocess.run(
        project.command("apply", "--yes"),
        cwd=project.folder,
        env={**project.environment, **environment},
        capture_output=True,
        text=True,
        check=False,
        **how,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in (project.folder / "seen.jsonl").read_text().splitlines()]


def test_a_run_gives_way_until_it_holds_locks(project: Project, tmp_path: Path) -> None:
    """Hooks and the scratch server, which outlive it or are somebody else's, are as if nothing were."""
    own = {"DB_MIGRATE_RUNTIME_DIR": str(tmp_path / "runtime")}
    before, within = seen_by_hooks(project, "before_run", "before_revision", environment=own)

    proving, executing = GENTLE, ORDINARY
    assert before == {
        "moment": "before_run",
        "hook": ORDINARY,
        "command": GENTLE,
        "children": [proving],
        "scratch": [ORDINARY],
    }
    assert (within["hook"], within["command"]) == (ORDINARY, ORDINARY)
    assert sorted(within["children"]) == sorted([proving, executing])


def test_what_somebody_has_set_stays(project: Project) -> None:
    """A command that was started as a batch job is one to its end, on all the cores that it was given."""

    def become_batch() -> None:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))

    (seen,) = seen_by_hooks(project, "before_revision", environment={}, preexec_fn=become_batch)

    assert seen["command"] == [True, CORES]
