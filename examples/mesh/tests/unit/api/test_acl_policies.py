"""Access policies."""

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from src.database.identity import User
from src.database.mesh import AclPolicy, MeshInstance


@pytest.fixture
def mesh(session: Session) -> MeshInstance:
    owner_id = session.execute(insert(User).values(email="o@example.org", handle="owner").returning(User.id)).scalar()
    mesh = MeshInstance(owner_id=owner_id, slug="m", name="M")
    session.add(mesh)
    session.flush()
    return mesh


def test_a_policy_denies_unless_told_otherwise(session: Session, mesh: MeshInstance) -> None:
    """The default action is the safe one, and the policy is in force."""
    policy = AclPolicy(mesh_id=mesh.id, name="p", source="10.0.0.0/8", destination="10.0.0.1")
    session.add(policy)
    session.flush()
    assert (policy.action, policy.priority, policy.enabled) == ("deny", 100, True)


def test_an_unknown_action_is_refused(session: Session, mesh: MeshInstance) -> None:
    """A policy allows, denies or logs."""
    session.add(AclPolicy(mesh_id=mesh.id, name="p", action="maybe", source="10.0.0.0/8", destination="10.0.0.1"))
    with pytest.raises(IntegrityError, match="ck_acl_policies_action_known"):
        session.flush()
