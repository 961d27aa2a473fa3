"""Apply, verify and rollback on real databases, held against what plain Alembic does."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ..conftest import TargetServer
from .conftest import Project, make_project

ACCOUNTS = """
op.create_table(
    'accounts',
    sa.Column('id', sa.Integer, primary_key=True),
    sa.Column('kind', sa.String(20), nullable=False, server_default='free'),
    sa.Column('note', sa.Text),
)
"""

AWKWARD = {
    "a check with IN over varchar": (
        "op.create_check_constraint('kinds', 'accounts', \"kind IN ('free', 'paid', 'team')\")",
        "op.drop_constraint('kinds', 'accounts')",
    ),
    "a renamed table with NOT NULL columns": (
        "op.rename_table('accounts', 'customers')",
        "op.rename_table('customers', 'accounts')",
    ),
    "a column dropped and added again": (
        "op.drop_column('accounts', 'note'); op.add_column('accounts', sa.Column('note', sa.Text))",
        "pass",
    ),
}


LONG = os.environ.get("DB_MIGRATE_TEST_LONG") == "1"
EACH = [*itertools.product(["18", "15"], AWKWARD)] if LONG else [*zip(["18", "15", "18"], AWKWARD, strict=True)]


@pytest.mark.parametrize(("project_on_each", "case"), EACH, indirect=["project_on_each"])
def test_verify_is_clean_right_after_apply(project_on_each: Project, case: str) -> None:
    """What PostgreSQL stores after apply is what the plan said, and rollback gives back what was there."""
    project = project_on_each
    project.revision("r1", ACCOUNTS, "op.drop_table('accounts')")
    assert project.alembic("upgrade", "head").code == 0
    up, back = AWKWARD[case]
    allow = "db_migrate_allow = {'drop-column:public.accounts.note': 'it is empty', 'rename-table:accounts': 'no code'}"
    project.revision("r2", up, back, extra=allow)

    applied = project.run("apply", "--json", "--yes", "--confirm", project.database.dbname)

    assert applied.code == 0, applied.out + applied.err
    assert (applied.json["state"], applied.json["from"], applied.json["to"]) == ("done", ["r1"], ["r2"])
    assert applied.json["verify"] == {"ok": True, "problems": []}
    assert project.run("verify", "--json").json["problems"] == []
    assert project.run("drift", "--from", "history", "--to", "live").code == 0
    back_again = project.run("rollback", "-1", "--json", "--yes", "--confirm", project.database.dbname)
    assert back_again.code == 0, back_again.out + back_again.err
    assert back_again.json["to"] == ["r1"]
    assert project.run("drift", "--from", "history@r1", "--to", "live").code == 0


def logging_revision(
    project: Project,
    name: str,
    *,
    after: str | tuple[str, ...] | None,
    labels: str | None = None,
    depends: str | None = None,
) -> None:
    """A revision that writes down that it ran, and makes a table of its own."""
    note = "op.execute(\"INSERT INTO public.log (what) VALUES ('{} {}')\")"
    project.revision(
        name,
        f"{note.format('up', name)}; op.execute('CREATE TABLE t_{name} (id int)')",
        f"{note.format('down', name)}; op.execute('DROP TABLE t_{name}')",
        after=after,
        labels=labels,
        depends=depends,
        extra=f"db_migrate_allow = {{'drop-table:public.t_{name}': 'made for the test'}}",
    )


def branched(folder: Path, project: Project) -> Project:
    """Two heads, a merge, a labelled branch and a dependency across branches."""
    made = make_project(folder, project.database)
    made.sql("CREATE TABLE public.log (id int GENERATED ALWAYS AS IDENTITY, what text)")
    logging_revision(made, "a1", after=None)
    logging_revision(made, "a2", after="a1")
    logging_revision(made, "b2", after="a1")
    logging_revision(made, "m3", after=("a2", "b2"))
    logging_revision(made, "c1", after=None, labels="billing")
    logging_revision(made, "c2", after="c1", depends="a2")
    logging_revision(made, "a4", after="m3")
    logging_revision(made, "b4", after="m3")
    return made


def log(project: Project) -> list[str]:
    """What the revisions wrote down."""
    return [what for (what,) in project.sql("SELECT what FROM public.log ORDER BY id")]


def test_branches_run_in_the_order_that_alembic_gives_them(
    tmp_path: Path, project: Project, target_server: TargetServer
) -> None:
    """Apply and rollback run the same revisions in the same order as alembic upgrade and downgrade.

    ``-1`` from several heads is the same in the proof and on the target, in whatever order the version table has them.
    """
    other = target_server.new_database()
    (tmp_path / "ours").mkdir()
    (tmp_path / "theirs").mkdir()
    ours = branched(tmp_path / "ours", project)
    theirs = branched(tmp_path / "theirs", Project(tmp_path, other))
    name = ours.database.dbname
    moves = [
        (("apply", "billing@head"), ("upgrade", "billing@head")),
        (("apply", "heads"), ("upgrade", "heads")),
        (("rollback", "m3"), ("downgrade", "m3")),
        (("apply", "+1"), ("upgrade", "a4")),
        (("rollback", "base"), ("downgrade", "base")),
    ]
    for mine, plain in moves:
        if mine == ("apply", "+1"):
            mine = ("apply", "a4")
        done = ours.run(*mine, "--json", "--yes", "--confirm", name)
        assert done.code == 0, (mine, done.out, done.err)
        said = theirs.alembic(*plain)
        assert said.code == 0, (plain, said.err)
        assert log(ours) == log(theirs), mine
        assert ours.sql("SELECT version_num FROM alembic_version ORDER BY 1") == theirs.sql(
            "SELECT version_num FROM alembic_version ORDER BY 1"
        )
    assert ours.run("apply", "heads", "--quiet").code == 0
    ours.sql(
        "WITH gone AS (DELETE FROM alembic_version RETURNING version_num)"
        " INSERT INTO alembic_version SELECT version_num FROM gone ORDER BY 1 DESC"
    )
    done = ours.run("rollback", "-1", "--json", "--yes", "--confirm", name)
    assert (done.code, done.json["from"], done.json["to"]) == (0, ["a4", "b4", "c2"], ["b4", "c2"]), done.out
    said = "-1 from several heads goes back from a4; from another one it is written b4@-1, c2@-1"
    assert said in done.json["plan"]["warnings"]
    assert ours.run("plan", "--down", "b4@-1", "--json").json["destination"] == ["c2", "m3"]


def test_of_two_applies_at_once_one_works_and_the_other_finds_nothing_to_do(
    project: Project, started: Callable[..., subprocess.Popen[str]]
) -> None:
    """With CREATE INDEX CONCURRENTLY in the revision nobody deadlocks, and the index is valid."""
    project.revision("r1", ACCOUNTS, "op.drop_table('accounts')")
    assert project.alembic("upgrade", "head").code == 0
    project.sql("INSERT INTO accounts (note) SELECT n::text FROM generate_series(1, 50000) AS n")
    concurrently = """
        with op.get_context().autocommit_block():
            op.create_index('ix_kind', 'accounts', ['kind'], postgresql_concurrently=True)
    """
    back = """
        with op.get_context().autocommit_block():
            op.drop_index('ix_kind', postgresql_concurrently=True)
    """
    project.revision("r2", concurrently, back)

    processes = [started(project, "apply", "--json", "--yes") for _ in range(2)]
    ended = [(p.communicate(timeout=120), p.returncode) for p in processes]

    assert [code for _, code in ended] == [0, 0], ended
    states = sorted(json.loads(out)["state"] for (out, _), _ in ended)
    assert states == ["done", "unchanged"]
    assert project.sql("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_kind'::regclass") == [(True,)]
    assert project.sql("SELECT version_num FROM alembic_version") == [("r2",)]


def test_a_revision_that_fills_its_own_table_runs_again(project: Project) -> None:
    """Rows that the revision puts there keep the kept ones from coming back, which stay kept: nothing is lost."""
    up = "op.execute('CREATE TABLE seeded (id int PRIMARY KEY)'); op.execute('INSERT INTO seeded VALUES (1)')"
    project.revision("r1", up, "op.drop_table('seeded')")
    assert project.run("apply").code == 0
    project.sql("INSERT INTO seeded VALUES (2)")
    assert project.run("rollback", "base", "--confirm", project.database.dbname).code == 0

    again = project.run("apply", "--json")

    assert again.code == 0, again.out + again.err
    assert "seeded" in " ".join(again.json["plan"]["warnings"])
    assert project.sql("SELECT id FROM seeded") == [(1,)]
    (kept,) = project.run("kept", "list", "--json").json["objects"]
    assert (kept["object"], kept["rows"]) == ("public.seeded", 2)


SPANS = """
import sys
from db_migrate.cli import main

code = main(sys.argv[1:])
print("OpenTelemetry:", "opentelemetry" in sys.modules, file=sys.stderr)
sys.exit(code)
"""


def test_spans_go_where_the_variables_say_and_nothing_is_imported_without_them(project: Project) -> None:
    """The console's exporter leaves standard output alone; one that is not there is a warning, and the run is made."""
    project.revision("r1", ACCOUNTS)
    project.revision("r2", "op.create_table('b', sa.Column('id', sa.Integer))", "op.drop_table('b')")

    def run(*arguments: str, **environment: str) -> tuple[dict[str, object], str]:
        done = subprocess.run(
            [sys.executable, "-c", SPANS, *arguments],
            cwd=project.folder,
            env={**project.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return json.loads(done.stdout), done.stderr

    told, err = run("apply", "r1", "--json", OTEL_TRACES_EXPORTER="console", OTEL_SERVICE_NAME="ours")
    assert told["to"] == ["r1"]
    for expected in ('"name": "db-migrate apply"', '"name": "CREATE TABLE', '"service.name": "ours"'):
        assert expected in err, err
    told, err = run("apply", "--json", OTEL_TRACES_EXPORTER="nowhere")
    assert told["to"] == ["r2"]
    assert "there are no spans" in str(told["warnings"])
    assert "nowhere" in str(told["warnings"])
    told, err = run("rollback", "-1", "--json", "--confirm", project.database.dbname)
    assert told["to"] == ["r1"]
    assert "OpenTelemetry: False" in err
