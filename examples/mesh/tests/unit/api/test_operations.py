"""Playbooks, maintenance windows and global configuration."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import insert
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from src.database.operations import GlobalConfig, MaintenanceWindow, Playbook

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def test_a_change_of_a_playbook_is_dated(session: Session) -> None:
    """The trigger sets updated_at when something changes."""
    playbook = Playbook(slug="fire", updated_at=LONG_AGO)
    session.add(playbook)
    session.flush()
    playbook.title = "What to do in case of fire"
    session.flush()
    session.refresh(playbook)
    assert playbook.updated_at > LONG_AGO


def test_a_new_playbook_has_a_template(session: Session) -> None:
    """Title and body have defaults, quotes and line breaks included."""
    playbook = Playbook(slug="fire")
    session.add(playbook)
    session.flush()
    assert (playbook.title, playbook.body) == ("Untitled (it's new)", "# Steps\n\n1. Don't panic\n")


def test_maintenance_windows_do_not_overlap(session: Session) -> None:
    """The exclusion constraint refuses the second."""
    days = [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 3, 2, 4)]
    windows = [{"during": Range(days[0], days[1]), "reason": "a"}, {"during": Range(days[2], days[3]), "reason": "b"}]
    with pytest.raises(IntegrityError, match="ex_maintenance_windows_during"):
        session.execute(insert(MaintenanceWindow).values(windows))


def test_the_revisions_brought_settings(session: Session) -> None:
    """Revision 0003 put in what the service needs."""
    assert session.get_one(GlobalConfig, "heartbeat.seconds").value == 30
