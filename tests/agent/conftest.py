"""A small project with one pending revision, as an agent finds it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.end_to_end.conftest import Project, make_project

from db_migrate.postgres.conninfo import ConnInfo


@pytest.fixture
def project(tmp_path: Path, target_database: ConnInfo) -> Project:
    """A project with a table to be made and a column to be dropped after it."""
    made = make_project(tmp_path, target_database)
    made.revision(
        "r1", "op.create_table('users', sa.Column('id', sa.Integer, primary_key=True))", "op.drop_table('users')"
    )
    return made
