"""an index for what one person did

Revision ID: 0103
Revises: 0102
Create Date: 2026-04-22 11:37:55
"""

import sqlalchemy as sa
from alembic import op

revision = "0103"
down_revision = "0102"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_audit_logs_actor_id_occurred_at",
        "audit_logs",
        ["actor_id", sa.text("occurred_at DESC")],
    )


def downgrade() -> None:
    op.drop_index("ix_audit_logs_actor_id_occurred_at", table_name="audit_logs")
