"""Revisions of many shapes, one after the other; each works on tables of its own, ``p{n}`` and ``q{n}``.

Each is Python or SQL (statements apart by semicolons) for ``upgrade``. Every ``p`` has five rows, ``q`` has one.
"""

from __future__ import annotations

GROUND = """
for n in range({count}):
    op.execute(f"CREATE TABLE p{{n}} (id serial PRIMARY KEY, name text NOT NULL, age int)")
    op.execute(f"CREATE TABLE q{{n}} (id int PRIMARY KEY, name text)")
    op.execute(f"INSERT INTO p{{n}} (name, age) SELECT 'p' || n, n FROM generate_series(1, 5) n")
    op.execute(f"INSERT INTO q{{n}} VALUES (1, 'here')")
"""

SHAPES = (
    "ALTER TABLE p{n} ADD a int; ALTER TABLE p{n} ADD b text DEFAULT 'x'; ALTER TABLE p{n} ADD c int",
    "ALTER TABLE p{n} ADD a int; UPDATE p{n} SET a = coalesce(a, 0) + age; ALTER TABLE p{n} ALTER a SET NOT NULL",
    "UPDATE p{n} SET age = age + 1; ALTER TABLE p{n} ADD a int; UPDATE p{n} SET age = age * 2",
    """
op.execute('ALTER TABLE p{n} ADD a int')
with op.get_context().autocommit_block():
    op.execute('CREATE INDEX CONCURRENTLY i{n} ON p{n} (a)')
""",
    "CREATE TABLE x{n} (id int UNIQUE); CREATE TABLE y{n} (x int REFERENCES x{n} (id)); CREATE INDEX z{n} ON y{n} (x)",
    "CREATE TABLE IF NOT EXISTS x{n} (id int); CREATE INDEX IF NOT EXISTS z{n} ON x{n} (id)",
    "ALTER TABLE p{n} RENAME TO r{n}; ALTER TABLE r{n} RENAME name TO full_name; ALTER TABLE r{n} ADD a int",
    "CREATE TYPE e{n} AS ENUM ('a', 'b'); ALTER TABLE p{n} ADD kind e{n}; ALTER TYPE e{n} ADD VALUE 'c'",
    "ALTER TABLE p{n} ADD CONSTRAINT c{n} CHECK (age > 0) NOT VALID; ALTER TABLE p{n} VALIDATE CONSTRAINT c{n}",
    "CREATE VIEW v{n} AS SELECT id FROM p{n}; CREATE VIEW w{n} AS SELECT id FROM v{n}; COMMENT ON VIEW w{n} IS 'ids'",
    """
ALTER TABLE p{n} ALTER age TYPE bigint;
ALTER TABLE p{n} ALTER age SET DEFAULT 7;
ALTER TABLE p{n} ALTER name DROP NOT NULL
""",
    "ALTER TABLE p{n} DROP COLUMN age; ALTER TABLE p{n} ADD born date",
    "DROP TABLE q{n}; ALTER TABLE p{n} ADD a int",
    "INSERT INTO q{n} VALUES (2, 'there'); INSERT INTO q{n} VALUES (3, 'away'); ALTER TABLE q{n} ADD a int",
    "ALTER TABLE q{n} ADD a int; INSERT INTO q{n} VALUES (2, 'there', 1); INSERT INTO q{n} VALUES (3, 'away', 2)",
    "CREATE FUNCTION f{n}() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER TABLE p{n} ADD a int DEFAULT f{n}()",
    """
CREATE SEQUENCE s{n};
ALTER TABLE p{n} ADD a bigint DEFAULT nextval('s{n}');
ALTER SEQUENCE s{n} OWNED BY p{n}.a
""",
    """
CREATE TABLE x{n} (id int, at date) PARTITION BY RANGE (at);
CREATE TABLE x{n}_a PARTITION OF x{n} FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE x{n}_b PARTITION OF x{n} DEFAULT;
CREATE INDEX z{n} ON x{n} (id)
""",
    """
op.execute('DO $$ BEGIN ALTER TABLE p{n} ADD a int, ADD b int; END $$')
op.execute('ALTER TABLE p{n} ADD c int')
""",
    """
with op.batch_alter_table('p{n}') as batch:
    batch.add_column(sa.Column('a', sa.Integer()))
    batch.create_unique_constraint('u{n}', ['a'])
""",
    """
columns = {{c['name'] for c in sa.inspect(op.get_bind()).get_columns('p{n}')}}
if 'a' not in columns:
    op.add_column('p{n}', sa.Column('a', sa.Integer()))
op.create_index('i{n}', 'p{n}', ['a'], if_not_exists=True)
""",
    """
op.add_column('p{n}', sa.Column('a', sa.Text()))
bind = op.get_bind()
for id, name in bind.execute(sa.text('SELECT id, name FROM p{n} ORDER BY id')).all():
    bind.execute(sa.text('UPDATE p{n} SET a = :a WHERE id = :id'), {{'a': name + '!', 'id': id}})
op.alter_column('p{n}', 'a', nullable=False)
""",
    """
x = op.create_table('x{n}', sa.Column('id', sa.Integer(), primary_key=True), sa.Column('name', sa.Text()))
op.bulk_insert(x, [{{'id': 1, 'name': 'a'}}, {{'id': 2, 'name': 'b'}}])
op.create_index('z{n}', 'x{n}', ['name'])
""",
    "CREATE SCHEMA own{n}; CREATE TABLE own{n}.t (id int); ALTER TABLE p{n} SET SCHEMA own{n}",
    """
CREATE TRIGGER t{n} BEFORE UPDATE ON p{n} FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
ALTER TABLE p{n} ENABLE ROW LEVEL SECURITY;
CREATE POLICY y{n} ON p{n} USING (age > 1)
""",
    """
op.execute('ALTER TABLE p{n} ADD a int')
with op.get_context().autocommit_block():
    op.execute('CREATE INDEX CONCURRENTLY i{n} ON p{n} (a)')
op.execute('UPDATE p{n} SET a = coalesce(a, 0) + age')
op.execute('ALTER TABLE p{n} ADD b int')
""",
    "CREATE MATERIALIZED VIEW m{n} AS SELECT count(*) FROM p{n}; CREATE UNIQUE INDEX z{n} ON m{n} (count)",
    """
DELETE FROM p{n} WHERE age = 5;
ALTER TABLE p{n} ADD CONSTRAINT c{n} CHECK (age < 5);
CREATE STATISTICS t{n} ON id, age FROM p{n}
""",
)
