"""The wheel carries what an installed db-migrate needs, and nothing names the machine it was made on."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of the files in the wheel that is built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, ROOT]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        return set(archive.namelist())


def test_the_wheel_carries_the_example(wheel: set[str]) -> None:
    """`db-migrate demo` works where there is no checkout: every file of the example is in the wheel, and no more."""
    listed = subprocess.run(["git", "ls-files", "examples/mesh"], cwd=ROOT, capture_output=True, text=True, check=True)
    tracked = {f"db_migrate/_examples/mesh/{each.removeprefix('examples/mesh/')}" for each in listed.stdout.split()}
    assert tracked - wheel == set()
    extra = {each for each in wheel if each.startswith("db_migrate/_examples/")} - tracked
    assert not {each for each in extra if "__pycache__" in each or "/.db-migrate/" in each}


def test_the_wheel_carries_what_is_not_python(wheel: set[str]) -> None:
    """SQL files, the stand-ins for extensions and the mark of a typed package are in the wheel."""
    source = ROOT / "src"
    for file in source.rglob("*"):
        if file.suffix in (".sql", ".control", ".typed") or file.name == "py.typed":
            assert str(file.relative_to(source)) in wheel


def test_the_wheel_carries_what_init_copies(wheel: set[str]) -> None:
    """The action, the job of GitLab and the skill get into projects from an installed package too."""
    assert {
        "db_migrate/_ci/action.yml",
        "db_migrate/_ci/ci/gitlab.yml",
        "db_migrate/_skills/db-migrate/SKILL.md",
    } <= wheel


def test_the_wheel_has_the_command_and_the_licence(wheel: set[str]) -> None:
    """The entry point and the licence are in the metadata."""
    assert any(each.endswith(".dist-info/entry_points.txt") for each in wheel)
    assert any(each.endswith(".dist-info/licenses/LICENSE") for each in wheel)


def test_requirements_are_pinned_and_hashed() -> None:
    """Every requirement has one version and hashes; no index address stands in the files."""
    for name in ("runtime.txt", "dev.txt"):
        text = (ROOT / "requirements" / name).read_text("utf-8")
        pins = re.findall(
            r"^[a-z0-9._-]+(?:\[[a-z0-9,-]+\])?==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", text, re.MULTILINE
        )
        starts = re.findall(r"^[a-z0-9]", text, re.MULTILINE)
        assert pins
        assert len(pins) == len(starts)
        assert "://" not in text
        assert "--index" not in text
        assert "--find-links" not in text
