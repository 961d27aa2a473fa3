"""Continuous integration: GitHub's workflow with the action it uses, GitLab's job with the line that includes it.

The action and the job are copied from this installation, so that they fit it and nothing has to be fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from db_migrate.errors import Failed
from db_migrate.setup.block_list import quoted, with_item
from db_migrate.setup.place import Place
from db_migrate.setup.proposal import Proposed, now, refused, text_of

ACTION = Path(".github/actions/db-migrate/action.yml")
WORKFLOWS = Path(".github/workflows")
GITLAB = Path(".gitlab-ci.yml")
_STAGES = re.compile(r"^stages[ ]*:(.*?)(?=^[^\s#-]|\Z)", re.MULTILINE | re.DOTALL)
_MENTION = re.compile(r"^[^#\n]*db-migrate", re.MULTILINE)


def ci_files(place: Place) -> Iterator[Proposed]:
    """The files for whichever of both is used here. Raises ``Refused`` (``init.include``)."""
    if (place.root / ".github").is_dir() or "github.com" in place.remotes:
        yield from _github(place)
    if (place.root / GITLAB).exists():
        yield from _gitlab(place)


def source(name: str) -> str:
    """A file of ours that projects get a copy of: in the installed package, or in a checkout beside it."""
    here = Path(__file__).parents[1]
    for candidate in (here / "_ci" / name, here.parent.parent / name):
        if candidate.is_file():
            return candidate.read_text("utf-8")
    raise Failed("init.missing", f"{name} is not in this installation", where=str(here))


def _github(place: Place) -> Iterator[Proposed]:
    purpose = "the workflow of GitHub, which judges what a branch adds"
    workflow = place.root / WORKFLOWS / f"db-migrate{place.suffix}.yml"
    there = _using_us(place)
    if there is not None:
        content = there.read_bytes()
        yield Proposed(there, purpose, content, content)
        if ACTION.parent.as_posix() not in text_of(there, content):
            return
    elif (content := now(workflow) or b"") or workflow.exists():
        why = "the workflow that init writes has that name"
        raise refused("init.workflow", workflow, "it is there, and does not run db-migrate", why)
    else:
        yield Proposed(workflow, purpose, None, _workflow(place).encode())
    action = place.root / ACTION
    yield copied(action, "the action that the workflow uses", source("action.yml").encode())


def copied(path: Path, purpose: str, content: bytes) -> Proposed:
    """A file that is a copy of one of ours; what is there already stays."""
    there = now(path)
    return Proposed(path, purpose, there, content if there is None else there)


def _using_us(place: Place) -> Path | None:
    """A workflow that runs db-migrate for this project."""
    for file in sorted((place.root / WORKFLOWS).glob("*.y*ml")):
        text = text_of(file, now(file) or b"")
        if _MENTION.search(text) and place.is_named_in(text):
            return file
    return None


def _workflow(place: Place) -> str:
    folder = place.inside
    where = "" if folder == "." else f"\n          working-directory: {quoted(folder)}"
    return f"""\
# Written by `db-migrate init`, and yours to change.
name: migrations{"" if folder == "." else f" of {folder}"}

on: pull_request

permissions:
  contents: read
  pull-requests: write    # the comment with the plan
  security-events: write  # the findings in code scanning

jobs:
  db-migrate:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
        with:
          fetch-depth: 0  # where the branch began has to be known
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - uses: ./{ACTION.parent.as_posix()}
        # env: {{DATABASE_URL: postgresql://none}}  # what env.py reads; the database that it names is not connected to
        with:{where}
          install: {quoted(_install(place))}
          # url: ${{{{ secrets.STAGING_DATABASE_URL }}}}  # adds a plan for that database, in which nothing is changed
"""


def _install(place: Place) -> str:
    """The command that installs the project, by what is in its folder; a guess that people correct."""
    if (place.project / "uv.lock").is_file():
        return "python -m pip install uv && uv pip install --system -r pyproject.toml"
    if (place.project / "requirements.txt").is_file():
        return "python -m pip install -r requirements.txt"
    if (place.project / "pyproject.toml").is_file() or (place.project / "setup.py").is_file():
        return "python -m pip install ."
    return "python -m pip install alembic psycopg"


def _gitlab(place: Place) -> Iterator[Proposed]:
    path = place.root / GITLAB
    before = now(path) or b""
    text = text_of(path, before)
    job = Path(f".gitlab/db-migrate{place.suffix}.yml")
    yield copied(place.root / job, "the job of GitLab, which judges what a branch adds", _job(place, text).encode())
    purpose = "the line that includes that job"
    if job.as_posix() in text:
        yield Proposed(path, purpose, before, before)
        return
    after = with_item(text, "include", [f"- local: {job.as_posix()}"])
    if after is None:
        paste = f"add this to `include` by hand:\n- local: {job.as_posix()}"
        raise refused("init.include", path, "its `include` is not a list with every item on lines of its own", paste)
    yield Proposed(path, purpose, before, after.encode())


def _job(place: Place, pipeline: str) -> str:
    """GitLab's job for this project, in a stage that its pipeline has."""
    own = {
        "stage": stage_of(pipeline),
        "MIGRATIONS_FOLDER": place.inside,
        "MIGRATIONS_INSTALL": _install(place),
    }
    text = source("ci/gitlab.yml").replace("\ndb-migrate:\n", f"\ndb-migrate{place.suffix}:\n")
    lines = (line.partition(": ") for line in text.splitlines())
    return "".join(
        f"{key}{colon}{quoted(own[key.strip()]) if key.strip() in own else rest}\n" for key, colon, rest in lines
    )


def stage_of(pipeline: str) -> str:
    """``test``, which every pipeline has that does not list its stages, else the first that is listed."""
    found = _STAGES.search(pipeline)
    listed = re.split(r"[,\n]", re.sub(r"(^|\s)#.*", "", found[1])) if found else []
    names = [name for each in listed if (name := each.strip(" []-'\"\t\r"))]
    return "test" if not names or "test" in names else names[0]
