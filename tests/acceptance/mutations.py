"""One change of a random schema, made by SQL, and what must be reported of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from hypothesis import strategies as st


@dataclass(frozen=True, slots=True)
class Mutation:
    """A statement, and the one change that it is: kind, object, action, attributes.

    ``object`` is the name as PostgreSQL stores it, empty where PostgreSQL chose it.
    """

    sql: str
    kind: str
    object: str
    action: str
    attributes: tuple[str, ...] = ()


def mutations(found: sa.MetaData) -> st.SearchStrategy[Mutation]:
    """One change of one of the tables; each kind of change is as likely as any other."""
    groups: dict[tuple[str, str, tuple[str, ...]], list[Mutation]] = {}
    for table in sorted(found.tables.values(), key=lambda each: each.name):
        for mutation in _changes(table):
            groups.setdefault((mutation.kind, mutation.action, mutation.attributes), []).append(mutation)
    return st.sampled_from(sorted(groups)).flatmap(lambda group: st.sampled_from(groups[group]))


def quoted(name: str) -> str:
    """The name in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def _changes(table: sa.Table) -> Iterator[Mutation]:
    yield from _of_the_table(table)
    for column in table.c:
        yield from _of_a_column(table, column)
    for index in table.indexes:
        yield from _of_an_index(str(index.name))
    yield from _of_constraints(table)


def _of_the_table(table: sa.Table) -> Iterator[Mutation]:
    name = quoted(table.name)
    alter = f"ALTER TABLE {name}"
    yield Mutation(f"{alter} ADD COLUMN added integer", "column", "added", "created")
    yield Mutation(f"{alter} ADD CONSTRAINT added CHECK (id IS NOT NULL)", "check", "added", "created")
    yield Mutation(f"{alter} ADD CONSTRAINT added CHECK (id IS NOT NULL) NOT VALID", "check", "added", "created")
    yield Mutation(f"{alter} SET (fillfactor = 55)", "table", "", "altered", ("storage_parameters",))
    yield Mutation(f"{alter} REPLICA IDENTITY FULL", "table", "", "altered", ("replica_identity",))
    yield Mutation(f"{alter} ENABLE ROW LEVEL SECURITY", "table", "", "altered", ("row_security",))
    yield Mutation(f"COMMENT ON TABLE {name} IS 'changed'", "table", "", "altered", ("comment",))
    yield Mutation(f"CREATE POLICY added ON {name} USING (true)", "policy", "added", "created")
    yield Mutation(f"CREATE RULE added AS ON DELETE TO {name} DO ALSO NOTIFY x", "rule", "added", "created")
    yield Mutation(f"CREATE INDEX added ON {name} (id DESC) WHERE id IS NULL", "index", "added", "created")
    yield Mutation(f"CREATE VIEW added AS SELECT * FROM {name}", "view", "added", "created")
    yield Mutation(f"CREATE SEQUENCE added OWNED BY {name}.id", "sequence", "added", "created")
    yield Mutation(f"CREATE STATISTICS added ON (id IS NULL) FROM {name}", "statistics", "added", "created")
    if len(table.c) > 1:
        yield Mutation(f"{alter} RENAME TO renamed", "table", "renamed", "renamed")


def _of_a_column(table: sa.Table, column: sa.Column[Any]) -> Iterator[Mutation]:
    name = quoted(column.name)
    alter = f"ALTER TABLE {quoted(table.name)} ALTER {name}"

    def altered(what: str, attribute: str) -> Mutation:
        return Mutation(f"{alter} {what}", "column", column.name, "altered", (attribute,))

    comment = f"COMMENT ON COLUMN {quoted(table.name)}.{name} IS 'changed'"
    yield Mutation(comment, "column", column.name, "altered", ("comment",))
    yield Mutation(f"ALTER TABLE {quoted(table.name)} RENAME {name} TO renamed", "column", "renamed", "renamed")
    if column.computed is not None:
        if column.computed.persisted:
            yield altered("DROP EXPRESSION", "generated")
        return
    yield altered("SET STATISTICS 77", "statistics")
    if column.primary_key:
        return
    yield altered("DROP NOT NULL" if not column.nullable else "SET NOT NULL", "nullable")
    default = column.server_default
    if isinstance(default, sa.DefaultClause) and str(default.arg) != "NULL":
        yield altered("DROP DEFAULT", "default")
    elif isinstance(column.type, sa.Integer):
        yield altered("SET DEFAULT 77", "default")
    if isinstance(column.type, sa.Text) or type(column.type) is sa.String:
        yield altered("SET STORAGE MAIN", "storage")
        yield altered(f"TYPE varchar(77){_collated(column.type)}", "type")
    if not _is_used(table, column):
        yield Mutation(f"ALTER TABLE {quoted(table.name)} DROP COLUMN {name}", "column", column.name, "dropped")


def _collated(type_: sa.types.TypeEngine[Any]) -> str:
    collation = getattr(type_, "collation", None)
    return f' COLLATE "{collation}"' if collation else ""


def _is_used(table: sa.Table, column: sa.Column[Any]) -> bool:
    """Whether an index or a constraint would go with the column, or its type is left behind."""
    named = any(column.name in {c.name for c in index.columns} for index in table.indexes)
    own = any(column.name in getattr(c, "columns", ()) for c in table.constraints)
    typed = getattr(column.type, "item_type", column.type)
    return named or own or column.unique or column.name in ("amount", "word", "during") or isinstance(typed, sa.Enum)


def _of_an_index(name: str) -> Iterator[Mutation]:
    yield Mutation(f"DROP INDEX {quoted(name)}", "index", name, "dropped")
    yield Mutation(f"ALTER INDEX {quoted(name)} RENAME TO renamed", "index", "renamed", "renamed")
    yield Mutation(f"COMMENT ON INDEX {quoted(name)} IS 'x'", "comment", name, "created")


_KINDS = ((sa.UniqueConstraint, "unique"), (sa.ForeignKeyConstraint, "foreign_key"), (sa.CheckConstraint, "check"))


def _of_constraints(table: sa.Table) -> Iterator[Mutation]:
    """Dropped, renamed and altered constraints; the name is what PostgreSQL stores, or unknown where it chose it."""
    alter = f"ALTER TABLE {quoted(table.name)}"
    for constraint in table.constraints:
        name = str(constraint.name or "")
        kind = next((kind for type_, kind in _KINDS if isinstance(constraint, type_)), None)
        if kind is None or not name.startswith(("u ", "check ")):
            continue
        yield Mutation(f"{alter} DROP CONSTRAINT {quoted(name)}", kind, name, "dropped")
        yield Mutation(f"{alter} RENAME CONSTRAINT {quoted(name)} TO renamed", kind, "renamed", "renamed")
    if any(isinstance(each, sa.ForeignKeyConstraint) for each in table.constraints):
        yield Mutation(_foreign_key(table.name, "DROP CONSTRAINT %I"), "foreign_key", "", "dropped")
        renamed = _foreign_key(table.name, "RENAME CONSTRAINT %I TO renamed")
        yield Mutation(renamed, "foreign_key", "renamed", "renamed")


def _foreign_key(table: str, change: str) -> str:
    """A block that alters the table's foreign key, whatever its name."""
    return (
        f"DO $do$ BEGIN EXECUTE (SELECT format('ALTER TABLE %s {change}', k.conrelid::regclass, k.conname)"
        f" FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid WHERE k.contype = 'f' AND c.relname = '{table}');"
        " END $do$"
    )
