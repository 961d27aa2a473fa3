"""What the release in production still needs is told before it breaks: its models come from git, not from here."""

from __future__ import annotations

import subprocess

from .conftest import Project
from .test_plan import findings

MODELS = """
    import enum

    import sqlalchemy as sa
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

    from shop import kinds


    class Base(DeclarativeBase):
        pass


    class User(Base):
        __tablename__ = "users"
        id: Mapped[int] = mapped_column(primary_key=True)
        {mail}
        name: Mapped[str | None] = mapped_column(sa.String(kinds.LENGTH))
"""
MAIL = 'mail: Mapped[str] = mapped_column("email", sa.Text)'
CREATE = """
op.create_table(
    "users", sa.Column("id", sa.Integer, primary_key=True), sa.Column("email", sa.Text, nullable=False),
    sa.Column("name", sa.String(80)),
)
"""
CONTRACT = """
op.add_column("users", sa.Column("phone", sa.Text))
with op.get_context().autocommit_block():
    op.execute("CREATE INDEX CONCURRENTLY ix_users_name ON users (name)")
op.drop_column("users", "email")
op.add_column("users", sa.Column("country", sa.Text, server_default="xx"))
"""


def git(project: Project, *arguments: str) -> None:
    """Run git in the project, as somebody."""
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, *arguments], cwd=project.folder, check=True, capture_output=True)


def test_a_column_is_dropped_only_after_the_release_that_stops_mapping_it(project: Project) -> None:
    """The error names model, attribute and commit; one release later there is none; a ref that is not here says so."""
    project.write("shop/__init__.py", "")
    project.write("shop/kinds.py", "LENGTH = 80\n")
    project.write("models.py", MODELS.format(mail=MAIL))
    project.revision("r1", CREATE, "op.drop_table('users')")
    git(project, "init", "-q")
    git(project, "add", ".")
    git(project, "commit", "-qm", "one")
    git(project, "tag", "v1")
    assert project.alembic("upgrade", "head").code == 0
    project.write("models.py", MODELS.format(mail=""))
    git(project, "commit", "-qam", "two")
    git(project, "tag", "v2")
    project.write("shop/kinds.py", "LENGTH = 'nothing of this checkout is to be loaded'\n")
    project.revision("r2", CONTRACT, "op.add_column('users', sa.Column('email', sa.Text))")
    project.write("models.py", MODELS.format(mail="").replace("kinds.LENGTH", "80"))

    first = project.run("plan", "--json", "--release", "v1")

    (found,) = findings(first.json, "breaks-running-release")
    assert (found["severity"], found["object"], found["revision"]) == ("error", "public.users.email", "r2")
    sent = [statement["sql"] for statement in first.json["revisions"][0]["statements"]]
    dropped = sent.index("ALTER TABLE users DROP COLUMN email")
    assert found["statement"] == dropped
    assert "is committed: User.mail is mapped to public.users.email, which is gone" in found["message"]
    assert f"once statement {len(sent)} of r2 is committed" in found["message"]
    assert first.code == 1

    second = project.run("plan", "--json", DB_MIGRATE_RELEASE="v2")
    assert findings(second.json, "breaks-running-release") == []
    assert findings(second.json, "model-removed-before-drop") == []
    (together,) = findings(second.json, "app-code-in-same-change")
    assert together["message"] == "was changed together with models.py and 1 more"

    unknown = project.run("plan", "--json", "--release", "v9")
    assert unknown.code == 2
    assert unknown.json["error"]["code"] == "release.unknown"
    assert unknown.json["error"]["next"][0] == "git fetch --depth=1 origin tag v9"


def test_a_release_that_is_not_what_gets_loaded_stops_with_the_reason(project: Project) -> None:
    """As where the project is installed and wins over the folder that it is looked for in."""
    project.write("shop/__init__.py", "")
    project.write("shop/kinds.py", "LENGTH = 80\n")
    project.write("models.py", MODELS.format(mail=MAIL))
    env = project.folder / "migrations" / "env.py"
    env.write_text(f"import sys\nsys.path.insert(0, {str(project.folder)!r})\n" + env.read_text())
    project.revision("r1", CREATE, "op.drop_table('users')")
    git(project, "init", "-q")
    git(project, "add", ".")
    git(project, "commit", "-qm", "one")

    stopped = project.run("plan", "--json", "--release", "HEAD")

    assert stopped.code == 2
    assert stopped.json["error"]["code"] == "release.elsewhere"
    assert str(project.folder / "shop" / "__init__.py") in stopped.json["error"]["why"]
