"""Writing and reading the audit log."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from src.database.operations import AuditLog


def record(
    session: Session,
    action: str,
    entity_type: str,
    entity_id: str | None = None,
    *,
    actor_id: uuid.UUID | None = None,
    payload: Mapping[str, Any] | None = None,
) -> AuditLog:
    """Add an entry."""
    entry = AuditLog(
        action=action, entity_type=entity_type, entity_id=entity_id, actor_id=actor_id, payload=dict(payload or {})
    )
    session.add(entry)
    session.flush()
    return entry


def about(session: Session, entity_type: str, entity_id: str | None, limit: int) -> Sequence[AuditLog]:
    """Entries about one thing, or one kind of thing, newest first."""
    query = select(AuditLog).where(AuditLog.entity_type == entity_type)
    if entity_id is not None:
        query = query.where(AuditLog.entity_id == entity_id)
    return session.scalars(query.order_by(AuditLog.occurred_at.desc(), AuditLog.id).limit(limit)).all()
