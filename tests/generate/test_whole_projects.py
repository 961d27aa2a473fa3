"""Many changes of the acceptance table in one project, each in a schema of its own: the whole way of ``generate``."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import postgast
import pytest
from tests.acceptance.cases import Case, parse

from db_migrate.catalog.tokens import split_name
from db_migrate.config import load
from db_migrate.generate.request import Request
from db_migrate.results import Generate
from db_migrate.workspace import open_project

from .projects import Small
from .running import Yes

LONG = os.environ.get("DB_MIGRATE_TEST_LONG") == "1"
SHARE = 29
"""One case in so many is in a project."""
PROJECTS = 3 if LONG else 1

_NOT_BY_ITSELF = re.compile(
    r"\b(schema|role|publication|cast|server|wrapper|event trigger|public|text search|extension|operator)\b|\bs\.",
    re.IGNORECASE,
)
"""What is of a whole database, or named with its schema."""

MODELS = """
import sqlalchemy as sa

METADATA = sa.MetaData()


@sa.event.listens_for(METADATA, "after_create")
def make(target, connection, **options):
    for statement in {statements!r}:
        connection.exec_driver_sql(statement.replace("%", "%%"))
"""
REVISION = """
from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    for statement in {statements!r}:
        op.get_bind().exec_driver_sql(statement.replace("%", "%%"))
"""


def _cases(number: int) -> list[Case]:
    """Those that can be in a schema of their own, in the same order each time."""
    files = sorted((Path(__file__).parents[1] / "acceptance/changes").glob("*.txt"))
    cases = [case for file in files for case in parse(file.stem, file.read_text("utf-8"))]
    return [
        case
        for case in cases
        if not case.flags & {"one way", "no way back", "privileges"}
        and not _NOT_BY_ITSELF.search(case.old + case.new)
        and zlib.crc32(case.title.encode()) % SHARE == number
    ]


def _statements(sides: Sequence[str]) -> list[str]:
    """Each side in its own schema."""
    found = []
    for number, side in enumerate(sides):
        found += [f"CREATE SCHEMA IF NOT EXISTS c{number}", f"SET search_path = c{number}", *postgast.split(side)]
    return [*found, "RESET search_path"]


BATCHES = [_cases(number) for number in range(1, PROJECTS + 1)]


class Apart(Yes):
    """Whatever looks renamed was, but not from one case to another."""

    def renamed(self, what: str, old: str, new: str) -> bool | None:
        """Within a schema."""
        del what
        return split_name(old)[0] == split_name(new)[0]


def _generate(project: Small) -> Generate:
    settings = load({"config": "alembic.ini"}, cwd=project.folder, environ={})
    with open_project(settings) as workspace:
        return workspace.generate(Request(message="all of it"), Apart())


@pytest.mark.parametrize("cases", BATCHES, ids=[f"from {batch[0].title}" for batch in BATCHES])
def test_all_at_once(cases: list[Case], tmp_path: Path) -> None:
    """The revisions are proved through the project's env.py, and straight after there is nothing to generate."""
    project = Small(tmp_path, "OPTIONS = {'include_schemas': True}")
    project.write("migrations/versions/0001.py", REVISION.format(statements=_statements([case.old for case in cases])))
    project.write("models.py", MODELS.format(statements=_statements([case.new for case in cases])))
    made = _generate(project)
    assert made.proof is not None
    for proof in (made.proof.upgrade, made.proof.downgrade):
        assert proof.proved, proof.error or proof.differences
    assert made.operations
    again = _generate(project)
    assert (again.operations, again.revisions) == ((), ())
