"""marketplace: listings and escrows

Revision ID: 0005
Revises: 0004
Create Date: 2025-03-11 16:22:08
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(sa.schema.CreateSequence(sa.Sequence("listing_number_seq", start=1000, increment=10, cache=20)))
    op.create_table(
        "marketplace_listings",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("number", sa.BigInteger(), server_default=sa.text("nextval('listing_number_seq')"), nullable=False),
        sa.Column("seller_id", sa.UUID(), nullable=False),
        sa.Column("sku", sa.String(length=40), nullable=True),
        sa.Column("mesh_id", sa.UUID(), nullable=True),
        sa.Column("node_name", sa.String(length=63), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column(
            "description",
            sa.Text(),
            server_default=sa.text("'It''s \"as is\"; ask the seller''s support'"),
            nullable=False,
        ),
        sa.Column("price", sa.Numeric(precision=12, scale=4), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), server_default="EUR", nullable=True),
        sa.Column(
            "tags", postgresql.ARRAY(sa.String(length=30)), server_default=sa.text("'{}'::varchar[]"), nullable=False
        ),
        sa.Column("status", sa.String(length=12), server_default="draft", nullable=False),
        sa.Column(
            "listed_at",
            sa.TIMESTAMP(),
            server_default=sa.text("timezone('utc'::text, CURRENT_TIMESTAMP)"),
            nullable=False,
        ),
        sa.Column(
            "search",
            postgresql.TSVECTOR(),
            sa.Computed("to_tsvector('english', title || ' ' || description)", persisted=True),
            nullable=True,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_marketplace_listings")),
        sa.ForeignKeyConstraint(
            ["seller_id"], ["users.id"], name=op.f("fk_marketplace_listings_seller_id_users"), ondelete="CASCADE"
        ),
        sa.UniqueConstraint("number", name=op.f("uq_marketplace_listings_number")),
        sa.UniqueConstraint(
            "seller_id",
            "sku",
            name=op.f("uq_marketplace_listings_seller_id_sku"),
            postgresql_nulls_not_distinct=True,
        ),
        sa.CheckConstraint(
            "price >= 0 AND (price = 0 OR currency IS NOT NULL)",
            name=op.f("ck_marketplace_listings_price_has_currency"),
        ),
        comment='Capacity for sale; "number" is what customers quote, it\'s never reused',
    )
    # Only the name is forgotten with the node, the mesh stays known: needs PostgreSQL 15.
    op.execute(
        "ALTER TABLE marketplace_listings ADD CONSTRAINT fk_marketplace_listings_node "
        "FOREIGN KEY (mesh_id, node_name) REFERENCES mesh_nodes (mesh_id, name) ON DELETE SET NULL (node_name)"
    )
    op.create_index("ix_marketplace_listings_search", "marketplace_listings", ["search"], postgresql_using="gin")
    op.create_index(
        "ix_marketplace_listings_title_prefix",
        "marketplace_listings",
        ["title"],
        postgresql_ops={"title": "text_pattern_ops"},
    )
    op.create_index(
        "ix_marketplace_listings_open_price",
        "marketplace_listings",
        ["price"],
        postgresql_include=["title"],
        postgresql_where=sa.text("status = 'open' AND price > 0"),
    )

    op.create_table(
        "marketplace_escrows",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True, increment=5, minvalue=5), nullable=False),
        sa.Column("listing_id", sa.BigInteger(), nullable=False),
        sa.Column("buyer_id", sa.UUID(), nullable=True),
        sa.Column("amount", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("state", sa.String(length=10), server_default="held", nullable=False),
        sa.Column("collateral_mesh_id", sa.UUID(), nullable=True),
        sa.Column("collateral_node_name", sa.String(length=63), nullable=True),
        sa.Column(
            "hold_window",
            postgresql.TSTZRANGE(),
            server_default=sa.text("tstzrange(now(), (now() + '14 days'::interval), '[)')"),
            nullable=False,
        ),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_marketplace_escrows")),
        sa.ForeignKeyConstraint(
            ["listing_id"],
            ["marketplace_listings.id"],
            name=op.f("fk_marketplace_escrows_listing_id_marketplace_listings"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["buyer_id"],
            ["users.id"],
            name=op.f("fk_marketplace_escrows_buyer_id_users"),
            ondelete="SET NULL",
            onupdate="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["collateral_mesh_id", "collateral_node_name"],
            ["mesh_nodes.mesh_id", "mesh_nodes.name"],
            name=op.f("fk_marketplace_escrows_collateral"),
            match="FULL",
            ondelete="NO ACTION",
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.CheckConstraint(
            "state::text = ANY (ARRAY['held', 'released', 'refunded'])",
            name=op.f("ck_marketplace_escrows_state_known"),
        ),
        sa.CheckConstraint("NOT isempty(hold_window)", name=op.f("ck_marketplace_escrows_hold_window_not_empty")),
    )
    op.create_index("ix_marketplace_escrows_listing_id", "marketplace_escrows", ["listing_id", "state"])
    op.create_index(
        "ix_marketplace_escrows_hold_window", "marketplace_escrows", ["hold_window"], postgresql_using="gist"
    )


def downgrade() -> None:
    op.drop_table("marketplace_escrows")
    op.drop_table("marketplace_listings")
    op.execute(sa.schema.DropSequence(sa.Sequence("listing_number_seq")))
