"""Projects with hooks, plugins, types and templates of their own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from db_migrate.errors import DbMigrateError, UsageError
from db_migrate.generate.filling import Fill, How
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect

from .projects import TEMPLATE, Small

HOOKED = """
import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator


class Money(TypeDecorator):
    impl = sa.Numeric(12, 2)
    cache_ok = True


class Plain(TypeDecorator):
    impl = sa.String(7)
    cache_ok = True


one = sa.MetaData(naming_convention={"ck": "ck_%(table_name)s_%(constraint_name)s", "pk": "pk_%(table_name)s"})
other = sa.MetaData(schema="billing")
METADATA = [one, other]
sa.Table("users", one, sa.Column("id", sa.Integer, primary_key=True), sa.Column("plain", Plain),
         sa.Column("wait", sa.dialects.postgresql.INTERVAL(precision=3)),
         sa.CheckConstraint("plain <> '%'", name="full"))
sa.Table("invoices", other, sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
         sa.Column("total", Money, nullable=False), sa.Column("user_id", sa.ForeignKey(one.tables["users"].c.id)))
sa.Table("totals", one, sa.Column("id", sa.Integer, primary_key=True), sa.Column("k", sa.Enum("a", name="k")),
         schema="reports", info={"skip": True})
""".replace("import sqlalchemy as sa", "import sqlalchemy as sa\nimport sqlalchemy.dialects.postgresql", 1)

HOOKS = """
from alembic.operations import ops
import models


def name_it(context, revision, directives):
    script = directives[0]
    script.rev_id = "r%03d" % (1 + len(list(context.script.walk_revisions())))
    script.upgrade_ops.ops.append(ops.ExecuteSQLOp("SELECT 'by the hook'"))


def render(kind, value, autogen):
    if kind == "type" and isinstance(value, models.Money):
        autogen.imports.add("from models import Money")
        return "Money()"
    return False


OPTIONS = dict(include_schemas=True, process_revision_directives=name_it, render_item=render,
               include_object=lambda item, *_: not item.info.get("skip"),
               include_name=lambda name, kind, parents: kind != "schema" or name in (None, "billing"))
"""


def test_hooks_types_and_schemas(tmp_path: Path) -> None:
    """Hooks choose the id and add operations, types are written the project's way, a new schema is made.

    What env.py leaves out is not made, nor the schema and the type that only it has.
    """
    project = Small(tmp_path, HOOKS)
    first = project.generate(HOOKED)
    assert first.exit_code == 0, first
    (made,) = first.revisions
    assert made.revision == "r001"
    for line in (
        "from models import Money",
        '"total", Money()',
        "CREATE SCHEMA billing",
        "by the hook",
        "import models",
    ):
        assert line in made.source, line
    for line in ("reports", "'a'"):
        assert line not in made.source, line
    assert project.generate().revisions == ()
    more = HOOKED.replace("sa.BigInteger, sa.Identity()", "sa.BigInteger, sa.Identity(always=True)").replace(
        'sa.Column("plain", Plain)', 'sa.Column("plain", Plain, nullable=False)'
    )
    more = more.replace(
        '"plain", Plain, nullable=False',
        '"elsewhere", sa.Text, info={"skip": True}), sa.Column("plain", Plain, nullable=False',
    )
    with pytest.raises(UsageError, match=r"users\.plain becomes NOT NULL") as asked:
        project.generate(more)
    assert asked.value.code == "generate.fill"
    again = project.generate(more, fills={"users.plain": Fill(How.BACKFILL, "'x'")})
    assert again.exit_code == 0, again.proof
    assert not [each for each in again.revisions if "elsewhere" in each.source]
    assert project.generate().revisions == ()


PLACES = """
import sqlalchemy as sa

METADATA = [sa.MetaData(schema=name) for name in ("own", "made", "fresh")]
for each in METADATA:
    sa.Table("t", each, sa.Column("id", sa.Integer, primary_key=True))
"""


def test_schemas_that_are_there_before_any_revision(tmp_path: Path, database: ConnInfo) -> None:
    """What env.py makes, and the schema of the version table, no revision makes again; plain Alembic runs it."""
    options = "OPTIONS = {'include_schemas': True, 'version_table_schema': 'own',\n"
    project = Small(
        tmp_path, f"{options}    'include_name': lambda name, kind, _: kind != 'schema' or name != 'public'}}"
    )
    env = tmp_path / "migrations/env.py"
    makes = "    connection.exec_driver_sql('CREATE SCHEMA IF NOT EXISTS made')\n    connection.commit()\n"
    env.write_text(env.read_text().replace("    context.configure(", f"{makes}    context.configure("))
    made = project.generate(PLACES)
    assert made.exit_code == 0, made.proof
    (revision,) = made.revisions
    assert re.findall(r"(?:CREATE|DROP) SCHEMA \w+", revision.source) == ["CREATE SCHEMA fresh", "DROP SCHEMA fresh"]
    assert project.generate().revisions == ()
    with connect(database) as connection:
        connection.execute("CREATE SCHEMA own")
    project.alembic(database, "upgrade", "head")
    assert "No new upgrade operations detected" in project.alembic(database, "check")


PLUGINS = """
import enum

import sqlalchemy as sa
from alembic_utils.pg_function import PGFunction
from alembic_utils.pg_view import PGView
from alembic_utils.replaceable_entity import register_entities

METADATA = sa.MetaData()
Level = enum.Enum("Level", {each: each for each in ("low", "high")})
sa.Table("t", METADATA, sa.Column("id", sa.Integer, primary_key=True), sa.Column("level", sa.Enum(Level, name="level"),
         server_default="low"))
double = PGFunction("public", "double(x integer)", "RETURNS integer LANGUAGE sql AS $$ SELECT x * 2 $$")
view = PGView("public", "doubled", "SELECT double(id) AS id FROM t")
register_entities([double, view])
"""


def test_plugins(tmp_path: Path) -> None:
    """alembic_utils makes its functions and views, alembic-postgresql-enum finds its enums as they should be."""
    project = Small(tmp_path, "import alembic_postgresql_enum")
    first = project.generate(PLUGINS)
    assert first.exit_code == 0, first.proof
    source = first.revisions[0].source
    assert source.index("op.create_table") < source.index("op.create_entity(public_doubled)")
    assert project.generate().revisions == ()
    more = (
        PLUGINS.replace('"high")', '"middle", "high")')
        .replace("x * 2", "x * 3")
        .replace("SELECT double(id) AS id FROM t", "SELECT double(id) AS id, level FROM t")
    )
    second = project.generate(more)
    assert second.exit_code == 0, second.proof
    source = second.revisions[0].source
    assert "ADD VALUE 'middle' AFTER 'low'" in source
    assert [each.reason for each in second.left_out if "op.add_enum_value" in each.python], "the plugin was at work"
    assert "op.add_enum_value" not in source
    assert "op.replace_entity" in source
    assert source.count("from sqlalchemy import text as sql_text") == 1, "both entities ask for it"
    assert project.generate().revisions == ()


TRIGGERED = """
import sqlalchemy as sa
from alembic_utils.pg_function import PGFunction
from alembic_utils.pg_trigger import PGTrigger
from alembic_utils.replaceable_entity import register_entities
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeDecorator


class Money(TypeDecorator):
    impl = sa.Numeric(12, 2)
    cache_ok = True


METADATA = sa.MetaData()
sa.Table("orders", METADATA, sa.Column("id", sa.Integer, primary_key=True), sa.Column("total", Money, nullable=False),
         sa.Column("doc", postgresql.JSONB))
touch = "RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$"
on = "BEFORE UPDATE ON public.orders FOR EACH ROW EXECUTE PROCEDURE public.touch()"
register_entities([PGFunction("public", "touch()", touch),
                   PGTrigger("public", "touched", on_entity="public.orders", definition=on)])
"""


def test_a_plugins_trigger_on_a_table_of_the_same_revision(tmp_path: Path) -> None:
    """Autogenerate fails on it at first; the plugin makes it all the same, and types are written the project's way.

    What the template imports is not imported again.
    """
    project = Small(tmp_path)
    dialect = "from sqlalchemy.dialects import postgresql\n"
    project.write("migrations/script.py.mako", TEMPLATE.replace("${imports", f"{dialect}${{imports", 1))
    made = project.generate(TRIGGERED)
    assert made.exit_code == 0, made.proof
    (source,) = (each.source for each in made.revisions)
    assert "models.Money(" in source
    assert source.index("op.create_table") < source.index("op.create_entity(public_touch")
    assert "CREATE TRIGGER touched" not in source.partition("def upgrade")[2]
    assert source.count(dialect) == 1
    assert project.generate().revisions == ()


LABELLED = """
import sqlalchemy as sa

METADATA = sa.MetaData()
level = sa.Enum("low", "high", name="level")
sa.Table("t", METADATA, sa.Column("id", sa.Integer, primary_key=True), sa.Column("l", level, server_default="low"))
"""


@pytest.mark.parametrize("safe", [True, False])
def test_a_default_that_is_a_label_of_the_same_revision(safe: bool, tmp_path: Path, database: ConnInfo) -> None:
    """The label is committed first, then the default is set, once; there and back under plain Alembic, with rows."""
    project = Small(tmp_path)
    assert project.generate(LABELLED).exit_code == 0
    made = project.generate(LABELLED.replace('"high"', '"high", "top"').replace('="low"', '="top"'), safe=safe)
    assert made.exit_code == 0, made.proof
    (source,) = (each.source for each in made.revisions)
    up, down = source.partition("def upgrade")[2].split("def downgrade")
    assert up.index("autocommit_block") < up.index("ADD VALUE 'top'") < up.index("op.alter_column")
    assert up.count("server_default") == 1
    assert down.count("'low'::public.level") == 1
    project.alembic(database, "upgrade", "head")
    with connect(database) as connection:
        connection.execute("INSERT INTO t DEFAULT VALUES")
        assert connection.execute("SELECT l::text FROM t").fetchall() == [("top",)]
        connection.execute("UPDATE t SET l = 'low'")
    project.alembic(database, "downgrade", "-1")
    project.alembic(database, "upgrade", "head")


SQLMODEL = """
from typing import Optional
from sqlmodel import Field, SQLModel


class Hero(SQLModel, table=True):
    id: Optional[int] = Field(default=None, primary_key=True)
    name: str = Field(index=True)
    team_id: Optional[int] = Field(default=None, foreign_key="team.id")


class Team(SQLModel, table=True):
    id: Optional[int] = Field(default=None, primary_key=True)
    hero_id: Optional[int] = Field(default=None, foreign_key="hero.id")


METADATA = SQLModel.metadata
"""


def test_sqlmodel_in_a_circle(tmp_path: Path, database: ConnInfo) -> None:
    """SQLModel's models are made, foreign keys in a circle too, under numbers; what is dropped waits for a release.

    Plain Alembic runs the revisions, and its own check finds nothing to do.
    """
    project = Small(tmp_path, settings='revision_ids = "sequential"\n')
    assert project.generate(SQLMODEL).exit_code == 0
    assert project.files == ["0001_a_change.py"]
    less = SQLMODEL.replace('    hero_id: Optional[int] = Field(default=None, foreign_key="hero.id")\n', "").replace(
        "    name: str", "    age: int = Field(sa_column_kwargs={'server_default': '1'})\n    name: str"
    )
    second = project.generate(less)
    assert second.exit_code == 0, second.proof
    assert project.files == ["0001_a_change.py", "0002_a_change.py", "0003_a_change_contract.py"]
    assert [bool(each.waits_for) for each in second.revisions] == [False, True]
    assert project.generate().revisions == ()
    project.alembic(database, "upgrade", "head")
    assert "No new upgrade operations detected" in project.alembic(database, "check")


TYPED = """
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

METADATA = sa.MetaData()
shade = pg.ENUM("dark", "pale", name="shade", metadata=METADATA)
sa.Table("t", METADATA, sa.Column("id", sa.Integer, primary_key=True), sa.Column("flag", sa.Boolean),
         sa.Column("color", sa.Enum("red", "blue", name="color")), sa.Column("shade", shade),
         sa.Column("sizes", sa.ARRAY(sa.Enum("s", "m", name="size"))), sa.Column("note", sa.String(20)))
sa.Table("u", METADATA, sa.Column("id", sa.Integer, primary_key=True), sa.Column("shade", shade))
"""
OTHERWISE = (
    TYPED.replace('sa.Enum("red", "blue", name="color")', "sa.Text")
    .replace('sa.Column("shade", shade),\n', 'sa.Column("shade", sa.Text),\n')
    .replace('sa.ARRAY(sa.Enum("s", "m", name="size"))', "sa.ARRAY(sa.Text)")
    .replace("sa.Boolean", "sa.Integer")
    .replace("sa.String(20)", "sa.Integer")
)


EXTENSIONS = """
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

METADATA = sa.MetaData()
sa.Table("t", METADATA, sa.Column("id", sa.Integer, primary_key=True), sa.Column("a", pg.CITEXT),
         sa.Column("b", sa.Text), pg.ExcludeConstraint(("id", "="), name="one_each"),
         sa.Index("words", "b", postgresql_using="gin", postgresql_ops={"b": "gin_trgm_ops"}))
"""


def test_extensions_that_the_models_need(tmp_path: Path) -> None:
    """For a type, an operator class and the usual one of a method; what no extension has is an error as before."""
    project = Small(tmp_path)
    made = project.generate(EXTENSIONS)
    assert made.exit_code == 0, made.proof
    source = made.revisions[0].source
    for name in ("btree_gist", "citext", "pg_trgm"):
        assert source.index(f"CREATE EXTENSION {name}") < source.index("op.create_table")
        assert source.index(f"DROP EXTENSION {name}") > source.index("op.drop_table")
    assert project.generate().revisions == ()
    with pytest.raises(DbMigrateError, match="ProgrammingError"):
        project.generate(EXTENSIONS.replace("gin_trgm_ops", "no_such_ops"))


def test_columns_that_get_quite_another_type(tmp_path: Path) -> None:
    """Values are cast, and an enum goes when its last column has got another type, but not before."""
    project = Small(tmp_path)
    assert project.generate(TYPED).exit_code == 0
    made = project.generate(OTHERWISE)
    assert made.exit_code == 0, made.proof
    source = "\n".join(each.source for each in made.revisions)
    assert "DROP TYPE public.color" in source
    assert "DROP TYPE public.size" in source
    assert "DROP TYPE public.shade" not in source
    assert project.generate().revisions == ()
    back = project.generate(TYPED)
    assert back.exit_code == 0, back.proof
    assert project.generate().revisions == ()


REWRITING = """
from alembic.autogenerate import rewriter
from alembic.operations import ops

writer = rewriter.Rewriter()


@writer.rewrites(ops.CreateTableOp)
def tell(context, revision, op):
    return [op, ops.ExecuteSQLOp(f"SELECT 'made {op.table_name}'")]


@writer.rewrites(ops.AddColumnOp)
def tell_too(context, revision, op):
    return [op, ops.ExecuteSQLOp(f"SELECT 'added {op.column.name}'")]


OPTIONS = dict(process_revision_directives=writer)
"""
OWN_TEMPLATE = '''
<%!
import re

def shout(text):
    return re.sub(r"[^A-Z]+", "-", text.upper())
%># (c) ours: ${shout(message)}
"""${message}, by ${config.get_main_option("team")}"""
import sqlalchemy as sa
from alembic import op
${imports if imports else "# nothing else"}

(revision, down_revision) = (${repr(up_revision)}, ${repr(down_revision)})
branch_labels, depends_on = ${repr(branch_labels)}, ${repr(depends_on)}


def upgrade(engine_name: str = "") -> None:
    before = "rows"
    ${upgrades if upgrades else "pass"}
    _after(before)


def downgrade(engine_name: str = "") -> None:
\t${downgrades.replace("    ", "\\t") if downgrades else "pass"}


def _after(what: str) -> None:
    op.execute(sa.text("SELECT :what").bindparams(what=what))
'''


def test_rewriters_and_a_template_unlike_any_other(tmp_path: Path) -> None:
    """What a Rewriter adds beside an operation stays; a template with code of its own, and its file names, are used."""
    project = Small(tmp_path, REWRITING)
    project.write("migrations/script.py.mako", OWN_TEMPLATE)
    ini = "team = the team\nfile_template = %%(year)d/%%(slug)s_%%(rev)s\nrecursive_version_locations = true\n"
    (tmp_path / "alembic.ini").write_text((tmp_path / "alembic.ini").read_text() + ini)
    first = project.generate(SMALL)
    assert first.exit_code == 0, first.proof
    more = project.generate(SMALL.replace('"name"', '"name", sa.Text), sa.Column("more"'))
    assert more.exit_code == 0, more.proof
    for made, said in ((first, "made t"), (more, "added more")):
        (revision,) = made.revisions
        assert revision.source.startswith("# (c) ours: A-CHANGE\n"), revision.source
        assert "by the team" in revision.source
        assert f"SELECT '{said}'" in revision.source
        assert revision.source.index(said) < revision.source.index("_after(before)")
        file = Path(revision.file)
        assert (file.parent.name.isdigit(), file.name) == (True, f"a_change_{revision.revision}.py")
        assert file.read_text() == revision.source
    assert project.generate().revisions == ()


SMALL = """
import sqlalchemy as sa

METADATA = sa.MetaData()
sa.Table("t", METADATA, sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text))
"""
