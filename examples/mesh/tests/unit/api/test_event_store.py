"""The event store."""

import uuid

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from src.database.events import StoredEvent, StreamSnapshot
from src.repositories import events

STREAM = uuid.UUID(int=1)


def test_versions_count_from_one_in_each_stream(session: Session) -> None:
    """append numbers the events of each stream on its own."""
    kinds = [(STREAM, "joined"), (STREAM, "seen"), (uuid.UUID(int=2), "joined")]
    assert [events.append(session, stream, kind, {}).version for stream, kind in kinds] == [1, 2, 1]


def test_reading_begins_after_a_version(session: Session) -> None:
    """read returns the events after the version given, in order."""
    for kind in ("joined", "seen", "left"):
        events.append(session, STREAM, kind, {})
    assert [event.event_type for event in events.read(session, STREAM, after_version=1)] == ["seen", "left"]


def test_one_version_is_written_once(session: Session) -> None:
    """Two writers of the same version: the second one is refused."""
    session.add_all([StoredEvent(stream_id=STREAM, version=1, event_type="joined", data={}) for _ in range(2)])
    with pytest.raises(IntegrityError, match="uq_events_stream_id_version"):
        session.flush()


def test_a_snapshot_belongs_to_an_event(session: Session) -> None:
    """There is no snapshot of a version that is not there."""
    session.add(StreamSnapshot(stream_id=STREAM, version=9, state={}))
    with pytest.raises(IntegrityError, match="fk_snapshots_event"):
        session.flush()
