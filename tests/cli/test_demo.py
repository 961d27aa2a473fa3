"""The demo, as a user runs it: in an empty folder, with nothing set up."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def test_the_demo_walks_through_the_whole_workflow(tmp_path: Path) -> None:
    """Every command of the demo ends as it should, and each step's real output is shown."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("DB_MIGRATE_", "DATABASE_URL"))}
    command = [sys.executable, "-m", "db_migrate", "demo", "project"]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    commands = [line.split()[2] for line in done.stdout.splitlines() if line.startswith("$ db-migrate ")]
    assert set(commands) == {"status", "apply", "drift", "plan", "verify", "test", "rollback"}
    for shown in (
        "default: 'member'::character varying → 'admin'::character varying",
        "- index public.ix_mesh_instances_owner_id",
        "error[drop-column]",
        "[create-index-blocking]",
        "✓ verified",
        "passed, 0 failed",
    ):
        assert shown in done.stdout
    assert "error[plan.findings]" in done.stderr
    assert (tmp_path / "project" / "plan.sql").read_text("utf-8").startswith("-- upgrade 0020 -> 0103")


def test_a_demo_that_is_interrupted_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-C in one of its commands ends the demo like any command, and its temporary folder is gone."""
    script = "import sys\nfrom db_migrate.demo import walk\nsys.exit(walk(lambda _words: 130, None))"
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=False)
    assert done.stderr.rstrip().endswith("KeyboardInterrupt")
    assert not list(tmp_path.glob("db-migrate-demo-*"))


def test_the_demo_leaves_a_used_folder_alone(tmp_path: Path) -> None:
    """A folder that is not empty is refused, and what is in it stays."""
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    command = [sys.executable, "-m", "db_migrate", "demo", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "error[demo.folder]" in done.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["mine.txt"]


@pytest.fixture
def no_example(tmp_path: Path) -> Path:
    """A copy of the package without its example."""
    import shutil

    import db_migrate

    copied = tmp_path / "lib" / "db_migrate"
    shutil.copytree(Path(db_migrate.__file__).parent, copied, ignore=shutil.ignore_patterns("_examples", "__pycache__"))
    return copied.parent


def test_an_installation_without_the_example_says_so(no_example: Path, tmp_path: Path) -> None:
    """Without the example the demo fails with a reason and not with a traceback."""
    environ = {**os.environ, "PYTHONPATH": str(no_example)}
    command = [sys.executable, "-m", "db_migrate", "demo", str(tmp_path / "project")]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "error[demo.missing]" in done.stderr
