"""Nodes over HTTP."""

import uuid
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert
from sqlalchemy.orm import Session

from src.database.identity import User
from src.database.mesh import MeshInstance

if TYPE_CHECKING:
    from fastapi.testclient import TestClient


@pytest.fixture
def mesh_id(session: Session) -> uuid.UUID:
    owner_id = session.execute(insert(User).values(email="o@example.org", handle="owner").returning(User.id)).scalar()
    mesh = MeshInstance(owner_id=owner_id, slug="m", name="M", node_quota=1)
    session.add(mesh)
    session.flush()
    return mesh.id


def test_an_enrolled_node_reports_and_is_online(client: "TestClient", mesh_id: uuid.UUID) -> None:
    """Enrol, heartbeat, list."""
    node = client.post(f"/meshes/{mesh_id}/nodes", json={"name": "relay", "labels": {"zone": "z1"}}).json()
    assert node["state"] == "pending"
    assert client.post(f"/nodes/{node['id']}/heartbeat").json()["state"] == "online"
    assert [found["name"] for found in client.get(f"/meshes/{mesh_id}/nodes").json()] == ["relay"]


def test_a_full_mesh_is_a_conflict(client: "TestClient", mesh_id: uuid.UUID) -> None:
    """The second node of a mesh for one is answered with 409."""
    client.post(f"/meshes/{mesh_id}/nodes", json={"name": "first"})
    assert client.post(f"/meshes/{mesh_id}/nodes", json={"name": "second"}).status_code == 409


def test_unknown_meshes_and_nodes_are_not_found(client: "TestClient") -> None:
    """Both are answered with 404."""
    assert client.post(f"/meshes/{uuid.UUID(int=0)}/nodes", json={"name": "a"}).status_code == 404
    assert client.post("/nodes/0/heartbeat").status_code == 404
