"""/users over HTTP."""

import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

ADA = {"email": "ada@example.org", "handle": "ada", "full_name": "Ada Lovelace"}


def test_a_created_user_can_be_read(client: "TestClient") -> None:
    """What POST returns is what GET finds."""
    created = client.post("/users", json=ADA)
    assert created.status_code == 201
    assert created.json()["role"] == "member"
    assert client.get(f"/users/{created.json()['id']}").json() == created.json()
    assert client.get("/users").json() == [created.json()]


def test_an_address_that_is_taken_is_a_conflict(client: "TestClient") -> None:
    """The same address in other letters is answered with 409."""
    client.post("/users", json=ADA)
    assert client.post("/users", json=ADA | {"email": "ADA@example.org", "handle": "ada2"}).status_code == 409


def test_a_role_can_be_changed_to_a_known_one(client: "TestClient") -> None:
    """An operator is made; an emperor is not."""
    user_id = client.post("/users", json=ADA).json()["id"]
    assert client.put(f"/users/{user_id}/role", json={"role": "operator"}).json()["role"] == "operator"
    assert client.put(f"/users/{user_id}/role", json={"role": "emperor"}).status_code == 422


def test_nobody_is_not_found(client: "TestClient") -> None:
    """An unknown id is answered with 404."""
    assert client.get(f"/users/{uuid.UUID(int=0)}").status_code == 404
