"""mesh instances, their nodes and access policies

Revision ID: 0002
Revises: 0001
Create Date: 2025-01-21 15:40:02
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


mesh_status = postgresql.ENUM("provisioning", "active", "degraded", "retired", name="mesh_status", create_type=False)
node_state = postgresql.ENUM("pending", "online", "offline", name="node_state", create_type=False)


def upgrade() -> None:
    mesh_status.create(op.get_bind(), checkfirst=False)
    node_state.create(op.get_bind(), checkfirst=False)

    op.create_table(
        "mesh_instances",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("owner_id", sa.UUID(), nullable=False),
        sa.Column("slug", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("status", mesh_status, server_default="provisioning", nullable=False),
        sa.Column("network", postgresql.CIDR(), server_default=sa.text("'10.0.0.0/8'::cidr"), nullable=False),
        sa.Column(
            "vni_range",
            postgresql.INT4RANGE(),
            nullable=True,
            comment="Virtual network identifiers that this mesh may use; no two meshes share one",
        ),
        sa.Column("node_quota", sa.Integer(), server_default="8", nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mesh_instances")),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_mesh_instances_owner_id_users"), ondelete="RESTRICT"
        ),
        sa.UniqueConstraint("slug", name=op.f("uq_mesh_instances_slug")),
        sa.CheckConstraint("node_quota BETWEEN 1 AND 10000", name=op.f("ck_mesh_instances_node_quota_sane")),
        postgresql.ExcludeConstraint(
            ("vni_range", "&&"),
            name="ex_mesh_instances_vni_range",
            using="gist",
            where=sa.text("status <> 'retired'"),
        ),
        comment="One customer network; owns its nodes and policies",
    )
    op.create_index("ix_mesh_instances_owner_id", "mesh_instances", ["owner_id"])

    op.create_table(
        "mesh_nodes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, increment=1, cycle=False), nullable=False),
        sa.Column("mesh_id", sa.UUID(), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("ordinal", sa.SmallInteger(), nullable=False),
        sa.Column("state", node_state, server_default="pending", nullable=False),
        sa.Column("addresses", postgresql.ARRAY(postgresql.INET()), server_default="{}", nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=True),
        sa.Column("labels", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column(
            "capabilities",
            postgresql.BIT(length=16),
            server_default=sa.text("B'0000000000000001'"),
            nullable=False,
        ),
        sa.Column("latitude", sa.Numeric(precision=9, scale=6), nullable=True),
        sa.Column("longitude", sa.Numeric(precision=9, scale=6), nullable=True),
        sa.Column("heartbeat_jitter", sa.Double(), server_default=sa.text("random()"), nullable=False),
        sa.Column(
            "joined_at",
            postgresql.TIMESTAMP(precision=3),
            server_default=sa.text("(now() AT TIME ZONE 'utc')"),
            nullable=False,
        ),
        sa.Column("last_seen_at", postgresql.TIMESTAMP(timezone=True, precision=0), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mesh_nodes")),
        sa.ForeignKeyConstraint(
            ["mesh_id"], ["mesh_instances.id"], name=op.f("fk_mesh_nodes_mesh_id_mesh_instances"), ondelete="CASCADE"
        ),
        sa.UniqueConstraint("mesh_id", "name", name=op.f("uq_mesh_nodes_mesh_id_name"), postgresql_include=["id"]),
        sa.UniqueConstraint(
            "mesh_id", "ordinal", name=op.f("uq_mesh_nodes_mesh_id_ordinal"), deferrable=True, initially="DEFERRED"
        ),
        sa.CheckConstraint("name ~ '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'", name=op.f("ck_mesh_nodes_name_is_dns_label")),
    )
    op.create_index(
        "ix_mesh_nodes_labels",
        "mesh_nodes",
        ["labels"],
        postgresql_using="gin",
        postgresql_ops={"labels": "jsonb_path_ops"},
    )
    op.create_index(
        "ix_mesh_nodes_joined_at",
        "mesh_nodes",
        ["joined_at"],
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 32},
    )

    op.create_table(
        "acl_policies",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("mesh_id", sa.UUID(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("priority", sa.SmallInteger(), server_default="100", nullable=False),
        sa.Column("action", sa.String(length=10), server_default=sa.text("LOWER('DENY')"), nullable=False),
        sa.Column("source", postgresql.INET(), nullable=False),
        sa.Column("destination", postgresql.INET(), nullable=False),
        sa.Column("ports", postgresql.INT4RANGE(), nullable=True),
        sa.Column("enabled", sa.Boolean(), server_default="t", nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acl_policies")),
        sa.ForeignKeyConstraint(
            ["mesh_id"], ["mesh_instances.id"], name=op.f("fk_acl_policies_mesh_id_mesh_instances"), ondelete="CASCADE"
        ),
        sa.UniqueConstraint("mesh_id", "name", name=op.f("uq_acl_policies_mesh_id_name")),
        sa.CheckConstraint("action IN ('allow', 'deny', 'log')", name=op.f("ck_acl_policies_action_known")),
    )
    op.create_index(
        "ix_acl_policies_source",
        "acl_policies",
        ["source"],
        postgresql_using="gist",
        postgresql_ops={"source": "inet_ops"},
    )


def downgrade() -> None:
    op.drop_table("acl_policies")
    op.drop_table("mesh_nodes")
    op.drop_table("mesh_instances")
    node_state.drop(op.get_bind(), checkfirst=False)
    mesh_status.drop(op.get_bind(), checkfirst=False)
