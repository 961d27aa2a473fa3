"""audit logs, global configuration

Revision ID: 0003
Revises: 0002
Create Date: 2025-02-03 11:05:19
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_logs",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("occurred_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("actor_id", sa.UUID(), nullable=True),
        sa.Column("action", sa.String(length=60), nullable=False),
        sa.Column("entity_type", sa.String(length=40), nullable=False),
        sa.Column("entity_id", sa.String(length=64), nullable=True),
        sa.Column("severity", sa.SmallInteger(), server_default="20", nullable=False),
        sa.Column("ip_address", postgresql.INET(), nullable=True),
        sa.Column("payload", postgresql.JSONB(), server_default=sa.text("jsonb_build_object()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_logs")),
        comment="Who did what, when and from where",
    )
    op.create_index("ix_audit_logs_occurred_at", "audit_logs", ["occurred_at"], postgresql_using="brin")
    op.create_index(
        "ix_audit_logs_entity", "audit_logs", ["entity_type", "entity_id"], postgresql_with={"fillfactor": 90}
    )

    op.create_table(
        "global_config",
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("value", postgresql.JSONB(), server_default="null", nullable=False),
        sa.Column("description", sa.Text(), server_default=sa.text("NULL::text"), nullable=True),
        sa.Column(
            "updated_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("('now'::text)::timestamptz(0)"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_global_config")),
        sa.CheckConstraint("key = lower(key)", name=op.f("ck_global_config_key_lower_case")),
    )
    op.execute(
        "INSERT INTO global_config (key, value, description) VALUES "
        "('enrolment.open', 'true', 'Whether new nodes may join'), "
        "('heartbeat.seconds', '30', 'How often a node reports')"
    )


def downgrade() -> None:
    op.drop_table("global_config")
    op.drop_table("audit_logs")
