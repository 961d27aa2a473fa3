"""Applying and rolling back plans on real databases."""

from __future__ import annotations

import os
import resource

import pytest

from db_migrate.errors import Failed

from .conftest import Site

ACCOUNTS = """
op.create_table('accounts', sa.Column('id', sa.Integer, primary_key=True), sa.Column('kind', sa.Text))
op.create_index('accounts_kind', 'accounts', ['kind'])
"""


DRIVERS = ["psycopg", "psycopg2", "asyncpg", "psycopg_async"]
ON_15 = DRIVERS if os.environ.get("DB_MIGRATE_TEST_LONG") == "1" else DRIVERS[1:3]
EACH = [*(("18", each) for each in DRIVERS), *(pytest.param("15", each, marks=pytest.mark.pg15) for each in ON_15)]


@pytest.mark.parametrize(("site_on_each", "driver"), EACH, indirect=["site_on_each"])
def test_a_plan_is_applied_and_rolled_back_with_every_driver(site_on_each: Site, driver: str) -> None:
    """Each revision commits, the version table follows, every statement is a step, and the way back works."""
    site = site_on_each
    site.use_driver(f"postgresql+{driver}")
    site.revision("r1", ACCOUNTS, "op.drop_table('accounts')")
    site.revision("r2", "op.add_column('accounts', sa.Column('n', sa.Integer))", "op.drop_column('accounts', 'n')")

    done = site.apply()

    assert done.error is None
    assert (done.state, done.from_, done.to, done.exit_code) == ("done", (), ("r2",), 0)
    assert [(s.revision, s.sql.split("(")[0].split(" ")[0]) for s in done.steps if "alembic_version" not in s.sql] == [
        ("r1", "\nCREATE"),
        ("r1", "CREATE"),
        ("r2", "ALTER"),
    ]
    back = site.rollback("base")
    assert back.error is None
    assert (back.state, back.from_, back.to) == ("done", ("r2",), ())
    assert site.sql("SELECT to_regclass('accounts')") == [(None,)]


def test_a_backup_that_has_no_room_is_not_left_there_and_nothing_is_applied(site: Site) -> None:
    """pg_dump is ended in the middle of the file: the error says where the next one may go."""
    site.sql("CREATE TABLE t (id int, v text)", "INSERT INTO t SELECT g, md5(g::text) FROM generate_series(1, 8000) g")
    site.revision("r1", "op.execute('ALTER TABLE t ADD COLUMN n int')")
    plan, backups = site.plan(), site.folder / "backups"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    try:
        with pytest.raises(Failed) as failed:
            site.execute(plan, backup=backups)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (failed.value.code, failed.value.state) == ("backup.failed", "nothing was changed")
    assert failed.value.next == ("db-migrate apply r1 --backup DIR",)
    assert list(backups.iterdir()) == []
    assert site.execute(plan, backup=backups).backup is not None
    assert len(list(backups.iterdir())) == 2
