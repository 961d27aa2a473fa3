"""SBOM entries and node attestations

Revision ID: 0011
Revises: 0010
Create Date: 2025-07-08 12:11:54
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sbom_entries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("node_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "purl",
            sa.String(length=255),
            nullable=False,
            comment="Package URL, https://github.com/package-url/purl-spec",
        ),
        sa.Column("version", sa.String(length=60, collation="C"), nullable=True),
        sa.Column("metadata", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("found_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sbom_entries")),
        sa.ForeignKeyConstraint(
            ["node_id"], ["mesh_nodes.id"], name=op.f("fk_sbom_entries_node_id_mesh_nodes"), ondelete="CASCADE"
        ),
    )
    op.create_index(
        "uq_sbom_entries_node_id_purl_version",
        "sbom_entries",
        ["node_id", "purl", "version"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    op.create_index(
        "ix_sbom_entries_purl",
        "sbom_entries",
        ["purl"],
        postgresql_ops={"purl": "varchar_pattern_ops"},
        postgresql_with={"deduplicate_items": False},
    )
    op.create_index(
        "ix_sbom_entries_license",
        "sbom_entries",
        [sa.text("(metadata ->> 'license')")],
        postgresql_where=sa.text("metadata ? 'license'"),
    )

    op.create_table(
        "node_attestations",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("node_id", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("verified", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "attested_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("statement_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_node_attestations")),
        sa.ForeignKeyConstraint(
            ["node_id"], ["mesh_nodes.id"], name=op.f("fk_node_attestations_node_id_mesh_nodes"), ondelete="CASCADE"
        ),
        sa.CheckConstraint("octet_length(digest) = 32", name=op.f("ck_node_attestations_digest_is_sha256")),
    )
    op.create_index(
        "ix_node_attestations_node_id", "node_attestations", ["node_id", sa.text("attested_at DESC NULLS LAST")]
    )
    op.create_index(
        "ix_node_attestations_verified", "node_attestations", ["attested_at"], postgresql_where=sa.text("NOT verified")
    )


def downgrade() -> None:
    op.drop_table("node_attestations")
    op.drop_table("sbom_entries")
