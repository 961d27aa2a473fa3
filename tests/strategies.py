"""Hypothesis strategies that more than one room's tests use: schemas as SQLAlchemy metadata, and changes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql as pg

Type = sa.types.TypeEngine[Any] | type[sa.types.TypeEngine[Any]]


@dataclass(frozen=True, slots=True)
class _Made:
    """A type, the server defaults that it may have, and whether a B-tree can sort it."""

    make: Callable[[], Type]
    defaults: tuple[str, ...] = ()
    sorts: bool = True


_TYPES = (
    _Made(sa.Integer, ("0", "-5", "1 + 1", "length('abc')", "(2)::bigint")),
    _Made(sa.SmallInteger, ("0", "'7'")),
    _Made(sa.BigInteger, ("0", "9999999999", "extract(epoch from now())")),
    _Made(sa.String, ("'x'", "'it''s'", "''", "current_user", "E'a\\\\b'", "'100%'", "NULL")),
    _Made(lambda: sa.String(20), ("'x'", "'Active'", "'x'::text", "upper('y')")),
    _Made(lambda: sa.String(7, collation="C"), ("'x'",)),
    _Made(sa.Text, ("'x'", "'a' || 'b'", "lower('A')", "concat('a', 1, true)")),
    _Made(lambda: sa.CHAR(3), ("'abc'", "'a'")),
    _Made(lambda: sa.Numeric(10, 2), ("0", "1.50", "-0.005", "'2'")),
    _Made(sa.Numeric, ("0", "1e5", "'NaN'")),
    _Made(sa.Double, ("0", "1.5", "'Infinity'", "random()")),
    _Made(sa.REAL, ("0.1",)),
    _Made(sa.Boolean, ("true", "false", "'t'", "1 > 2", "'off'")),
    _Made(sa.Date, ("CURRENT_DATE", "'2020-01-01'", "CURRENT_DATE + 7", "'infinity'")),
    _Made(sa.DateTime, ("now()", "(now() AT TIME ZONE 'utc')", "'2020-01-01'", "LOCALTIMESTAMP(0)")),
    _Made(lambda: sa.DateTime(timezone=True), ("now()", "CURRENT_TIMESTAMP(3)", "'2020-01-01 10:00+02'")),
    _Made(lambda: pg.TIMESTAMP(timezone=True, precision=3), ("now()", "date_trunc('day', now())")),
    _Made(sa.Time, ("'10:00'", "LOCALTIME")),
    _Made(lambda: pg.TIME(timezone=True, precision=0), ("'10:00+01'",)),
    _Made(sa.Interval, ("'1 day'", "'1 day 02:00'", "make_interval(hours => 2)", "'P1Y'")),
    _Made(lambda: pg.INTERVAL(fields="HOUR TO MINUTE"), ("'3:15'",)),
    _Made(sa.Uuid, ("gen_random_uuid()", "'00000000-0000-0000-0000-000000000000'")),
    _Made(sa.LargeBinary, ("'\\x00'", "decode('ff', 'hex')")),
    _Made(sa.JSON, ("'{\"a\": 1}'", "'[]'", "json_build_object('a', 1)"), sorts=False),
    _Made(pg.JSONB, ("'{}'", "'{\"a\":  [1, 2]}'", "'null'", "jsonb_build_array(1, 'x')")),
    _Made(lambda: pg.ARRAY(sa.Integer), ("'{}'", "'{1,2}'", "ARRAY[1]", "ARRAY[]::int[]", "array_fill(0, ARRAY[3])")),
    _Made(lambda: pg.ARRAY(sa.String(5)), ("'{}'", "ARRAY['a','b']", "'{\"a b\",NULL}'")),
    _Made(lambda: pg.ARRAY(sa.Text, dimensions=2), ("'{{a},{b}}'", "ARRAY[['a']]")),
    _Made(pg.INET, ("'10.0.0.1'", "'10.0.0.0/8'")),
    _Made(pg.MACADDR, ("'08:00:2b:01:02:03'",)),
    _Made(lambda: pg.BIT(3), ("B'101'", "'001'")),
    _Made(lambda: pg.BIT(9, varying=True), ("B'1'", "X'F'")),
    _Made(pg.TSVECTOR, ("to_tsvector('simple', 'a b')",)),
    _Made(pg.TSTZRANGE, ("'empty'", "tstzrange(now(), NULL)")),
    _Made(pg.INT4MULTIRANGE, ("'{}'", "'{[1,3)}'")),
    _Made(pg.OID, ("0",)),
    _Made(pg.MONEY, ("'12.34'", "0")),
    _Made(lambda: sa.Enum("red", "green", "it's", name="colour"), ("'red'", "'it''s'")),
    _Made(lambda: sa.Enum("a", "B c", name="Kind of", native_enum=False, create_constraint=True), ("'a'",)),
    _Made(lambda: pg.ARRAY(sa.Enum("x", "y", name="letter")), ("'{x}'", "ARRAY['y'::letter]")),
    _Made(lambda: pg.DOMAIN("positive", sa.Integer, check="VALUE > 0"), ("1",)),
)
NAMES = ("name", "Name", "order", "user id", "größe", "a.b", 'quo"te', "x1", "status", "created_at", "l" * 70)
_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


@st.composite
def metadata(draw: st.DrawFn) -> sa.MetaData:
    """Some tables with columns, defaults, constraints and indexes, and foreign keys to earlier tables."""
    found = sa.MetaData(naming_convention=_CONVENTION if draw(st.booleans()) else None)
    options: Mapping[str, Any] = draw(
        st.sampled_from(({}, {}, {"postgresql_with": {"fillfactor": 70}}, {"prefixes": ["UNLOGGED"]}))
    )
    for number in range(draw(st.integers(1, 3))):
        _table(draw, found, draw(st.sampled_from((f"t{number}", f"Table {number}"))), options)
    return found


def _table(draw: st.DrawFn, found: sa.MetaData, name: str, options: Mapping[str, Any]) -> None:
    earlier = list(found.tables.values())
    comment = draw(st.sampled_from((None, "a table", "it's 100%")))
    table = sa.Table(name, found, *_key(draw), comment=comment, **options)
    for own in draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=5)):
        table.append_column(_column(draw, own))
    if earlier and draw(st.booleans()):
        _reference(draw, table, draw(st.sampled_from(earlier)))
    if draw(st.booleans()):
        _checks(draw, table)
    if draw(st.booleans()):
        _generated(draw, table)
    for number in range(draw(st.integers(0, 3))):
        _index(draw, table, number)
    if draw(st.integers(0, 3)) == 0:
        _unique(draw, table)
    if draw(st.integers(0, 5)) == 0:
        table.append_column(sa.Column("during", pg.TSTZRANGE))
        where = draw(st.sampled_from((None, sa.text("during IS NOT NULL"))))
        table.append_constraint(pg.ExcludeConstraint(("during", "&&"), name=f"ex {name}", using="gist", where=where))


def _key(draw: st.DrawFn) -> Iterator[sa.Column[Any]]:
    key = draw(st.sampled_from(("serial", "bigserial", "identity", "default", "options", "uuid", "two")))
    identity = {
        "identity": sa.Identity(always=True, start=5, increment=2),
        "default": sa.Identity(),
        "options": sa.Identity(minvalue=-5, maxvalue=99, cycle=True, cache=3),
    }
    if key == "uuid":
        yield sa.Column("id", sa.Uuid(), primary_key=True, server_default=sa.text("gen_random_uuid()"))
    elif key in identity:
        yield sa.Column("id", sa.Integer(), identity[key], primary_key=True)
    else:
        yield sa.Column("id", sa.BigInteger() if key == "bigserial" else sa.Integer(), primary_key=True)
        if key == "two":
            yield sa.Column("part", sa.String(9), primary_key=True, server_default="all")


def _column(draw: st.DrawFn, name: str) -> sa.Column[Any]:
    made = draw(st.sampled_from(_TYPES))
    default = draw(st.one_of(st.none(), st.sampled_from(made.defaults)))
    type_ = made.make()
    if isinstance(type_, sa.Enum) and not type_.native_enum:
        type_.name = f"kind of {name[:5]}"
    comment = draw(st.sampled_from((None, None, "plain", "it's", "two\nlines", "back\\slash")))
    return sa.Column(
        name,
        type_,
        server_default=None if default is None else sa.text(default.replace(":", "\\:")),
        nullable=draw(st.booleans()),
        unique=made.sorts and draw(st.integers(0, 5)) == 0,
        comment=comment,
    )


def _reference(draw: st.DrawFn, table: sa.Table, target: sa.Table) -> None:
    table.append_column(sa.Column("parent", target.c.id.type))
    local, remote = ["parent"], [target.c.id]
    if len(target.primary_key.columns) > 1:
        table.append_column(sa.Column("parent part", sa.String(9)))
        local, remote = [*local, "parent part"], [*remote, target.c.part]
    deferred = draw(st.sampled_from(({}, {"deferrable": True}, {"deferrable": True, "initially": "DEFERRED"})))
    actions = st.sampled_from((None, "CASCADE", "SET NULL", "RESTRICT", "SET DEFAULT"))
    match = draw(st.sampled_from((None, "FULL")))
    table.append_constraint(
        sa.ForeignKeyConstraint(local, remote, ondelete=draw(actions), onupdate=draw(actions), match=match, **deferred)
    )


_CHECKS = (
    "amount > 0",
    "amount IN (1, 2, 3)",
    "amount BETWEEN 1 AND 5 OR amount IS NULL",
    "NOT (amount % 2 = 0)",
    "word IN ('a', 'it''s')",
    "word NOT IN ('a', 'b') OR amount = 1",
    "word ~ '^[a-z]+$' AND length(word) < 9",
    "word = ANY (ARRAY['x', 'y'])",
    "CASE WHEN amount > 1 THEN word = 'x' ELSE true END",
    "(word, amount) IS DISTINCT FROM ('x', 1)",
    "word LIKE 'a%' AND word COLLATE \"C\" < 'b'",
    "coalesce(word, 'x')::varchar(3) <> upper('abc')",
)


def _checks(draw: st.DrawFn, table: sa.Table) -> None:
    table.append_column(sa.Column("amount", sa.Integer()))
    table.append_column(sa.Column("word", sa.String(20)))
    for number, text in enumerate(draw(st.lists(st.sampled_from(_CHECKS), unique=True, max_size=2))):
        check = sa.text(text.replace(":", "\\:"))
        table.append_constraint(sa.CheckConstraint(check, name=f"check {number} {table.name}"))


_GENERATED: tuple[tuple[str, Type], ...] = (
    ("1 + 2", sa.Integer()),
    ("id IS NULL", sa.Boolean()),
    ("(repeat('x', 3))::varchar", sa.Text()),
    ("CASE WHEN true THEN 1 END", sa.BigInteger()),
)


def _generated(draw: st.DrawFn, table: sa.Table) -> None:
    expression, type_ = draw(st.sampled_from(_GENERATED))
    table.append_column(sa.Column("made", type_, sa.Computed(expression, persisted=draw(st.booleans()))))


def _sortable(table: sa.Table) -> list[sa.Column[Any]]:
    """The columns that a B-tree sorts; a virtual one cannot be indexed."""
    return [c for c in table.c if c.computed is None and (isinstance(c.type, pg.JSONB) or not _unsorted(c))]


def _unsorted(column: sa.Column[Any]) -> bool:
    return isinstance(column.type, sa.JSON | pg.DOMAIN)


def _index(draw: st.DrawFn, table: sa.Table, number: int) -> None:
    column = draw(st.sampled_from(_sortable(table)))
    name, word = f"i{number} {table.name}", table.c.get("word")
    shape = draw(st.integers(0, 9))
    if shape == 0:
        sa.Index(name, table.c.id, postgresql_using="hash", postgresql_where=table.c.id.is_not(None))
    elif shape == 1:
        sa.Index(name, column, postgresql_include=["id"], postgresql_with={"fillfactor": 80})
    elif shape == 2:
        sa.Index(name, column, unique=True, postgresql_nulls_not_distinct=True)
    elif shape == 3:
        sa.Index(name, sa.func.coalesce(column, column).desc().nulls_last(), column)
    elif shape == 4 and word is not None:
        sa.Index(name, sa.func.lower(word), postgresql_where=word.in_(["a", "b"]))
    elif shape == 5 and word is not None:
        sa.Index(name, word, "id", postgresql_ops={"word": "varchar_pattern_ops"})
    elif shape == 6 and word is not None:
        sa.Index(name, sa.text('word COLLATE "C" DESC'), sa.text("(word || 'x') text_pattern_ops"))
    else:
        order = draw(st.sampled_from((column, column.desc(), column.asc().nulls_first())))
        where = draw(st.sampled_from((None, column.is_not(None))))
        sa.Index(name, order, unique=draw(st.booleans()), postgresql_where=where)


_UNIQUE: tuple[Mapping[str, Any], ...] = (
    {},
    {"deferrable": True},
    {"postgresql_nulls_not_distinct": True},
    {"postgresql_include": ["id"]},
)


def _unique(draw: st.DrawFn, table: sa.Table) -> None:
    names = [column.name for column in _sortable(table)]
    columns = draw(st.lists(st.sampled_from(names), unique=True, min_size=2, max_size=3)) if len(names) > 1 else []
    if not columns:
        return  # over the key alone, PostgreSQL makes one constraint of both
    option = draw(st.sampled_from(_UNIQUE))
    table.append_constraint(sa.UniqueConstraint(*columns, name=f"u {table.name}", **option))
