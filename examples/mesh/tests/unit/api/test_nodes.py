"""Meshes and their nodes."""

import uuid

import pytest
from sqlalchemy import insert, text
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from src.database.identity import User
from src.database.mesh import MeshInstance, MeshNode, MeshStatus, NodeState
from src.repositories import nodes


@pytest.fixture
def owner_id(session: Session) -> uuid.UUID:
    return session.execute(
        insert(User).values(email="owner@example.org", handle="owner").returning(User.id)
    ).scalar_one()


@pytest.fixture
def mesh(session: Session, owner_id: uuid.UUID) -> MeshInstance:
    mesh = MeshInstance(owner_id=owner_id, slug="home", name="Home", node_quota=3, vni_range=Range(16, 32))
    session.add(mesh)
    session.flush()
    return mesh


def test_a_mesh_begins_as_provisioning(mesh: MeshInstance) -> None:
    """Status and network have defaults."""
    assert (mesh.status, str(mesh.network)) == (MeshStatus.PROVISIONING, "10.0.0.0/8")


def test_two_meshes_cannot_share_a_network_identifier(session: Session, mesh: MeshInstance) -> None:
    """Overlapping ranges of identifiers are refused."""
    session.add(MeshInstance(owner_id=mesh.owner_id, slug="second", name="Second", vni_range=Range(31, 40)))
    with pytest.raises(IntegrityError, match="ex_mesh_instances_vni_range"):
        session.flush()


def test_a_retired_mesh_frees_its_identifiers(session: Session, mesh: MeshInstance) -> None:
    """The exclusion covers the meshes that are not retired."""
    mesh.status = MeshStatus.RETIRED
    session.flush()
    session.add(MeshInstance(owner_id=mesh.owner_id, slug="second", name="Second", vni_range=Range(16, 32)))
    session.flush()


def test_nodes_are_numbered_in_the_order_of_joining(session: Session, mesh: MeshInstance) -> None:
    """enrol gives each node the next ordinal."""
    names = ["alpha", "beta"]
    enrolled = [nodes.enrol(session, mesh, name, {}) for name in names]
    assert [node.ordinal for node in enrolled] == [1, 2]
    assert [node.name for node in nodes.of_mesh(session, mesh.id, 10)] == names


def test_a_full_mesh_takes_no_more_nodes(session: Session, mesh: MeshInstance) -> None:
    """enrol keeps to the quota."""
    for name in ("a", "b", "c"):
        nodes.enrol(session, mesh, name, {})
    with pytest.raises(nodes.QuotaExceededError, match="may have 3 nodes"):
        nodes.enrol(session, mesh, "d", {})


def test_two_nodes_can_swap_their_ordinals(session: Session, mesh: MeshInstance) -> None:
    """The ordinals' uniqueness is checked at the end of the transaction."""
    first, second = (nodes.enrol(session, mesh, name, {}) for name in ("a", "b"))
    first.ordinal, second.ordinal = second.ordinal, first.ordinal
    session.flush()
    session.execute(text("SET CONSTRAINTS uq_mesh_nodes_mesh_id_ordinal IMMEDIATE"))
    assert [node.name for node in nodes.of_mesh(session, mesh.id, 10)] == ["b", "a"]


def test_a_heartbeat_brings_a_node_online(session: Session, mesh: MeshInstance) -> None:
    """A pending node that reports is online."""
    node = nodes.enrol(session, mesh, "a", {})
    nodes.record_heartbeat(session, node)
    assert node.state is NodeState.ONLINE
    assert node.last_seen_at is not None


def test_a_heartbeat_does_not_stop_draining(session: Session, mesh: MeshInstance) -> None:
    """A draining node stays so."""
    node = nodes.enrol(session, mesh, "a", {})
    node.state = NodeState.DRAINING
    nodes.record_heartbeat(session, node)
    assert node.state is NodeState.DRAINING


@pytest.mark.parametrize(
    ("columns", "constraint"),
    [
        ({"name": "Not_A_Label"}, "ck_mesh_nodes_name_is_dns_label"),
        ({"name": "pole", "latitude": 91}, "ck_mesh_nodes_latitude_on_earth"),
    ],
)
def test_a_node_that_cannot_be_is_refused(
    session: Session, mesh: MeshInstance, columns: dict[str, object], constraint: str
) -> None:
    """Names are DNS labels and latitudes are on Earth."""
    session.add(MeshNode(mesh_id=mesh.id, ordinal=1, **columns))
    with pytest.raises(IntegrityError, match=constraint):
        session.flush()
