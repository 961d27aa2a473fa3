"""Rows; and types, views, functions, triggers, all else that a schema has."""

from __future__ import annotations

from judged.case import Judged, judged

REST: tuple[Judged, ...] = (
    # Data
    judged("", "op.execute(\"UPDATE topics SET locale = 'en' WHERE locale IS NULL AND id < 1000\")"),
    judged("update-delete-without-where data-change-needs-analyze", 'op.execute("UPDATE topics SET view_count = 0")'),
    judged("update-delete-without-where data-change-needs-analyze", 'op.execute("DELETE FROM jobs")'),
    judged("truncate", 'op.execute("TRUNCATE webhooks")'),
    judged(
        "mixed-data-and-schema",
        """
op.add_column("topics", sa.Column("hot", sa.Boolean))
op.execute("UPDATE topics SET hot = true WHERE view_count > 100")
""",
    ),
    judged(
        "mixed-data-and-schema update-delete-without-where data-change-needs-analyze set-not-null-scan",
        """
op.add_column("topics", sa.Column("state", sa.String(10)))
op.execute("UPDATE topics SET state = 'open'")
op.alter_column("topics", "state", nullable=False)
""",
    ),
    judged(
        "",
        """
tags = sa.table("tags", sa.column("id", sa.Integer), sa.column("name", sa.String))
op.bulk_insert(tags, [{"name": "meta"}, {"name": "off-topic"}])
op.execute(tags.update().where(tags.c.name == "meta").values(name="about"))
op.execute(tags.delete().where(tags.c.name == "off-topic"))
""",
    ),
    judged(
        "data-dependent",
        """
rows = op.get_bind().execute(sa.text("SELECT id, title FROM topics WHERE slug IS NULL")).fetchall()
for row in rows:
    op.execute(sa.text("UPDATE topics SET slug = :s WHERE id = :i").bindparams(s=row.title.lower(), i=row.id))
""",
    ),
    # Types, views, functions, triggers
    judged("enum-add-value enum-value-order", "op.execute(\"ALTER TYPE job_state ADD VALUE 'failed'\")"),
    judged("enum-add-value", "op.execute(\"ALTER TYPE job_state ADD VALUE IF NOT EXISTS 'paused' AFTER 'running'\")"),
    judged("rename-enum-value", "op.execute(\"ALTER TYPE job_state RENAME VALUE 'done' TO 'finished'\")"),
    judged(
        "",
        """
op.execute("CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$")
""",
    ),
    judged(
        "replace-view",
        """
op.execute("CREATE OR REPLACE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$")
""",
    ),
    judged(
        "create-trigger",
        """
op.execute("CREATE TRIGGER posts_stamp BEFORE UPDATE ON posts FOR EACH ROW EXECUTE FUNCTION stamp()")
""",
    ),
    judged("enable-disable-trigger", 'op.execute("ALTER TABLE posts DISABLE TRIGGER posts_stamp")'),
    judged("drop-trigger-policy", 'op.execute("DROP TRIGGER posts_stamp ON posts")'),
    judged("drop-view-function-sequence", 'op.execute("DROP FUNCTION stamp()")'),
    judged("refresh-matview-blocking rewrite-under-lock", 'op.execute("REFRESH MATERIALIZED VIEW post_counts")'),
    judged("drop-view-function-sequence", 'op.execute("DROP MATERIALIZED VIEW tag_counts")'),
    judged("extension-version-pin", 'op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")'),
    judged(
        "create-index-blocking",
        """
op.create_index("ix_posts_trgm", "posts", ["body"], postgresql_using="gin", postgresql_ops={"body": "gin_trgm_ops"})
""",
    ),
    judged(
        "create-partition-of",
        """
op.execute("CREATE TABLE visits_2026 PARTITION OF visits FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')")
""",
    ),
    judged("detach-partition", 'op.execute("ALTER TABLE visits DETACH PARTITION visits_2025")'),
    judged("drop-table", 'op.drop_table("visits_2025")'),
    judged("set-logged-unlogged rewrite-under-lock", 'op.execute("ALTER TABLE jobs SET UNLOGGED")'),
    judged("autovacuum-off", 'op.execute("ALTER TABLE posts SET (autovacuum_enabled = false)")'),
    judged("", "op.execute(\"COMMENT ON TABLE posts IS 'what people write'\")"),
    judged("grant-revoke", 'op.execute("GRANT SELECT ON topics TO PUBLIC")'),
    judged("row-level-security-change", 'op.execute("ALTER TABLE posts ENABLE ROW LEVEL SECURITY")'),
    judged(
        "sql-built-from-strings drop-column",
        """
for column in ("ip", "edited_at"):
    op.execute(f"ALTER TABLE posts DROP COLUMN {column}")
""",
    ),
    judged(
        "sql-built-from-strings",
        """
op.execute("DO $$ BEGIN ALTER TABLE badges ADD COLUMN shiny boolean; EXCEPTION WHEN duplicate_column THEN NULL; END $$")
""",
    ),
    judged(
        "",
        """
if "shiny" not in {c["name"] for c in sa.inspect(op.get_bind()).get_columns("badges")}:
    op.add_column("badges", sa.Column("shiny", sa.Boolean))
""",
    ),
    judged("drop-table locks-beyond-the-named-table", 'op.drop_table("topic_tags")'),
    judged("drop-table", 'op.drop_table("jobs")'),
    judged("drop-enum-type", 'op.execute("DROP TYPE job_state")'),
    judged("drop-schema drop-table drop-cascade locks-beyond-the-named-table", 'op.execute("DROP SCHEMA app CASCADE")'),
)
