"""Revisions of the shapes that open-source projects have, judged by hand: which rules a reviewer would name for each.

They are one history on the schema of the examples, in this order. What is written here comes from PostgreSQL's
documentation and the list of rules; it was written before the first run, and where the two differed since, the reason
is in a comment. Without a target every table that an earlier revision made has rows.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Judged:
    """A body of ``upgrade()`` and the names of the rules that have something to say about it."""

    body: str
    rules: frozenset[str]


def _judged(rules: str, body: str) -> Judged:
    return Judged(body, frozenset(rules.split()))


NEW_KEY = "create-table-with-foreign-key"
KEY = "add-foreign-key-validating foreign-key-locks-referenced"

JUDGED: tuple[Judged, ...] = (
    # New tables: what is new locks and scans nothing.
    _judged(
        "",
        """
op.create_table(
    "categories", sa.Column("id", sa.BigInteger, primary_key=True), sa.Column("name", sa.String(50), nullable=False),
    sa.Column("parent_id", sa.BigInteger, sa.ForeignKey("categories.id", ondelete="SET NULL"), index=True),
    sa.UniqueConstraint("name", name="uq_categories_name"),
)
""",
    ),
    _judged(
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
    _judged(
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
    _judged(
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
    _judged(
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
    _judged(
        "enum-creation",
        """
op.execute("CREATE TYPE job_state AS ENUM ('queued', 'running', 'done')")
op.execute("CREATE TABLE jobs (id bigserial PRIMARY KEY, state job_state NOT NULL DEFAULT 'queued', payload jsonb)")
op.execute("CREATE INDEX ix_jobs_state ON jobs (state) WHERE state <> 'done'")
""",
    ),
    _judged(
        "enum-creation",
        """
op.create_table(
    "webhooks", sa.Column("id", sa.Integer, primary_key=True), sa.Column("url", sa.Text, nullable=False),
    sa.Column("kind", sa.Enum("push", "issue", name="webhook_kind"), nullable=False),
    sa.Column("secret", sa.LargeBinary),
)
""",
    ),
    _judged(
        "",
        """
op.execute("CREATE TABLE settings (key text PRIMARY KEY, value text)")
op.execute("INSERT INTO settings VALUES ('title', 'Forum'), ('locale', 'en')")
""",
    ),
    _judged(
        "",
        """
op.execute("CREATE TABLE visits (at timestamptz NOT NULL, path text) PARTITION BY RANGE (at)")
op.execute("CREATE TABLE visits_2025 PARTITION OF visits FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')")
op.execute("CREATE INDEX ix_visits_at ON visits (at)")
""",
    ),
    _judged(
        "",
        """
op.create_table(
    "attachments", sa.Column("id", sa.Uuid, primary_key=True, server_default=sa.text("gen_random_uuid()")),
    sa.Column("post_id", sa.BigInteger), sa.Column("size", sa.Integer), sa.Column("name", sa.String(255)),
    sa.Column("meta", postgresql.JSONB, server_default="{}"), schema="app",
)
""",
    ),
    _judged("", 'op.execute("CREATE TABLE IF NOT EXISTS badges (id serial PRIMARY KEY, name varchar(30) UNIQUE)")'),
    _judged("", 'op.execute("CREATE SCHEMA reporting")'),
    _judged("", 'op.execute("CREATE VIEW reporting.open_topics AS SELECT id, title FROM topics WHERE pinned")'),
    _judged(
        "create-matview-with-data",
        """
op.execute("CREATE MATERIALIZED VIEW post_counts AS SELECT topic_id, count(*) AS n FROM posts GROUP BY topic_id")
""",
    ),
    _judged("", 'op.execute("CREATE MATERIALIZED VIEW tag_counts AS SELECT tag_id FROM topic_tags WITH NO DATA")'),
    # Columns
    _judged("", 'op.add_column("topics", sa.Column("slug", sa.String(200)))'),
    _judged("", 'op.add_column("topics", sa.Column("views", sa.Integer, server_default="0", nullable=False))'),
    _judged(
        "", 'op.add_column("posts", sa.Column("edited_at", sa.DateTime(timezone=True), server_default=sa.func.now()))'
    ),
    _judged("add-column-not-null-no-default", 'op.add_column("posts", sa.Column("ip", sa.String(45), nullable=False))'),
    _judged("add-column-json", 'op.add_column("posts", sa.Column("raw", sa.JSON))'),
    _judged("", 'op.add_column("posts", sa.Column("extra", postgresql.JSONB, server_default=sa.text("\'{}\'")))'),
    _judged(
        "add-column-volatile-default rewrite-under-lock",
        """
op.add_column("topics", sa.Column("public_id", sa.Uuid, server_default=sa.text("gen_random_uuid()"), nullable=False))
""",
    ),
    _judged("add-column-serial rewrite-under-lock", 'op.execute("ALTER TABLE tags ADD COLUMN position serial")'),
    _judged(
        "add-column-identity rewrite-under-lock",
        """
op.execute("ALTER TABLE badges ADD COLUMN number integer GENERATED ALWAYS AS IDENTITY")
""",
    ),
    _judged(
        "add-column-generated-stored rewrite-under-lock",
        """
op.add_column("posts", sa.Column("length", sa.Integer, sa.Computed("length(body)", persisted=True)))
""",
    ),
    _judged(
        "add-column-inline-check",
        """
op.execute("ALTER TABLE posts ADD COLUMN stars smallint CHECK (stars BETWEEN 0 AND 5)")
""",
    ),
    _judged("add-column-inline-unique", 'op.execute("ALTER TABLE webhooks ADD COLUMN token text UNIQUE")'),
    _judged(
        "add-column-constrained-domain rewrite-under-lock",
        """
op.add_column("badges", sa.Column("level", postgresql.DOMAIN("positive", sa.Integer, create_type=False)))
""",
    ),
    # Alembic sends the key as a statement of its own, which checks every row.
    _judged(
        f"{KEY} foreign-key-on-delete-review foreign-key-without-index",
        """
op.add_column("posts", sa.Column("editor_id", sa.BigInteger, sa.ForeignKey("users.id")))
""",
    ),
    _judged(
        "add-column-inline-foreign-key foreign-key-locks-referenced",
        """
op.execute("ALTER TABLE topics ADD COLUMN closed_by bigint REFERENCES users ON DELETE SET NULL")
""",
    ),
    _judged(
        "enum-creation",
        """
kind = postgresql.ENUM("low", "high", name="priority")
kind.create(op.get_bind())
op.add_column("jobs", sa.Column("priority", kind, server_default="low", nullable=False))
""",
    ),
    _judged(
        "batch-alter-table",
        """
with op.batch_alter_table("webhooks") as batch_op:
    batch_op.add_column(sa.Column("active", sa.Boolean(), server_default=sa.true(), nullable=False))
    batch_op.add_column(sa.Column("note", sa.String(100)))
""",
    ),
    _judged("drop-column", 'op.drop_column("posts", "score")'),
    _judged(
        "drop-column batch-alter-table",
        """
with op.batch_alter_table("webhooks", schema=None) as batch_op:
    batch_op.drop_column("note")
""",
    ),
    _judged("drop-column", 'op.execute("ALTER TABLE posts DROP COLUMN IF EXISTS stars")'),
    # The view does not break, it goes: that is said of the view itself.
    _judged(
        "drop-column drop-cascade drop-view-function-sequence",
        """
op.execute("ALTER TABLE topics DROP COLUMN pinned CASCADE")
""",
    ),
    _judged("rename-column", 'op.alter_column("topics", "views", new_column_name="view_count")'),
    _judged("rename-table", 'op.rename_table("settings", "site_settings")'),
    _judged("rename-or-move-schema", 'op.execute("ALTER TABLE site_settings SET SCHEMA app")'),
    # Types
    _judged(
        "change-type-rewrite rewrite-under-lock prepared-statement-breaks",
        """
op.alter_column("tags", "position", type_=sa.BigInteger())
""",
    ),
    _judged("prepared-statement-breaks", 'op.alter_column("topics", "title", type_=sa.Text())'),
    _judged("prepared-statement-breaks", 'op.alter_column("badges", "name", type_=sa.String(60))'),
    _judged(
        "change-type-narrowing change-type-rewrite rewrite-under-lock prepared-statement-breaks",
        """
op.alter_column("topics", "slug", existing_type=sa.String(200), type_=sa.String(80))
""",
    ),
    _judged(
        "change-type-rewrite rewrite-under-lock prepared-statement-breaks",
        """
op.alter_column("webhooks", "id", type_=sa.BigInteger())
""",
    ),
    # First judged to be a case of change-type-timestamp-tz too; but it says the zone, as that rule asks for.
    _judged(
        "prepared-statement-breaks",
        """
op.execute("SET LOCAL TimeZone = 'UTC'")
op.alter_column("posts", "created_at", type_=sa.DateTime(timezone=True))
""",
    ),
    _judged(
        "change-type-rewrite rewrite-under-lock prepared-statement-breaks",
        """
op.alter_column("posts", "raw", type_=postgresql.JSONB(), postgresql_using="raw::jsonb")
""",
    ),
    _judged("change-default", 'op.alter_column("topics", "view_count", server_default="1")'),
    _judged("drop-default", 'op.alter_column("topics", "view_count", server_default=None)'),
    _judged("set-not-null-scan", 'op.alter_column("posts", "author_id", nullable=False)'),
    _judged("drop-not-null", 'op.alter_column("webhooks", "url", nullable=True)'),
    _judged(
        "change-collation",
        """
op.execute('ALTER TABLE badges ALTER COLUMN name TYPE varchar(60) COLLATE "C"')
""",
    ),
    _judged("drop-identity-or-expression", 'op.execute("ALTER TABLE badges ALTER COLUMN number DROP IDENTITY")'),
    _judged("sequence-alter", 'op.execute("ALTER SEQUENCE ticket_number INCREMENT BY 10")'),
    # Constraints
    _judged(
        f"{KEY} new-constraint-rejects-old-writes",
        """
op.create_foreign_key("fk_posts_author", "posts", "users", ["author_id"], ["id"], ondelete="RESTRICT")
""",
    ),
    # Validated further down, and dropped in the end: nobody has to be told that it never is, or has no index.
    _judged(
        "foreign-key-locks-referenced new-constraint-rejects-old-writes",
        """
op.create_foreign_key(
    "fk_attachments_post", "attachments", "posts", ["post_id"], ["id"], source_schema="app", ondelete="SET NULL",
    postgresql_not_valid=True,
)
""",
    ),
    _judged(
        "validate-constraint-scan",
        """
op.execute("ALTER TABLE app.attachments VALIDATE CONSTRAINT fk_attachments_post")
""",
    ),
    _judged(
        "add-check-validating new-constraint-rejects-old-writes",
        """
op.create_check_constraint("ck_webhooks_url", "webhooks", "url LIKE 'https:%'")
""",
    ),
    _judged(
        "constraint-never-validated new-constraint-rejects-old-writes",
        """
op.execute("ALTER TABLE posts ADD CONSTRAINT ck_posts_body CHECK (length(body) > 0) NOT VALID")
""",
    ),
    _judged(
        "not-valid-then-validate-same-tx validate-constraint-scan new-constraint-rejects-old-writes",
        """
op.create_check_constraint("ck_jobs_id", "jobs", "id > 0", postgresql_not_valid=True)
op.execute("ALTER TABLE jobs VALIDATE CONSTRAINT ck_jobs_id")
""",
    ),
    _judged(
        "add-unique-constraint unique-on-existing-data new-constraint-rejects-old-writes",
        """
op.create_unique_constraint("uq_webhooks_url", "webhooks", ["url"])
""",
    ),
    _judged(
        "add-unique-constraint unique-on-existing-data new-constraint-rejects-old-writes batch-alter-table",
        """
with op.batch_alter_table("topics") as batch_op:
    batch_op.create_unique_constraint("uq_topics_slug", ["slug", "category_id"])
""",
    ),
    _judged(
        "add-primary-key unique-on-existing-data primary-key-nullable-column",
        """
op.create_primary_key("audit_pkey", "audit", ["id"])
""",
    ),
    _judged(
        "add-exclusion-constraint new-constraint-rejects-old-writes",
        """
op.execute("ALTER TABLE places ADD CONSTRAINT one_place EXCLUDE USING gist (circle(spot, 1) WITH &&)")
""",
    ),
    _judged(
        "drop-constraint locks-beyond-the-named-table",
        """
op.drop_constraint("fk_posts_author", "posts", type_="foreignkey")
""",
    ),
    _judged("drop-constraint", 'op.drop_constraint("ck_webhooks_url", "webhooks", type_="check")'),
    _judged("drop-constraint", 'op.drop_constraint("uq_webhooks_url", "webhooks")'),
    _judged("drop-primary-key", 'op.drop_constraint("audit_pkey", "audit", type_="primary")'),
    _judged("domain-constraint", "op.execute(\"CREATE DOMAIN email AS text CHECK (VALUE LIKE '%@%')\")"),
    # Indexes
    _judged("create-index-blocking", 'op.create_index("ix_posts_topic_id", "posts", ["topic_id"])'),
    _judged(
        "create-index-blocking unique-on-existing-data",
        """
op.create_index(op.f("ix_jobs_payload_key"), "jobs", [sa.text("(payload ->> 'key')")], unique=True)
""",
    ),
    _judged(
        "create-index-blocking", 'op.execute("CREATE INDEX IF NOT EXISTS ix_posts_body ON posts (left(body, 20))")'
    ),
    _judged("", 'op.execute("CREATE INDEX IF NOT EXISTS ix_posts_topic_id ON posts (topic_id)")'),
    # CONCURRENTLY without IF NOT EXISTS fails loudly when it is sent again: it is what every reviewer asks for.
    _judged(
        "",
        """
with op.get_context().autocommit_block():
    op.create_index("ix_posts_created_at", "posts", ["created_at"], postgresql_concurrently=True)
""",
    ),
    _judged(
        "half-way-state",
        """
with op.get_context().autocommit_block():
    op.execute("CREATE INDEX CONCURRENTLY ix_topics_title ON topics (title)")
    op.execute("CREATE INDEX CONCURRENTLY ix_topics_closed_by ON topics (closed_by)")
""",
    ),
    _judged(
        "unique-on-existing-data",
        """
with op.get_context().autocommit_block():
    op.create_index("uq_webhooks_kind", "webhooks", ["kind", "url"], unique=True, postgresql_concurrently=True)
""",
    ),
    _judged(
        "create-index-blocking index-too-many-columns",
        """
op.create_index("ix_posts_many", "posts", ["author_id", "topic_id", "created_at", "id"])
""",
    ),
    _judged("create-index-blocking", 'op.create_index("ix_posts_author_id", "posts", ["author_id"])'),
    _judged("create-index-blocking index-redundant", 'op.create_index("ix_tags_id", "tags", ["id"])'),
    _judged(
        "concurrently-leaves-invalid-index",
        """
with op.get_context().autocommit_block():
    op.create_index("ix_tags_colour", "tags", ["colour"], postgresql_concurrently=True, if_not_exists=True)
""",
    ),
    # One fact is said once: the cases of create-index-blocking that have a name of their own go by that.
    _judged(
        "index-on-partitioned-parent",
        """
op.create_index("ix_visits_path", "visits", ["path"])
""",
    ),
    _judged("drop-index-blocking", 'op.drop_index("ix_posts_many", table_name="posts")'),
    _judged(
        "",
        """
with op.get_context().autocommit_block():
    op.drop_index("ix_topics_title", postgresql_concurrently=True, if_exists=True)
""",
    ),
    _judged(
        "index-create-exclusive-tx",
        """
op.add_column("topics", sa.Column("locale", sa.String(5)))
op.create_index("ix_topics_locale", "topics", ["locale"])
""",
    ),
    _judged("reindex-blocking", 'op.execute("REINDEX TABLE webhooks")'),
    _judged("rename-other-object", 'op.execute("ALTER INDEX ix_posts_body RENAME TO ix_posts_start")'),
    # Data
    _judged("", "op.execute(\"UPDATE topics SET locale = 'en' WHERE locale IS NULL AND id < 1000\")"),
    _judged("update-delete-without-where data-change-needs-analyze", 'op.execute("UPDATE topics SET view_count = 0")'),
    _judged("update-delete-without-where data-change-needs-analyze", 'op.execute("DELETE FROM jobs")'),
    _judged("truncate", 'op.execute("TRUNCATE webhooks")'),
    _judged(
        "mixed-data-and-schema",
        """
op.add_column("topics", sa.Column("hot", sa.Boolean))
op.execute("UPDATE topics SET hot = true WHERE view_count > 100")
""",
    ),
    _judged(
        "mixed-data-and-schema update-delete-without-where data-change-needs-analyze set-not-null-scan",
        """
op.add_column("topics", sa.Column("state", sa.String(10)))
op.execute("UPDATE topics SET state = 'open'")
op.alter_column("topics", "state", nullable=False)
""",
    ),
    _judged(
        "",
        """
tags = sa.table("tags", sa.column("id", sa.Integer), sa.column("name", sa.String))
op.bulk_insert(tags, [{"name": "meta"}, {"name": "off-topic"}])
op.execute(tags.update().where(tags.c.name == "meta").values(name="about"))
op.execute(tags.delete().where(tags.c.name == "off-topic"))
""",
    ),
    _judged(
        "data-dependent",
        """
rows = op.get_bind().execute(sa.text("SELECT id, title FROM topics WHERE slug IS NULL")).fetchall()
for row in rows:
    op.execute(sa.text("UPDATE topics SET slug = :s WHERE id = :i").bindparams(s=row.title.lower(), i=row.id))
""",
    ),
    # Types, views, functions, triggers
    _judged("enum-add-value enum-value-order", "op.execute(\"ALTER TYPE job_state ADD VALUE 'failed'\")"),
    _judged("enum-add-value", "op.execute(\"ALTER TYPE job_state ADD VALUE IF NOT EXISTS 'paused' AFTER 'running'\")"),
    _judged("rename-enum-value", "op.execute(\"ALTER TYPE job_state RENAME VALUE 'done' TO 'finished'\")"),
    _judged(
        "",
        """
op.execute("CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$")
""",
    ),
    _judged(
        "replace-view",
        """
op.execute("CREATE OR REPLACE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$")
""",
    ),
    _judged(
        "create-trigger",
        """
op.execute("CREATE TRIGGER posts_stamp BEFORE UPDATE ON posts FOR EACH ROW EXECUTE FUNCTION stamp()")
""",
    ),
    _judged("enable-disable-trigger", 'op.execute("ALTER TABLE posts DISABLE TRIGGER posts_stamp")'),
    _judged("drop-trigger-policy", 'op.execute("DROP TRIGGER posts_stamp ON posts")'),
    _judged("drop-view-function-sequence", 'op.execute("DROP FUNCTION stamp()")'),
    _judged("refresh-matview-blocking rewrite-under-lock", 'op.execute("REFRESH MATERIALIZED VIEW post_counts")'),
    _judged("drop-view-function-sequence", 'op.execute("DROP MATERIALIZED VIEW tag_counts")'),
    _judged("extension-version-pin", 'op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")'),
    _judged(
        "create-index-blocking",
        """
op.create_index("ix_posts_trgm", "posts", ["body"], postgresql_using="gin", postgresql_ops={"body": "gin_trgm_ops"})
""",
    ),
    _judged(
        "create-partition-of",
        """
op.execute("CREATE TABLE visits_2026 PARTITION OF visits FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')")
""",
    ),
    _judged("detach-partition", 'op.execute("ALTER TABLE visits DETACH PARTITION visits_2025")'),
    _judged("drop-table", 'op.drop_table("visits_2025")'),
    _judged("set-logged-unlogged rewrite-under-lock", 'op.execute("ALTER TABLE jobs SET UNLOGGED")'),
    _judged("autovacuum-off", 'op.execute("ALTER TABLE posts SET (autovacuum_enabled = false)")'),
    _judged("", "op.execute(\"COMMENT ON TABLE posts IS 'what people write'\")"),
    _judged("grant-revoke", 'op.execute("GRANT SELECT ON topics TO PUBLIC")'),
    _judged("row-level-security-change", 'op.execute("ALTER TABLE posts ENABLE ROW LEVEL SECURITY")'),
    _judged(
        "sql-built-from-strings drop-column",
        """
for column in ("ip", "edited_at"):
    op.execute(f"ALTER TABLE posts DROP COLUMN {column}")
""",
    ),
    _judged(
        "sql-built-from-strings",
        """
op.execute("DO $$ BEGIN ALTER TABLE badges ADD COLUMN shiny boolean; EXCEPTION WHEN duplicate_column THEN NULL; END $$")
""",
    ),
    _judged(
        "",
        """
if "shiny" not in {c["name"] for c in sa.inspect(op.get_bind()).get_columns("badges")}:
    op.add_column("badges", sa.Column("shiny", sa.Boolean))
""",
    ),
    _judged("drop-table locks-beyond-the-named-table", 'op.drop_table("topic_tags")'),
    _judged("drop-table", 'op.drop_table("jobs")'),
    _judged("drop-enum-type", 'op.execute("DROP TYPE job_state")'),
    _judged(
        "drop-schema drop-table drop-cascade locks-beyond-the-named-table", 'op.execute("DROP SCHEMA app CASCADE")'
    ),
)
