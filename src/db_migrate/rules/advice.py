"""Replacements to paste, with the names filled in. Only what PostgreSQL can really do is advised."""

from __future__ import annotations

from textwrap import indent

from db_migrate.catalog.objects import Kind, SchemaObject
from db_migrate.rules.names import last, owner_of, py, py_list, schema_argument, tail
from db_migrate.rules.python_types import example_default, sqlalchemy_type

AUTOCOMMIT = "with op.get_context().autocommit_block():"


def intent(rule: str, name: str, reason: str) -> str:
    """The lines that allow the finding in the revision's own file; ``reason`` is for a person to replace."""
    return f"db_migrate_allow = {{\n    {py(f'{rule}:{name}')}: {py(reason)},\n}}"


def autocommit(*lines: str) -> str:
    """Operations outside of any transaction."""
    return AUTOCOMMIT + "\n" + indent("\n".join(lines), "    ")


def execute(sql: str) -> str:
    """``op.execute`` of one statement."""
    return f"op.execute({py(sql)})"


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


def create_index_concurrently(index: SchemaObject) -> str:
    """The index built without blocking writes."""
    if is_simple(index) and index.parent is not None and not index.attributes.get("nulls_not_distinct"):
        unique = ", unique=True" if index.attributes.get("unique") else ""
        table = f"{py(last(index.name))}, {py(last(index.parent))}, {py_list(texts(index, 'columns'))}"
        schema = schema_argument(index.parent)
        return autocommit(f"op.create_index({table}{unique}{schema}, postgresql_concurrently=True)")
    return autocommit(execute(index.definition.replace("INDEX ", "INDEX CONCURRENTLY ", 1)))


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
    table = constraint.parent or ""
    definition = constraint.definition.removesuffix(" NOT VALID")
    add = execute(f"ALTER TABLE {table} ADD CONSTRAINT {tail(constraint.name)} {definition} NOT VALID")
    if constraint.kind is Kind.FOREIGN_KEY:
        add = _foreign_key(constraint)
    return f"{add}\n{validate(table, constraint.name)}"


def _foreign_key(constraint: SchemaObject) -> str:
    referenced, _, columns = text(constraint, "referenced").rpartition("(")
    table = constraint.parent or ""
    names = tuple(part.strip() for part in columns.rstrip(")").split(","))
    arguments = [
        py(last(constraint.name)),
        py(last(table)),
        py(last(referenced)),
        py_list(texts(constraint, "columns")),
        py_list(names),
    ]
    keywords = f", ondelete={py(text(constraint, 'on_delete'))}"
    if (on_update := text(constraint, "on_update")) not in ("", "NO ACTION"):
        keywords += f", onupdate={py(on_update)}"
    keywords += schema_argument(table, "source_schema") + schema_argument(referenced, "referent_schema")
    return f"op.create_foreign_key(\n    {', '.join(arguments)}{keywords},\n    postgresql_not_valid=True,\n)"


def unique_using_index(constraint: SchemaObject) -> str:
    """A unique constraint or primary key over an index that was built without blocking writes."""
    table, name = constraint.parent or "", tail(constraint.name)
    word = "PRIMARY KEY" if constraint.kind is Kind.PRIMARY_KEY else "UNIQUE"
    columns = ", ".join(texts(constraint, "columns"))
    include = f" INCLUDE ({', '.join(texts(constraint, 'include'))})" if texts(constraint, "include") else ""
    nulls = " NULLS NOT DISTINCT" if constraint.attributes.get("nulls_not_distinct") else ""
    build = execute(f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} ({columns}){include}{nulls}")
    attach = execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {word} USING INDEX {name}")
    return f"{autocommit(build)}\n{attach}"


def not_null_by_check(column: str) -> str:
    """SET NOT NULL without a scan under ACCESS EXCLUSIVE (PostgreSQL 12 and later)."""
    table, name = owner_of(column), tail(column)
    check = f"{last(table)}_{last(column)}_not_null"
    schema = schema_argument(table)
    where = f"{py(check)}, {py(last(table))}"
    lines = (
        f"op.create_check_constraint({where}, {py(f'{name} IS NOT NULL')}{schema}, postgresql_not_valid=True)",
        validate(table, f"{table}.{check}"),
        f"op.alter_column({py(last(table))}, {py(last(column))}, nullable=False{schema})",
        f'op.drop_constraint({where}, type_="check"{schema})',
    )
    return "\n".join(lines)


def add_column(column: SchemaObject, *arguments: str) -> str:
    """The column with a constant default, which PostgreSQL 11 and later store without touching the rows."""
    table, type_ = owner_of(column.name), text(column, "type")
    python_type = sqlalchemy_type(type_)
    if not python_type:
        null = " NOT NULL" if "nullable=False" in arguments else ""
        return execute(f"ALTER TABLE {table} ADD COLUMN {tail(column.name)} {type_} DEFAULT '...'{null}")
    described = ", ".join((py(last(column.name)), python_type, *arguments, f"server_default={example_default(type_)}"))
    return f"op.add_column({py(last(table))}, sa.Column({described}){schema_argument(table)})"


def in_batches(update: str) -> str:
    """An UPDATE of a limited number of rows, committed and repeated until it finds none."""
    loop = f"while op.get_bind().execute(sa.text({py(update)})).rowcount:\n    pass"
    return autocommit(loop)


def new_column_backfill(column: str, type_: str, value: str) -> str:
    """A column that starts without a default, gets one for new rows, and is filled in batches."""
    table, name = owner_of(column), tail(column)
    batch = (
        f"UPDATE {table} SET {name} = {value} WHERE ctid IN (SELECT ctid FROM {table} WHERE {name} IS NULL LIMIT 10000)"
    )
    return "\n".join(
        (
            execute(f"ALTER TABLE {table} ADD COLUMN {name} {type_}"),
            execute(f"ALTER TABLE {table} ALTER COLUMN {name} SET DEFAULT {value}"),
            in_batches(batch),
        )
    )
