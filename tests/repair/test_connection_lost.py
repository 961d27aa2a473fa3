"""The server goes away while it is looked at: that is told for what it is, and nothing is made of what was not seen."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from tests.conftest import TargetServer

from db_migrate.cli import main
from db_migrate.postgres.session import connect

from .conftest import Project, copy_of
from .killing import Cutter


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory, target_server: TargetServer) -> Project:
    """Two revisions, one of them applied; what can be kept of them is."""
    project = Project(tmp_path_factory.mktemp("lost"), target_server.new_database())
    project.lay_out()
    project.revision("r1", "CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (1)", "DROP TABLE a")
    project.plain()
    project.revision("r2", "CREATE TABLE c (id int)", "DROP TABLE c")
    return project


class Cut:
    """Runs commands on copies of the target, to which the connection is cut."""

    def __init__(self, ground: Project, server: TargetServer, capsys: pytest.CaptureFixture[bytes]) -> None:
        self._ground = ground
        self._server = server
        self._capsys = capsys
        self.database = ""

    def run(self, *verb: str, at: int, begins: bytes = b"", gone: bool = False) -> tuple[int, dict[str, Any]]:
        """The exit code and the document of a command whose connection is cut before a statement."""
        copy = copy_of(self._server, self._ground.conninfo)
        self.database = copy.dbname
        with contextlib.closing(Cutter(copy.port, at, begins, gone=gone)) as way:
            code = main(["--json", "--url", copy.replace(port=way.port).url(), *verb])
            assert way.struck, way.count
        return code, json.loads(self._capsys.readouterr().out)

    def ask(self, query: str) -> list[tuple[object, ...]]:
        """What the copy says that was used last."""
        with contextlib.closing(connect(self._server.conninfo(self.database))) as connection:
            return connection.execute(query.encode()).fetchall()


@pytest.fixture
def cut(
    ground: Project,
    target_server: TargetServer,
    capsysbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> Cut:
    """In the folder of the project, with its cache."""
    monkeypatch.chdir(ground.folder)
    monkeypatch.setenv("DB_MIGRATE_CACHE_DIR", str(ground.folder / "cache"))
    return Cut(ground, target_server, capsysbinary)


PG_DUMP = b"SELECT pg_catalog.set_config('search_path', '', false)"
AFTER = b"DISTINCT ON (r.revision) r.revision, r.direction, r.checksum"
"""What apply asks in its look afterwards alone."""

LOOKS: list[tuple[str, int, bytes, bool]] = [
    ("status", 1, b"", False),  # while the session is set up
    ("status", 8, b"", True),
    ("verify", 30, b"", True),
    ("drift", 8, b"", False),
    ("schema live", 25, b"", True),
    ("history --runs", 8, b"", True),
    ("kept list", 8, b"", False),
    ("plan", 30, PG_DUMP, False),
    ("repair", 40, b"", True),
]


def test_a_look_that_is_cut_off_is_told(cut: Cut) -> None:
    """By every verb, with exit code 4, the server's words, the state and a command: it is no mistake of ours."""
    for verb, at, begins, gone in LOOKS:
        code, document = cut.run(*verb.split(), at=at, begins=begins, gone=gone)
        assert code == 4, (verb, at, document)
        error = document["error"]
        assert error["code"] == "connect.lost" or (gone and error["code"] == "connect.failed"), (verb, at, error)
        assert cut.database in error["message"] + error["where"], (verb, error)
        assert all((error["why"], error["state"])), (verb, error)
        assert error["next"][0].startswith("db-migrate "), (verb, error)


def test_doctor_tells_what_it_has_seen_and_that_it_is_not_all(cut: Cut) -> None:
    """Nothing is blamed for what was not answered, a copy that could not be made least of all."""
    for at, begins, gone in ((50, b"", True), (30, PG_DUMP, False)):
        code, document = cut.run("doctor", at=at, begins=begins, gone=gone)
        (found,) = document["diagnoses"]
        assert (code, found["code"]) in ((1, "connect.lost"), (1, "connect.failed")), (at, found)
        assert found["cure"]["command"].startswith("db-migrate "), found
        assert any("could not be looked at" in each for each in document["warnings"]), document["warnings"]


def test_an_apply_that_is_done_is_said_to_be(cut: Cut) -> None:
    """Where the look after it is cut off: what it did, where the database is, and that it was not verified."""
    code, document = cut.run("apply", at=1, begins=AFTER)
    assert cut.ask("SELECT version_num FROM alembic_version") == [("r2",)]
    assert (code, document["error"]["code"]) == (4, "connect.lost"), document["error"]
    assert (document["state"], document["from"], document["to"]) == ("done", ["r1"], ["r2"])
    assert {each["revision"] for each in document["steps"]} == {"r2"}
    assert "the database is at r2" in document["error"]["state"]
    assert document["error"]["next"] == ["db-migrate verify"]
