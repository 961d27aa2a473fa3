"""Searching the marketplace."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from src.database.market import MarketplaceListing


def search(session: Session, words: str, limit: int) -> Sequence[MarketplaceListing]:
    """Open listings with all of the words, cheapest first; all open listings when there are no words."""
    query = select(MarketplaceListing).where(MarketplaceListing.status == "open")
    if words:
        query = query.where(MarketplaceListing.search.bool_op("@@")(func.plainto_tsquery("english", words)))
    return session.scalars(query.order_by(MarketplaceListing.price, MarketplaceListing.id).limit(limit)).all()


def by_number(session: Session, number: int) -> MarketplaceListing | None:
    """The listing that a customer quotes by its number."""
    return session.scalar(select(MarketplaceListing).where(MarketplaceListing.number == number))
