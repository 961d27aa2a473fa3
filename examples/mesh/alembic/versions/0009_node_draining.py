"""nodes can be draining, and have a lease and a firmware

Revision ID: 0009
Revises: 0008
Create Date: 2025-06-03 09:26:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TYPE node_state ADD VALUE 'draining' AFTER 'online'")
    op.add_column("mesh_nodes", sa.Column("lease", postgresql.INTERVAL(fields="HOUR TO MINUTE"), nullable=True))
    op.add_column(
        "mesh_nodes",
        sa.Column(
            "firmware",
            sa.String(length=40),
            server_default=sa.text("'0.0.0'::character varying"),
            nullable=False,
        ),
    )


def downgrade() -> None:
    op.drop_column("mesh_nodes", "firmware")
    op.drop_column("mesh_nodes", "lease")
    # PostgreSQL cannot take a label out of an enum: make the type again and move the column over.
    op.execute("UPDATE mesh_nodes SET state = 'offline' WHERE state = 'draining'")
    op.execute("ALTER TABLE mesh_nodes ALTER COLUMN state DROP DEFAULT")
    op.execute("ALTER TYPE node_state RENAME TO node_state_old")
    op.execute("CREATE TYPE node_state AS ENUM ('pending', 'online', 'offline')")
    op.execute("ALTER TABLE mesh_nodes ALTER COLUMN state TYPE node_state USING state::text::node_state")
    op.execute("ALTER TABLE mesh_nodes ALTER COLUMN state SET DEFAULT 'pending'")
    op.execute("DROP TYPE node_state_old")
