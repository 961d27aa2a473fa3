"""The audit log: read only."""

import uuid
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from src.api import DatabaseSession, PageSize
from src.repositories import audit

router = APIRouter(prefix="/audit-logs", tags=["audit"])


class AuditLogOut(BaseModel):
    """One entry."""

    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    occurred_at: datetime
    actor_id: uuid.UUID | None
    action: str
    entity_type: str
    entity_id: str | None
    payload: dict[str, Any]


@router.get("")
def list_audit_logs(
    session: DatabaseSession, entity_type: str, entity_id: str | None = None, limit: PageSize = 50
) -> list[AuditLogOut]:
    found = audit.about(session, entity_type, entity_id, limit)
    return [AuditLogOut.model_validate(entry) for entry in found]
