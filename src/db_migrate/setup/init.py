"""``init``: what a project needs, what of it is there, and what comes next."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from db_migrate.agent.skill import NAME, default_folder, skill_files
from db_migrate.errors import ConfigurationError, Refused, UsageError
from db_migrate.results import Init, NextStep
from db_migrate.setup.baseline import FINDINGS, First, first_revision, known_findings
from db_migrate.setup.ci import ACTION, ci_files, copied, source
from db_migrate.setup.hook import hook_file
from db_migrate.setup.place import FLASK, Place, place_of, without_project
from db_migrate.setup.proposal import UNTOUCHED, Proposed, write
from db_migrate.setup.settings_file import settings_file
from db_migrate.workspace import Workspace, open_project

Agree = Callable[[Init], bool | None]
"""Shows what would be written and asks; None: nobody is there to answer."""


@dataclass(frozen=True, slots=True)
class Setup:
    """All files that a project needs, as they are and as they would be."""

    place: Place
    files: tuple[Proposed, ...]
    next: tuple[NextStep, ...]
    warnings: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether nothing has to be written."""
        return all(each.action == "unchanged" for each in self.files)

    def result(self) -> Init:
        """What would be done."""
        shown = tuple(each.shown() for each in self.files)
        return Init(folder=str(self.place.project), files=shown, next=self.next, warnings=self.warnings)


def init(workspace: Workspace, agree: Agree, *, dry_run: bool = False) -> Init:
    """Find what the project lacks and write it when ``agree`` says so.

    Raises ``ConfigurationError`` without a project and ``Refused`` where a file cannot be merged with: then nothing is
    written.
    """
    setup = propose(workspace)
    result = setup.result()
    if setup.complete or dry_run:
        return result
    agreed = agree(result)
    if agreed is None:
        error = UsageError(
            "init.consent",
            "nobody agreed to what would be written",
            why="there is no terminal to ask on",
            state=UNTOUCHED,
            next=["db-migrate init --yes"],
        )
        return replace(result, error=error.report(), exit_code=error.exit_code)
    if not agreed:
        declined = Refused("init.declined", "declined", state=UNTOUCHED, next=["db-migrate init --dry-run"])
        return replace(result, error=declined.report(), exit_code=declined.exit_code)
    write(setup.files)
    return replace(result, written=True)


def propose(workspace: Workspace) -> Setup:
    """What the project needs. Nothing is written; scratch is used for the baselines. Raises as ``init`` does."""
    try:
        config = workspace.project
    except ConfigurationError as error:
        if error.code != "project.not-found":
            raise
        raise without_project(error, Path.cwd()) from error
    place = place_of(config)
    warnings: list[str] = []
    first = baseline = None
    with _able(workspace, place) as able:
        if able.graph.revisions and workspace.settings.file is None:
            baseline = known_findings(able, place, warnings)
        elif not able.graph.revisions and not place.lacks_url:
            first = first_revision(able, warnings)
    more = {"baseline": FINDINGS} if baseline is not None else {}
    files = (
        settings_file(place, workspace.settings, more),
        *([baseline] if baseline is not None else []),
        hook_file(place),
        *ci_files(place),
        *_skill(place),
        *(first.files if first is not None else ()),
    )
    warnings += _edited(files, place)
    return Setup(place, files, tuple(_next(workspace, place, files, first)), tuple(warnings))


@contextmanager
def _able(workspace: Workspace, place: Place) -> Iterator[Workspace]:
    """The workspace as it is with the settings that are going to be written: Flask's env.py needs them."""
    if not _needs_flask(workspace, place):
        yield workspace
        return
    with open_project(replace(workspace.settings, around=FLASK)) as able:
        yield able


def _needs_flask(workspace: Workspace, place: Place) -> bool:
    return place.uses_flask and workspace.settings.around is None


def _skill(place: Place) -> Iterator[Proposed]:
    folder = default_folder(place.root) / NAME
    for name, content in skill_files().items():
        yield copied(folder / name, "the skill for coding agents", content)


def _edited(files: tuple[Proposed, ...], place: Place) -> Iterator[str]:
    """Copies that are not as this version has them: they stay, and are named."""
    skill = default_folder(place.root) / NAME
    ours = {skill / name: content for name, content in skill_files().items()}
    ours[place.root / ACTION] = source("action.yml").encode()
    differs = [each for each in files if each.path in ours and each.after != ours[each.path]]
    names = [each.shown().path for each in differs]
    if names:
        yield (
            f"left as it is, edited or of another version: {', '.join(names)}. To have it anew, remove it and run "
            "db-migrate init"
        )


def _next(workspace: Workspace, place: Place, files: tuple[Proposed, ...], first: First | None) -> Iterator[NextStep]:
    """What a person does when the files are there, in order."""
    env, ini = (_relative(each) for each in (place.env, place.config.ini))
    if place.lacks_url:
        yield NextStep(f"put the address of the database into {ini}: sqlalchemy.url")
    if place.lacks_models and not workspace.graph.revisions:
        yield NextStep(f"import the models in {env}, and let target_metadata be their metadata")
    if _needs_flask(workspace, place) and workspace.settings.file is not None:
        yield NextStep(f'add around = "{FLASK}" to the settings in {_relative(workspace.settings.file)}')
    if place.is_repository and any(each.path.name == ".pre-commit-config.yaml" for each in files):
        yield NextStep("have git run the hook, where pre-commit is installed", "pre-commit install")
    if first is not None:
        yield from first.steps()
    elif not workspace.graph.revisions:
        yield NextStep("write the first revision, from the models", 'db-migrate generate -m "first"')
        yield NextStep("review what it would do to the database", "db-migrate plan --out plan.json")
        yield NextStep("do exactly that", "db-migrate apply plan.json")
    else:
        yield NextStep("see whether something is not as it should be", "db-migrate doctor")
    yield NextStep("see where the database stands", "db-migrate status")


def _relative(path: Path | None) -> str:
    return "" if path is None else os.path.relpath(path)
