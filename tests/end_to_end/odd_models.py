"""Models with as many odd things as SQLAlchemy can say, with filters, DDL events and alembic_utils; read as a file."""

import enum

import sqlalchemy as sa
from alembic_utils.pg_extension import PGExtension
from alembic_utils.pg_function import PGFunction
from alembic_utils.pg_grant_table import PGGrantTable, PGGrantTableChoice
from alembic_utils.pg_policy import PGPolicy
from alembic_utils.pg_trigger import PGTrigger
from alembic_utils.pg_view import PGView
from alembic_utils.replaceable_entity import register_entities
from sqlalchemy import (
    CHAR,
    DDL,
    DECIMAL,
    JSON,
    NCHAR,
    REAL,
    VARCHAR,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    Enum,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    PickleType,
    PrimaryKeyConstraint,
    Sequence,
    SmallInteger,
    String,
    Table,
    Text,
    Time,
    Unicode,
    UnicodeText,
    UniqueConstraint,
    Uuid,
    cast,
    event,
    func,
    text,
)
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.sql.compiler import FK_ON_DELETE

m = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

VIRTUAL = not sa.__version__.startswith("2.0.")
SOME_COLUMNS = bool(FK_ON_DELETE.match("SET NULL (a)"))
ARGUMENTS = dict(pg.dialect.construct_arguments)


def known(construct, **options):
    """Those of the options of PostgreSQL's that this SQLAlchemy has: 2.0 had none of the newest."""
    arguments = ARGUMENTS.get(construct, {})
    return {name: value for name, value in options.items() if name.removeprefix("postgresql_") in arguments}


class Color(enum.Enum):
    red = "r"
    Green = "G g"


other = MetaData(schema="two")
METADATA = [m, other]


def include_object(_item, name, _type, _reflected, _compare_to):
    return not name.startswith("ignored")


def include_name(name, type_, _parents):
    return name in (None, "two", "Odd Schema") if type_ == "schema" else name != "by_name"


OPTIONS = {
    "include_object": include_object,
    "include_name": include_name,
    "include_schemas": True,
    "version_table": "Alembic Version",
    "version_table_schema": "Meta Data",
}
Table(
    "Mixed Case",
    m,
    Column("Id", Integer, primary_key=True),
    Column("select", String(10), server_default="x'y"),
    Column("Zeit", DateTime(timezone=True), server_default=func.now()),
    Column("col%s", Integer, server_default=text("5")),
    Index("ix Mixed", "select", "Id"),
    schema="Odd Schema",
    comment="100% it's",
)
Table(
    "enums",
    m,
    Column("id", BigInteger, Identity(always=True, start=10, cache=5), primary_key=True),
    Column("c", Enum(Color), server_default="Green"),
    Column("d", Enum("a", "b'c", name="Kind Of"), nullable=False, server_default="a"),
    Column("e", Enum("x", "y", name="nn", native_enum=False, create_constraint=True, length=30)),
    Column("f", pg.ARRAY(Enum("p", "q", name="pq")), server_default="{p}"),
    Column("g", Enum("i", "j", name="ij", schema="Odd Schema")),
    Column("h", Enum(Color, name="colv", values_callable=lambda e: [x.value for x in e], inherit_schema=True)),
    schema="Odd Schema",
)
Table(
    "defaults",
    m,
    Column("id", Uuid, primary_key=True, server_default=text("gen_random_uuid()")),
    Column("a", Boolean, server_default=sa.true()),
    Column("b", Boolean, server_default=text("'f'")),
    Column("c", JSON, server_default='{"a": [1,  2]}'),
    Column("d", pg.JSONB, server_default=text("'{}'::jsonb")),
    Column("e", Numeric(10, 2), server_default="0.00"),
    Column("f", Float(53), server_default=text("'NaN'")),
    Column("g", Interval, server_default=text("interval '1' day")),
    Column("h", pg.INTERVAL(fields="DAY TO SECOND", precision=3)),
    Column("i", pg.BIT(4), server_default=text("B'1010'")),
    Column("j", pg.BIT(varying=True)),
    Column("k", Text, server_default=text("NULL")),
    Column("l", String, server_default=""),
    Column("m", DateTime, server_default=text("timezone('utc', now())")),
    Column("n", Date, server_default=text("CURRENT_DATE")),
    Column("o", Time(timezone=True), server_default=text("LOCALTIME")),
    Column("p", pg.ARRAY(Text), server_default=text("ARRAY[]::text[]")),
    Column("q", pg.ARRAY(Integer, dimensions=2), server_default="{{1,2},{3,4}}"),
    Column("r", String(5, collation="C"), server_default="a"),
    Column("s", LargeBinary, server_default=text(r"'\x00ff'")),
    Column("t", pg.INET, server_default="127.0.0.1"),
    Column("u", Integer, server_default=text("(1 + 2) * 3")),
    Column(
        "v",
        SmallInteger,
        Sequence("odd_seq", start=5, increment=2, metadata=m),
        server_default=Sequence("odd_seq2", metadata=m).next_value(),
    ),
    Column(
        "w", pg.TSVECTOR, Computed("to_tsvector('english', coalesce(l, '') || ' ' || coalesce(k, ''))", persisted=True)
    ),
    Column("x", Integer, Computed("u * 2", persisted=not VIRTUAL)),
    Column("y", pg.INT4MULTIRANGE),
    Column("z", pg.NUMRANGE, server_default=text("'[1,2)'")),
)
Table(
    "constraints",
    m,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("id2", Integer, primary_key=True),
    Column("a", Integer, unique=True, index=True),
    Column("b", String(20), CheckConstraint("b IN ('x', 'y')", name="b_in"), index=True),
    Column("c", Integer),
    Column("during", pg.TSTZRANGE),
    UniqueConstraint("a", "b", deferrable=True, initially="DEFERRED"),
    UniqueConstraint("b", "c", name="uq_nnd", **known(UniqueConstraint, postgresql_nulls_not_distinct=True)),
    UniqueConstraint("c", name="uq_inc", **known(UniqueConstraint, postgresql_include=["a"])),
    CheckConstraint("b NOT IN ('q','r') AND c > 0", name="multi"),
    CheckConstraint("c >= 0", name="not_valid", postgresql_not_valid=True),
    pg.ExcludeConstraint(("during", "&&"), where=text("b IN ('x','z')"), name="excl", deferrable=True),
    ForeignKeyConstraint(
        ["a", "c"],
        ["constraints.id", "constraints.id2"],
        ondelete="SET NULL (a)" if SOME_COLUMNS else "SET NULL",
        onupdate="CASCADE",
        match="FULL",
        deferrable=True,
        initially="DEFERRED",
        name="selfref",
    ),
    ForeignKeyConstraint(
        ["c"], ["Odd Schema.Mixed Case.Id"], use_alter=True, name="alter_fk", postgresql_not_valid=True
    ),
)
t = Table(
    "indexes",
    m,
    Column("id", Integer, primary_key=True),
    Column("name", String(50)),
    Column("data", pg.JSONB),
    Column("geo", pg.INT8RANGE),
    Column("ts", DateTime),
    Column("arr", pg.ARRAY(Integer)),
    **known(Table, postgresql_with={"fillfactor": 70, "autovacuum_enabled": False}),
)
Index("i1", func.lower(t.c.name), unique=True, postgresql_where=t.c.name.not_in(["a", "b"]))
Index("i2", t.c.name.desc().nulls_last(), t.c.id, postgresql_include=["ts"], postgresql_with={"fillfactor": 50})
Index(
    "i3",
    t.c.data,
    postgresql_using="gin",
    postgresql_ops={"data": "jsonb_path_ops"},
    postgresql_with={"fastupdate": "off"},
)
Index("i4", text("(data ->> 'Name')"), text("((data->'n')::int) DESC"), postgresql_where=text("data ? 'x'"))
Index(
    "i5",
    t.c.name,
    postgresql_ops={"name": "text_pattern_ops"},
    unique=True,
    **known(Index, postgresql_nulls_not_distinct=True),
)
Index("i6", t.c.ts, postgresql_using="brin", postgresql_with={"pages_per_range": 4})
Index("i7", t.c.geo, postgresql_using="gist")
Index("i8", func.coalesce(t.c.name, "it's"), func.date_trunc("day", t.c.ts))
Index("i9", cast(t.c.name, Text), t.c.arr[1], (t.c.id + 1))
Index("i10", t.c.name, postgresql_using="hash")
Index("i11", text('name COLLATE "C" ASC NULLS FIRST'))
Index(None, t.c.ts, t.c.name, t.c.id)
Table(
    "parts",
    m,
    Column("k", Integer, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("k", "at"),
    postgresql_partition_by="RANGE (at)",
)
Table("unlogged", m, Column("id", Integer, primary_key=True), prefixes=["UNLOGGED"])
Table(
    "nopk",
    m,
    Column("a", Integer),
    Column("b", pg.DOMAIN("pos int", Integer, check="VALUE > 0", not_null=True, default=text("5"))),
    Column("c", pg.DOMAIN("email", Text, check=r"VALUE ~ '^\S+@\S+$'", collation="C")),
)
Table(
    "x" * 63,
    m,
    Column("y" * 63, Integer, index=True, unique=True),
    Column("very_long_column_name_number_two_that_is_long", ForeignKey("constraints.a")),
)
Table(
    "oddtypes",
    m,
    Column("id", Integer, primary_key=True),
    Column("a", pg.OID),
    Column("b", pg.REGCLASS),
    Column("c", pg.MONEY),
    Column("d", pg.MACADDR8),
    Column("e", pg.CIDR),
    Column("f", pg.TSQUERY),
    Column("g", CHAR(3)),
    Column("h", NCHAR(3)),
    Column("i", pg.DOUBLE_PRECISION),
    Column("j", REAL),
    Column("k", pg.TIMESTAMP(precision=0)),
    Column("l", pg.TIME(precision=2)),
    Column("m", Unicode(7)),
    Column("n", UnicodeText),
    Column("o", PickleType),
    Column("p", DECIMAL(5)),
    Column("q", Text),
    Column("r", pg.DATERANGE),
    Column("s", pg.ARRAY(pg.TIMESTAMP(timezone=True, precision=3))),
    Column("t", VARCHAR),
    Column("u", LargeBinary),
)


@sa.event.listens_for(m, "after_create")
def after(_target, bind, **_):
    bind.execute(text('CREATE VIEW "Odd View" AS SELECT "Id" FROM "Odd Schema"."Mixed Case"'))


event.listen(m, "before_create", DDL("CREATE EXTENSION IF NOT EXISTS btree_gist"))
event.listen(
    t,
    "after_create",
    DDL("ALTER TABLE indexes ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON indexes USING (name IN ('a', 'b'))"),
)
event.listen(
    m, "after_create", DDL("CREATE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$")
)
event.listen(
    m,
    "after_create",
    DDL(
        "CREATE TRIGGER tr BEFORE UPDATE OF name ON indexes FOR EACH ROW WHEN (NEW.name IN ('a')) EXECUTE FUNCTION tf()"
    ),
)

Table("b", other, Column("id", Integer, primary_key=True), Column("a_id", Integer))
# Mapped, but a view, a foreign table and a partition in the database.
Table("stand_in_view", m, Column("id", Integer, primary_key=True))
Table("stand_in_foreign", m, Column("id", Integer, primary_key=True), Column("x", Integer, index=True))
Table("parts_1", m, Column("k", Integer, primary_key=True), Column("at", DateTime(timezone=True), primary_key=True))
# A type that the revisions make.
Table(
    "lent", m, Column("id", Integer, primary_key=True), Column("m", pg.ENUM("x", name="lent_mood", create_type=False))
)
Table(
    "acc",
    m,
    Column("id", Integer, primary_key=True),
    Column("email", Text, server_default=text("public.dflt(1)")),
    Column("ignored_flag", Integer),
)


def function(signature, definition):
    return PGFunction(schema="public", signature=signature, definition=definition)


register_entities(
    [
        PGView(schema="rep", signature="v2", definition="SELECT email FROM public.v1"),
        PGView(
            schema="public", signature="v1", definition="SELECT id, email FROM public.acc WHERE email IN ('a', 'b')"
        ),
        function("up(some_text text)", "RETURNS text LANGUAGE sql AS $$ SELECT upper(some_text) || ':x%s' $$"),
        function("dflt(a integer)", "RETURNS text LANGUAGE sql AS $$ SELECT 'x'::text $$"),
        function("trg()", "RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$"),
        PGTrigger(
            schema="public",
            signature="tr",
            on_entity="public.acc",
            definition="BEFORE INSERT ON public.acc FOR EACH ROW EXECUTE FUNCTION public.trg()",
        ),
        PGPolicy(schema="public", signature="pol", on_entity="public.acc", definition="USING (email = current_user)"),
        PGExtension(schema="public", signature="citext"),
        PGGrantTable(schema="public", table="acc", role="nobody", grant=PGGrantTableChoice.SELECT, columns=["id"]),
    ]
)
