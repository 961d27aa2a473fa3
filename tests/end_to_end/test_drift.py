"""Hand-made changes in the live database, seen by drift and by Alembic's own check."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.conftest import OLDER

from .conftest import Project

MODELS = """
from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    role: Mapped[str] = mapped_column(String(20), server_default="member", index=True)


class Session(Base):
    __tablename__ = "sessions"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE", name="sessions_user"))
"""

UP = """
op.create_table(
    'users',
    sa.Column('id', sa.Integer, primary_key=True),
    sa.Column('role', sa.String(20), server_default='member', nullable=False),
)
op.create_index('ix_users_role', 'users', ['role'])
op.create_table(
    'sessions',
    sa.Column('id', sa.Integer, primary_key=True),
    sa.Column('user_id', sa.Integer, sa.ForeignKey('users.id', ondelete='CASCADE', name='sessions_user'),
              nullable=False),
)
"""

BY_HAND = (
    "ALTER TABLE users ALTER COLUMN role SET DEFAULT 'x'",
    "DROP INDEX ix_users_role",
    "ALTER TABLE users ADD CONSTRAINT short_role CHECK (length(role) < 10)",
    "ALTER TABLE sessions DROP CONSTRAINT sessions_user",
    "ALTER TABLE sessions ADD CONSTRAINT sessions_user FOREIGN KEY (user_id) REFERENCES users ON DELETE SET NULL",
)


def between(document: dict[str, Any], from_: str, to: str) -> list[dict[str, Any]]:
    """The changes of one comparison."""
    (found,) = [c["changes"] for c in document["comparisons"] if (c["from"], c["to"]) == (from_, to)]
    return list(found)


def test_what_was_changed_by_hand_is_named_with_object_and_attribute(project_on_each: Project) -> None:
    """A default, an index, a check and ON DELETE are found; alembic check beside it sees one of them by default."""
    project = project_on_each
    project.write("models.py", MODELS)
    project.revision("r1", UP, "op.drop_table('sessions'); op.drop_table('users')")
    assert project.alembic("upgrade", "head").code == 0
    clean = project.run("drift", "--json")
    assert clean.code == 0, clean.out
    assert project.alembic("check").code == 0
    project.sql(*BY_HAND)

    drift = project.run("drift", "--json")
    alembic = project.alembic("check")

    assert drift.code == 1
    changes = between(drift.json, "history", "live")
    assert changes == between(drift.json, "models", "live")
    seen = {(c["kind"], c["object"], c["action"]): c["attributes"] for c in changes}
    assert seen == {
        ("column", "public.users.role", "altered"): [
            {"name": "default", "from": "'member'::character varying", "to": "'x'::character varying"}
        ],
        ("index", "public.ix_users_role", "dropped"): [],
        ("check", "public.users.short_role", "created"): [],
        ("foreign_key", "public.sessions.sessions_user", "altered"): [
            {"name": "on_delete", "from": "CASCADE", "to": "SET NULL"}
        ],
    }
    assert alembic.code != 0
    said = alembic.out + alembic.err
    assert "add_index" in said
    assert "add_fk" in said or "remove_fk" in said
    assert "short_role" not in said
    assert "modify_default" not in said


def test_a_healthy_project_has_no_drift_twice_the_same(project: Project) -> None:
    """Two runs over the same state print the same bytes."""
    project.write("models.py", MODELS)
    project.revision("r1", UP, "op.drop_table('sessions'); op.drop_table('users')")
    assert project.alembic("upgrade", "head").code == 0
    project.sql("DROP INDEX ix_users_role")

    first, second = project.run("drift", "--json"), project.run("drift", "--json")

    assert first.code == second.code == 1
    assert first.out == second.out


def test_while_something_is_pending_live_is_held_against_its_own_revision(project: Project) -> None:
    """The side is the history all the same, and says at which revision; before any revision at base."""
    project.write("models.py", MODELS)
    project.revision("r1", "op.execute('CREATE TABLE t (a int)')", "op.drop_table('t')")
    project.revision("r2", "op.execute('CREATE TABLE u (a int)')", "op.drop_table('u')")
    found = {}
    for revision in ("base", "r1", "r2"):
        if revision != "base":
            assert project.alembic("upgrade", revision).code == 0
        held = [each for each in project.run("drift", "--json").json["comparisons"] if each["to"] == "live"]
        found[revision] = [(each["from"], each["at"]) for each in held]
    assert found == {
        "base": [("history", ["base"]), ("models", [])],
        "r1": [("history", ["r1"]), ("models", [])],
        "r2": [("history", []), ("models", [])],
    }


EVERYTHING = """
op.execute('''
CREATE TYPE mood AS ENUM ('ok', 'it''s bad');
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE TABLE users (
    id serial PRIMARY KEY,
    role varchar(20) DEFAULT 'member' CHECK (role IN ('admin', 'member') AND role NOT IN ('x', 'y')),
    mood mood DEFAULT 'ok',
    number positive,
    born timestamptz(3) DEFAULT (now() AT TIME ZONE 'utc'),
    low text GENERATED ALWAYS AS (lower(role)) STORED
);
CREATE INDEX users_low ON users (lower(role)) WHERE role NOT IN ('x', 'y');
CREATE INDEX users_part ON users (born DESC NULLS LAST) INCLUDE (id) WHERE role = ANY (ARRAY['a', 'b']);
CREATE TABLE secret (id int PRIMARY KEY, user_id int REFERENCES users, key text UNIQUE DEFAULT 'x');
COMMENT ON CONSTRAINT secret_pkey ON secret IS 'why';
CREATE INDEX secret_key ON secret (lower(key));
COMMENT ON INDEX secret_key IS 'why';
CREATE TABLE refers (id int PRIMARY KEY, secret_id int REFERENCES secret, key text REFERENCES secret (key));
CREATE VIEW admins AS
    SELECT s.id, u.role, CASE WHEN u.role IN ('a', 'b') THEN 1 END AS n
    FROM secret s JOIN users u ON u.id = s.user_id WHERE u.role NOT IN ('c', 'd') ORDER BY u.born;
CREATE MATERIALIZED VIEW counted AS SELECT role, count(*) AS n FROM users GROUP BY role HAVING count(*) > 1;
CREATE FUNCTION of_secret(secret, n int DEFAULT 5) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER touch BEFORE UPDATE OF role ON users FOR EACH ROW
    WHEN (old.role IS DISTINCT FROM new.role AND new.role IN ('a', 'b')) EXECUTE FUNCTION touched();
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON users USING (role = current_user AND number IN (1, 2)) WITH CHECK (role IN ('a', 'b'));
CREATE TABLE metrics (at date, n int, PRIMARY KEY (at, n)) PARTITION BY RANGE (at);
CREATE TABLE metrics_2020 PARTITION OF metrics FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE metrics_rest PARTITION OF metrics DEFAULT;
CREATE INDEX metrics_n ON metrics (n);
CREATE STATISTICS users_both (mcv) ON role, (lower(role)) FROM users;
CREATE SCHEMA closed;
CREATE TABLE closed.inside (id int PRIMARY KEY);
CREATE TABLE beside (inside int REFERENCES closed.inside);
''')
"""
BEFORE_14 = EVERYTHING.replace(", (lower(role)) FROM", ", low FROM").replace("(now() AT TIME ZONE 'utc')", "now()")
"""No statistics of expressions; and AT TIME ZONE is stored as a call of timezone(), which an 18 shows as another."""
CLOSED = ["closed.inside", "public.metrics", "public.metrics_2020", "public.metrics_rest", "public.secret"]


def test_a_role_that_may_only_read_sees_drift(project_on_each: Project) -> None:
    """Held by an 18, nothing differs from a 15; what the role may not read there is named, and all else is compared."""
    owner = project_on_each
    owner.revision("r1", EVERYTHING if OLDER >= 14 else BEFORE_14)
    assert owner.alembic("upgrade", "head").code == 0
    database = owner.database.dbname
    owner.sql(
        "DROP ROLE IF EXISTS drift_reader",
        "CREATE ROLE drift_reader LOGIN PASSWORD 'canary-r1'",
        f"GRANT CONNECT ON DATABASE {database} TO drift_reader",
        "GRANT USAGE ON SCHEMA public TO drift_reader",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO drift_reader",
        "REVOKE SELECT ON secret, metrics, alembic_version FROM drift_reader",
    )
    reader = replace(owner, database=owner.database.replace(user="drift_reader", password="canary-r1"))
    sides = ("drift", "--from", "history", "--to", "live", "--json")

    same = reader.run(*sides, DB_MIGRATE_SCRATCH_MAJOR="18")
    owner.sql("ALTER TABLE users ALTER role SET DEFAULT 'x'", "ALTER TABLE secret ALTER key SET DEFAULT 'y'")
    changed = reader.run(*sides, DB_MIGRATE_SCRATCH_MAJOR="18")
    owner.sql("DROP OWNED BY drift_reader", "DROP ROLE drift_reader")

    assert same.code == 0, same.out + same.err
    assert between(same.json, "history", "live") == []
    said = " ".join(same.json["warnings"])
    on_another = not same.json["target"]["server_version"].startswith("18")
    assert [name for name in CLOSED if name in said] == (CLOSED if on_another else [])
    assert changed.code == 1
    found = [(c["object"], c["attributes"][0]["name"]) for c in between(changed.json, "history", "live")]
    assert found == [("public.secret.key", "default")] * (not on_another) + [("public.users.role", "default")]


def test_intended_drift_is_written_down_with_its_reason(project: Project) -> None:
    """--accept puts what there is into the settings file, whose other lines stay; what is no longer there is named."""
    project.write("models.py", MODELS)
    project.revision("r1", UP, "op.drop_table('sessions'); op.drop_table('users')")
    assert project.alembic("upgrade", "head").code == 0
    project.sql("DROP INDEX ix_users_role", "ALTER TABLE users ALTER role SET DEFAULT 'x'")
    project.write("db-migrate.toml", "strict = false  # not yet\n")

    unreasoned = project.run("drift", "--accept")
    accepted = project.run("drift", "--accept", "--reason", "the reports' own", "--json")
    project.sql("CREATE INDEX ix_users_role ON users (role)")
    later = project.run("drift", "--prometheus", "drift.prom")

    assert unreasoned.code == 2
    assert "--reason" in unreasoned.err
    assert accepted.code == 0, accepted.out
    reasons = {
        (each["change"]["object"], each["reason"])
        for comparison in accepted.json["comparisons"]
        for each in comparison["acknowledged"]
    }
    assert reasons == {(name, "the reports' own") for name in ("public.ix_users_role", "public.users.role")}
    assert (project.folder / "db-migrate.toml").read_text().startswith("strict = false  # not yet\n")
    assert later.code == 0, later.out
    assert "an acknowledgement matches nothing: kind index, object public.ix_users_role" in later.out
    assert "acknowledged: column public.users.role (the reports' own)" in later.out
    numbers = (project.folder / "drift.prom").read_text()
    assert 'from="history",to="live"} 1\n' in numbers
    assert "db_migrate_drift_up 1\n" in numbers


def test_watching_prints_what_changed(project: Project, started: Callable[..., subprocess.Popen[str]]) -> None:
    """--watch compares again and again, prints only what is new, and keeps the numbers for Prometheus."""
    project.write("models.py", MODELS)
    project.revision("r1", UP, "op.drop_table('sessions'); op.drop_table('users')")
    assert project.alembic("upgrade", "head").code == 0
    numbers = project.folder / "drift.prom"

    watching = started(
        project, "drift", "--from", "models", "--to", "live", "--watch", "0.1", "--prometheus", str(numbers)
    )
    wait_for(lambda: numbers.exists() and 'class="drift"} 0\n' in numbers.read_text())
    project.sql("DROP INDEX ix_users_role")
    wait_for(lambda: 'class="drift"} 1\n' in numbers.read_text())
    watching.send_signal(signal.SIGINT)
    out, err = watching.communicate(timeout=30)

    assert watching.returncode == 130, err
    assert [line[2:] for line in out.splitlines() if "models → live" in line] == [
        "models → live: no difference",
        "models → live: 1 change",
    ]


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until it is so; fail when it never is."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def test_a_project_without_models_compares_history_and_live(project: Project) -> None:
    """What `alembic init` makes has no target_metadata: the rest is compared, and that is said."""
    project.revision("r1", "op.execute('CREATE TABLE t (a int)')", "op.drop_table('t')")
    env = project.folder / "migrations" / "env.py"
    env.write_text(env.read_text().replace("target_metadata=Base.metadata", "target_metadata=None"))
    assert project.run("apply").code == 0
    project.sql("ALTER TABLE t ADD COLUMN b int")
    outcome = project.run("drift", "--json")
    (comparison,) = outcome.json["comparisons"]
    assert (outcome.code, comparison["to"], [c["object"] for c in comparison["changes"]]) == (1, "live", ["public.t.b"])
    assert any("target_metadata" in each for each in outcome.json["warnings"])
