"""Hypothesis strategies that more than one room's tests use: schemas as SQLAlchemy metadata, and changes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql as pg

Type = sa.types.TypeEngine[Any] | type[sa.types.TypeEngine[Any]]


@dataclass(frozen=True, slots=True)
class Column:
    """A column to be: its type, a server default or None, whether it may be NULL."""

    type: Type
    default: str | None
    nullable: bool
    unique: bool
    comment: str | None


_TYPES: tuple[tuple[Callable[[], Type], tuple[str, ...]], ...] = (
    (lambda: sa.Integer(), ("0", "-5", "1 + 1", "length('abc')")),
    (lambda: sa.SmallInteger(), ("0", "'7'")),
    (lambda: sa.BigInteger(), ("0", "9999999999")),
    (lambda: sa.String(), ("'x'", "'it''s'", "''", "current_user")),
    (lambda: sa.String(20), ("'x'", "'Active'")),
    (lambda: sa.Text(), ("'x'", "'a' || 'b'", "lower('A')")),
    (lambda: sa.CHAR(3), ("'abc'", "'a'")),
    (lambda: sa.Numeric(10, 2), ("0", "1.50", "-0.005")),
    (lambda: sa.Numeric(), ("0", "1e5")),
    (lambda: sa.Double(), ("0", "1.5")),
    (lambda: sa.Boolean(), ("true", "false", "'t'")),
    (lambda: sa.Date(), ("CURRENT_DATE", "'2020-01-01'")),
    (lambda: sa.DateTime(), ("now()", "(now() AT TIME ZONE 'utc')", "'2020-01-01'")),
    (lambda: sa.DateTime(timezone=True), ("now()", "CURRENT_TIMESTAMP(3)")),
    (lambda: sa.Time(), ("'10:00'",)),
    (lambda: sa.Interval(), ("'1 day'", "'1 day 02:00'")),
    (lambda: sa.Uuid(), ("gen_random_uuid()",)),
    (lambda: sa.LargeBinary(), ("'\\x00'",)),
    (lambda: sa.JSON(), ("'{\"a\": 1}'", "'[]'")),
    (lambda: pg.JSONB(), ("'{}'", "'{\"a\":  [1, 2]}'")),
    (lambda: pg.ARRAY(sa.Integer()), ("'{}'", "'{1,2}'", "ARRAY[1]")),
    (lambda: pg.ARRAY(sa.String(5)), ("'{}'", "ARRAY['a','b']")),
    (lambda: pg.INET(), ("'10.0.0.1'",)),
    (lambda: pg.BIT(3), ("B'101'",)),
    (lambda: pg.TSTZRANGE(), ("'empty'",)),
    (lambda: sa.Enum("red", "green", "it's", name="colour"), ("'red'", "'it''s'")),
)
NAMES = ("id", "name", "Name", "order", "user id", "größe", "a.b", 'quo"te', "x1", "status", "created_at")


@st.composite
def columns(draw: st.DrawFn) -> Column:
    """Any column."""
    make, defaults = draw(st.sampled_from(_TYPES))
    default = draw(st.one_of(st.none(), st.sampled_from(defaults)))
    sortable = not isinstance(made := make(), sa.JSON) or isinstance(made, pg.JSONB)
    comment = draw(st.one_of(st.none(), st.sampled_from(("plain", "it's", "two\nlines", "back\\slash"))))
    return Column(made, default, draw(st.booleans()), sortable and draw(st.integers(0, 5)) == 0, comment)


@st.composite
def metadata(draw: st.DrawFn) -> sa.MetaData:
    """Some tables with columns, defaults, checks, indexes and foreign keys to earlier tables."""
    found = sa.MetaData()
    for number in range(draw(st.integers(1, 3))):
        _table(draw, found, draw(st.sampled_from((f"t{number}", f"Table {number}"))))
    return found


def _table(draw: st.DrawFn, found: sa.MetaData, name: str) -> None:
    earlier = list(found.tables.values())
    key = draw(st.sampled_from(("serial", "identity", "uuid")))
    table = sa.Table(name, found, _key(key), comment=draw(st.sampled_from((None, "a table"))))
    for own in draw(st.lists(st.sampled_from(NAMES[1:]), unique=True, max_size=5)):
        made = draw(columns())
        default = sa.text(made.default) if made.default is not None else None
        table.append_column(
            sa.Column(
                own, made.type, server_default=default, nullable=made.nullable, unique=made.unique, comment=made.comment
            )
        )
    if earlier and draw(st.booleans()):
        target = draw(st.sampled_from(earlier))
        kind = target.c.id.type
        action = draw(st.sampled_from((None, "CASCADE", "SET NULL", "RESTRICT")))
        reference = sa.ForeignKey(target.c.id, ondelete=action, deferrable=draw(st.sampled_from((None, True))))
        table.append_column(sa.Column("parent", kind, reference))
    if draw(st.booleans()):
        table.append_column(sa.Column("amount", sa.Integer()))
        table.append_constraint(sa.CheckConstraint(draw(st.sampled_from(_CHECKS)), name=f"check {name}"))
    if draw(st.booleans()):
        table.append_column(sa.Column("twice", sa.Integer(), sa.Computed("1 + 2", persisted=True)))
    _indexes(draw, table)


_CHECKS = ("amount > 0", "amount IN (1, 2, 3)", "amount BETWEEN 1 AND 5 OR amount IS NULL", "NOT (amount % 2 = 0)")


def _key(key: str) -> sa.Column[Any]:
    if key == "uuid":
        return sa.Column("id", sa.Uuid(), primary_key=True, server_default=sa.text("gen_random_uuid()"))
    if key == "identity":
        return sa.Column("id", sa.Integer(), sa.Identity(always=True, start=5, increment=2), primary_key=True)
    return sa.Column("id", sa.Integer(), primary_key=True)


def _indexes(draw: st.DrawFn, table: sa.Table) -> None:
    plain = [c for c in table.c if not isinstance(c.type, sa.JSON | pg.ARRAY)]
    for number in range(draw(st.integers(0, 2))):
        column = draw(st.sampled_from(plain))
        name, unique = f"i{number} {table.name}", draw(st.booleans())
        where = draw(st.sampled_from((None, column.is_not(None))))
        order = draw(st.sampled_from((column, column.desc(), column.asc().nulls_first())))
        sa.Index(name, order, unique=unique, postgresql_where=where)


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change of a table made by SQL, and what must be reported: kind, object, action, attributes."""

    sql: str
    kind: str
    object: str
    action: str
    attributes: tuple[str, ...]


def quoted(name: str) -> str:
    """The name in double quotes."""
    return '"' + name.replace('"', '""') + '"'


@st.composite
def mutations(draw: st.DrawFn, found: sa.MetaData) -> Mutation:
    """One change of one of the tables; its object's name is as PostgreSQL stores it, to be quoted by the test."""
    table = draw(st.sampled_from(sorted(found.tables.values(), key=lambda t: t.name)))
    target = f"ALTER TABLE {quoted(table.name)}"
    column = draw(st.sampled_from([c for c in table.c if c.name != "twice"]))
    name = quoted(column.name)
    choices = [
        Mutation(f"{target} ADD COLUMN added integer", "column", "added", "created", ()),
        Mutation(f"{target} ADD CONSTRAINT added CHECK (id IS NOT NULL)", "check", "added", "created", ()),
        Mutation(f"{target} SET (fillfactor = 55)", "table", "", "altered", ("storage_parameters",)),
        Mutation(f"{target} SET UNLOGGED", "table", "", "altered", ("persistence",)),
        Mutation(f"{target} REPLICA IDENTITY FULL", "table", "", "altered", ("replica_identity",)),
        Mutation(f"{target} ENABLE ROW LEVEL SECURITY", "table", "", "altered", ("row_security",)),
        Mutation(f"COMMENT ON TABLE {quoted(table.name)} IS 'changed'", "table", "", "altered", ("comment",)),
        Mutation(f"{target} ALTER {name} SET STATISTICS 77", "column", column.name, "altered", ("statistics",)),
        Mutation(
            f"COMMENT ON COLUMN {quoted(table.name)}.{name} IS 'changed'",
            "column",
            column.name,
            "altered",
            ("comment",),
        ),
        Mutation(f"CREATE POLICY added ON {quoted(table.name)} USING (true)", "policy", "added", "created", ()),
    ]
    if not column.primary_key:
        null = "DROP" if not column.nullable else "SET"
        choices.append(
            Mutation(f"{target} ALTER {name} {null} NOT NULL", "column", column.name, "altered", ("nullable",))
        )
        if column.server_default is not None:
            choices.append(
                Mutation(f"{target} ALTER {name} DROP DEFAULT", "column", column.name, "altered", ("default",))
            )
        if not column.foreign_keys and not column.unique and not _is_used(table, column):
            choices.append(Mutation(f"{target} DROP COLUMN {name}", "column", column.name, "dropped", ()))
        if isinstance(column.type, sa.Text | sa.String) and not isinstance(column.type, sa.Enum | sa.CHAR):
            choices.append(
                Mutation(f"{target} ALTER {name} TYPE varchar(77)", "column", column.name, "altered", ("type",))
            )
    for index in sorted(table.indexes, key=lambda i: str(i.name)):
        choices.append(Mutation(f"DROP INDEX {quoted(str(index.name))}", "index", str(index.name), "dropped", ()))
    return draw(st.sampled_from(choices))


def _is_used(table: sa.Table, column: sa.Column[Any]) -> bool:
    """Whether an index or a check goes with the column."""
    indexed = any(column.name in {c.name for c in index.columns} for index in table.indexes)
    return indexed or column.name == "amount"
