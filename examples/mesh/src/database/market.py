"""Where owners of nodes offer capacity: listings, and the escrows that hold the money."""

import uuid
from datetime import datetime
from decimal import Decimal

from sqlalchemy import (
    CHAR,
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Numeric,
    Sequence,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP, TSTZRANGE, TSVECTOR, Range
from sqlalchemy.orm import Mapped, mapped_column

from src.database.base import Base, CreatedAt

LISTING_NUMBERS = Sequence("listing_number_seq", start=1000, increment=10, cache=20, metadata=Base.metadata)


class MarketplaceListing(Base):
    """Capacity for sale."""

    __tablename__ = "marketplace_listings"
    __table_args__ = (
        UniqueConstraint("seller_id", "sku", postgresql_nulls_not_distinct=True),
        ForeignKeyConstraint(
            ["mesh_id", "node_name"],
            ["mesh_nodes.mesh_id", "mesh_nodes.name"],
            name="fk_marketplace_listings_node",
            ondelete="SET NULL (node_name)",
        ),
        CheckConstraint("price >= 0 AND (price = 0 OR currency IS NOT NULL)", name="price_has_currency"),
        Index("ix_marketplace_listings_search", "search", postgresql_using="gin"),
        Index(
            "ix_marketplace_listings_title_prefix",
            "title",
            postgresql_ops={"title": "text_pattern_ops"},
        ),
        Index(
            "ix_marketplace_listings_open_price",
            "price",
            postgresql_include=["title"],
            postgresql_where=text("status = 'open' AND price > 0"),
        ),
        {"comment": 'Capacity for sale; "number" is what customers quote, it\'s never reused'},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, server_default=LISTING_NUMBERS.next_value(), unique=True)
    seller_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    sku: Mapped[str | None] = mapped_column(String(40))
    mesh_id: Mapped[uuid.UUID | None]
    node_name: Mapped[str | None] = mapped_column(String(63))
    title: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text, server_default=text("'It''s \"as is\"; ask the seller''s support'"))
    price: Mapped[Decimal] = mapped_column(Numeric(12, 4))
    currency: Mapped[str | None] = mapped_column(CHAR(3), server_default="EUR")
    tags: Mapped[list[str]] = mapped_column(ARRAY(String(30)), server_default=text("'{}'::varchar[]"))
    status: Mapped[str] = mapped_column(String(12), server_default="draft")
    listed_at: Mapped[datetime] = mapped_column(
        TIMESTAMP, server_default=text("timezone('utc'::text, CURRENT_TIMESTAMP)")
    )
    search: Mapped[str] = mapped_column(
        TSVECTOR,
        Computed("to_tsvector('english', title || ' ' || description)", persisted=True),
        nullable=True,
    )


class MarketplaceEscrow(Base):
    """Money held until the buyer has what was listed."""

    __tablename__ = "marketplace_escrows"
    __table_args__ = (
        ForeignKeyConstraint(
            ["collateral_mesh_id", "collateral_node_name"],
            ["mesh_nodes.mesh_id", "mesh_nodes.name"],
            name="fk_marketplace_escrows_collateral",
            match="FULL",
            ondelete="NO ACTION",
            deferrable=True,
            initially="DEFERRED",
        ),
        CheckConstraint("state::text = ANY (ARRAY['held', 'released', 'refunded'])", name="state_known"),
        CheckConstraint("NOT isempty(hold_window)", name="hold_window_not_empty"),
        Index("ix_marketplace_escrows_listing_id", "listing_id", "state"),
        Index("ix_marketplace_escrows_hold_window", "hold_window", postgresql_using="gist"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True, increment=5, minvalue=5), primary_key=True)
    listing_id: Mapped[int] = mapped_column(ForeignKey("marketplace_listings.id", ondelete="RESTRICT"))
    buyer_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL", onupdate="CASCADE"))
    amount: Mapped[Decimal] = mapped_column(Numeric(18, 2))
    state: Mapped[str] = mapped_column(String(10), server_default="held")
    collateral_mesh_id: Mapped[uuid.UUID | None]
    collateral_node_name: Mapped[str | None] = mapped_column(String(63))
    hold_window: Mapped[Range[datetime]] = mapped_column(
        TSTZRANGE, server_default=text("tstzrange(now(), (now() + '14 days'::interval), '[)')")
    )
    created_at: Mapped[CreatedAt]
