"""Enrolling nodes and keeping track of them."""

import uuid
from collections.abc import Mapping, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from src.database.mesh import MeshInstance, MeshNode, NodeState


class QuotaExceededError(Exception):
    """The mesh has as many nodes as it may have."""


def of_mesh(session: Session, mesh_id: uuid.UUID, limit: int) -> Sequence[MeshNode]:
    """A mesh's nodes, in the order in which they joined."""
    query = select(MeshNode).where(MeshNode.mesh_id == mesh_id).order_by(MeshNode.ordinal).limit(limit)
    return session.scalars(query).all()


def enrol(session: Session, mesh: MeshInstance, name: str, labels: Mapping[str, str]) -> MeshNode:
    """Add a node to a mesh.

    Raises QuotaExceededError when the mesh is full.
    """
    count, last = session.execute(
        select(func.count(), func.coalesce(func.max(MeshNode.ordinal), 0)).where(MeshNode.mesh_id == mesh.id)
    ).one()
    if count >= mesh.node_quota:
        raise QuotaExceededError(f"mesh {mesh.slug} may have {mesh.node_quota} nodes")
    node = MeshNode(mesh_id=mesh.id, name=name, ordinal=last + 1, labels=dict(labels))
    session.add(node)
    session.flush()
    return node


def record_heartbeat(session: Session, node: MeshNode) -> None:
    """The node is alive: note when, and bring it online unless it is draining."""
    node.last_seen_at = session.scalar(select(func.now()))
    if node.state is not NodeState.DRAINING:
        node.state = NodeState.ONLINE
    session.flush()
