"""Appending to and reading from the event store."""

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from src.database.events import StoredEvent


def append(session: Session, stream_id: uuid.UUID, event_type: str, data: dict[str, Any]) -> StoredEvent:
    """Add an event at the end of a stream; two writers at once are told apart by the unique version."""
    last = session.scalar(select(func.max(StoredEvent.version)).where(StoredEvent.stream_id == stream_id))
    event = StoredEvent(stream_id=stream_id, version=(last or 0) + 1, event_type=event_type, data=data)
    session.add(event)
    session.flush()
    return event


def read(session: Session, stream_id: uuid.UUID, after_version: int = 0) -> Sequence[StoredEvent]:
    """A stream's events in order, after a version (that of a snapshot, say)."""
    query = select(StoredEvent).where(StoredEvent.stream_id == stream_id, StoredEvent.version > after_version)
    return session.scalars(query.order_by(StoredEvent.version)).all()
