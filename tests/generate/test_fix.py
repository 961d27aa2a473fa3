"""Unsafe steps of a revision rewritten, with every comment where it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from db_migrate.config import load
from db_migrate.errors import Refused
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect
from db_migrate.results import Generate
from db_migrate.workspace import open_project

from .projects import Small

BASE = '''
"""base"""
from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    op.execute("CREATE TABLE p (id int PRIMARY KEY, a int)")
    op.execute("CREATE TABLE t (id int PRIMARY KEY, a int, b text)")
    op.execute("CREATE INDEX old ON t (a)")


def downgrade():
    op.execute("DROP TABLE t")
    op.execute("DROP TABLE p")
'''

UNSAFE = '''
"""unsafe

Revision ID: 0002
"""
from alembic import op

revision = "0002"
down_revision = "0001"

# about the whole


def upgrade():
    if True:
        op.create_index("j", "t", ["a"])
    op.execute("UPDATE t SET b = 'new'; CREATE INDEX k ON t (a)")
    op.execute("DO $$ BEGIN CREATE INDEX l ON p (a); INSERT INTO p VALUES (1) ON CONFLICT DO NOTHING; END $$")
    op.create_index("m", "p", ["a"]); op.execute("INSERT INTO p VALUES (2) ON CONFLICT DO NOTHING")
    made = op.create_index("n", "p", ["a"])
    op.execute("CREATE INDEX o ON p (a); CREATE INDEX q ON p (id, a)")
    # an index that is needed
    op.create_index("i", "t", ["b"])  # soon
    op.drop_index("old", table_name="t")
    op.create_foreign_key(
        "f", "t", "p",  # from t to p
        ["a"], ["id"],
    )
    op.execute("ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)")
    op.create_unique_constraint("u", "p", ["a"])
    # must be there
    op.alter_column("t", "a", nullable=False)
    # untouched
    op.execute("COMMENT ON TABLE t IS 'x'")


def downgrade():
    op.execute("COMMENT ON TABLE t IS NULL")
    op.execute("ALTER TABLE t ALTER a DROP NOT NULL, DROP CONSTRAINT c, DROP CONSTRAINT f")
    op.execute("ALTER TABLE p DROP CONSTRAINT u")
    op.execute("DROP INDEX i, j, k, l, m, n, o, q")
    op.execute("CREATE INDEX old ON t (a)")
'''

MORE = "it is not only DDL: what else it runs, or writes, would be lost"
NOT_ALONE = "it is not a statement of its own in upgrade()"


def _fix(project: Small, revision: str, url: str | None = None) -> Generate:
    settings = load({"config": "alembic.ini", **({"url": url} if url else {})}, cwd=project.folder, environ={})
    with open_project(settings) as workspace:
        return workspace.fix(revision)


def test_unsafe_steps_are_rewritten(tmp_path: Path, target_database: ConnInfo) -> None:
    """Each step that has a safe form gets it; comments and all else stay; what a target has is refused."""
    project = Small(tmp_path)
    project.write("models.py", "METADATA = None\n")
    project.write("migrations/versions/0001.py", BASE)
    project.write("migrations/versions/0002.py", UNSAFE)
    done = _fix(project, "0002")
    assert done.exit_code == 0, done.proof
    source = (tmp_path / "migrations/versions/0002.py").read_text()
    assert source == done.revisions[0].source
    comments = ("# about the whole", "# an index that is needed", "# soon", "# must be there", "# untouched")
    assert all(each in source for each in comments)
    assert source.count("postgresql_concurrently=True") == 5
    assert source.count("NOT VALID") + source.count("postgresql_not_valid=True") == 3
    assert source.count("VALIDATE CONSTRAINT") == 3
    assert "UNIQUE USING INDEX u" in source
    assert 'if True:\n        op.create_index("j", "t", ["a"])' in source
    for line in UNSAFE.splitlines():
        assert ("UPDATE" in line or "INSERT" in line or "made =" in line) <= (line in source), line
    assert [(each.python, each.reason) for each in done.left_out] == [
        ("UPDATE t SET b = 'new'; CREATE INDEX k ON t (a)", MORE),
        ("DO $$ BEGIN CREATE INDEX l ON p (a); INSERT INTO p VALUES (1) ON CONFLICT DO NOTHING; END $$", MORE),
        ('op.create_index("j", "t", ["a"])', NOT_ALONE),
        ('op.create_index("m", "p", ["a"]); op.execute("INSERT INTO p VALUES (2) ON CONFLICT DO NOTHING")', NOT_ALONE),
        ('made = op.create_index("n", "p", ["a"])', NOT_ALONE),
    ]
    again = _fix(project, "0002")
    assert (again.exit_code, again.revisions) == (1, ())
    with connect(target_database) as connection:
        connection.execute(
            b"CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('0002')"
        )
    with pytest.raises(Refused, match="has been applied to target default") as refused:
        _fix(project, "0001", target_database.url())
    assert refused.value.code == "fix.applied"
