"""Listings of the marketplace."""

import uuid
from decimal import Decimal

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from src.database.identity import User
from src.database.market import MarketplaceListing
from src.database.mesh import MeshInstance, MeshNode
from src.repositories import market


@pytest.fixture
def seller_id(session: Session) -> uuid.UUID:
    return session.execute(insert(User).values(email="s@example.org", handle="seller").returning(User.id)).scalar_one()


def add_listing(
    session: Session, seller_id: uuid.UUID, title: str, sku: str | None, **columns: object
) -> MarketplaceListing:
    listing = MarketplaceListing(**{"seller_id": seller_id, "title": title, "sku": sku, "price": Decimal(5), **columns})
    session.add(listing)
    session.flush()
    session.refresh(listing)
    return listing


def test_listings_are_numbered_in_tens(session: Session, seller_id: uuid.UUID) -> None:
    """Numbers come from a sequence with an increment of ten."""
    numbers = [add_listing(session, seller_id, "relay", sku).number for sku in ("a", "b")]
    assert numbers[1] - numbers[0] == 10


def test_search_finds_forms_of_a_word_in_open_listings(session: Session, seller_id: uuid.UUID) -> None:
    """search looks at title and description, cheapest first, and only at what is open."""
    dear = add_listing(session, seller_id, "Fast relays", "a", status="open", price=Decimal(9))
    cheap = add_listing(session, seller_id, "Cheap", "b", status="open", description="one relay", price=Decimal(1))
    add_listing(session, seller_id, "Secret relay", "c")
    assert list(market.search(session, "relay", 10)) == [cheap, dear]


def test_a_seller_lists_without_a_number_of_their_own_once(session: Session, seller_id: uuid.UUID) -> None:
    """NULLs count as equal in the unique constraint on seller and SKU."""
    add_listing(session, seller_id, "first", None)
    with pytest.raises(IntegrityError, match="uq_marketplace_listings_seller_id_sku"):
        add_listing(session, seller_id, "second", None)


def test_a_listing_outlives_its_node(session: Session, seller_id: uuid.UUID) -> None:
    """When the node goes its name is forgotten, and the mesh stays known."""
    mesh = MeshInstance(owner_id=seller_id, slug="m", name="M")
    node = MeshNode(name="relay", ordinal=1)
    mesh.nodes.append(node)
    session.add(mesh)
    session.flush()
    listing = add_listing(session, seller_id, "relay", "a", mesh_id=mesh.id, node_name="relay")
    session.delete(node)
    session.flush()
    session.refresh(listing)
    assert (listing.mesh_id, listing.node_name) == (mesh.id, None)
