"""What docs/security.md says that each verb needs, given to a role that has just that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import alembic
import pytest
from tests.conftest import TargetServer
from tests.end_to_end.conftest import Project, make_project

MODELS = """
from sqlalchemy import Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    note: Mapped[str | None] = mapped_column(Text)
"""
ALLOW = "db_migrate_allow = {'drop-column:public.users.note': 'nobody reads it'}"
ADD = "op.add_column('users', sa.Column('note', sa.Text))"
PASSWORD = "grants"


@dataclass(frozen=True, slots=True)
class Roles:
    """One database, as its superuser, as who owns its tables, and as who may only look."""

    superuser: Project
    owner: Project
    reader: Project


@pytest.fixture
def roles(tmp_path: Path, target_server: TargetServer) -> Iterator[Roles]:
    """A database in which PUBLIC may nothing: each role has what it is granted."""
    superuser = make_project(tmp_path, target_server.new_database())
    superuser.write("models.py", MODELS)
    template = Path(alembic.__file__).parent / "templates" / "generic" / "script.py.mako"
    superuser.write("migrations/script.py.mako", template.read_text())
    superuser.revision(
        "r1",
        "op.create_table('users', sa.Column('id', sa.Integer, primary_key=True), sa.Column('note', sa.Text))",
        "op.drop_table('users')",
    )
    database = superuser.database.dbname
    names = [f"{which}_of_{database}" for which in ("owner", "reader")]
    superuser.sql(
        *(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'" for name in names),
        f"REVOKE ALL ON DATABASE {database} FROM PUBLIC",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        *(f"GRANT CONNECT ON DATABASE {database} TO {name}" for name in names),
        f"GRANT CREATE ON DATABASE {database} TO {names[0]}",
        f"GRANT USAGE, CREATE ON SCHEMA public TO {names[0]}",
        f"GRANT USAGE ON SCHEMA public TO {names[1]}",
    )
    owner, reader = (
        replace(superuser, database=superuser.database.replace(user=name, password=PASSWORD)) for name in names
    )
    yield Roles(superuser, owner, reader)
    for name in names:
        superuser.sql(f"DROP OWNED BY {name} CASCADE", f"DROP ROLE {name}")


def assert_code(project: Project, code: int, *words: str) -> None:
    """The command ends so."""
    done = project.run(*words)
    assert done.code == code, f"{words}\n{done.out}{done.err}"


def test_what_each_verb_needs_is_enough(roles: Roles) -> None:
    """CREATE on the database once; then owners change, and who may only read looks, at the journal too if it may."""
    superuser, owner, reader = roles.superuser, roles.owner, roles.reader
    database, names = owner.database.dbname, [each.database.user for each in (owner, reader)]
    confirm = "--confirm", database
    assert_code(owner, 0, "apply")
    superuser.revision("r2", "op.drop_column('users', 'note')", ADD, extra=ALLOW)
    owner.sql("INSERT INTO users (note) VALUES ('kept')")
    assert_code(owner, 0, "apply", *confirm)
    superuser.sql(f"REVOKE CREATE ON DATABASE {database} FROM {names[0]}")
    assert_code(owner, 0, "rollback", "-1", *confirm)
    assert owner.sql("SELECT note FROM users") == [("kept",)]
    owner.sql("UPDATE alembic_version SET version_num = 'gone'")
    assert_code(owner, 0, "repair")
    assert owner.sql("SELECT version_num FROM alembic_version") == [("r1",)]

    owner.sql(f"GRANT SELECT ON users, alembic_version TO {names[1]}")
    for code, *words in (
        (1, "status"),
        (0, "drift", "--from", "models", "--to", "live"),
        (0, "schema", "live"),
        (0, "verify"),
        (0, "report"),
    ):
        assert_code(reader, code, *words)
    told = reader.run("doctor", "--json")
    assert {each["code"] for each in told.json["diagnoses"]} == {"role.privilege", "journal.forbidden"}, told.out
    planned = reader.run("plan", "--json")
    assert planned.code == 1
    assert "must be owner of table users" in planned.json["revisions"][0]["error"], planned.out
    refused = reader.run("apply", "--json", "--confirm", database)
    assert (refused.code, refused.json["error"]["code"]) == (3, "plan.failed"), refused.out
    assert superuser.sql("SELECT version_num FROM alembic_version") == [("r1",)]
    nothing = replace(superuser, database=superuser.database.replace(host="db.invalid"))
    for words in (("lint",), ("history",), ("explain", "drop-column"), ("generate", "-m", "x", "--dry-run")):
        assert nothing.run(*words).code in (0, 1), words
