"""full name instead of name, preferences, email domain

Revision ID: 0004
Revises: 0003
Create Date: 2025-02-18 10:31:57
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("users", "name", new_column_name="full_name")
    op.add_column(
        "users",
        sa.Column(
            "preferences",
            postgresql.JSONB(),
            server_default='{"theme": "dark", "units": ["metric", "24h"]}',
            nullable=False,
        ),
    )
    op.add_column(
        "users",
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    op.add_column(
        "users",
        sa.Column("email_domain", sa.Text(), sa.Computed("split_part(email, '@', 2)", persisted=True), nullable=True),
    )


def downgrade() -> None:
    op.drop_column("users", "email_domain")
    op.drop_column("users", "updated_at")
    op.drop_column("users", "preferences")
    op.alter_column("users", "full_name", new_column_name="name")
