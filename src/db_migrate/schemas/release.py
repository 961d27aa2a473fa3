"""The models of a release that is in production: exported from git and loaded in a jailed child of their own."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import structs

from db_migrate.catalog.objects import Catalog
from db_migrate.errors import ConfigurationError
from db_migrate.project import git
from db_migrate.project.child_process import open_child
from db_migrate.project.config import ProjectConfig, load_config
from db_migrate.project.inputs import is_installed
from db_migrate.project.jobs import LoadedModule
from db_migrate.schemas.asked import mapped
from db_migrate.schemas.models import Models, materialise
from db_migrate.schemas.scratch import Scratch, Started


def release_models(scratch: Scratch, ref: str, ground: Catalog) -> Models:
    """What the models declared at a git ref, made real on scratch as ``materialise`` does.

    Raises ``ConfigurationError``: ``release.git`` and ``release.unknown`` where there is no such ref,
    ``release.elsewhere`` where a module of the project did not come from the export, and what loading a project and
    its models raises.
    """
    project = scratch.project
    commit = git.commit_of(project.directory, ref)
    root = git.toplevel(project.directory).resolve()
    with TemporaryDirectory(prefix="db-migrate-release-") as temporary:
        exported = Path(temporary).resolve()
        git.export(root, commit, exported)
        there = _project_in(exported, root, project)
        allowed = [scratch.server.conninfo().as_libpq()]
        with open_child(there, allowed=allowed, first=tuple(_first(exported, root, project))) as child:
            with scratch.database("where the release came from") as empty:
                loaded = child.models(empty.as_libpq(), create=False, mappers=False, modules=True).facts.modules
            _check(loaded, exported, root, ref)
            started = Started(child, time.time(), noted=False)
            loading = replace(scratch, start_child=lambda _project: started, project=there)
            models = materialise(loading, lambda: (ground,))
            said = mapped(loading)
            facts = structs.replace(models.facts, mapped=said.mapped, attributes=said.attributes)
            return replace(models, facts=facts)


def _project_in(exported: Path, root: Path, project: ProjectConfig) -> ProjectConfig:
    """The same project in the export."""

    def moved(path: Path) -> Path:
        return exported / path.resolve().relative_to(root) if path.resolve().is_relative_to(root) else path

    if project.alembic_config is not None:
        return replace(
            project,
            ini=moved(project.ini) if project.ini else None,
            script_location=moved(project.script_location),
            version_locations=tuple(map(moved, project.version_locations)),
            directory=moved(project.directory),
            pyproject=moved(project.pyproject) if project.pyproject else None,
        )
    ini = moved(project.ini) if project.ini else None
    location = moved(project.script_location) if project.set_script_location else None
    directory = moved(project.directory)
    found = load_config(
        directory, ini=ini, name=project.name, x=project.x, around=project.around, script_location=location
    )
    return replace(found, only=project.only, tables=project.tables)


def _first(exported: Path, root: Path, project: ProjectConfig) -> Iterator[Path]:
    """Where the export has what Python otherwise finds in the working tree: on its path, or by an editable install."""
    yield exported / project.directory.resolve().relative_to(root)
    for entry in sys.path:
        path = Path(entry or ".").resolve()
        if path.is_relative_to(root) and not is_installed(f"{path}/"):
            yield exported / path.relative_to(root)
    yield from (folder for folder in (exported / "src", exported) if folder.is_dir())


def _check(loaded: Iterable[LoadedModule], exported: Path, root: Path, ref: str) -> None:
    """Raise where a module that the export has, or that lies in the working tree, was loaded from elsewhere."""
    for module in loaded:
        file = Path(module.file).resolve()
        if file.is_relative_to(exported):
            continue
        top = module.name.partition(".")[0]
        own = file.is_relative_to(root) and not is_installed(str(file))
        if not own and not any((exported / folder / top / "__init__.py").is_file() for folder in ("", "src")):
            continue
        raise ConfigurationError(
            "release.elsewhere",
            f"{module.name} was not loaded from the release {ref}",
            why=f"it came from {file}, as it does where the project is installed; its models are not those of {ref}",
            where=str(file),
            state="nothing was changed",
            next=("run db-migrate where the project itself is not installed, or installed as editable",),
        )
