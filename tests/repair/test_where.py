"""Where the target is: recognised from its schema, whatever the version table says."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from db_migrate.config import Settings
from db_migrate.errors import Refused
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect
from db_migrate.results import Stamp
from db_migrate.workspace import open_project

from .conftest import Snapshots, blamed, retarget

LONG = os.environ.get("DB_MIGRATE_TEST_LONG") == "1"


def run(conninfo: ConnInfo, *statements: str) -> None:
    """Run statements in a database."""
    with contextlib.closing(connect(conninfo)) as connection:
        for each in statements:
            connection.execute(each.encode())


def test_every_revision_of_mesh_is_recognised_from_its_schema(
    mesh: Path, mesh_snapshots: Snapshots, tmp_path: Path
) -> None:
    """With an empty, a missing and a wrong version table, each of the 20 schemas is known for what it is.

    It is every other one and the odd one, unless the long tests are asked for.
    """
    mesh_states = mesh_snapshots.databases
    revisions = list(mesh_states)
    settings = Settings(
        root=mesh, config=mesh / "alembic.ini", url=mesh_states[revisions[-1]].url(), cache_dir=tmp_path / "cache"
    )
    broken = (
        "DELETE FROM alembic_version",
        "DROP TABLE alembic_version",
        "UPDATE alembic_version SET version_num = '{}'",
    )
    with open_project(settings) as workspace:
        for number, (revision, conninfo) in reversed(list(enumerate(mesh_states.items()))):
            if revision == revisions[-1]:
                assert blamed(workspace) == []
            elif not (LONG or number % 2 or revision == "0003"):
                continue
            other = revisions[number - 1]
            run(conninfo, broken[number % 3].format(other))
            retarget(workspace, conninfo)
            found = [d for d in blamed(workspace) if d.code != "revisions.pending"]

            if revision == "0003":  # ends with an INSERT, and no schema tells whether that has run
                assert [(d.code, d.object, d.evidence["open"]) for d in found] == [("revision.partial", "0003", ())]
                continue
            assert [d.code for d in found] == ["version.wrong" if number % 3 == 2 else "version.missing"]
            assert found[0].evidence["schema_of"] == (revision,)
            assert found[0].cure.command == f"db-migrate stamp {revision}"
            if number == 7:
                with pytest.raises(Refused, match="is not that of heads") as caught:
                    workspace.stamp("heads")
                assert (caught.value.code, "table public." in caught.value.why) == ("stamp.differs", True)
                known = caught.value.known
                assert isinstance(known, Stamp)
                assert (known.from_, known.to, len(known.differences) > 1) == ((), (), True)
                workspace.stamp(revision)
                assert [d.code for d in blamed(workspace)] == ["revisions.pending"]
