"""The marketplace: search what is offered."""

from decimal import Decimal

from fastapi import APIRouter, HTTPException, status
from pydantic import BaseModel, ConfigDict

from src.api import DatabaseSession, PageSize
from src.repositories import market

router = APIRouter(prefix="/listings", tags=["marketplace"])


class ListingOut(BaseModel):
    """A listing as buyers see it."""

    model_config = ConfigDict(from_attributes=True)

    number: int
    title: str
    description: str
    price: Decimal
    currency: str | None
    tags: list[str]


@router.get("")
def search_listings(session: DatabaseSession, q: str = "", limit: PageSize = 50) -> list[ListingOut]:
    return [ListingOut.model_validate(listing) for listing in market.search(session, q, limit)]


@router.get("/{number}")
def read_listing(number: int, session: DatabaseSession) -> ListingOut:
    listing = market.by_number(session, number)
    if listing is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "no such listing")
    return ListingOut.model_validate(listing)
