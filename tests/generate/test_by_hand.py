"""Revisions from SQL that somebody wrote, empty ones, and heads that are joined."""

from __future__ import annotations

from pathlib import Path

import pytest

from db_migrate.errors import Failed, UsageError
from db_migrate.report.style import Style
from db_migrate.report.text.generate import generate_text

from .projects import Small

MODELS = """
import sqlalchemy as sa

METADATA = sa.MetaData()
sa.Table("t", METADATA, sa.Column("id", sa.Integer, primary_key=True), sa.Column("a", sa.String(20)))
"""

SQL = """
CREATE EXTENSION pg_trgm;
CREATE INDEX CONCURRENTLY t_words ON t USING gin (a gin_trgm_ops);
CREATE FUNCTION f(x int) RETURNS int LANGUAGE sql AS $$ SELECT x % 2 -- ' :a'
$$;
ALTER TABLE t ALTER a TYPE text, ADD COLUMN "Über" text DEFAULT ' :x' NOT NULL;
UPDATE t SET a = 'x';
CREATE VIEW v AS SELECT a FROM t;
GRANT SELECT ON v, t TO PUBLIC;
"""

BRANCH = '''
"""{revision}"""

from alembic import op

revision = "{revision}"
down_revision = {down!r}


def upgrade():
    op.execute("{sql}")


def downgrade():
    pass
'''


def test_sql_and_what_leads_back(tmp_path: Path) -> None:
    """SQL becomes a revision with a derived downgrade; what cannot become one is refused with the reason."""
    project = Small(tmp_path)
    assert project.generate(MODELS).written
    made = project.generate(sql=SQL)
    assert made.exit_code == 0, made.proof
    source = made.revisions[0].source
    assert source.index("DROP VIEW") < source.index("DROP FUNCTION")
    assert source.index('op.drop_index(op.f("t_words")') < source.index("DROP EXTENSION")
    assert "REVOKE SELECT ON TABLE public.t FROM PUBLIC" in source
    assert any("UPDATE t" in each for each in made.warnings)
    with pytest.raises(Failed, match="does not run") as failed:
        project.generate(sql="ALTER TABLE nothing ADD a int")
    assert failed.value.code == "generate.sql"
    for text in ("BEGIN; DROP TABLE t; COMMIT", "this is no SQL", "  -- nothing"):
        with pytest.raises(UsageError):
            project.generate(sql=text)
    assert len(project.files) == 2


def test_empty_and_merge(tmp_path: Path) -> None:
    """An empty revision has a checklist; heads that commute are joined, others are not, with what they clash about."""
    project = Small(tmp_path, settings='revision_ids = "sequential"\n')
    project.write("models.py", MODELS)
    first = project.generate(empty=True)
    assert first.exit_code == 0
    assert "NOT VALID" in first.revisions[0].source
    with pytest.raises(UsageError, match="nothing to merge"):
        project.generate(merge=True)
    for revision, sql in (("a", "CREATE TABLE a (id int)"), ("b", "CREATE TABLE b (id int)")):
        project.write(f"migrations/versions/{revision}.py", BRANCH.format(revision=revision, down="0001", sql=sql))
    with pytest.raises(UsageError, match="which of the heads") as several:
        project.generate(empty=True)
    asked = tuple(f"db-migrate generate -m 'a change' --head {head} --empty" for head in ("a", "b"))
    assert several.value.next == ("db-migrate generate --merge", *asked)
    merged = project.generate(merge=True)
    assert merged.exit_code == 0, merged.proof
    assert merged.revisions[0].revision == "0002"
    clash = "ALTER TABLE a ADD COLUMN IF NOT EXISTS c {}"
    for revision, kind in (("c", "int"), ("d", "text")):
        text = BRANCH.format(revision=revision, down="0002", sql=clash.format(kind))
        project.write(f"migrations/versions/{revision}.py", text)
    refused = project.generate(merge=True)
    assert (refused.exit_code, refused.written) == (1, False)
    assert [each.object for each in refused.remaining] == ["public.a.c"]
    assert refused.proof is not None
    assert "clash about public.a.c" in str(refused.proof.upgrade.error)
    assert "clash about public.a.c" in generate_text(refused, Style())
    assert len(project.files) == 6
    on_one = project.generate(
        sql="ALTER TABLE a ADD COLUMN IF NOT EXISTS c bigint; ALTER TABLE a ADD e int", head=("d",)
    )
    assert on_one.exit_code == 0, on_one.proof
    assert [each.change.object for each in on_one.operations] == ["public.a.e"]
    beside = project.generate(sql="ALTER TABLE a ADD f int", head=("0002",), splice=True)
    assert beside.exit_code == 0, beside.proof
