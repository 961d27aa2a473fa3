"""Nodes of a mesh: list, enrol, report a heartbeat."""

import uuid
from datetime import datetime

from fastapi import APIRouter, HTTPException, status
from pydantic import BaseModel, ConfigDict

from src.api import DatabaseSession, PageSize
from src.database.mesh import MeshInstance, MeshNode, NodeState
from src.repositories import nodes

router = APIRouter(tags=["nodes"])


class NodeIn(BaseModel):
    """A node that joins a mesh."""

    name: str
    labels: dict[str, str] = {}


class NodeOut(BaseModel):
    """A node as the console shows it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    ordinal: int
    state: NodeState
    labels: dict[str, str]
    last_seen_at: datetime | None


@router.get("/meshes/{mesh_id}/nodes")
def list_nodes(mesh_id: uuid.UUID, session: DatabaseSession, limit: PageSize = 50) -> list[NodeOut]:
    return [NodeOut.model_validate(node) for node in nodes.of_mesh(session, mesh_id, limit)]


@router.post("/meshes/{mesh_id}/nodes", status_code=status.HTTP_201_CREATED)
def enrol_node(mesh_id: uuid.UUID, body: NodeIn, session: DatabaseSession) -> NodeOut:
    mesh = session.get(MeshInstance, mesh_id)
    if mesh is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "no such mesh")
    try:
        node = nodes.enrol(session, mesh, body.name, body.labels)
    except nodes.QuotaExceededError as error:
        raise HTTPException(status.HTTP_409_CONFLICT, str(error)) from error
    return NodeOut.model_validate(node)


@router.post("/nodes/{node_id}/heartbeat")
def heartbeat(node_id: int, session: DatabaseSession) -> NodeOut:
    node = session.get(MeshNode, node_id)
    if node is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "no such node")
    nodes.record_heartbeat(session, node)
    return NodeOut.model_validate(node)
