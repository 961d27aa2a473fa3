"""invoices lose the number of the old accounting system

Revision ID: 0102
Revises: 0101
Create Date: 2026-04-21 15:02:10
"""

import sqlalchemy as sa
from alembic import op

revision = "0102"
down_revision = "0101"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_column("invoices", "legacy_number")


def downgrade() -> None:
    op.add_column(
        "invoices",
        sa.Column(
            "legacy_number",
            sa.String(length=32),
            nullable=True,
            comment="Number in the accounting system that was retired in 2025",
        ),
    )
