"""The audit log."""

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from src.database.operations import ADMIN_AUDIT_LOGS
from src.repositories import audit


def test_an_entry_has_a_time_and_a_severity(session: Session) -> None:
    """The database supplies both."""
    entry = audit.record(session, "create", "node", "7")
    assert entry.severity == 20
    assert entry.occurred_at.tzinfo is not None


def test_entries_about_one_thing_are_found(session: Session) -> None:
    """about filters by kind and, when given, by id."""
    wanted = audit.record(session, "create", "node", "7", payload={"by": "api"})
    other = audit.record(session, "create", "node", "8")
    audit.record(session, "create", "invoice", "7")
    assert list(audit.about(session, "node", "7", 10)) == [wanted]
    assert set(audit.about(session, "node", None, 10)) == {wanted, other}


def test_entries_of_administrators_are_entries_too(session: Session) -> None:
    """admin_audit_logs inherits: what is in it is seen through audit_logs."""
    session.execute(text("INSERT INTO admin_audit_logs (action, entity_type) VALUES ('delete', 'mesh')"))
    (entry,) = audit.about(session, "mesh", None, 10)
    assert session.scalars(select(ADMIN_AUDIT_LOGS.c.id)).all() == [entry.id]
