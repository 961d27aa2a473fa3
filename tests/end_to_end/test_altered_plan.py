"""A plan in a file is executed as it was written, on what it was made for, or not at all; and what is wrong is said."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import TargetServer

from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect

from .conftest import Project, make_project


def resealed(text: str, **changes: Any) -> str:
    """The file that somebody would have written whose plan has other content, as far as that can be forged."""
    made = {**json.loads(text), **changes}
    del made["seal"]
    sealed = json.dumps(made, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return json.dumps({**made, "seal": hashlib.sha256(sealed.encode()).hexdigest()})


def untouched(project: Project) -> bool:
    """Whether nothing of the plan is there, and no journal."""
    return project.sql(
        "SELECT count(*) FROM pg_attribute WHERE attname = 'b' AND attrelid = 'a'::regclass"
        " UNION ALL SELECT count(*) FROM pg_namespace WHERE nspname = 'db_migrate'"
    ) == [(0,), (0,)]


def refused(project: Project, file: str = "plan.json", *more: str) -> tuple[int, str, str]:
    """Exit code, error code, and what was said of an apply, which has to do nothing."""
    outcome = project.run("apply", file, "--json", *more)
    assert untouched(project), outcome.out
    error = outcome.json["error"]
    assert (outcome.json["ok"], error["state"]) == (False, "nothing was changed")
    assert error["next"][0].startswith("db-migrate plan")
    return outcome.code, error["code"], f"{error['message']}: {error['why']}"


@pytest.fixture
def planned(project: Project) -> tuple[Project, str]:
    """A project with a table and a plan for it, and the text of the file."""
    project.database = renamed(project, f"planned_{project.database.dbname}")
    project.sql("CREATE TABLE a (id int PRIMARY KEY, v text)")
    project.revision("r1", "op.execute('ALTER TABLE a ADD COLUMN b int')", "op.execute('ALTER TABLE a DROP COLUMN b')")
    project.revision("r2", "op.execute('CREATE INDEX a_b ON a (b)')", "op.execute('DROP INDEX a_b')")
    assert project.run("plan", "--out", "plan.json").code == 0
    return project, (project.folder / "plan.json").read_text()


def test_a_file_that_is_not_as_it_was_written_is_refused(planned: tuple[Project, str]) -> None:
    """One byte of what it says, the envelope too; what is no JSON; what another version has made."""
    project, text = planned
    plan = json.loads(text)
    file = project.folder / "other.json"
    bytes_of_it = text.encode()
    altered = ("plan.altered", 3)
    unreadable = ("plan.unreadable", 2)
    cases: dict[str, tuple[bytes | str, tuple[str, int]]] = {
        "hash": (text.replace(plan["hash"], plan["hash"][::-1]), altered),
        "statement": (text.replace("ADD COLUMN b", "ADD COLUMN c"), altered),
        "target": (text.replace(f'"{project.database.dbname}"', '"other"'), altered),
        "server": (text.replace(plan["target"]["server_id"], "1" * 19), altered),
        "version": (text.replace('"proved_on": "18', '"proved_on": "17'), altered),
        "revision": (text.replace('"r2"', '"r3"'), altered),
        "checksum": (text.replace(plan["revisions"][0]["checksum"], "0" * 64), altered),
        "ok": (text.replace('"ok": true', '"ok": false'), altered),
        "warnings": (text.replace('"warnings": []', '"warnings": ["w"]', 1), altered),
        "estimate": (text.replace('"seconds": 0.0', '"seconds": 0.1', 1), altered),
        "direction": (text.replace('"direction": "upgrade"', '"direction": "downgrade"', 1), altered),
        "unknown field": (text.replace('"hash":', '"newer": 1, "hash":'), altered),
        "no seal": (json.dumps({k: v for k, v in plan.items() if k != "seal"}, indent=2), altered),
        "sealed again": (resealed(text.replace("ADD COLUMN b", "ADD COLUMN c")), altered),
        "newer": (resealed(text, made_by="99.0", hash="f" * 64), ("plan.other-version", 3)),
        "much newer": (resealed(text, schema_version=2), unreadable),
        "verb": (text.replace('"verb": "plan"', '"verb": "lint"'), unreadable),
        "truncated": (text[:-9], unreadable),
        "two": (text * 2, unreadable),
        "empty": ("", unreadable),
        "list": ("[]", unreadable),
        "deep": ("[" * 20_000 + "]" * 20_000, unreadable),
        "bom": (b"\xef\xbb\xbf" + bytes_of_it, unreadable),
        "other encoding": (text.encode("utf-16"), unreadable),
        "zero": (bytes_of_it[:500] + b"\0" + bytes_of_it[500:], unreadable),
    }
    for name, (content, (code, exit_code)) in cases.items():
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        assert file.read_bytes() != bytes_of_it, name
        found = refused(project, "other.json")
        assert (name, *found[:2]) == (name, exit_code, code), found


def test_a_file_that_is_laid_out_anew_says_the_same(planned: tuple[Project, str]) -> None:
    """Line ends and white space are nobody's plan, nor is the order of the fields."""
    project, text = planned
    laid_out = json.dumps(json.loads(text), sort_keys=True, indent=4)
    (project.folder / "other.json").write_text(laid_out, newline="\r\n")
    done = project.run("apply", "other.json", "--json")
    assert done.code == 0, done.out
    assert not untouched(project)


def test_a_plan_for_something_else_is_refused_and_says_what(
    planned: tuple[Project, str], target_server: TargetServer, target15_server: TargetServer, tmp_path: Path
) -> None:
    """Another database or server of the same schema, one of its name, files edited or gone, changes by hand."""
    project, _ = planned
    for server, what in ((target_server, "is about the database"), (target15_server, "of another server")):
        place = tmp_path / f"on_{server.major}"
        place.mkdir()
        other = make_project(place, server.new_database())
        other.sql("CREATE TABLE a (id int PRIMARY KEY, v text)")
        if server is target15_server:
            other.database = renamed(other, project.database.dbname)
        found = refused(project, "plan.json", "--url", other.database.url("postgresql"))
        assert found[:2] == (3, "plan.other-target"), found
        assert what in found[2]
        assert untouched(other)

    with replaced_by_a_copy(project):
        found = refused(project)
        assert found[:2] == (3, "plan.other-target"), found
        assert "another database that was called" in found[2]

    file = project.folder / "migrations" / "versions" / "r2_x.py"
    kept = file.read_text()
    file.write_text(f"{kept}# a comment\n")
    assert refused(project) == (3, "plan.stale", "revision r2 was edited after it was planned: " + STALE)
    file.unlink()
    assert refused(project) == (3, "plan.stale", "revision r2 has no file any more: " + STALE)
    file.write_text(kept)

    changed = "the schema was changed after the plan was made: "
    for there, back, what in (
        (
            "ALTER TABLE a ALTER v SET NOT NULL",
            "ALTER TABLE a ALTER v DROP NOT NULL",
            "column public.a.v altered (nullable)",
        ),
        ("COMMENT ON TABLE a IS 'x'", "COMMENT ON TABLE a IS NULL", "table public.a altered (comment)"),
        ("CREATE INDEX a_v ON a (v)", "DROP INDEX a_v", "index public.a_v created"),
        ("CREATE TABLE z ()", "DROP TABLE z", "table public.z created"),
    ):
        project.sql(there)
        found = refused(project)
        assert (found[:2], found[2].startswith(changed + what)) == ((3, "plan.stale"), True), found
        project.sql(back)

    assert project.run("apply", "plan.json", "--json").code == 0
    again = project.run("apply", "plan.json", "--json")
    assert (again.code, again.json["state"], again.json["to"]) == (0, "unchanged", ["r2"])
    project.run("rollback", "r1", "--json")
    halfway = project.run("apply", "plan.json", "--json").json["error"]
    assert (halfway["code"], halfway["message"]) == ("plan.stale", "the database is at r1, the plan begins at base")


STALE = "what was proved is not what would happen now"


@contextlib.contextmanager
def replaced_by_a_copy(project: Project) -> Iterator[None]:
    """The database is out of the way, and another with all that it has goes by its name."""
    name = project.database.dbname
    with contextlib.closing(connect(project.database.replace(dbname="postgres"))) as connection:
        connection.execute(f"ALTER DATABASE {name} RENAME TO {name}_old".encode())
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {name}_old".encode())
        yield
        connection.execute(f"DROP DATABASE {name}".encode())
        connection.execute(f"ALTER DATABASE {name}_old RENAME TO {name}".encode())


def renamed(project: Project, name: str) -> ConnInfo:
    """The project's database under another name; where to find it."""
    with contextlib.closing(connect(project.database.replace(dbname="postgres"))) as connection:
        connection.execute(f"ALTER DATABASE {project.database.dbname} RENAME TO {name}".encode())
    return project.database.replace(dbname=name)
