"""/listings over HTTP."""

from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy import insert
from sqlalchemy.orm import Session

from src.database.identity import User
from src.database.market import MarketplaceListing

if TYPE_CHECKING:
    from fastapi.testclient import TestClient


def test_open_listings_are_found_by_words_and_number(client: "TestClient", session: Session) -> None:
    """A search in English, then the listing by what a customer quotes."""
    seller_id = session.execute(insert(User).values(email="s@example.org", handle="seller").returning(User.id)).scalar()
    listing = MarketplaceListing(seller_id=seller_id, title="Fast relay", price=Decimal("2.5"), status="open")
    session.add(listing)
    session.flush()
    (found,) = client.get("/listings", params={"q": "relays"}).json()
    assert found["title"] == "Fast relay"
    assert client.get(f"/listings/{listing.number}").json() == found
    assert client.get("/listings", params={"q": "submarine"}).json() == []


def test_an_unknown_number_is_not_found(client: "TestClient") -> None:
    """It is answered with 404."""
    assert client.get("/listings/1").status_code == 404
