"""Where things go: the folder of the Alembic project, and that of the repository that it is in."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from db_migrate.errors import ConfigurationError
from db_migrate.project.config import ProjectConfig
from db_migrate.project.git import GitFailed, toplevel

FLASK = "flask"
"""The value of the setting ``around`` for the application that ``flask db`` finds."""
_FLASK = re.compile(r"^\s*(from\s+flask\s+import\b.*\bcurrent_app\b|import\s+flask\b)", re.MULTILINE)
_PLACEHOLDER = "driver://user:pass@localhost/dbname"
"""What ``alembic init`` writes as ``sqlalchemy.url``."""
_NO_MODELS = re.compile(r"^target_metadata = (None|\{\})\s*$", re.MULTILINE)
_DEPTH = ("*/alembic.ini", "*/*/alembic.ini", "*/migrations/alembic.ini")


@dataclass(frozen=True, slots=True)
class Place:
    """``project`` is where commands are run, ``root`` the repository, which is the same folder where git has none."""

    config: ProjectConfig
    project: Path
    root: Path
    is_repository: bool
    remotes: str

    @property
    def inside(self) -> str:
        """The project's folder within the repository, ``.`` where it is the same."""
        return self.project.relative_to(self.root).as_posix()

    @property
    def suffix(self) -> str:
        """What keeps files of several projects in one repository apart; nothing for the one at its root."""
        return "" if self.inside == "." else "-" + re.sub(r"[^A-Za-z0-9]+", "-", self.inside).strip("-")

    def is_named_in(self, text: str) -> bool:
        """Whether the text of a file at the repository's root is about this project: it names its folder."""
        inside = self.inside
        return inside == "." or re.search(rf"(?<![\w./-]){re.escape(inside)}(?![\w-])", text) is not None

    @property
    def uses_flask(self) -> bool:
        """Whether env.py asks the current Flask application, as Flask-Migrate's does."""
        return _FLASK.search(self._env) is not None

    @property
    def lacks_url(self) -> bool:
        """Whether the ini file still has the address that ``alembic init`` put there."""
        ini = self.config.ini
        return ini is not None and _PLACEHOLDER in ini.read_text("utf-8", "replace")

    @property
    def lacks_models(self) -> bool:
        """Whether env.py still has no metadata, as ``alembic init`` left it."""
        return _NO_MODELS.search(self._env) is not None

    @property
    def env(self) -> Path:
        """The file env.py."""
        return self.config.script_location / "env.py"

    @property
    def _env(self) -> str:
        return self.env.read_text("utf-8", "replace")


def place_of(config: ProjectConfig) -> Place:
    """Where the files of this project go."""
    project = config.directory.resolve()
    try:
        root = toplevel(project).resolve()
    except GitFailed:
        return Place(config, project, project, False, "")
    listed = subprocess.run(["git", "-C", str(root), "remote", "-v"], capture_output=True, text=True, check=False)
    return Place(config, project, root, True, listed.stdout)


def without_project(error: ConfigurationError, folder: Path) -> ConfigurationError:
    """The error for a folder without an Alembic project: what makes one, or where there is one further down."""
    below = sorted({each.relative_to(folder) for pattern in _DEPTH for each in folder.glob(pattern)})
    if below:
        found = below[0].parent.parent if below[0].parent.name == "migrations" else below[0].parent
        why, next_ = f"but there is {', '.join(map(str, below))}", [f"cd {found} && db-migrate init"]
    else:
        why = "init sets up db-migrate for a project of Alembic's, and does not make one; Flask-Migrate: flask db init"
        next_ = ["alembic init alembic", "db-migrate init"]
    message = "there is no Alembic project here" if error.code == "project.not-found" else error.message
    return ConfigurationError(error.code, message, why=why, where=str(folder), state="no file was written", next=next_)
