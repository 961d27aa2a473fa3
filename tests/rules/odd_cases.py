"""Statements that nobody designed an advice for: they are odd where the examples of the rules are plain."""

from __future__ import annotations

from collections.abc import Mapping

SCHEMA = """
CREATE TABLE shops (id bigserial PRIMARY KEY, code text NOT NULL, town text, opened date, "user" text,
    UNIQUE (code) DEFERRABLE INITIALLY DEFERRED, UNIQUE (town, opened));
CREATE TABLE sales (id uuid PRIMARY KEY, shop_id bigint, shop_code text, town text, opened date, price integer,
    note text, tags text[], price_check integer);
CREATE TABLE rests (shop_id bigint, price integer, kind text);
CREATE VIEW towns AS SELECT id, town FROM shops;
CREATE VIEW far_towns AS SELECT town FROM towns WHERE town <> '';
COMMENT ON VIEW towns IS 'where shops are';
CREATE MATERIALIZED VIEW counted AS SELECT town, count(*) AS shops FROM shops GROUP BY town;
CREATE UNIQUE INDEX counted_towns ON counted (town) WHERE town <> '';
CREATE DOMAIN short AS text DEFAULT 'VALUE' NOT NULL CONSTRAINT s1 CHECK (length(VALUE) < 9) CHECK (VALUE <> 'it''s');
CREATE DOMAIN hue AS text CHECK (VALUE <> '');
CREATE TYPE mood AS ENUM ('it''s ok', 'bad');
CREATE TABLE moods (id integer PRIMARY KEY, mood mood, hue hue);
CREATE TABLE days (id bigint, day date, kind text) PARTITION BY RANGE (day);
CREATE TABLE days_old PARTITION OF days FOR VALUES FROM (MINVALUE) TO ('2020-01-01') PARTITION BY LIST (kind);
CREATE TABLE days_old_a PARTITION OF days_old FOR VALUES IN ('a');
CREATE TABLE days_rest PARTITION OF days DEFAULT;
CREATE TABLE days_new (id bigint, day date, kind text);
CREATE TABLE kinds (id bigint, kind text) PARTITION BY LIST (lower(kind));
CREATE TABLE kinds_b (id bigint, kind text);
CREATE TABLE pairs (a integer, b integer) PARTITION BY RANGE (a, b);
CREATE TABLE pairs_1 (a integer, b integer);
CREATE FUNCTION price_of(sales) RETURNS integer LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT price FROM sales); END $$;
CREATE FUNCTION triple(value integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT value * 3';
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER sales_noted BEFORE UPDATE OF note ON sales FOR EACH ROW WHEN (NEW.note <> '') EXECUTE FUNCTION noted();
CREATE POLICY own_sales ON sales USING (note <> '');
"""

RELATIONS: Mapping[str, str] = {
    "shops": "Shops :a",
    "sales": "Sale's %s",
    "rests": "rest's",
    "towns": "Towns (all)",
    "far_towns": "Far Towns",
    "counted": "Co.unted",
    "counted_towns": "Counted Towns",
    "short": "Sh(ort",
    "hue": "Hue (h)",
    "mood": "Moo.d",
    "moods": "Moods",
    "days": "Da.ys",
    "days_old": "Days Old",
    "days_old_a": "Days Old A",
    "days_rest": "Days Rest",
    "days_new": "Days New",
    "days_2025": "Days 2025",
    "kinds": "Kinds",
    "kinds_b": "Kinds B",
    "pairs": "Pairs",
    "pairs_1": "Pairs 1",
    "price_of": "Price Of",
    "triple": "Tri ple",
    "noted": "No (ted)",
}
MEMBERS: Mapping[str, str] = {
    "shop_id": "Shop Id",
    "town": "To(wn",
    "opened": "opened :at",
    "price": "Pr.ice",
    "note": "note, %",
    "kind": 'ki"nd',
    "sales_noted": "Sales Noted",
    "own_sales": "Own Sales",
    "shops_code_key": "Shops :a_code_key",
}
"""The hostile names; what is not here is the same."""

ODD: Mapping[str, tuple[str, str]] = {
    "a composite key with everything": (
        "add-foreign-key-validating",
        """op.execute("ALTER TABLE sales ADD CONSTRAINT k FOREIGN KEY (town, opened) REFERENCES shops (town, opened)"
                   " MATCH FULL ON UPDATE CASCADE ON DELETE SET DEFAULT DEFERRABLE INITIALLY DEFERRED")""",
    ),
    "a key that sets one of its columns NULL": (
        "add-foreign-key-validating",
        """op.execute("ALTER TABLE sales ADD CONSTRAINT k FOREIGN KEY (town, opened) REFERENCES shops (town, opened)"
                   " ON DELETE SET NULL (town)")""",
    ),
    "a key of a new table in SQL": (
        "foreign-key-on-delete-review",
        """op.create_table("lines", sa.Column("shop_id", sa.BigInteger()), sa.ForeignKeyConstraint(
    ["shop_id"], ["shops.id"], name="k", deferrable=True, initially="DEFERRED"))""",
    ),
    "a unique constraint with everything": (
        "add-unique-constraint",
        """op.execute("ALTER TABLE sales ADD CONSTRAINT u UNIQUE NULLS NOT DISTINCT (town, opened) INCLUDE (price)"
                   " WITH (fillfactor = 70) DEFERRABLE INITIALLY DEFERRED")""",
    ),
    "a unique index over an expression of some rows": (
        "unique-on-existing-data",
        'op.execute("CREATE UNIQUE INDEX u ON sales (lower(note), town DESC) WHERE price > 0")',
    ),
    "a wide index of a kind that includes nothing": (
        "index-too-many-columns",
        """op.execute("CREATE INDEX i ON sales USING brin (town, opened, price, note)")""",
    ),
    "a wide index with orders and a condition": (
        "index-too-many-columns",
        """op.execute("CREATE INDEX i ON sales (town DESC, lower(note), opened NULLS FIRST, price, id) INCLUDE (tags)"
                   " WHERE price > 0")""",
    ),
    "an UPDATE that reads another table": (
        "update-delete-without-where",
        'op.execute("UPDATE sales AS s SET note = r.kind FROM rests AS r")',
    ),
    "an UPDATE that must meet each row once": (
        "update-delete-without-where",
        'op.execute("UPDATE sales SET price = price + 1")',
    ),
    "an UPDATE that must meet each row once, without a key": (
        "update-delete-without-where",
        'op.execute("UPDATE rests SET price = price + 1")',
    ),
    "a DELETE of all": ("update-delete-without-where", 'op.execute("DELETE FROM ONLY sales;")'),
    "an UPDATE that returns rows": (
        "update-delete-without-where",
        """op.execute("UPDATE sales SET note = ': WHERE' RETURNING id")""",
    ),
    "an UPDATE of some rows after DDL": (
        "mixed-data-and-schema",
        """op.add_column("sales", sa.Column("more", sa.Text()))
op.execute("UPDATE sales SET note = 'a WHERE b' WHERE price = 1 OR note = ' WHERE ' ")""",
    ),
    "an INSERT after DDL": (
        "mixed-data-and-schema",
        """op.add_column("sales", sa.Column("more", sa.Text()))
op.execute("INSERT INTO rests SELECT id, 1, ' two  blanks' FROM shops")""",
    ),
    "a serial without its default": ("drop-default", 'op.alter_column("shops", "id", server_default=None)'),
    "views over views": ("drop-column-breaks-dependents", 'op.execute("ALTER TABLE shops ALTER town TYPE varchar(9)")'),
    "a trigger and a policy": (
        "drop-column-breaks-dependents",
        'op.execute("ALTER TABLE sales ALTER note TYPE varchar(9)")',
    ),
    "a function that names a renamed column": (
        "drop-column-breaks-dependents",
        'op.alter_column("sales", "price", new_column_name="cost")',
    ),
    "views over views that go along": ("drop-cascade", 'op.execute("DROP VIEW towns CASCADE")'),
    "a table that goes with all that is over it": ("drop-cascade", 'op.execute("DROP TABLE shops CASCADE")'),
    "a type that takes a column along": ("drop-cascade", 'op.execute("DROP TYPE mood CASCADE")'),
    "a domain with everything": (
        "add-column-constrained-domain",
        """op.execute("ALTER TABLE sales ADD COLUMN s short DEFAULT 'x'")""",
    ),
    "a second constraint for a domain": (
        "domain-constraint",
        """op.execute("ALTER DOMAIN hue ADD CONSTRAINT c2 CHECK (VALUE <> ' CONSTRAINT ')")""",
    ),
    "a domain made with a constraint": (
        "domain-constraint",
        "op.execute(\"CREATE DOMAIN size AS text DEFAULT 'S' CHECK (VALUE <> '')\")",
    ),
    "what is generated by a function of their own": (
        "add-column-generated-stored",
        'op.execute("ALTER TABLE sales ADD COLUMN t integer GENERATED ALWAYS AS (triple(price)) STORED")',
    ),
    "an identity with options": (
        "add-column-identity",
        'op.execute("ALTER TABLE rests ADD n integer GENERATED BY DEFAULT AS IDENTITY (START 5 INCREMENT 5)")',
    ),
    "a required enum": ("add-column-not-null-no-default", 'op.execute("ALTER TABLE sales ADD COLUMN m mood NOT NULL")'),
    "a required array": (
        "add-column-not-null-no-default",
        'op.execute("ALTER TABLE sales ADD COLUMN m int[] NOT NULL")',
    ),
    "a required column for each row": (
        "add-column-volatile-default",
        'op.execute("ALTER TABLE sales ADD COLUMN u uuid NOT NULL DEFAULT gen_random_uuid()")',
    ),
    "a partition that is open at one end": (
        "attach-partition",
        "op.execute(\"ALTER TABLE days ATTACH PARTITION days_new FOR VALUES FROM ('2020-01-01') TO (MAXVALUE)\")",
    ),
    "a partition of a list with NULL, by an expression": (
        "attach-partition",
        "op.execute(\"ALTER TABLE kinds ATTACH PARTITION kinds_b FOR VALUES IN ('b, (', NULL)\")",
    ),
    "a partition by two columns": (
        "attach-partition",
        'op.execute("ALTER TABLE pairs ATTACH PARTITION pairs_1 FOR VALUES FROM (1, 1) TO (2, 2)")',
    ),
    "a partition beside a default one": (
        "detach-partition",
        'op.execute("ALTER TABLE days DETACH PARTITION days_old")',
    ),
    "an index of partitions of partitions": (
        "index-on-partitioned-parent",
        'op.execute("CREATE INDEX i ON days (kind, id DESC) WHERE id > 0")',
    ),
    "a partition that is partitioned": (
        "create-partition-of",
        """op.execute("CREATE TABLE days_2025 PARTITION OF days FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')"
                   " PARTITION BY LIST (kind)")""",
    ),
    "a key of a new partitioned table": (
        "partition-key-not-in-pk",
        'op.execute("CREATE TABLE parts (id bigint, day date, PRIMARY KEY (id)) PARTITION BY RANGE (day)")',
    ),
    "a CHECK of today in a new table": (
        "check-volatile-expression",
        'op.create_table("acts", sa.Column("at", sa.Date()), sa.CheckConstraint("at <= now()::date", name="past"))',
    ),
    "a CHECK that is not kept in a new table": (
        "constraint-not-enforced",
        'op.execute("CREATE TABLE acts (n integer CONSTRAINT c CHECK (n > 0) NOT ENFORCED)")',
    ),
    "a label with an apostrophe": (
        "enum-value-order",
        "op.execute(\"ALTER TYPE mood ADD VALUE 'it''s : bad'\")",
    ),
    "a view that cannot be refreshed beside its readers": (
        "refresh-matview-blocking",
        'op.execute("REFRESH MATERIALIZED VIEW counted")',
    ),
    "three of one table": (
        "combine-alter-table",
        """op.alter_column("sales", "note", nullable=False)
op.add_column("rests", sa.Column("x", sa.Text()))
op.alter_column("sales", "town", nullable=False)
op.alter_column("sales", "price", nullable=False)""",
    ),
    "three of one table, on one line": (
        "combine-alter-table",
        """for name in ("note", "town"):
    op.alter_column("sales", name, nullable=False)""",
    ),
    "a type that nothing fits for certain": (
        "change-type-narrowing",
        'op.execute("ALTER TABLE sales ALTER COLUMN shop_code TYPE integer USING shop_code::integer")',
    ),
    "a constraint that can only be made again": (
        "drop-constraint",
        'op.drop_constraint("shops_code_key", "shops", type_="unique")',
    ),
    "a table that gets back its name by a view": (
        "rename-or-move-schema",
        'op.execute("ALTER SCHEMA app RENAME TO app2")',
    ),
    "a CHECK of a column called like a type": (
        "check-volatile-expression",
        """op.execute("ALTER TABLE rests ADD CONSTRAINT c CHECK (kind::text <> current_setting('kind', true))")""",
    ),
}
"""By what is odd: the rule that finds it, and a body of ``upgrade()`` over the two schemas together."""
