"""SBOM entries and attestations."""

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from src.database.identity import User
from src.database.mesh import MeshInstance, MeshNode
from src.database.supply_chain import NodeAttestation, SbomEntry


@pytest.fixture
def node_id(session: Session) -> int:
    owner_id = session.execute(insert(User).values(email="o@example.org", handle="owner").returning(User.id)).scalar()
    mesh = MeshInstance(owner_id=owner_id, slug="m", name="M")
    mesh.nodes.append(MeshNode(name="n", ordinal=1))
    session.add(mesh)
    session.flush()
    return mesh.nodes[0].id


def test_a_package_without_a_version_is_listed_once(session: Session, node_id: int) -> None:
    """The unique index takes missing versions for equal."""
    session.add_all([SbomEntry(node_id=node_id, purl="pkg:deb/debian/bash") for _ in range(2)])
    with pytest.raises(IntegrityError, match="uq_sbom_entries_node_id_purl_version"):
        session.flush()


def test_an_attestation_waits_to_be_verified(session: Session, node_id: int) -> None:
    """New attestations are not verified."""
    attestation = NodeAttestation(node_id=node_id, digest=b"d" * 32, signature=b"s")
    session.add(attestation)
    session.flush()
    assert attestation.verified is False


def test_a_digest_has_32_bytes(session: Session, node_id: int) -> None:
    """Anything that is no SHA-256 is refused."""
    session.add(NodeAttestation(node_id=node_id, digest=b"short", signature=b"s"))
    with pytest.raises(IntegrityError, match="ck_node_attestations_digest_is_sha256"):
        session.flush()
