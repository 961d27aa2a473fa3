"""What keeps an Alembic project from being found where its ini file is: told before anything of it can be looked at."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from db_migrate.catalog.objects import Value
from db_migrate.errors import ConfigurationError
from db_migrate.repair.finding import changed_in_git, checkout, commit_with, python_files
from db_migrate.results import Cure, Diagnosis
from db_migrate.rules.finding import Severity

SCRIPTS = "project.scripts"
_SAID = re.compile(r"^script_location\s*=", re.MULTILINE)


def no_project(error: ConfigurationError, section: str) -> Diagnosis:
    """The diagnosis of a project that is configured and cannot be found; ``section`` is that of the ini file."""
    file = Path(error.where)
    evidence: dict[str, Value] = {"why": error.why, "where": error.where}
    if error.code == SCRIPTS:
        found = _folders(file.parent)
        evidence["found_in"] = tuple(map(str, found))
        cure = _to(found[0], _saying(file), section) if found else _without_folder(file.parent)
    else:
        told = (Cure(each.replace(" status", " doctor"), "looks at the section that is there") for each in error.next)
        cure = next(told, None) or _readable(file)
    return Diagnosis(error.code, Severity.ERROR, error.where, error.message, evidence, cure)


def _folders(root: Path) -> Sequence[Path]:
    """Folders with an ``env.py`` of Alembic's; where git misses one, only those that it does not know."""
    found = [each.parent for each in python_files(root) if each.name == "env.py" and _is_alembics(each)]
    if changed_in_git(root, "env.py"):
        return [each for each in found if not commit_with(each / "env.py")]
    return found


def _is_alembics(env: Path) -> bool:
    beside = any((env.parent / name).exists() for name in ("versions", "script.py.mako"))
    return beside and "alembic" in env.read_text(encoding="utf-8", errors="replace")


def _saying(file: Path) -> Path:
    """The file that says where the scripts are: it, or the pyproject.toml beside it."""
    pyproject = file.with_name("pyproject.toml")
    says = file.is_file() and _SAID.search(file.read_text(encoding="utf-8", errors="replace"))
    return file if says or not pyproject.is_file() or not _SAID.search(pyproject.read_text("utf-8")) else pyproject


def _to(folder: Path, file: Path, section: str) -> Cure:
    relative = folder.relative_to(file.parent).as_posix()
    value = f"script_location = %(here)s/{relative}"
    header = rf"/^\[{re.escape(section)}\]/"
    if file.suffix == ".toml":
        value, header = f'script_location = "%(here)s/{relative}"', r"/^\[tool\.alembic\]/"
    edit = rf"{header},/^\[/s|^script_location *=.*|{value}|"
    if not _SAID.search(file.read_text(encoding="utf-8", errors="replace")):
        edit = f"{header}a {value}"
    command = f"sed -i -E {shlex.quote(edit)} {shlex.quote(str(file))}"
    return Cure(command, f"lets Alembic look into {folder}, which has an env.py, whatever the current folder is")


def _without_folder(root: Path) -> Cure:
    for path in changed_in_git(root, "env.py"):
        return Cure(checkout("HEAD", root / path), "makes it the file that was committed last")
    effect = "there is none beside it; script_location has to name the folder that has one"
    return Cure(f"find {shlex.quote(str(root))} -name env.py", effect)


def _readable(file: Path) -> Cure:
    if file.is_symlink() and (commit := commit_with(file)):
        return Cure(checkout(commit, file), f"makes it the file that it is in {commit}")
    if file.is_symlink():
        return Cure(f"ls -l {shlex.quote(str(file))}", "put the file that it names there, or the right one here")
    return Cure(f"cat -n {shlex.quote(str(file))}", "shows the lines with their numbers; nothing can be told before")
