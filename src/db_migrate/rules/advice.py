"""Replacements to paste, with the names filled in. Only what PostgreSQL can really do is advised.

Without a word about it, what is advised takes the statement's place. The lines of ``BEFORE``, ``AFTER`` and the others
here say where else it goes; they are comments of the language that follows, and the tests that run every advice go by
them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from db_migrate.catalog.objects import Kind, SchemaObject
from db_migrate.catalog.tokens import reference
from db_migrate.rules.names import last, literal, made, owner_of, py, py_list, quote, schema_argument, tail
from db_migrate.rules.python_text import WIDTH, call, indent, sql_string
from db_migrate.rules.python_types import example_default, sqlalchemy_type

if TYPE_CHECKING:
    from db_migrate.rules.context import Place

AUTOCOMMIT = "with op.get_context().autocommit_block():"
BEFORE = "# before it:"
AFTER = "# after it:"
BACK = "# for downgrade():"
MODELS = "# in the models"
INTENT = "db_migrate_allow = {"
LEAVE_OUT = "# leave this statement out"
_NOT_CHECKED = re.compile(r"(?: NOT ENFORCED| NOT VALID)+$")


def intent(rule: str, name: str, reason: str) -> str:
    """The lines that allow the finding in the revision's own file; ``reason`` is for a person to replace."""
    return f"{INTENT}\n    {py(f'{rule}:{name}')}: {py(reason)},\n}}"


def before(*lines: str) -> str:
    """What goes in front of the statement, which stays."""
    return "\n".join((BEFORE, *lines))


def after(*lines: str) -> str:
    """What follows the statement, which stays."""
    return "\n".join((AFTER, *lines))


def back(*lines: str) -> str:
    """What ``downgrade()`` has to do."""
    return "\n".join((BACK, *lines))


def later(when: str, *lines: str) -> str:
    """What a revision of its own has to do, and when."""
    return "\n".join((f"# in a later revision, once {when}:", *lines))


def in_place_of_line(line: int, *lines: str) -> str:
    """What takes the place of another statement, that of the line; the one that the finding is about stays."""
    return "\n".join((f"# in place of line {line}:", *lines))


def autocommit(*lines: str) -> str:
    """Operations outside of any transaction."""
    return AUTOCOMMIT + "\n" + indent("\n".join(lines))


def commit() -> str:
    """The end of the transaction, and the beginning of another one."""
    return autocommit("# commits what came before and lets go of its locks", "pass")


def execute(sql: str) -> str:
    """``op.execute`` of one statement."""
    return call("op.execute", sql_string(sql.strip().removesuffix(";")))


def statement(place: Place) -> str:
    """The statement itself."""
    return execute(place.statement.sql)


def texts(item: SchemaObject, name: str) -> tuple[str, ...]:
    """An attribute that is a list of texts; empty where it has none."""
    value = item.attributes.get(name)
    return value if isinstance(value, tuple) else ()


def text(item: SchemaObject, name: str) -> str:
    """An attribute that is a text; empty where it has none."""
    value = item.attributes.get(name)
    return value if isinstance(value, str) else ""


def is_simple(index: SchemaObject) -> bool:
    """Whether ``op.create_index`` can say the index with names of columns alone."""
    special = ("expression", "predicate", "opclass", "order", "collation", "include", "storage_parameters")
    plain = not any(index.attributes.get(name) for name in special)
    return plain and index.attributes.get("method", "btree") == "btree" and not index.attributes.get("tablespace")


def create_index(index: SchemaObject, more: str = "") -> str:
    """The index, of which ``op.create_index`` can say all but ``more``."""
    unique = ", unique=True" if index.attributes.get("unique") else ""
    table = f"{py(last(index.name))}, {py(last(index.parent or ''))}, {py_list(texts(index, 'columns'))}"
    return f"op.create_index({table}{unique}{schema_argument(index.parent or '')}{more})"


def create_index_concurrently(index: SchemaObject) -> str:
    """The index built without blocking writes."""
    if is_simple(index) and not index.attributes.get("nulls_not_distinct"):
        return autocommit(create_index(index, ", postgresql_concurrently=True"))
    return autocommit(execute(concurrent(index.definition)))


def concurrent(definition: str) -> str:
    """An index's definition with CONCURRENTLY."""
    return definition.replace("INDEX ", "INDEX CONCURRENTLY ", 1)


def drop_index_concurrently(index: str, table: str) -> str:
    """The index dropped without blocking reads and writes."""
    schema = schema_argument(index)
    return autocommit(
        f"op.drop_index({py(last(index))}, table_name={py(last(table))}{schema}, postgresql_concurrently=True)"
    )


def validate(table: str, constraint: str) -> str:
    """VALIDATE in a transaction of its own, which blocks neither reads nor writes."""
    return autocommit(execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {tail(constraint)}"))


def not_valid_then_validate(constraint: SchemaObject) -> str:
    """A CHECK or foreign key added without looking at the rows, then checked without blocking."""
    return f"{add_not_valid(constraint)}\n{validate(constraint.parent or '', constraint.name)}"


def add_not_valid(constraint: SchemaObject) -> str:
    """A CHECK or foreign key added without looking at the rows."""
    if constraint.kind is Kind.FOREIGN_KEY:
        return foreign_key(constraint, not_valid=True)
    return execute(f"{_add(constraint)} {enforced(constraint)} NOT VALID")


def _add(constraint: SchemaObject) -> str:
    return f"ALTER TABLE {constraint.parent} ADD CONSTRAINT {tail(constraint.name)}"


def enforced(constraint: SchemaObject) -> str:
    """A constraint's definition without a word about old rows, or about being kept at all."""
    return _NOT_CHECKED.sub("", constraint.definition)


def foreign_key(key: SchemaObject, *, on_delete: str = "", not_valid: bool = False, deferrable: bool = False) -> str:
    """The foreign key as an operation of its own, with another action on delete where one is given."""
    referenced, others = reference(text(key, "referenced"))
    columns = texts(key, "columns")
    action = on_delete or text(key, "on_delete")
    if "(" in action or any(column.endswith(" PERIOD") for column in columns):
        wanted = f"{enforced(key)}{' ON DELETE ' + on_delete if on_delete else ''}{' DEFERRABLE' if deferrable else ''}"
        return execute(f"{_add(key)} {wanted}{' NOT VALID' if not_valid else ''}")
    table, schema, referent = key.parent or "", schema_argument(key.parent or ""), schema_argument(referenced)
    match, on_update, kept = text(key, "match"), text(key, "on_update"), text(key, "deferrable")
    written = call(
        "op.create_foreign_key",
        *(py(last(key.name)), py(last(table)), py(last(referenced)), py_list(columns), py_list(others)),
        onupdate=None if on_update in ("", "NO ACTION") else py(on_update),
        ondelete=py(action),
        deferrable="True" if kept or deferrable else None,
        initially='"DEFERRED"' if kept == "INITIALLY DEFERRED" else None,
        match=None if match in ("", "SIMPLE") else py(match),
        source_schema=schema.partition("=")[2] or None,
        referent_schema=referent.partition("=")[2] or None,
        postgresql_not_valid="True" if not_valid else None,
    )
    return _closely(written)


def _closely(call: str) -> str:
    """A call of several lines with its arguments on one, where they fit."""
    lines = call.split("\n")
    together = " ".join(each.strip() for each in lines[1:-1]).removesuffix(",")
    return f"{lines[0]}\n    {together}\n{lines[-1]}" if len(lines) > 1 and len(together) <= _LONGEST else call


_LONGEST = WIDTH + 12


def unique_using_index(constraint: SchemaObject) -> str:
    """A unique constraint or primary key over an index that was built without blocking writes."""
    table, name = constraint.parent or "", tail(constraint.name)
    word = "PRIMARY KEY" if constraint.kind is Kind.PRIMARY_KEY else "UNIQUE"
    columns = ", ".join(texts(constraint, "columns"))
    include = f" INCLUDE ({', '.join(texts(constraint, 'include'))})" if texts(constraint, "include") else ""
    nulls = " NULLS NOT DISTINCT" if constraint.attributes.get("nulls_not_distinct") else ""
    options = texts(constraint, "storage_parameters")
    storage = f" WITH ({', '.join(options)})" if options else ""
    place = f" TABLESPACE {text(constraint, 'tablespace')}" if text(constraint, "tablespace") else ""
    deferrable = {"DEFERRABLE": " DEFERRABLE", "INITIALLY DEFERRED": " DEFERRABLE INITIALLY DEFERRED"}
    index = f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} ({columns}){include}{nulls}{storage}{place}"
    attach = f"{_add(constraint)} {word} USING INDEX {name}{deferrable.get(text(constraint, 'deferrable'), '')}"
    return f"{autocommit(execute(index))}\n{execute(attach)}"


def not_null_by_check(column: str) -> str:
    """SET NOT NULL without a scan under ACCESS EXCLUSIVE (PostgreSQL 12 and later)."""
    table, name = owner_of(column), tail(column)
    check = quote(made(last(table), last(column), "is_set"))
    lines = (
        execute(f"ALTER TABLE {table} ADD CONSTRAINT {check} CHECK ({name} IS NOT NULL) NOT VALID"),
        validate(table, f"{table}.{check}"),
        execute(f"ALTER TABLE {table} ALTER COLUMN {name} SET NOT NULL"),
        execute(f"ALTER TABLE {table} DROP CONSTRAINT {check}"),
    )
    return "\n".join(lines)


def bare_column(column: SchemaObject, type_: str = "", default: str = "") -> str:
    """The column added without what came with it: neither constraints nor identity; of a type where one is given."""
    default = default or text(column, "default")
    words = (
        f"ALTER TABLE {owner_of(column.name)} ADD COLUMN {tail(column.name)} {type_ or text(column, 'type')}",
        f"COLLATE {text(column, 'collation')}" if text(column, "collation") and not type_ else "",
        f"DEFAULT {default}" if default else "",
        "NOT NULL" if column.attributes.get("nullable") is False else "",
    )
    return execute(" ".join(filter(None, words)))


def filled_column(column: SchemaObject, labels: tuple[str, ...] = ()) -> str:
    """The column with a constant default, which PostgreSQL 11 and later store without touching the rows.

    ``labels`` are those of its type where that is an enum. Of other types nobody knows a value: they begin without.
    """
    table, type_ = owner_of(column.name), text(column, "type")
    if labels:
        return bare_column(column, default=literal(labels[0]))
    python_type = sqlalchemy_type(type_) if not text(column, "collation") else ""
    if not python_type:
        nullable = f"ALTER TABLE {table} ADD COLUMN {tail(column.name)} {type_}"
        return f"{execute(nullable)}\n{later('every row has a value', not_null_by_check(column.name))}"
    default = f"server_default={example_default(type_)}"
    described = ", ".join((py(last(column.name)), python_type, "nullable=False", default))
    return f"op.add_column({py(last(table))}, sa.Column({described}){schema_argument(table)})"
