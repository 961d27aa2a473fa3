"""Hand-made changes in the live database, seen by drift and by Alembic's own check."""

from __future__ import annotations

from typing import Any

from .conftest import Project

MODELS = """
from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    role: Mapped[str] = mapped_column(String(20), server_default="member", index=True)


class Session(Base):
    __tablename__ = "sessions"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE", name="sessions_user"))
"""

UP = """
op.create_table(
    'users',
    sa.Column('id', sa.Integer, primary_key=True),
    sa.Column('role', sa.String(20), server_default='member', nullable=False),
)
op.create_index('ix_users_role', 'users', ['role'])
op.create_table(
    'sessions',
    sa.Column('id', sa.Integer, primary_key=True),
    sa.Column('user_id', sa.Integer, sa.ForeignKey('users.id', ondelete='CASCADE', name='sessions_user'),
              nullable=False),
)
"""

BY_HAND = (
    "ALTER TABLE users ALTER COLUMN role SET DEFAULT 'x'",
    "DROP INDEX ix_users_role",
    "ALTER TABLE users ADD CONSTRAINT short_role CHECK (length(role) < 10)",
    "ALTER TABLE sessions DROP CONSTRAINT sessions_user",
    "ALTER TABLE sessions ADD CONSTRAINT sessions_user FOREIGN KEY (user_id) REFERENCES users ON DELETE SET NULL",
)


def between(document: dict[str, Any], from_: str, to: str) -> list[dict[str, Any]]:
    """The changes of one comparison."""
    (found,) = [c["changes"] for c in document["comparisons"] if (c["from"], c["to"]) == (from_, to)]
    return list(found)


def test_what_was_changed_by_hand_is_named_with_object_and_attribute(project_on_each: Project) -> None:
    """A default, an index, a check and ON DELETE are found; alembic check beside it sees one of them by default."""
    project = project_on_each
    project.write("models.py", MODELS)
    project.revision("r1", UP, "op.drop_table('sessions'); op.drop_table('users')")
    assert project.alembic("upgrade", "head").code == 0
    clean = project.run("drift", "--json")
    assert clean.code == 0, clean.out
    assert project.alembic("check").code == 0
    project.sql(*BY_HAND)

    drift = project.run("drift", "--json")
    alembic = project.alembic("check")

    assert drift.code == 1
    changes = between(drift.json, "history", "live")
    assert changes == between(drift.json, "models", "live")
    seen = {(c["kind"], c["object"], c["action"]): c["attributes"] for c in changes}
    assert seen == {
        ("column", "public.users.role", "altered"): [
            {"name": "default", "from": "'member'::character varying", "to": "'x'::character varying"}
        ],
        ("index", "public.ix_users_role", "dropped"): [],
        ("check", "public.users.short_role", "created"): [],
        ("foreign_key", "public.sessions.sessions_user", "altered"): [
            {"name": "on_delete", "from": "CASCADE", "to": "SET NULL"}
        ],
    }
    assert alembic.code != 0
    said = alembic.out + alembic.err
    assert "add_index" in said
    assert "add_fk" in said or "remove_fk" in said
    assert "short_role" not in said
    assert "modify_default" not in said


def test_a_healthy_project_has_no_drift_twice_the_same(project: Project) -> None:
    """Two runs over the same state print the same bytes."""
    project.write("models.py", MODELS)
    project.revision("r1", UP, "op.drop_table('sessions'); op.drop_table('users')")
    assert project.alembic("upgrade", "head").code == 0
    project.sql("DROP INDEX ix_users_role")

    first, second = project.run("drift", "--json"), project.run("drift", "--json")

    assert first.code == second.code == 1
    assert first.out == second.out
