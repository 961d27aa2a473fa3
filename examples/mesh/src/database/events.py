"""The event store, in a schema of its own: what happened to each stream, and snapshots to start reading from."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Identity,
    Index,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from src.database.base import Base, CreatedAt

EVENT_SCHEMA = "event_store"


class StoredEvent(Base):
    """Something that happened; the version counts within the stream, without gaps."""

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("stream_id", "version"),
        CheckConstraint("version > 0", name="version_positive"),
        Index("ix_events_type", "event_type", text("id DESC")),
        Index(
            "ix_events_data",
            "data",
            postgresql_using="gin",
            postgresql_ops={"data": "jsonb_path_ops"},
            postgresql_with={"fastupdate": "off"},
        ),
        {"schema": EVENT_SCHEMA, "comment": "Append-only"},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True, cache=50), primary_key=True)
    stream_id: Mapped[uuid.UUID]
    version: Mapped[int] = mapped_column(BigInteger)
    event_type: Mapped[str] = mapped_column(String(100, collation="C"))
    data: Mapped[dict[str, Any]] = mapped_column(JSONB)
    occurred_at: Mapped[datetime] = mapped_column(server_default=text("transaction_timestamp()"))


class StreamSnapshot(Base):
    """The state of a stream right after one of its events."""

    __tablename__ = "snapshots"
    __table_args__ = (
        ForeignKeyConstraint(
            ["stream_id", "version"],
            [f"{EVENT_SCHEMA}.events.stream_id", f"{EVENT_SCHEMA}.events.version"],
            name="fk_snapshots_event",
            ondelete="CASCADE",
        ),
        {"schema": EVENT_SCHEMA},
    )

    stream_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    state: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[CreatedAt]
