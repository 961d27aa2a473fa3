"""Lint of whole projects and of files, in this process, on the shared scratch server; no target exists anywhere."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from db_migrate import load, open_project
from db_migrate.cli import main
from db_migrate.config import RuleLevel, Runner
from db_migrate.errors import ConfigurationError, UsageError
from db_migrate.results import Lint
from db_migrate.rules import all_rules
from db_migrate.rules.examples import APPLICATION, BESIDE, ground_source, revision_source
from db_migrate.rules.registry import Rule
from db_migrate.workspace import Workspace

INI = "[alembic]\nscript_location = %(here)s/alembic\nprepend_sys_path = %(here)s\npath_separator = os\n"

ENV = """
from alembic import context
from sqlalchemy import create_engine, pool

engine = create_engine("postgresql+psycopg://nobody:s3cret@nowhere.invalid/none", poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""

REVISION = '''"""revision {revision}"""

import sqlalchemy as sa
from alembic import op
{imports}
revision = {revision!r}
down_revision = {down!r}
{allow}

def upgrade():
{up}


def downgrade():
{back}
'''

USERS = 'op.create_table("users", sa.Column("id", sa.BigInteger, primary_key=True), sa.Column("old", sa.Text))'


@dataclass
class History:
    """A project in a folder; its revisions are written one by one."""

    folder: Path
    workspace: Workspace

    def add(
        self,
        revision: str,
        up: str,
        back: str = "pass",
        *,
        after: str | tuple[str, ...] | None = None,
        imports: str = "",
        allow: Mapping[str, str] | None = None,
    ) -> Path:
        """Write a revision."""
        text = REVISION.format(
            revision=revision,
            down=after,
            imports=imports,
            allow=f"db_migrate_allow = {dict(allow)!r}" if allow else "",
            up=textwrap.indent(textwrap.dedent(up).strip(), "    "),
            back=textwrap.indent(textwrap.dedent(back).strip(), "    "),
        )
        file = self.folder / "alembic" / "versions" / f"{revision}.py"
        file.write_text(text)
        return file

    def lint(self, *words: str, **named: Any) -> Lint:
        """Lint after reading the files again."""
        self.workspace.__dict__.pop("graph", None)
        return self.workspace.lint(*words, **named)


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[History]:
    """An empty project, which is the current folder."""
    for name in [each for each in os.environ if each.startswith(("PG", "DB_MIGRATE_", "DATABASE_"))]:
        if name != "DB_MIGRATE_RUNTIME_DIR":
            monkeypatch.delenv(name)
    (tmp_path / "alembic" / "versions").mkdir(parents=True)
    (tmp_path / "alembic.ini").write_text(INI)
    (tmp_path / "alembic" / "env.py").write_text(ENV)
    monkeypatch.chdir(tmp_path)
    with open_project(load({"cache_dir": str(tmp_path / "cache")})) as workspace:
        yield History(tmp_path, workspace)


def _found(lint: Lint) -> set[tuple[str, str]]:
    return {(each.revision, each.rule) for each in lint.findings}


def test_any_part_of_the_history(history: History) -> None:
    """All of it, one revision, a range open at either end, with branches and a merge: judged is what was asked for."""
    history.add("a1", USERS, 'op.drop_table("users")')
    history.add("b1", 'op.drop_column("users", "old")', 'op.add_column("users", sa.Column("old", sa.Text))', after="a1")
    history.add("c1", 'op.create_index("ix", "users", ["id"])', 'op.drop_index("ix")', after="a1")
    history.add("d1", "pass", after=("b1", "c1"))
    history.add("e1", 'op.drop_table("users")', after="d1")
    drop_column, index, drop_table = ("b1", "drop-column"), ("c1", "create-index-blocking"), ("e1", "drop-table")
    with contextlib.nullcontext(history.workspace) as workspace:
        whole = workspace.lint()
        assert {drop_column, index, drop_table} <= _found(whole)
        assert sorted(each.revision for each in whole.revisions) == ["a1", "b1", "c1", "d1", "e1"]
        assert workspace.lint() == whole
        assert whole.way_back is None
        for words, revisions, expected in (
            (("c1",), ["c1"], {index}),
            (("b1:",), ["c1", "d1", "e1"], {index, drop_table}),
            ((":b1",), ["a1", "b1"], {drop_column}),
            (("a1:d1",), ["b1", "c1", "d1"], {drop_column, index}),
            (("d1",), ["d1"], set()),
        ):
            part = workspace.lint(*words)
            assert sorted(each.revision for each in part.revisions) == revisions, words
            assert _found(part) & {drop_column, index, drop_table} == expected, words
            assert part.way_back is not None
        assert workspace.lint("e1").current == ("d1",)
    assert whole.target is None
    assert "s3cret" not in repr(whole)


def test_what_ran_once_is_not_run_again_until_it_may_go_otherwise(history: History) -> None:
    """The second lint gives the same and runs nothing; an edited file, or module that it imports, is run anew."""
    helper = history.folder / "helper.py"
    helper.write_text("NAME = 'old'\n")
    history.add("a1", USERS)
    file = history.add("b1", 'op.drop_column("users", helper.NAME)', after="a1", imports="import helper")
    first = history.lint()
    written = sorted((history.folder / "cache").iterdir())
    assert history.lint() == first
    assert sorted((history.folder / "cache").iterdir()) == written
    helper.write_text("NAME = 'id'\n")
    with open_project(history.workspace.settings) as another:
        dropped = {each.object for each in another.lint().findings if each.rule == "drop-column"}
    assert dropped == {"public.users.id"}
    helper.write_text("NAME = 'old'\n")
    file.write_text(file.read_text().replace("drop_column", "drop_index"))
    failed = history.lint()
    assert '"users" is not an index' in (failed.revisions[-1].error or "")
    history.add("c1", 'op.execute("SELECT 1")', after="b1")
    assert history.lint().warnings == ("c1 was not linted: an earlier revision fails",)


def test_a_guard_is_not_in_the_way_and_a_failure_is_placed(
    history: History, capsys: pytest.CaptureFixture[str]
) -> None:
    """What asks the catalogs is one line and not in the hash; what fails has its line and SQL, the rest one warning."""
    history.add("a1", USERS)
    guarded = """
    bind = op.get_bind()
    if "age" not in {c["name"] for c in sa.inspect(bind).get_columns("users")} and not sa.inspect(bind).has_table("x"):
        op.add_column("users", sa.Column("age", sa.Integer))
        op.create_index("ix", "users", ["old"], if_not_exists=True)
    assert sa.inspect(bind).get_indexes("users")
    """
    history.add("b1", guarded, after="a1")
    first, second = history.lint("b1", cache=False), history.lint("b1", cache=False)
    assert first.hash == second.hash
    sql = [[s.sql for r in each.revisions for s in r.statements] for each in (first, second)]
    assert sql[0] != sql[1]  # by the numbers that the table had
    history.add("c1", "\nop.execute('SELECT 1')\nop.drop_column('users', 'nothing')", after="b1")
    for name, after in (("d1", "c1"), ("e1", "d1"), ("f1", "e1"), ("g1", "f1"), ("h1", "g1")):
        history.add(name, "pass", after=after)
    assert main(["lint", "--verbose", "--no-downgrades"]) == 1
    told = capsys.readouterr().out
    assert "queries of the catalogs" in told
    assert "pg_catalog" not in told
    for form in ([], ["--verbose"]):
        main(["lint", "--no-downgrades", *form])
        told = capsys.readouterr().out
        line = 1 + (history.folder / "alembic/versions/c1.py").read_text().split("op.drop_column")[0].count("\n")
        assert f"--> alembic/versions/c1.py:{line}" in told
        assert "ALTER TABLE users DROP COLUMN nothing" in told
        assert "d1, e1, f1 and 2 more were not linted: an earlier revision fails" in told


def test_how_far_down_one_can_go(history: History) -> None:
    """The first downgrade from the end that fails, or leaves something, is where the way back ends."""
    history.add("a1", USERS, 'op.drop_table("users")')
    history.add("b1", 'op.add_column("users", sa.Column("n", sa.Text))', "pass", after="a1")
    history.add("c1", 'op.create_index("ix", "users", ["id"])', 'op.drop_index("ix")', after="b1")
    way = history.lint(downgrades=True).way_back
    assert way is not None
    assert (way.to, way.stopped_by) == (("b1",), "b1")
    assert "public.users.n" in way.why
    told = {each.object: each.message for each in history.lint(downgrades=True).findings if "inverse" in each.rule}
    assert set(told) == {"b1"}  # and not a1, whose own downgrade takes back what it made
    history.add("d1", "pass", 'op.drop_table("never_made")', after="c1")
    lint = history.lint(downgrades=True)
    assert lint.way_back is not None
    assert (lint.way_back.to, lint.way_back.stopped_by) == (("d1",), "d1")
    assert 'table "never_made" does not exist' in lint.way_back.why
    assert ("d1", "downgrade-not-inverse") in _found(lint)
    told = {each.object: each.message for each in lint.findings if each.rule == "downgrade-not-inverse"}
    assert set(told) == {"d1"}  # those that were not reached have nothing wrong with them
    assert history.lint("c1").way_back == history.lint("c1", downgrades=True).way_back
    assert history.lint("c1").way_back is not None
    assert history.lint("c1").way_back.stopped_by == ""  # type: ignore[union-attr]


def test_what_a_branch_added(history: History) -> None:
    """`--since` finds the revisions that the branch brought, committed or not; a ref that is none is explained."""

    def git(*words: str) -> None:
        identity = ("-c", "user.name=n", "-c", "user.email=e@example.org")
        subprocess.run(["git", *identity, *words], cwd=history.folder, check=True, capture_output=True)

    history.add("a1", USERS)
    git("init", "-b", "main")
    git("add", ".")
    git("commit", "-m", "one")
    git("checkout", "-b", "topic")
    history.add("b1", 'op.drop_column("users", "old")', after="a1")
    git("add", ".")
    git("commit", "-m", "two")
    history.add("c1", 'op.drop_table("users")', after="b1")
    assert [each.revision for each in history.lint(since="main").revisions] == ["b1", "c1"]
    assert history.lint(since="HEAD").revisions[0].revision == "c1"
    for reference in ("no-such-ref", "--help"):
        with pytest.raises(UsageError) as refused:
            history.lint(since=reference)
        assert refused.value.code == "git.reference"
    with pytest.raises(UsageError, match="b1 and --since do not go together"):
        history.lint("b1", since="main")


def test_files_of_revisions(
    history: History, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files that end in .py are the revisions in them, found from outside of the project too; others are named."""
    history.add("a1", USERS)
    file = history.add("b1", 'op.drop_column("users", "old")', after="a1")
    lint = history.lint(str(file), "alembic/env.py")
    assert [each.revision for each in lint.revisions] == ["b1"]
    assert lint.warnings == (f"{history.folder}/alembic/env.py is no revision of this project and was not linted",)
    assert history.lint("alembic/env.py").revisions == ()
    with pytest.raises(UsageError) as refused:
        history.lint("alembic/versions/gone.py")
    assert refused.value.code == "lint.file"
    with pytest.raises(UsageError, match="a1 and files of revisions do not go together"):
        history.lint("a1", str(file))
    outside = history.folder / "outside"
    outside.mkdir()
    (history.folder / "alembic.ini").rename(outside / "alembic.ini")
    (history.folder / "alembic").rename(outside / "alembic")
    monkeypatch.chdir(history.folder)
    assert main(["lint", "outside/alembic/versions/b1.py", "--format=github"]) == 1
    assert "title=drop-column" in capsys.readouterr().out
    known = ["--baseline=outside/known.json", "outside/alembic/versions/b1.py"]
    assert main(["lint", "--write-baseline", *known]) == 0
    assert (outside / "known.json").is_file()
    assert main(["lint", *known]) == 0
    assert main(["lint", "--settings=gone.toml", *known]) == 2
    assert "there is no settings file gone.toml" in capsys.readouterr().err
    assert Path.cwd() == history.folder


PSQL_FILE = r"""\set ON_ERROR_STOP on
BEGIN;
SET lock_timeout = '2s';
/* no; statement */ ALTER TABLE users ADD COLUMN token uuid DEFAULT gen_random_uuid();
COPY users (id) FROM stdin;
1
2;DROP TABLE users
\.
COMMIT;
CREATE INDEX CONCURRENTLY ix ON users (id);
\i other.sql
BEGIN;
DROP TABLE users;
"""


def test_a_file_on_top_of_the_history(history: History) -> None:
    """A file as psql reads it runs on what the revisions made; findings point to its lines; nothing is left out."""
    history.add("a1", USERS)
    (history.folder / "more.sql").write_text(PSQL_FILE)
    lint = history.lint("more.sql")
    lines = {each.rule: each.line for each in lint.findings}
    assert {"add-column-volatile-default": 4, "drop-table": 13, "uncommitted-transaction": 12}.items() <= lines.items()
    assert not {"missing-object", "transaction-nesting", "create-index-blocking"} & set(lines)
    assert {each.file for each in lint.findings} == {str(history.folder / "more.sql")}
    assert lint.warnings == ("more.sql:11: \\i is a command of psql and was not run",)
    (revision,) = lint.revisions
    assert (revision.revision, revision.error) == ("more.sql", None)
    concurrently = next(each for each in revision.statements if "CONCURRENTLY" in each.sql)
    assert (concurrently.autocommit, concurrently.line) == (True, 10)


ALONE = {
    "ALTER TABLE shop.orders ADD COLUMN x text DEFAULT gen_random_uuid()::text": "add-column-volatile-default",
    "CREATE INDEX ix ON orders (customer_id)": "create-index-blocking",
    "ALTER TABLE orders ALTER COLUMN email SET NOT NULL": "set-not-null-scan",
    "ALTER TABLE orders VALIDATE CONSTRAINT paid": "validate-constraint-scan",
    "DROP TABLE deliveries": "drop-table",
    "DROP INDEX ix_orders": "drop-index-blocking",
    "ALTER TYPE mood ADD VALUE 'sad'": "enum-add-value",
    "GRANT SELECT ON orders TO reporting": "grant-revoke",
    "REFRESH MATERIALIZED VIEW totals": "refresh-matview-blocking",
    "SELECT no_such_function()": "missing-object",
}


@pytest.mark.parametrize("together", [False, True])
def test_a_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, together: bool) -> None:
    """Without a project, what nobody made is made up and said; each statement is judged, in a transaction or not."""
    monkeypatch.chdir(tmp_path)
    statements = list(ALONE)
    body = ";\n".join(statements)
    (tmp_path / "f.sql").write_text(f"BEGIN;\n{body};\nCOMMIT;\n" if together else f"\n{body}")
    with open_project(load({"cache_dir": str(tmp_path / "cache")})) as workspace:
        lint = workspace.lint("f.sql")
    by_line = {line: {each.rule for each in lint.findings if each.line == line} for line in range(2, 12)}
    for line, (statement, rule) in enumerate(ALONE.items(), 2):
        assert rule in by_line[line], (statement, by_line[line])
    assert lint.revisions[0].error is None
    assert [len(r.statements) for r in lint.revisions] == [len(ALONE) + (2 if together else 0)]


SPARED = """
BEGIN; CREATE TABLE u (id int); COMMIT;
CREATE TABLE t (a int, CONSTRAINT ok CHECK (a IS NOT NULL));
CREATE TABLE e (r int) PARTITION BY RANGE (r);
CREATE TABLE e2 (r int NOT NULL, CHECK (r >= 10 AND r < 30));
ALTER TABLE t ALTER COLUMN a SET NOT NULL;
ALTER TABLE e ATTACH PARTITION e2 FOR VALUES FROM (10) TO (30);
DROP TABLE IF EXISTS nothing;
CREATE INDEX CONCURRENTLY i ON t (a);
"""


def test_what_the_server_says_of_its_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it need not look through and why, its notices, what CONCURRENTLY held and waited for; nothing of ours."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DB_MIGRATE_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "f.sql").write_text(SPARED)
    assert main(["lint", "f.sql", "--json"]) == 0
    (revision,) = json.loads(capsys.readouterr().out)["revisions"]
    effects = {each["sql"].split("(")[0].strip(): each["effects"] for each in revision["statements"]}
    not_null, attach = (
        effects["ALTER TABLE t ALTER COLUMN a SET NOT NULL"],
        effects["ALTER TABLE e ATTACH PARTITION e2 FOR VALUES FROM"],
    )
    assert not_null["spared"] == [
        'existing constraints on column "t.a" are sufficient to prove that it does not contain nulls'
    ]
    assert attach["spared"] == ['partition constraint for table "e2" is implied by existing constraints']
    assert [each["scans"] for each in (not_null, attach)] == [[], []]
    said = {name: each["notices"] for name, each in effects.items() if each["notices"]}
    assert said == {"DROP TABLE IF EXISTS nothing": ['table "nothing" does not exist, skipping']}
    phases = effects["CREATE INDEX CONCURRENTLY i ON t"]["phases"]
    assert {lock["mode"] for each in phases for lock in each["locks"] if lock["relation"] == "public.t"} == {
        "SHARE UPDATE EXCLUSIVE"
    }
    assert main(["lint", "f.sql", "--verbose"]) == 0
    text = capsys.readouterr().out
    assert "are sufficient to prove" in text
    assert "the server says: table" in text
    assert "waits for older transactions" in text
    assert text.index("in one transaction") < text.index("CREATE TABLE u") < text.index("in no transaction")


@pytest.mark.parametrize(
    ("text", "line", "error"),
    [
        ("SELECT 1;\n\nfrobnicate 2;\nSELECT 'a;b';", 3, 'syntax error at or near "frobnicate"'),
        ("SELECT 'never ends;\n", 1, 'unterminated quoted string at or near "\'never ends;"'),
        ("CREATE TABLE t ();\nCREATE TABLE t ();\nDROP TABLE t", 2, 'relation "t" already exists'),
        ("", 0, None),
        ("-- nothing;\n/* ; */;;", 0, None),
        ("COMMIT;\nROLLBACK;\n\\.\n", 0, None),
        ("BEGIN;\nSELECT 1/0;\nSAVEPOINT a;\nROLLBACK TO a;\nCOMMIT", 2, "division by zero"),
        ('\ufeffCREATE TABLE "ü;" (id int) -- x', 0, None),
    ],
)
def test_files_that_nobody_meant_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, line: int, error: str | None
) -> None:
    """What cannot be read or run is reported with its line, and the rest is linted."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f.sql").write_text(text)
    with open_project(load({"cache_dir": str(tmp_path / "cache")})) as workspace:
        (revision,) = workspace.lint("f.sql").revisions
    assert (revision.error or "").partition(": ")[2] == (error or "")
    if error:
        assert any(each.line == line for each in revision.statements)


def test_settings_of_rules(history: History) -> None:
    """Severities by rule, those that are judged by proof too; a name that no rule has is refused with its neighbour."""
    history.add("a1", USERS, "pass", allow={"missing-downgrade:a1": "never gone back"})
    found = {}
    for level in RuleLevel:
        levels = {"downgrade-not-inverse": level, "missing-downgrade": level}
        history.workspace.settings = replace(history.workspace.settings, rules=levels)
        found[level] = {(each.rule, each.severity.value) for each in history.lint("a1").findings if each.rule in levels}
    assert found[RuleLevel.OFF] == set()
    assert found[RuleLevel.ERROR] == {("downgrade-not-inverse", "error"), ("missing-downgrade", "error")}
    assert found[RuleLevel.ON] == {("downgrade-not-inverse", "warning"), ("missing-downgrade", "warning")}
    history.workspace.settings = replace(history.workspace.settings, rules={"drop-colum": RuleLevel.OFF})
    with pytest.raises(ConfigurationError, match="drop-colum") as refused:
        history.lint("a1")
    assert refused.value.why == "did you mean rules.drop-column?"


def test_what_is_no_file_and_no_revision(history: History) -> None:
    """A file that is not there, a revision that does not exist, and files beside a range are usage errors."""
    history.add("a1", USERS)
    for words, code in (
        (("gone.sql",), "lint.file"),
        (("zz",), "graph.unknown-revision"),
        (("a1", "b1"), "lint.arguments"),
    ):
        with pytest.raises(UsageError) as refused:
            history.lint(*words)
        assert refused.value.code == code


def _lintable() -> list[Rule]:
    """The rules that one revision in an ordinary database can break; without much time, a few of each kind."""
    rules = [each for each in all_rules() if not each.needs_facts and not each.prepared and each.until >= 18]
    alone = [each for each in rules if BESIDE not in each.bad + each.good]
    return alone if os.environ.get("DB_MIGRATE_TEST_LONG") else alone[::16]


def test_rules_fire_through_lint(history: History) -> None:
    """Each rule fires on its bad example, as a revision on the examples' schema, and not on its good one."""
    versions = history.folder / "alembic" / "versions"
    (history.folder / f"{APPLICATION}.py").write_text("import sqlalchemy as sa\n\nUser = sa.table('users')\n")
    (versions / "ground.py").write_text(ground_source("ground"))
    rules = _lintable()
    for number, rule in enumerate(rules):
        for kind, example in (("b", rule.bad), ("g", rule.good)):
            (versions / f"{kind}{number:03}.py").write_text(revision_source(example, f"{kind}{number:03}", "ground"))
    with contextlib.nullcontext(history.workspace) as workspace:
        for number, rule in enumerate(rules):
            levels = {rule.id: RuleLevel.ON}
            workspace.settings = replace(workspace.settings, rules=levels, runner=Runner(rule.runner))
            for kind, fires in (("b", True), ("g", False)):
                lint = workspace.lint(f"{kind}{number:03}", downgrades=False)
                open_ones = {each.rule for each in lint.findings if each.allowed is None}
                assert (rule.id in open_ones) is fires, (rule.id, kind)
