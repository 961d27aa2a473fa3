"""New tables: what is new locks and scans nothing."""

from __future__ import annotations

from judged.case import NEW_KEY, Judged, judged

TABLES: tuple[Judged, ...] = (
    judged(
        "",
        """
op.create_table(
    "categories", sa.Column("id", sa.BigInteger, primary_key=True), sa.Column("name", sa.String(50), nullable=False),
    sa.Column("parent_id", sa.BigInteger, sa.ForeignKey("categories.id", ondelete="SET NULL"), index=True),
    sa.UniqueConstraint("name", name="uq_categories_name"),
)
""",
    ),
    judged(
        NEW_KEY,
        """
op.create_table(
    "topics", sa.Column("id", sa.BigInteger, primary_key=True), sa.Column("title", sa.String(200), nullable=False),
    sa.Column("category_id", sa.BigInteger, sa.ForeignKey("categories.id", ondelete="RESTRICT"), nullable=False),
    sa.Column("author_id", sa.BigInteger, sa.ForeignKey("users.id", ondelete="SET NULL")),
    sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
    sa.Column("pinned", sa.Boolean, server_default=sa.false(), nullable=False),
)
op.create_index("ix_topics_category_id", "topics", ["category_id"])
op.create_index("ix_topics_author_id", "topics", ["author_id"])
""",
    ),
    # Its index comes later in the same run, as do those of other keys below.
    judged(
        f"{NEW_KEY} foreign-key-on-delete-review",
        """
op.create_table(
    "posts", sa.Column("id", sa.BigInteger, primary_key=True), sa.Column("body", sa.Text, nullable=False),
    sa.Column("topic_id", sa.BigInteger, nullable=False), sa.Column("author_id", sa.BigInteger),
    sa.Column("created_at", sa.DateTime(), server_default=sa.func.now()), sa.Column("score", sa.Integer),
    sa.ForeignKeyConstraint(["topic_id"], ["topics.id"], name="fk_posts_topic_id"),
)
""",
    ),
    judged(
        "",
        """
op.create_table(
    "tags", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(40), nullable=False),
    sa.Column("colour", sa.String(7), server_default="#ffffff", nullable=False),
)
op.create_unique_constraint("uq_tags_name", "tags", ["name"])
op.create_check_constraint("ck_tags_name", "tags", "name <> ''")
op.bulk_insert(sa.table("tags", sa.column("name", sa.String)), [{"name": "help"}, {"name": "news"}])
""",
    ),
    judged(
        NEW_KEY,
        """
op.create_table(
    "topic_tags", sa.Column("topic_id", sa.BigInteger, sa.ForeignKey("topics.id", ondelete="CASCADE")),
    sa.Column("tag_id", sa.Integer, sa.ForeignKey("tags.id", ondelete="CASCADE")),
    sa.PrimaryKeyConstraint("topic_id", "tag_id"),
)
op.create_index("ix_topic_tags_tag_id", "topic_tags", ["tag_id"])
""",
    ),
    judged(
        "enum-creation",
        """
op.execute("CREATE TYPE job_state AS ENUM ('queued', 'running', 'done')")
op.execute("CREATE TABLE jobs (id bigserial PRIMARY KEY, state job_state NOT NULL DEFAULT 'queued', payload jsonb)")
op.execute("CREATE INDEX ix_jobs_state ON jobs (state) WHERE state <> 'done'")
""",
    ),
    judged(
        "enum-creation",
        """
op.create_table(
    "webhooks", sa.Column("id", sa.Integer, primary_key=True), sa.Column("url", sa.Text, nullable=False),
    sa.Column("kind", sa.Enum("push", "issue", name="webhook_kind"), nullable=False),
    sa.Column("secret", sa.LargeBinary),
)
""",
    ),
    judged(
        "",
        """
op.execute("CREATE TABLE settings (key text PRIMARY KEY, value text)")
op.execute("INSERT INTO settings VALUES ('title', 'Forum'), ('locale', 'en')")
""",
    ),
    judged(
        "",
        """
op.execute("CREATE TABLE visits (at timestamptz NOT NULL, path text) PARTITION BY RANGE (at)")
op.execute("CREATE TABLE visits_2025 PARTITION OF visits FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')")
op.execute("CREATE INDEX ix_visits_at ON visits (at)")
""",
    ),
    judged(
        "",
        """
op.create_table(
    "attachments", sa.Column("id", sa.Uuid, primary_key=True, server_default=sa.text("gen_random_uuid()")),
    sa.Column("post_id", sa.BigInteger), sa.Column("size", sa.Integer), sa.Column("name", sa.String(255)),
    sa.Column("meta", postgresql.JSONB, server_default="{}"), schema="app",
)
""",
    ),
    judged("", 'op.execute("CREATE TABLE IF NOT EXISTS badges (id serial PRIMARY KEY, name varchar(30) UNIQUE)")'),
    judged("", 'op.execute("CREATE SCHEMA reporting")'),
    judged("", 'op.execute("CREATE VIEW reporting.open_topics AS SELECT id, title FROM topics WHERE pinned")'),
    judged(
        "create-matview-with-data",
        """
op.execute("CREATE MATERIALIZED VIEW post_counts AS SELECT topic_id, count(*) AS n FROM posts GROUP BY topic_id")
""",
    ),
    judged("", 'op.execute("CREATE MATERIALIZED VIEW tag_counts AS SELECT tag_id FROM topic_tags WITH NO DATA")'),
)
