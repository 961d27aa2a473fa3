"""Metrics of nodes, in their partitions."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from src.database.identity import User
from src.database.mesh import MeshInstance, MeshNode, NodeMetric


@pytest.fixture
def node_id(session: Session) -> int:
    owner_id = session.execute(insert(User).values(email="o@example.org", handle="owner").returning(User.id)).scalar()
    mesh = MeshInstance(owner_id=owner_id, slug="m", name="M")
    mesh.nodes.append(MeshNode(name="n", ordinal=1))
    session.add(mesh)
    session.flush()
    return mesh.nodes[0].id


@pytest.mark.parametrize(
    ("when", "partition"),
    [
        (datetime(2026, 3, 1, tzinfo=UTC), "node_metrics_2026_h1"),
        (datetime(2026, 7, 1, tzinfo=UTC), "node_metrics_2026_h2"),
        (datetime(2031, 1, 1, tzinfo=UTC), "node_metrics_other"),
    ],
)
def test_a_measurement_goes_to_the_partition_of_its_half_year(
    session: Session, node_id: int, when: datetime, partition: str
) -> None:
    """Rows are stored by time, and those of no known half-year in the default partition."""
    session.add(NodeMetric(node_id=node_id, recorded_at=when, latency_ms=Decimal("1.5")))
    session.flush()
    assert session.scalar(text("SELECT tableoid::regclass::text FROM node_metrics")) == partition
