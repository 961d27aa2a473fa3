"""event store, in its own schema

Revision ID: 0007
Revises: 0006
Create Date: 2025-04-24 13:17:45
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE SCHEMA event_store")
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True, cache=50), nullable=False),
        sa.Column("stream_id", sa.UUID(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("event_type", sa.String(length=100, collation="C"), nullable=False),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.Column(
            "occurred_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("transaction_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sa.UniqueConstraint("stream_id", "version", name=op.f("uq_events_stream_id_version")),
        sa.CheckConstraint("version > 0", name=op.f("ck_events_version_positive")),
        schema="event_store",
        comment="Append-only",
    )
    op.create_index("ix_events_type", "events", ["event_type", sa.text("id DESC")], schema="event_store")
    op.create_index(
        "ix_events_data",
        "events",
        ["data"],
        schema="event_store",
        postgresql_using="gin",
        postgresql_ops={"data": "jsonb_path_ops"},
        postgresql_with={"fastupdate": "off"},
    )
    op.create_table(
        "snapshots",
        sa.Column("stream_id", sa.UUID(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("state", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("stream_id", "version", name=op.f("pk_snapshots")),
        sa.ForeignKeyConstraint(
            ["stream_id", "version"],
            ["event_store.events.stream_id", "event_store.events.version"],
            name=op.f("fk_snapshots_event"),
            ondelete="CASCADE",
        ),
        schema="event_store",
    )


def downgrade() -> None:
    op.drop_table("snapshots", schema="event_store")
    op.drop_table("events", schema="event_store")
    op.execute("DROP SCHEMA event_store")
