"""What runs on the nodes, and how we know: software bills of materials and attestations."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, LargeBinary, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from src.database.base import Base, CreatedAt, UuidKey


class SbomEntry(Base):
    """A package found on a node."""

    __tablename__ = "sbom_entries"
    __table_args__ = (
        Index(
            "uq_sbom_entries_node_id_purl_version",
            "node_id",
            "purl",
            "version",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
        Index(
            "ix_sbom_entries_purl",
            "purl",
            postgresql_ops={"purl": "varchar_pattern_ops"},
            postgresql_with={"deduplicate_items": False},
        ),
        Index(
            "ix_sbom_entries_license", text("(metadata ->> 'license')"), postgresql_where=text("metadata ? 'license'")
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    node_id: Mapped[int] = mapped_column(ForeignKey("mesh_nodes.id", ondelete="CASCADE"))
    purl: Mapped[str] = mapped_column(String(255), comment="Package URL, https://github.com/package-url/purl-spec")
    version: Mapped[str | None] = mapped_column(String(60, collation="C"))
    details: Mapped[dict[str, Any]] = mapped_column("metadata", JSONB, server_default="{}")
    found_at: Mapped[CreatedAt]


class NodeAttestation(Base):
    """A node's signed statement about what it booted."""

    __tablename__ = "node_attestations"
    __table_args__ = (
        CheckConstraint("octet_length(digest) = 32", name="digest_is_sha256"),
        Index("ix_node_attestations_node_id", "node_id", text("attested_at DESC NULLS LAST")),
        Index("ix_node_attestations_verified", "attested_at", postgresql_where=text("NOT verified")),
    )

    id: Mapped[UuidKey]
    node_id: Mapped[int] = mapped_column(ForeignKey("mesh_nodes.id", ondelete="CASCADE"))
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    signature: Mapped[bytes] = mapped_column(LargeBinary)
    verified: Mapped[bool] = mapped_column(server_default=text("false"))
    attested_at: Mapped[datetime] = mapped_column(server_default=text("statement_timestamp()"))
