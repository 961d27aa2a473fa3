"""In which form a change is written: what is done when, and what waits for a release."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from tests.acceptance.oracles import Bench

from .running import Yes, tried

TWO = "CREATE TABLE p (id int PRIMARY KEY, a int, b int); CREATE TABLE c (id int PRIMARY KEY, p_a int, b int);"


@dataclass(frozen=True)
class Form:
    """Two schemas, what the upgrades of the revisions have to say, in that order, and how many forms fail before.

    ``renamed``: what may have been renamed was. ``without``: what none of them says.
    """

    old: str
    new: str
    said: tuple[tuple[str, ...], ...]
    before: int = 0
    renamed: bool = False
    without: tuple[str, ...] = ()


FORMS = {
    "a unique index in place of a unique constraint is left, whatever else is done to the table": Form(
        "CREATE TABLE t (a int NOT NULL, b int DEFAULT 1); CREATE UNIQUE INDEX i ON t (a)",
        "CREATE TABLE t (a int NOT NULL UNIQUE, b int DEFAULT 2, c int)",
        (("server_default", "op.add_column("),),
        without=("INDEX", "index", "unique", "UNIQUE"),
    ),
    "a unique constraint with more columns in its index": Form(
        TWO,
        TWO.replace("b int", "b int, CONSTRAINT u UNIQUE (a) INCLUDE (b)", 1)
        + "CREATE TABLE n (a int, b int, CONSTRAINT w UNIQUE (a) INCLUDE (b))",
        (
            (
                'sa.UniqueConstraint("a", name=op.f("w"), postgresql_include=["b"])',
                'op.f("u"),',
                "unique=True",
                'postgresql_include=["b"]',
                "postgresql_concurrently=True",
                "ADD CONSTRAINT u UNIQUE USING INDEX u",
            ),
        ),
    ),
    "a foreign key to a key that was not there before": Form(
        "CREATE TABLE p (id int NOT NULL); CREATE TABLE c (p_id int)",
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p_id int REFERENCES p)",
        (
            (
                'op.create_index(op.f("p_pkey"), "p", ["id"], unique=True, postgresql_concurrently=True)',
                "PRIMARY KEY USING INDEX p_pkey",
                "postgresql_not_valid=True",
                "with op.get_context().autocommit_block():",
                "VALIDATE CONSTRAINT c_p_id_fkey",
            ),
        ),
    ),
    "a table that goes, and refers to what loses its key": Form(
        TWO + "ALTER TABLE p ADD UNIQUE (a); ALTER TABLE c ADD CONSTRAINT f FOREIGN KEY (p_a) REFERENCES p (a)",
        "CREATE TABLE p (id int PRIMARY KEY, a int, b int, d int)",
        (
            ('op.add_column("p"', "# So that a release", 'op.drop_constraint(op.f("f")', 'op.f("p_a_key")'),
            ('op.drop_table("c")',),
        ),
    ),
    "a column that goes, and refers to what gets another type": Form(
        TWO.replace("p_a int", "p_a int REFERENCES p ON DELETE CASCADE"),
        "CREATE TABLE p (id uuid PRIMARY KEY, a int, b int); CREATE TABLE c (id int PRIMARY KEY, b int)",
        (('op.drop_constraint(op.f("c_p_a_fkey")', "type_=sa.Uuid()"), ('op.drop_column("c", "p_a")',)),
    ),
    "a table that goes, and follows what is deleted": Form(
        TWO.replace("p_a int", "p_a int REFERENCES p ON DELETE SET NULL (p_a)"),
        "CREATE TABLE p (id int PRIMARY KEY, a int, b int, d int)",
        (('op.add_column("p"',), ('op.drop_table("c")',)),
    ),
    "a column that goes and has to be filled, and another comment": Form(
        TWO.replace("p_a int", "p_a int NOT NULL"),
        "CREATE TABLE p (id int PRIMARY KEY, a int, b int); CREATE TABLE c (b int, id int PRIMARY KEY, d int);"
        "COMMENT ON TABLE c IS 'x'",
        (
            ('op.create_table_comment("c", "x")', "# So that a release that does not know the column", "nullable=True"),
            ('op.drop_column("c", "p_a")',),
        ),
    ),
    "a schema that goes with what is in it": Form(
        "CREATE SCHEMA s; CREATE SEQUENCE s.q; CREATE FUNCTION s.f() RETURNS int LANGUAGE sql AS 'SELECT 1';"
        "CREATE TABLE s.t (a int DEFAULT s.f() + nextval('s.q')); CREATE TABLE k (a int)",
        "CREATE TABLE k (a int, b int)",
        (('op.add_column("k"',), ('op.drop_table("t", schema="s")', "DROP SEQUENCE s.q", "DROP SCHEMA s")),
    ),
    "a domain and a sequence": Form(
        "CREATE TABLE t (id int PRIMARY KEY)",
        "CREATE DOMAIN \"a b\" AS varchar(9) COLLATE \"C\" DEFAULT 'x' NOT NULL CHECK (VALUE <> '');"
        "CREATE SEQUENCE q START 100 INCREMENT 5; CREATE SEQUENCE s AS integer INCREMENT -1 CYCLE;"
        'CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (a "a b", b "a b"[], n int DEFAULT nextval(\'q\'))',
        (
            (
                "CREATE SEQUENCE public.q INCREMENT BY 5 START WITH 100",
                'CREATE SEQUENCE public.s AS integer INCREMENT BY -1 CYCLE"',
                'postgresql.DOMAIN("a b", sa.String(length=9), create_type=False)',
                "postgresql.ARRAY(postgresql.DOMAIN(",
            ),
        ),
    ),
    "a type that goes with its column, and a table that takes its name": Form(
        "CREATE TYPE x AS ENUM ('a'); CREATE TABLE t (id int, a x)",
        "CREATE TABLE t (id int); CREATE TABLE x (id int)",
        (('op.drop_column("t", "a")', "DROP TYPE public.x", 'op.create_table("x"'),),
        before=2,
    ),
    "a column that gets a value of its own in every row, and one that has to be filled": Form(
        "CREATE TABLE t (id int PRIMARY KEY, a text)",
        "CREATE TABLE t (id int PRIMARY KEY, a text NOT NULL, b uuid DEFAULT gen_random_uuid() NOT NULL)",
        (
            (
                'op.f("t_a_is_set")',
                'sa.text("a IS NOT NULL")',
                'op.add_column("t", sa.Column("b", sa.Uuid(), nullable=True))',
                "VALIDATE CONSTRAINT t_a_is_set",
                'op.alter_column("t", "a", existing_type=sa.Text(), nullable=False)',
            ),
            (
                'server_default=sa.text("gen_random_uuid()")',
                "autocommit_block",
                "SET b = DEFAULT",
                'op.f("t_b_is_set")',
                "VALIDATE CONSTRAINT t_b_is_set",
                'op.alter_column("t", "b", existing_type=sa.Uuid(), nullable=False)',
                'op.drop_constraint(op.f("t_b_is_set"), "t", type_="check")',
            ),
        ),
    ),
    "a table that is renamed, and all that is in it changed": Form(
        "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY (START 5) PRIMARY KEY, a int CONSTRAINT k CHECK (a > 0),"
        " b text, d text DEFAULT 'x'); CREATE INDEX i ON t (b)",
        "CREATE TABLE u (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, a int CONSTRAINT k CHECK (a > 1),"
        " b text NOT NULL, d text); CREATE INDEX i ON u (b DESC)",
        (
            (
                'op.rename_table("t", "u")',
                "SET GENERATED BY DEFAULT SET START WITH 1",
                "# The running release goes on under the old name",
                "CREATE VIEW public.t AS",
                "u_b_is_set",
            ),
            ("DROP VIEW public.t",),
        ),
        renamed=True,
    ),
    "a table that is moved, and all that is in it changed": Form(
        "CREATE SCHEMA s; CREATE TABLE t (id int PRIMARY KEY, a int CONSTRAINT k CHECK (a > 0), b text, d text);"
        "CREATE INDEX i ON t (b); COMMENT ON COLUMN t.b IS 'x'",
        "CREATE SCHEMA s; CREATE TABLE s.t (id int PRIMARY KEY, a int CONSTRAINT k CHECK (a > 1), b text, d text);"
        "CREATE INDEX i ON s.t (b DESC)",
        (
            ("ALTER TABLE public.t SET SCHEMA s", 'op.alter_column("t", "b"', "CREATE VIEW public.t AS"),
            ("DROP VIEW public.t",),
        ),
        renamed=True,
    ),
    "two tables that change names, and what is in them": Form(
        "CREATE TABLE a (id int PRIMARY KEY, one text DEFAULT 'x'); CREATE TABLE b (id bigint PRIMARY KEY, two text)",
        "CREATE TABLE b (id int PRIMARY KEY, one text); CREATE TABLE a (id bigint PRIMARY KEY, two text DEFAULT 'y')",
        (
            ('op.alter_column("a", "one"', "server_default=sa.text(\"'y'::text\")"),
            (
                'op.alter_column("a", "one", new_column_name="two")',
                'op.alter_column("b", "two", new_column_name="one")',
            ),
        ),
        renamed=True,
    ),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_what_is_written(form: Form, bench: Bench) -> None:
    """The revisions lead there and back, and say what they should in the order that they should."""
    before, after = bench.catalog(form.old), bench.catalog(form.new)
    done = tried(bench.server, form.old, before, after, Yes(rename=form.renamed))
    assert done.proved is not None, done.failures
    assert len(done.failures) == form.before, done.failures
    written = [upgrade.text for upgrade, _ in done.proved.revisions]
    assert len(written) == len(form.said), written
    assert not [each for each in form.without if each in "".join(written)], written
    for text, expected in zip(written, form.said, strict=True):
        rest = text
        for each in expected:
            found, here, rest = rest.partition(each)
            assert here, f"{each!r} is not where it should be, after:\n{found}"
