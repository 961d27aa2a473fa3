"""playbooks and who has read them

Revision ID: 0017
Revises: 0016
Create Date: 2025-11-12 16:09:47
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


TOUCH_UPDATED_AT = """
CREATE FUNCTION touch_updated_at() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$
"""


def upgrade() -> None:
    op.execute(TOUCH_UPDATED_AT)
    op.create_table(
        "playbooks",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("slug", sa.String(length=80, collation="C"), nullable=False),
        sa.Column("title", sa.String(length=200), server_default=sa.text("'Untitled (it''s new)'"), nullable=False),
        sa.Column("body", sa.Text(), server_default=sa.text("E'# Steps\\n\\n1. Don''t panic\\n'"), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_playbooks")),
        sa.CheckConstraint("version > 0", name=op.f("ck_playbooks_version_positive")),
    )
    op.create_index("uq_playbooks_slug_lower", "playbooks", [sa.text("lower(slug)")], unique=True)
    op.execute(
        "CREATE TRIGGER touch_updated_at BEFORE UPDATE ON playbooks "
        "FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION touch_updated_at()"
    )
    op.create_table(
        "playbook_acknowledgements",
        sa.Column("playbook_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("acknowledged_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("playbook_id", "user_id", "version", name=op.f("pk_playbook_acknowledgements")),
        sa.ForeignKeyConstraint(
            ["playbook_id"],
            ["playbooks.id"],
            name=op.f("fk_playbook_acknowledgements_playbook_id_playbooks"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_playbook_acknowledgements_user_id_users"), ondelete="CASCADE"
        ),
    )


def downgrade() -> None:
    op.drop_table("playbook_acknowledgements")
    op.drop_table("playbooks")
    op.execute("DROP FUNCTION touch_updated_at()")
