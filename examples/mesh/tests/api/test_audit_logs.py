"""/audit-logs over HTTP."""

from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from src.database.operations import AuditLog

if TYPE_CHECKING:
    from fastapi.testclient import TestClient


def test_entries_are_found_by_what_they_are_about(client: "TestClient", session: Session) -> None:
    """The kind is required, the id narrows."""
    session.add_all([AuditLog(action="create", entity_type="node", entity_id=str(number)) for number in (1, 2)])
    session.flush()
    entries = client.get("/audit-logs", params={"entity_type": "node", "entity_id": "2"}).json()
    assert [entry["entity_id"] for entry in entries] == ["2"]
    assert len(client.get("/audit-logs", params={"entity_type": "node"}).json()) == 2
    assert client.get("/audit-logs").status_code == 422
