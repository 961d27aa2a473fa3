"""Columns and their types."""

from __future__ import annotations

from judged.case import KEY, Judged, judged

COLUMNS: tuple[Judged, ...] = (
    # Columns
    judged("", 'op.add_column("topics", sa.Column("slug", sa.String(200)))'),
    judged("", 'op.add_column("topics", sa.Column("views", sa.Integer, server_default="0", nullable=False))'),
    judged(
        "", 'op.add_column("posts", sa.Column("edited_at", sa.DateTime(timezone=True), server_default=sa.func.now()))'
    ),
    judged("add-column-not-null-no-default", 'op.add_column("posts", sa.Column("ip", sa.String(45), nullable=False))'),
    judged("add-column-json", 'op.add_column("posts", sa.Column("raw", sa.JSON))'),
    judged("", 'op.add_column("posts", sa.Column("extra", postgresql.JSONB, server_default=sa.text("\'{}\'")))'),
    judged(
        "add-column-volatile-default rewrite-under-lock",
        """
op.add_column("topics", sa.Column("public_id", sa.Uuid, server_default=sa.text("gen_random_uuid()"), nullable=False))
""",
    ),
    judged("add-column-serial rewrite-under-lock", 'op.execute("ALTER TABLE tags ADD COLUMN position serial")'),
    judged(
        "add-column-identity rewrite-under-lock",
        """
op.execute("ALTER TABLE badges ADD COLUMN number integer GENERATED ALWAYS AS IDENTITY")
""",
    ),
    judged(
        "add-column-generated-stored rewrite-under-lock",
        """
op.add_column("posts", sa.Column("length", sa.Integer, sa.Computed("length(body)", persisted=True)))
""",
    ),
    judged(
        "add-column-inline-check",
        """
op.execute("ALTER TABLE posts ADD COLUMN stars smallint CHECK (stars BETWEEN 0 AND 5)")
""",
    ),
    judged("add-column-inline-unique", 'op.execute("ALTER TABLE webhooks ADD COLUMN token text UNIQUE")'),
    judged(
        "add-column-constrained-domain rewrite-under-lock",
        """
op.add_column("badges", sa.Column("level", postgresql.DOMAIN("positive", sa.Integer, create_type=False)))
""",
    ),
    # Alembic sends the key as a statement of its own, which checks every row.
    judged(
        f"{KEY} foreign-key-on-delete-review foreign-key-without-index",
        """
op.add_column("posts", sa.Column("editor_id", sa.BigInteger, sa.ForeignKey("users.id")))
""",
    ),
    judged(
        "add-column-inline-foreign-key foreign-key-locks-referenced",
        """
op.execute("ALTER TABLE topics ADD COLUMN closed_by bigint REFERENCES users ON DELETE SET NULL")
""",
    ),
    judged(
        "enum-creation",
        """
kind = postgresql.ENUM("low", "high", name="priority")
kind.create(op.get_bind())
op.add_column("jobs", sa.Column("priority", kind, server_default="low", nullable=False))
""",
    ),
    judged(
        "batch-alter-table",
        """
with op.batch_alter_table("webhooks") as batch_op:
    batch_op.add_column(sa.Column("active", sa.Boolean(), server_default=sa.true(), nullable=False))
    batch_op.add_column(sa.Column("note", sa.String(100)))
""",
    ),
    judged("drop-column", 'op.drop_column("posts", "score")'),
    judged(
        "drop-column batch-alter-table",
        """
with op.batch_alter_table("webhooks", schema=None) as batch_op:
    batch_op.drop_column("note")
""",
    ),
    judged("drop-column", 'op.execute("ALTER TABLE posts DROP COLUMN IF EXISTS stars")'),
    # The view does not break, it goes: that is said of the view itself.
    judged(
        "drop-column drop-cascade drop-view-function-sequence",
        """
op.execute("ALTER TABLE topics DROP COLUMN pinned CASCADE")
""",
    ),
    judged("rename-column", 'op.alter_column("topics", "views", new_column_name="view_count")'),
    judged("rename-table", 'op.rename_table("settings", "site_settings")'),
    judged("rename-or-move-schema", 'op.execute("ALTER TABLE site_settings SET SCHEMA app")'),
    # Types
    judged(
        "change-type-rewrite rewrite-under-lock prepared-statement-breaks",
        """
op.alter_column("tags", "position", type_=sa.BigInteger())
""",
    ),
    judged("prepared-statement-breaks", 'op.alter_column("topics", "title", type_=sa.Text())'),
    judged("prepared-statement-breaks", 'op.alter_column("badges", "name", type_=sa.String(60))'),
    judged(
        "change-type-narrowing change-type-rewrite rewrite-under-lock prepared-statement-breaks",
        """
op.alter_column("topics", "slug", existing_type=sa.String(200), type_=sa.String(80))
""",
    ),
    judged(
        "change-type-rewrite rewrite-under-lock prepared-statement-breaks",
        """
op.alter_column("webhooks", "id", type_=sa.BigInteger())
""",
    ),
    # First judged to be a case of change-type-timestamp-tz too; but it says the zone, as that rule asks for.
    judged(
        "prepared-statement-breaks",
        """
op.execute("SET LOCAL TimeZone = 'UTC'")
op.alter_column("posts", "created_at", type_=sa.DateTime(timezone=True))
""",
    ),
    judged(
        "change-type-rewrite rewrite-under-lock prepared-statement-breaks",
        """
op.alter_column("posts", "raw", type_=postgresql.JSONB(), postgresql_using="raw::jsonb")
""",
    ),
    judged("change-default", 'op.alter_column("topics", "view_count", server_default="1")'),
    judged("drop-default", 'op.alter_column("topics", "view_count", server_default=None)'),
    judged("set-not-null-scan", 'op.alter_column("posts", "author_id", nullable=False)'),
    judged("drop-not-null", 'op.alter_column("webhooks", "url", nullable=True)'),
    judged(
        "change-collation",
        """
op.execute('ALTER TABLE badges ALTER COLUMN name TYPE varchar(60) COLLATE "C"')
""",
    ),
    judged("drop-identity-or-expression", 'op.execute("ALTER TABLE badges ALTER COLUMN number DROP IDENTITY")'),
    judged("sequence-alter", 'op.execute("ALTER SEQUENCE ticket_number INCREMENT BY 10")'),
)
