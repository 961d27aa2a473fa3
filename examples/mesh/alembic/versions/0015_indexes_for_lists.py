"""indexes for the lists in the console, built while the service runs

Revision ID: 0015
Revises: 0014
Create Date: 2025-10-01 06:40:18
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_users_role_active",
            "users",
            ["role"],
            postgresql_where=sa.text("deleted_at IS NULL"),
            postgresql_concurrently=True,
        )
        op.create_index(
            "ix_mesh_nodes_last_seen_at",
            "mesh_nodes",
            [sa.text("last_seen_at DESC NULLS LAST")],
            postgresql_concurrently=True,
        )
        op.create_index(
            "ix_payments_invoice_id_received_at",
            "payments",
            ["invoice_id", sa.text("received_at DESC")],
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("ix_payments_invoice_id_received_at", table_name="payments", postgresql_concurrently=True)
        op.drop_index("ix_mesh_nodes_last_seen_at", table_name="mesh_nodes", postgresql_concurrently=True)
        op.drop_index("ix_users_role_active", table_name="users", postgresql_concurrently=True)
