"""A parked column comes back and nobody waits: its indexes are built before, its table's lock is asked for politely."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import replace

from db_migrate.config import TargetSettings
from db_migrate.execute.progress import ProgressEvent, ProgressKind
from db_migrate.plan.document import plan_hash
from db_migrate.postgres.session import connect
from db_migrate.results import Plan, Restored, TableWork

from .conftest import Site

EMAIL = "CREATE UNIQUE INDEX users_email ON users (email)"
LOWER = "CREATE INDEX \"Users lower\" ON users (lower(email) DESC, id) WHERE email > 'a'"
BOTH = "CREATE INDEX users_both ON users (email, at)"

UP = """
op.drop_column('users', 'email')
op.drop_column('users', 'at')
"""
DOWN = f"""
op.execute("UPDATE other SET id = 2")
op.execute("ALTER TABLE users ADD COLUMN email text, ADD COLUMN at date CONSTRAINT here CHECK (at > '2000-01-01')")
with op.get_context().autocommit_block():
    op.execute('{EMAIL.replace("INDEX", "INDEX CONCURRENTLY")}')
    op.execute({LOWER.replace("INDEX", "INDEX CONCURRENTLY")!r})
    op.execute('{BOTH.replace("INDEX", "INDEX CONCURRENTLY")}')
op.execute("UPDATE other SET id = 3")
"""
REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF current_database() = '{name}' THEN RAISE 'not here'; END IF; RETURN NEW; END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON other FOR EACH ROW EXECUTE FUNCTION refuse()
"""
CONTENT = "SELECT count(*), md5(string_agg(u::text, ',' ORDER BY id)) FROM users u WHERE id <= 500"


def ground(site: Site) -> None:
    """A table whose columns are parked, on a server where everything is said to take long."""
    slow = TargetSettings("default", throughput={"index_build": 1000, "scan": 1000, "rewrite": 1000})
    site.settings = replace(site.settings, keep_copy_rows=0, targets={"default": slow})
    site.sql(
        "CREATE TABLE users (id int PRIMARY KEY, email text, at date)",
        "CREATE TABLE other (id int)",
        "INSERT INTO users SELECT g, 'user ' || g, date '2026-01-01' + g FROM generate_series(1, 500) g",
        "INSERT INTO other VALUES (1)",
        *(EMAIL, LOWER, BOTH),
        "ALTER TABLE users ADD CONSTRAINT here CHECK (at > '2000-01-01')",
    )
    site.revision("r0", "pass")
    site.revision("r1", UP, DOWN)


def left_over(site: Site) -> list[str]:
    """The indexes that were built before and are still called so."""
    rows = site.sql("SELECT relname FROM pg_class WHERE relname ~ '^db_migrate_kept_.*_i' ORDER BY 1")
    return [str(name) for (name,) in rows]


def email(plan: Plan) -> Restored:
    """What the plan says of the column."""
    return next(each for each in plan.restored if each.object == "public.users.email")


def altered(plan: Plan, *sql: str) -> Plan:
    """The plan with other indexes to be built before, and a hash to match."""
    other = replace(email(plan), ahead=sql)
    changed = replace(plan, hash="", restored=tuple(other if e.object == other.object else e for e in plan.restored))
    return replace(changed, hash=plan_hash(changed))


def test_what_a_parked_column_needs_is_built_before_its_table_is_locked(site: Site) -> None:
    """The plan names it, with what remains; nothing else is run from a plan; nothing of it stays when the run ends."""
    ground(site)
    before = site.sql(CONTENT)
    assert site.apply().error is None
    plan = site.plan("r0", down=True)
    assert [each.split(" db_migrate_kept")[0] for each in email(plan).ahead] == [
        "CREATE INDEX CONCURRENTLY",
        "CREATE UNIQUE INDEX CONCURRENTLY",
    ]
    assert [work.work for work in email(plan).under_lock] == [TableWork.SCAN, TableWork.SCAN, TableWork.INDEX_BUILD]
    assert "users_both" in email(plan).under_lock[-1].sql, "its other column is not there before"
    assert (email(plan).seconds or 0) > 1
    assert any("public.users is locked with ACCESS EXCLUSIVE while public.users.email" in w for w in plan.warnings)

    first = email(plan).ahead[0]
    for sql in ("DROP TABLE other", f"{first}; DROP TABLE other", first.replace("public.users", "public.other")):
        refused = site.execute(altered(plan, sql))
        assert (refused.exit_code, refused.error and refused.error.code) == (4, "rollback.index-before"), sql
        assert (refused.to, left_over(site)) == (("r1",), [])

    with contextlib.closing(connect(site.conninfo)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT FROM users LIMIT 1")
        site.settings = replace(site.settings, lock_budget=0.3)
        stopped = site.execute(plan)
    assert (stopped.exit_code, stopped.to, len(left_over(site))) == (6, ("r1",), 2)
    assert sum("stays until the next run needs it" in each for each in stopped.warnings) == 2, "somebody used the table"

    site.settings = replace(site.settings, lock_budget=20.0)
    site.sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid::regclass::text ~ '_i2$'")
    assert site.live().fingerprint == plan.fingerprint.from_, "an index of ours is no drift"
    site.sql(REFUSE.format(name=site.conninfo.dbname))
    failed = site.execute(site.plan("r0", down=True))
    assert (failed.exit_code, failed.to, left_over(site)) == (4, ("r1",), []), failed.error

    site.sql("DROP FUNCTION refuse CASCADE", first)
    ((oid, _),) = site.sql("SELECT oid, relname FROM pg_class WHERE relname ~ '^db_migrate_kept.*_i1$'")
    done = site.execute(site.plan("r0", down=True), observer=Reader(site))
    assert (done.error, left_over(site)) == (None, [])
    assert site.sql("SELECT oid FROM pg_class WHERE relname = 'Users lower'") == [(oid,)], "it was taken as it was"
    assert site.live().fingerprint == plan.fingerprint.to
    assert site.sql(CONTENT) == before
    assert {each.event for each in site.events} >= {ProgressKind.LOCK_WAIT}


class Reader:
    """Reads the table when its columns are about to come back, until the run says that it waits."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._reader = connect(site.conninfo)
        self._enough = threading.Timer(10.0, self._reader.close)

    def __call__(self, event: ProgressEvent) -> None:
        """Begin when the last index is there; end when somebody waits for it."""
        self._site.events.append(event)
        if event.event is ProgressKind.STEP_FINISHED and "users_both" in event.sql:
            self._reader.execute("BEGIN")
            self._reader.execute("SELECT FROM users LIMIT 1")
            self._enough.start()
        if event.event is ProgressKind.LOCK_WAIT:
            assert self._site.sql("SELECT FROM pg_locks WHERE NOT granted") == [], "whoever comes would wait too"
            self._enough.cancel()
            self._reader.close()
