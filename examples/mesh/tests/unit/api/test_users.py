"""Users: defaults, what PostgreSQL refuses, and how they are found."""

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from src.database.identity import User
from src.repositories import users


def add_user(session: Session, handle: str = "ada", **columns: object) -> User:
    user = User(**{"email": f"{handle}@example.org", "handle": handle, **columns})
    session.add(user)
    session.flush()
    session.refresh(user)
    return user


def test_a_new_user_is_an_active_member(session: Session) -> None:
    """The database supplies role, flags and preferences."""
    user = add_user(session)
    assert (user.role, user.is_active, user.is_service) == ("member", True, False)
    assert user.preferences == {"theme": "dark", "units": ["metric", "24h"]}


def test_the_domain_of_the_address_is_computed(session: Session) -> None:
    """email_domain follows the address."""
    user = add_user(session, email="ada@lovelace.example")
    assert user.email_domain == "lovelace.example"


def test_addresses_are_unique_whatever_their_case(session: Session) -> None:
    """Two users cannot share an address that differs in case only."""
    add_user(session, email="ada@example.org")
    with pytest.raises(IntegrityError, match="uq_users_email_lower"):
        add_user(session, "other", email="ADA@example.org")


@pytest.mark.parametrize("handle", ["A", "9lives", "has space", "x"])
def test_a_handle_is_short_lower_case_and_begins_with_a_letter(session: Session, handle: str) -> None:
    """The domain user_handle refuses anything else."""
    with pytest.raises(IntegrityError, match="user_handle_check"):
        add_user(session, handle, email="someone@example.org")


def test_a_role_is_one_of_three(session: Session) -> None:
    """An unknown role is refused by the check constraint."""
    with pytest.raises(IntegrityError, match="ck_users_role_known"):
        add_user(session, role="emperor")


def test_an_address_is_found_in_any_case(session: Session) -> None:
    """by_email ignores case."""
    user = add_user(session, email="Ada@Example.org")
    assert users.by_email(session, "aDA@example.ORG") == user


def test_deleted_users_are_not_listed(session: Session) -> None:
    """newest leaves out the users with deleted_at."""
    kept = add_user(session)
    add_user(session, "gone", deleted_at="2026-01-01T00:00:00Z")
    assert list(users.newest(session, 10)) == [kept]
