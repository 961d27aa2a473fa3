"""Sessions and API keys go with their user."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from src.database.identity import ApiKey, User, UserSession


@pytest.fixture
def user(session: Session) -> User:
    user = User(email="ada@example.org", handle="ada")
    session.add(user)
    session.flush()
    return user


def test_a_session_expires_after_twelve_hours(session: Session, user: User) -> None:
    """expires_at and idle_timeout have defaults."""
    signed_in = UserSession(user_id=user.id, token_hash=b"t")
    session.add(signed_in)
    session.flush()
    now = session.scalar(select(func.now()))
    assert now is not None
    assert signed_in.expires_at - now == timedelta(hours=12)
    assert signed_in.idle_timeout == timedelta(minutes=30)


def test_a_key_may_read_only_unless_told_otherwise(session: Session, user: User) -> None:
    """The default scopes and feature mask come from the database."""
    key = ApiKey(user_id=user.id, name="ci", key_hash=b"h")
    session.add(key)
    session.flush()
    assert (key.scopes, key.feature_mask) == (["mesh:read"], "1010")


def test_key_names_are_unique_per_user(session: Session, user: User) -> None:
    """One user cannot have two keys of one name."""
    session.add_all([ApiKey(user_id=user.id, name="ci", key_hash=hash_) for hash_ in (b"1", b"2")])
    with pytest.raises(IntegrityError, match="uq_api_keys_user_id_name"):
        session.flush()


def test_sessions_and_keys_go_with_the_user(session: Session, user: User) -> None:
    """Deleting a user deletes what they sign in with."""
    session.add_all([UserSession(user_id=user.id, token_hash=b"t"), ApiKey(user_id=user.id, name="k", key_hash=b"h")])
    session.flush()
    session.delete(user)
    session.flush()
    assert session.scalar(select(func.count()).select_from(UserSession)) == 0
    assert session.scalar(select(func.count()).select_from(ApiKey)) == 0
