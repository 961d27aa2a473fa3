"""Projects that are odd and healthy: doctor finds nothing to cure."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from db_migrate.config import Settings
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.workspace import open_project

from .conftest import Snapshots

PROJECTS = Path(__file__).parents[1] / "project" / "projects"
LONG = os.environ.get("DB_MIGRATE_TEST_LONG") == "1"
ODD: dict[str, dict[str, Any]] = {
    "set_before_configure": {},
    "outer_transaction": {},
    "text_transactions": {},
    "second_connection": {},
    "async_in_thread": {},
    "flask_migrate": {"around": "shop:in_application", "config": Path("migrations/alembic.ini")},
    "offline_raises": {"name": "maindb", "x": ("host=db.invalid",)},
}
FEW = ("set_before_configure", "async_in_thread")


@pytest.mark.parametrize("shape", ODD if LONG else FEW)
def test_an_odd_project_has_nothing_to_cure(
    shape: str, tmp_path: Path, target_database: ConnInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its env.py is like nobody else's, and it works: doctor says so, before anything is applied and after."""
    folder = tmp_path / shape
    shutil.copytree(PROJECTS / shape, folder)
    monkeypatch.chdir(folder)
    given = {"root": folder, "config": Path("alembic.ini"), "url": target_database.url(), **ODD[shape]}
    settings = Settings(**given, cache_dir=tmp_path / "cache")
    with open_project(settings) as workspace:
        assert [each.code for each in workspace.doctor().diagnoses] == ["revisions.pending"]
        workspace._forget_live()
        result = workspace.apply(confirm=target_database.dbname)
        assert result.state == "done", result.error
        doctor = workspace.doctor()
        assert doctor.healthy, doctor.diagnoses


def test_mesh_has_nothing_to_cure(mesh: Path, mesh_snapshots: Snapshots, tmp_path: Path) -> None:
    """The command says so and ends with 0; in JSON there is no diagnosis."""
    database = mesh_snapshots.databases[max(mesh_snapshots.databases)]
    command = [sys.executable, "-m", "db_migrate", "--url", database.url(), "--json", "doctor"]
    environment = os.environ | {"DB_MIGRATE_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(command, cwd=mesh, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, json.loads(done.stdout)["diagnoses"]) == (0, []), done.stderr
