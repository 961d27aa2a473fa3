"""Runs as a role that owns the tables and is no superuser."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from db_migrate.errors import Refused
from db_migrate.execute.keep.choose import MOVE
from db_migrate.execute.keep.put_aside import stays_empty
from db_migrate.execute.keep.store import runner
from db_migrate.postgres.session import connect
from db_migrate.results import KeptObject

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


HIDDEN = (
    "CREATE TABLE moved (id int PRIMARY KEY, v text)",
    "CREATE TABLE parts (id int, v text) PARTITION BY LIST (id)",
    "CREATE TABLE parts_1 PARTITION OF parts DEFAULT",
    "CREATE TABLE copied (id int PRIMARY KEY, v text)",
    "CREATE TABLE parked (id int, v text)",
    "CREATE TABLE deleted (id int PRIMARY KEY, v text)",
)
TABLES = ("moved", "parts", "copied", "parked", "deleted")
SECURED = [
    f"ALTER TABLE {table} {what}"
    for table in TABLES
    for what in ("ENABLE ROW LEVEL SECURITY", "FORCE ROW LEVEL SECURITY")
] + [f"CREATE POLICY few ON {table} USING (id = 1)" for table in TABLES]
"""Not even the owner sees more than one row of each."""


def test_rows_that_are_hidden_from_the_owner_are_kept_and_come_back(site: Site, tmp_path: Path) -> None:
    """Row-level security that is forced holds for who migrates, too: what is hidden would be lost, and nobody told."""
    with as_owner(site, tmp_path / "owner", create=True) as owner:
        fill = [f"INSERT INTO {table} SELECT g, 'v' || g FROM generate_series(1, 9) g" for table in TABLES]
        owner.sql(*HIDDEN, *fill, *SECURED)
        before = {table: site.sql(f"SELECT * FROM {table} ORDER BY id") for table in TABLES}
        assert all(len(rows) == 9 for rows in before.values())
        owner.revision("r0", "pass")
        owner.revision(
            "r1",
            "\n".join(
                f"op.execute({sql!r})"
                for sql in (
                    "DROP TABLE moved",
                    "DROP TABLE parts",
                    "ALTER TABLE copied DROP v",
                    "ALTER TABLE parked DROP v",
                    "ALTER TABLE deleted NO FORCE ROW LEVEL SECURITY",
                    "DELETE FROM deleted WHERE id > 3",
                    "UPDATE deleted SET v = upper(v)",
                    "ALTER TABLE deleted FORCE ROW LEVEL SECURITY",
                )
            ),
            "\n".join(
                f"op.execute({sql!r})"
                for sql in (
                    *HIDDEN[:3],
                    *(each for each in SECURED if " moved " in each or " parts " in each),
                    "ALTER TABLE copied ADD v text",
                    "ALTER TABLE parked ADD v text",
                )
            ),
        )
        assert owner.apply().error is None
        back = owner.rollback("r0")

        assert back.error is None
        assert {table: site.sql(f"SELECT * FROM {table} ORDER BY id") for table in TABLES} == before
        forced = "SELECT count(*) FROM pg_class WHERE relforcerowsecurity"
        assert owner.sql(forced) == [(len(TABLES),)]


def test_a_table_is_not_empty_because_its_rows_are_hidden(site: Site, tmp_path: Path) -> None:
    """Somebody who sees them made the plan, before there were any; who executes it sees none."""
    with as_owner(site, tmp_path / "owner", create=True) as owner:
        owner.sql(HIDDEN[0], *(each for each in SECURED if " moved " in f"{each} "))
        planned = KeptObject("public.moved", MOVE, 0, 0)
        with contextlib.closing(connect(owner.conninfo, autocommit=False)) as connection:
            assert stays_empty(runner(connection), planned)
        site.sql("INSERT INTO moved VALUES (7, 'v7')")
        assert owner.sql("SELECT * FROM moved") == []
        with contextlib.closing(connect(owner.conninfo, autocommit=False)) as connection:
            assert not stays_empty(runner(connection), planned)
