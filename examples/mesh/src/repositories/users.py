"""Finding users."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from src.database.identity import User


def by_email(session: Session, email: str) -> User | None:
    """The user with this address, whatever its case."""
    return session.scalar(select(User).where(func.lower(User.email) == email.lower()))


def newest(session: Session, limit: int) -> Sequence[User]:
    """The users that are not deleted, newest first."""
    query = select(User).where(User.deleted_at.is_(None)).order_by(User.created_at.desc(), User.id).limit(limit)
    return session.scalars(query).all()
