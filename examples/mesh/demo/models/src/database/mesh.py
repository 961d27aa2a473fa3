"""The network itself: mesh instances, their nodes, the nodes' metrics, and who may talk to whom."""

import uuid
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    SmallInteger,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import (
    ARRAY,
    BIT,
    CIDR,
    INET,
    INT4RANGE,
    INTERVAL,
    JSONB,
    TIMESTAMP,
    ExcludeConstraint,
    Range,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from src.database.base import Base, CreatedAt, UuidKey, pg_enum


class MeshStatus(StrEnum):
    """Where a mesh is in its life; the order is the order of life."""

    PROVISIONING = "provisioning"
    ACTIVE = "active"
    DEGRADED = "degraded"
    RETIRED = "retired"


class NodeState(StrEnum):
    """What the control plane knows about a node; `draining` was added later (0009)."""

    PENDING = "pending"
    ONLINE = "online"
    DRAINING = "draining"
    OFFLINE = "offline"


class MeshInstance(Base):
    """One customer network."""

    __tablename__ = "mesh_instances"
    __table_args__ = (
        UniqueConstraint("slug"),
        ExcludeConstraint(
            ("vni_range", "&&"),
            name="ex_mesh_instances_vni_range",
            using="gist",
            where=text("status <> 'retired'"),
        ),
        CheckConstraint("node_quota BETWEEN 1 AND 10000", name="node_quota_sane"),
        Index("ix_mesh_instances_owner_id", "owner_id"),
        {"comment": "One customer network; owns its nodes and policies"},
    )

    id: Mapped[UuidKey]
    owner_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    slug: Mapped[str] = mapped_column(String(63))
    name: Mapped[str] = mapped_column(String(120))
    status: Mapped[MeshStatus] = mapped_column(
        pg_enum(MeshStatus, "mesh_status"), server_default=MeshStatus.PROVISIONING.value
    )
    network: Mapped[str] = mapped_column(CIDR, server_default=text("'10.0.0.0/8'::cidr"))
    vni_range: Mapped[Range[int] | None] = mapped_column(
        INT4RANGE, comment="Virtual network identifiers that this mesh may use; no two meshes share one"
    )
    node_quota: Mapped[int] = mapped_column(Integer, server_default="8")
    created_at: Mapped[CreatedAt]

    nodes: Mapped[list["MeshNode"]] = relationship(
        back_populates="mesh", cascade="all, delete-orphan", passive_deletes=True
    )
    policies: Mapped[list["AclPolicy"]] = relationship(
        back_populates="mesh", cascade="all, delete-orphan", passive_deletes=True
    )


class MeshNode(Base):
    """A machine in a mesh."""

    __tablename__ = "mesh_nodes"
    __table_args__ = (
        UniqueConstraint("mesh_id", "name", postgresql_include=["id"]),
        UniqueConstraint(
            "mesh_id",
            "ordinal",
            name="uq_mesh_nodes_mesh_id_ordinal",
            deferrable=True,
            initially="DEFERRED",
        ),
        CheckConstraint("name ~ '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'", name="name_is_dns_label"),
        CheckConstraint("latitude IS NULL OR latitude BETWEEN -90 AND 90", name="latitude_on_earth"),
        Index(
            "ix_mesh_nodes_labels",
            "labels",
            postgresql_using="gin",
            postgresql_ops={"labels": "jsonb_path_ops"},
        ),
        Index(
            "ix_mesh_nodes_joined_at",
            "joined_at",
            postgresql_using="brin",
            postgresql_with={"pages_per_range": 32},
        ),
        Index("ix_mesh_nodes_last_seen_at", text("last_seen_at DESC NULLS LAST")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=False, increment=1, cycle=False), primary_key=True)
    mesh_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("mesh_instances.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(63))
    ordinal: Mapped[int] = mapped_column(SmallInteger)
    state: Mapped[NodeState] = mapped_column(pg_enum(NodeState, "node_state"), server_default=NodeState.PENDING.value)
    addresses: Mapped[list[str]] = mapped_column(ARRAY(INET), server_default="{}")
    public_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    labels: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    capabilities: Mapped[str] = mapped_column(BIT(16), server_default=text("B'0000000000000001'"))
    latitude: Mapped[Decimal | None] = mapped_column(Numeric(9, 6))
    longitude: Mapped[Decimal | None] = mapped_column(Numeric(9, 6))
    heartbeat_jitter: Mapped[float] = mapped_column(Double, server_default=text("random()"))
    joined_at: Mapped[datetime] = mapped_column(
        TIMESTAMP(precision=3), server_default=text("(now() AT TIME ZONE 'utc')")
    )
    last_seen_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True, precision=0))
    lease: Mapped[timedelta | None] = mapped_column(INTERVAL(fields="HOUR TO MINUTE"))
    firmware: Mapped[str] = mapped_column(String(40), server_default=text("'0.0.0'::character varying"))
    rack: Mapped[str | None] = mapped_column(String(40))

    mesh: Mapped[MeshInstance] = relationship(back_populates="nodes")


class NodeMetric(Base):
    """Measurements of a node, partitioned by time; the partitions are made in revisions."""

    __tablename__ = "node_metrics"
    __table_args__ = (
        Index("ix_node_metrics_recorded_at", "recorded_at", postgresql_using="brin"),
        {"postgresql_partition_by": "RANGE (recorded_at)", "comment": "Partitioned by half-year"},
    )

    node_id: Mapped[int] = mapped_column(ForeignKey("mesh_nodes.id", ondelete="CASCADE"), primary_key=True)
    recorded_at: Mapped[datetime] = mapped_column(primary_key=True)
    latency_ms: Mapped[Decimal] = mapped_column(Numeric(8, 3))
    packets: Mapped[int] = mapped_column(BigInteger, server_default="0")


class AclPolicy(Base):
    """Which addresses in a mesh may reach which others; lower priority is looked at first."""

    __tablename__ = "acl_policies"
    __table_args__ = (
        UniqueConstraint("mesh_id", "name"),
        CheckConstraint("action IN ('allow', 'deny', 'log')", name="action_known"),
        Index("ix_acl_policies_source", "source", postgresql_using="gist", postgresql_ops={"source": "inet_ops"}),
    )

    id: Mapped[UuidKey]
    mesh_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("mesh_instances.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(80))
    priority: Mapped[int] = mapped_column(SmallInteger, server_default="100")
    action: Mapped[str] = mapped_column(String(10), server_default=text("LOWER('DENY')"))
    source: Mapped[str] = mapped_column(INET)
    destination: Mapped[str] = mapped_column(INET)
    ports: Mapped[Range[int] | None] = mapped_column(INT4RANGE)
    enabled: Mapped[bool] = mapped_column(server_default="t")
    created_at: Mapped[CreatedAt]

    mesh: Mapped[MeshInstance] = relationship(back_populates="policies")
