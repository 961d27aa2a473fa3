"""Running the service: the audit log, playbooks, maintenance windows, global configuration."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    UUID,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import INET, JSONB, TIMESTAMP, TSTZRANGE, ExcludeConstraint, Range
from sqlalchemy.orm import Mapped, mapped_column, relationship

from src.database.base import NOW, Base, CreatedAt, UuidKey


class AuditLog(Base):
    """Who did what. Rows are only ever added."""

    __tablename__ = "audit_logs"
    __table_args__ = (
        Index("ix_audit_logs_occurred_at", "occurred_at", postgresql_using="brin"),
        Index("ix_audit_logs_entity", "entity_type", "entity_id", postgresql_with={"fillfactor": 90}),
        Index("ix_audit_logs_request_id", "request_id", postgresql_where=text("request_id IS NOT NULL")),
        {"comment": "Who did what, when and from where"},
    )

    id: Mapped[UuidKey]
    occurred_at: Mapped[CreatedAt]
    actor_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    action: Mapped[str] = mapped_column(String(60))
    entity_type: Mapped[str] = mapped_column(String(40))
    entity_id: Mapped[str | None] = mapped_column(String(64))
    severity: Mapped[int] = mapped_column(SmallInteger, server_default="20")
    ip_address: Mapped[str | None] = mapped_column(INET)
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("jsonb_build_object()"))
    request_id: Mapped[uuid.UUID | None]


ADMIN_AUDIT_LOGS = Table(
    "admin_audit_logs",
    Base.metadata,
    Column("id", UUID, nullable=False),
    Column("approved_by", UUID, ForeignKey("users.id", ondelete="SET NULL"), nullable=True),
    Column("approved_at", TIMESTAMP(timezone=True), nullable=True),
    PrimaryKeyConstraint("id"),
    postgresql_inherits="audit_logs",
    comment="Audit entries of administrators, with who approved them; the other columns are inherited",
)


class Playbook(Base):
    """What to do when something happens."""

    __tablename__ = "playbooks"
    __table_args__ = (
        Index("uq_playbooks_slug_lower", text("lower(slug)"), unique=True),
        CheckConstraint("version > 0", name="version_positive"),
    )

    id: Mapped[int] = mapped_column(Integer, Identity(always=False), primary_key=True)
    slug: Mapped[str] = mapped_column(String(80, collation="C"))
    title: Mapped[str] = mapped_column(String(200), server_default=text("'Untitled (it''s new)'"))
    body: Mapped[str] = mapped_column(Text, server_default=text("E'# Steps\\n\\n1. Don''t panic\\n'"))
    version: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW)

    acknowledgements: Mapped[list["PlaybookAcknowledgement"]] = relationship(
        back_populates="playbook", cascade="all, delete-orphan", passive_deletes=True
    )


class PlaybookAcknowledgement(Base):
    """That a user has read a version of a playbook."""

    __tablename__ = "playbook_acknowledgements"

    playbook_id: Mapped[int] = mapped_column(ForeignKey("playbooks.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    acknowledged_at: Mapped[CreatedAt]

    playbook: Mapped[Playbook] = relationship(back_populates="acknowledgements")


class MaintenanceWindow(Base):
    """When the control plane is worked on; never two at once."""

    __tablename__ = "maintenance_windows"
    __table_args__ = (
        ExcludeConstraint(("during", "&&"), name="ex_maintenance_windows_during", using="gist"),
        CheckConstraint("NOT isempty(during)", name="during_not_empty"),
    )

    id: Mapped[int] = mapped_column(
        BigInteger, Identity(always=True, cycle=True, maxvalue=2147483647), primary_key=True
    )
    during: Mapped[Range[datetime]] = mapped_column(TSTZRANGE)
    reason: Mapped[str]


class GlobalConfig(Base):
    """Settings that all instances share, by name."""

    __tablename__ = "global_config"
    __table_args__ = (CheckConstraint("key = lower(key)", name="key_lower_case"),)

    key: Mapped[str] = mapped_column(String(120), primary_key=True)
    value: Mapped[Any] = mapped_column(JSONB, nullable=False, server_default="null")
    description: Mapped[str | None] = mapped_column(Text, server_default=text("NULL::text"))
    updated_at: Mapped[datetime] = mapped_column(server_default=text("('now'::text)::timestamptz(0)"))
