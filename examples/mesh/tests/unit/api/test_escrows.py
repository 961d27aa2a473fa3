"""Escrows of the marketplace."""

import uuid
from decimal import Decimal

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from src.database.identity import User
from src.database.market import MarketplaceEscrow, MarketplaceListing


@pytest.fixture
def listing(session: Session) -> MarketplaceListing:
    seller_id = session.execute(insert(User).values(email="s@example.org", handle="seller").returning(User.id)).scalar()
    listing = MarketplaceListing(seller_id=seller_id, title="relay", price=Decimal(5))
    session.add(listing)
    session.flush()
    return listing


def test_money_is_held_for_fourteen_days(session: Session, listing: MarketplaceListing) -> None:
    """State and window have defaults."""
    escrow = MarketplaceEscrow(listing_id=listing.id, amount=Decimal(5))
    session.add(escrow)
    session.flush()
    window = escrow.hold_window
    assert escrow.state == "held"
    assert window.lower is not None
    assert window.upper is not None
    assert (window.upper - window.lower).days == 14


def test_collateral_is_named_wholly_or_not_at_all(session: Session, listing: MarketplaceListing) -> None:
    """MATCH FULL refuses a mesh without a node when the constraint is checked."""
    session.add(MarketplaceEscrow(listing_id=listing.id, amount=Decimal(5), collateral_mesh_id=uuid.uuid4()))
    session.flush()
    with pytest.raises(IntegrityError, match="fk_marketplace_escrows_collateral"):
        session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
