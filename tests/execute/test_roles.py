"""Runs as a role that owns the tables and is no superuser."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from db_migrate.errors import Refused

from .conftest import Site, make_site


@contextlib.contextmanager
def as_owner(site: Site, folder: Path, *, create: bool) -> Iterator[Site]:
    """The same database as its ordinary owner sees it."""
    name = f"owner_of_{site.conninfo.dbname}"
    site.sql(
        f"CREATE ROLE {name} LOGIN PASSWORD 'o'",
        f"GRANT ALL ON SCHEMA public TO {name}",
        f"GRANT CREATE ON DATABASE {site.conninfo.dbname} TO {name}" if create else "SELECT",
    )
    folder.mkdir()
    with make_site(folder, site.conninfo.replace(user=name, password="o")) as made:
        yield made
    site.sql(f"DROP OWNED BY {name} CASCADE", f"DROP ROLE {name}")


def test_an_ordinary_owner_applies_and_rolls_back(site_on_each: Site, tmp_path: Path) -> None:
    """With blockers of another user, whose query it may not see, and a foreign key to a table it only references."""
    site = site_on_each
    site.sql("CREATE TABLE theirs (id int PRIMARY KEY)")
    with as_owner(site, tmp_path / "owner", create=True) as owner:
        site.sql(f"GRANT SELECT, REFERENCES ON theirs TO {owner.conninfo.user}")
        owner.sql("CREATE TABLE mine (id int PRIMARY KEY, n int)", "INSERT INTO mine VALUES (1, 1)")
        owner.revision(
            "r1",
            "op.execute('ALTER TABLE mine ADD COLUMN t int REFERENCES theirs')\nop.execute('UPDATE mine SET n = 2')",
            "op.execute('ALTER TABLE mine DROP COLUMN t')",
        )
        done = owner.apply()
        assert (done.error, done.state) == (None, "done")
        assert site.sql("SELECT who ->> 'role' FROM db_migrate.runs") == [(owner.conninfo.user,)]
        back = owner.rollback("base")
        assert (back.error, back.state) == (None, "done")


def test_a_role_that_may_not_make_a_schema_is_told_the_grant(site: Site, tmp_path: Path) -> None:
    """The journal cannot be kept: refused with the GRANT, and with the setting that does without."""
    with as_owner(site, tmp_path / "owner", create=False) as owner:
        owner.revision("r1", "op.execute('CREATE TABLE a (id int)')")
        plan = owner.plan()
        with pytest.raises(Refused) as caught:
            owner.execute(plan)
        assert caught.value.code == "journal.forbidden"
        grant = caught.value.next[0]
        assert grant == f'GRANT CREATE ON DATABASE "{site.conninfo.dbname}" TO "{owner.conninfo.user}";'
        site.sql(grant)
        owner.settings = replace(owner.settings, journal=False)
        assert owner.execute(plan).state == "done"


def test_a_journal_that_another_role_has_made_is_shared_by_grants(site: Site, tmp_path: Path) -> None:
    """The superuser made the journal; the owner is told what to grant, and then goes on with it."""
    site.revision("r1", "op.execute('CREATE TABLE a (id int)')")
    assert site.apply().error is None
    with as_owner(site, tmp_path / "owner", create=True) as owner:
        site.sql(f"GRANT ALL ON alembic_version, a TO {owner.conninfo.user}")
        owner.revision("r1", "op.execute('CREATE TABLE a (id int)')")
        owner.revision("r2", "op.execute('CREATE TABLE b (id int)')")
        plan = owner.plan()
        with pytest.raises(Refused) as caught:
            owner.execute(plan)
        assert caught.value.code == "journal.forbidden"
        site.sql(*caught.value.next[:2])
        assert owner.execute(plan).to == ("r2",)
