"""Small projects on disk, and pytest run in them as their developers would."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
MESH = Path(__file__).parents[2] / "examples" / "mesh"


@dataclass(frozen=True)
class Mapped:
    """What the ORM would say of one class."""

    table: str
    name: str
    module: str
    file: str | None


@dataclass(frozen=True)
class Project:
    """A project's folder."""

    root: Path

    def write(self, files: Mapping[str, str]) -> None:
        """Write or replace files; the texts may be indented."""
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))

    def mapped(self, file: str, **tables: str) -> list[Mapped]:
        """Classes of one file and their tables; the module's name is from the project's root."""
        path = Path(file)
        parts = path.parent.parts if path.name == "__init__.py" else path.with_suffix("").parts
        return [Mapped(table, name, ".".join(parts), str(self.root / file)) for name, table in tables.items()]

    def pytest(self, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run pytest with our plugin, and no other, in the project, in a fresh process."""
        command = [sys.executable, "-m", "pytest", "-p", "db_migrate.testing.plugin", "-p", "no:cacheprovider", *args]
        return subprocess.run(
            command,
            cwd=self.root,
            env=environment(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", **env),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )


def environment(**more: str) -> dict[str, str]:
    """This process's environment for a project's own pytest."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "DB_MIGRATE_"))}
    return {**inherited, "PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1", **more}


@pytest.fixture
def project(tmp_path: Path) -> Callable[[Mapping[str, str]], Project]:
    """Make a project of these files."""

    def make(files: Mapping[str, str]) -> Project:
        made = Project(tmp_path / "project")
        made.write({"pyproject.toml": "", **files})
        return made

    return make
