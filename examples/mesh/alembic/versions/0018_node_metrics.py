"""metrics of nodes, one partition for each half-year

Revision ID: 0018
Revises: 0017
Create Date: 2026-01-07 11:50:26
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "node_metrics",
        sa.Column("node_id", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("latency_ms", sa.Numeric(precision=8, scale=3), nullable=False),
        sa.Column("packets", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("node_id", "recorded_at", name=op.f("pk_node_metrics")),
        sa.ForeignKeyConstraint(
            ["node_id"], ["mesh_nodes.id"], name=op.f("fk_node_metrics_node_id_mesh_nodes"), ondelete="CASCADE"
        ),
        postgresql_partition_by="RANGE (recorded_at)",
        comment="Partitioned by half-year",
    )
    op.create_index("ix_node_metrics_recorded_at", "node_metrics", ["recorded_at"], postgresql_using="brin")
    op.execute(
        "CREATE TABLE node_metrics_2026_h1 PARTITION OF node_metrics "
        "FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-07-01 00:00:00+00')"
    )
    op.execute(
        "CREATE TABLE node_metrics_2026_h2 PARTITION OF node_metrics "
        "FOR VALUES FROM ('2026-07-01 00:00:00+00') TO ('2027-01-01 00:00:00+00')"
    )
    op.execute("CREATE TABLE node_metrics_other PARTITION OF node_metrics DEFAULT")


def downgrade() -> None:
    op.drop_table("node_metrics")
