"""The diagnosis of a folder of revisions that is none; and how files are put into one that is."""

from __future__ import annotations

import os
import re
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path

from db_migrate.catalog.objects import Value
from db_migrate.project.files import no_folder
from db_migrate.repair.finding import checkout, commit_with
from db_migrate.repair.reading import folders_nearby
from db_migrate.repair.registry import Case, Need, diagnosis
from db_migrate.repair.view import View
from db_migrate.results import Cure
from db_migrate.rules.finding import Severity


@diagnosis("graph.folder", Severity.ERROR, Need.FILES)
def wrong_folder(view: View) -> Iterator[Case]:
    """Where revisions should be is no folder, a link that leads nowhere, or nothing while they are somewhere else."""
    for location in view.reading.folders:
        error, commit = no_folder(location), commit_with(location)
        nearby = folders_nearby(view.project)
        evidence: dict[str, Value] = {"why": error.why, "found_in": tuple(map(str, nearby)), "commit": commit}
        if commit:
            cure = Cure(checkout(commit, location), f"makes it the folder that it is in {commit}")
        elif nearby:
            cure = _to(nearby[0], location, view)
        else:
            cure = Cure(f"ls -ld {shlex.quote(str(location))}", "shows what is there; git knows no folder of that name")
        yield Case(str(location), error.message, cure, evidence)


def write_whole(file: Path, content: bytes) -> None:
    """Give a file, which need not be there, this content, whole or not at all, with the rights that it has or would."""
    file.parent.mkdir(parents=True, exist_ok=True)
    mask = os.umask(0)
    os.umask(mask)
    mode = file.stat().st_mode if file.exists() else 0o666 & ~mask
    descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.stem}-", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(content)
        Path(temporary).chmod(mode)
        Path(temporary).replace(file)
    finally:
        Path(temporary).unlink(missing_ok=True)


def copied_aside(file: Path) -> Path:
    """A copy of an edited file beside it, which no earlier one makes way for; that of a run that was killed is used."""
    content, number = file.read_bytes(), 1
    kept = file.with_suffix(".py.edited")
    while kept.exists() and kept.read_bytes() != content:
        number += 1
        kept = file.with_suffix(f".{number}.py.edited")
    write_whole(kept, content)
    return kept


def _to(folder: Path, location: Path, view: View) -> Cure:
    """What lets Alembic look into the folder where the revisions are."""
    project = view.project
    file = project.ini or project.pyproject
    if location.is_symlink() or file is None or not folder.is_relative_to(file.parent):
        command = f"ln -sfn {shlex.quote(str(folder))} {shlex.quote(str(location))}"
        return Cure(command, f"lets it lead to {folder}, where revisions are")
    value = f"version_locations = %(here)s/{folder.relative_to(file.parent).as_posix()}"
    if file.suffix == ".toml":
        key, _, text = value.partition(" = ")
        value = f'{key} = ["{text}"]'
    said = re.search(r"^version_locations\s*=", file.read_text(encoding="utf-8"), re.MULTILINE)
    edit = rf"s|^version_locations *=.*|{value}|" if said else rf"s|^(script_location *=.*)|\1\n{value}|"
    command = f"sed -i -E {shlex.quote(edit)} {shlex.quote(str(file))}"
    return Cure(command, f"lets Alembic look into {folder}, where revisions are")
