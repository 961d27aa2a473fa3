"""nodes know the rack that they stand in

Revision ID: 0101
Revises: 0020
Create Date: 2026-04-14 09:20:31
"""

import sqlalchemy as sa
from alembic import op

revision = "0101"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("mesh_nodes", sa.Column("rack", sa.String(length=40), nullable=True))


def downgrade() -> None:
    op.drop_column("mesh_nodes", "rack")
