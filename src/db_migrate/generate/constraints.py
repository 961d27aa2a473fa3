"""Constraints and indexes as Python, within a table and by themselves."""

from __future__ import annotations

from db_migrate.catalog.objects import Kind, SchemaObject
from db_migrate.catalog.sql.steps import text, texts
from db_migrate.catalog.tokens import inside_brackets, is_plain, last_part, split_list, split_name, unquoted
from db_migrate.generate.naming import Names
from db_migrate.generate.pieces import Form, Piece
from db_migrate.generate.types import Written
from db_migrate.rules.python_text import call, string, strings, text_clause

_EXPRESSIBLE = {
    Kind.PRIMARY_KEY: frozenset({"columns", "deferrable"}),
    Kind.UNIQUE: frozenset({"columns", "deferrable", "include", "nulls_not_distinct"}),
    Kind.CHECK: frozenset({"expression", "validated"}),
    Kind.FOREIGN_KEY: frozenset(
        {"columns", "referenced", "on_delete", "on_update", "match", "deferrable", "validated"}
    ),
}
_INDEX = frozenset(
    {
        *("unique", "method", "columns", "expression", "predicate", "opclass", "order", "collation", "include"),
        *("nulls_not_distinct", "valid", "storage_parameters", "statistics"),
    }
)
_TYPES = {Kind.PRIMARY_KEY: "primary", Kind.UNIQUE: "unique", Kind.CHECK: "check", Kind.FOREIGN_KEY: "foreignkey"}
_ACTIONS = frozenset({"CASCADE", "RESTRICT", "SET NULL", "SET DEFAULT"})


def _sayable(item: SchemaObject) -> bool:
    """Whether SQLAlchemy has a word for everything that the constraint is."""
    allowed = _EXPRESSIBLE.get(item.kind)
    if allowed is None:
        return False
    usual = {"enforced": True, "no_inherit": False}
    said = {n for n, v in item.attributes.items() if v is not None and v != () and usual.get(n, object()) != v}
    return said <= allowed and all(_is_name(n) for n in texts(item.attributes.get("columns")))


def _is_name(column: str) -> bool:
    """Whether it is a column's name alone, and one that SQLAlchemy does not take for two."""
    return (is_plain(column) or column.startswith('"')) and "." not in unquoted(column)


def _columns(item: SchemaObject) -> list[str]:
    return [unquoted(name) for name in texts(item.attributes.get("columns"))]


def _deferrable(item: SchemaObject) -> dict[str, str | None]:
    value = item.attributes.get("deferrable")
    if value is None:
        return {}
    return {"deferrable": "True", "initially": string("DEFERRED") if value == "INITIALLY DEFERRED" else None}


def _unique_options(item: SchemaObject) -> dict[str, str | None]:
    include = texts(item.attributes.get("include"))
    return {
        **_deferrable(item),
        "postgresql_include": strings(map(unquoted, include)) if include else None,
        "postgresql_nulls_not_distinct": "True" if item.attributes.get("nulls_not_distinct") else None,
    }


def _actions(item: SchemaObject) -> dict[str, str | None] | None:
    found: dict[str, str | None] = {}
    for option, name in (("ondelete", "on_delete"), ("onupdate", "on_update")):
        action = text(item, name)
        if action not in ("", "NO ACTION"):
            if action not in _ACTIONS:
                return None
            found[option] = string(action)
    match = text(item, "match")
    return {**found, **_deferrable(item), "match": string(match) if match not in ("", "SIMPLE") else None}


def _referenced(item: SchemaObject) -> tuple[str, list[str]]:
    """The table that a foreign key leads to, qualified, and its columns."""
    referenced = text(item, "referenced")
    columns = inside_brackets(referenced)
    return referenced[: -len(columns) - 2], [unquoted(name) for name in split_list(columns)]


def within_table(item: SchemaObject, names: Names) -> str | None:
    """A constraint as an argument of ``op.create_table``; None where SQLAlchemy cannot say it."""
    if not _sayable(item) or item.attributes.get("validated") is False:
        return None
    name = names.final(item.name)
    columns = [string(each) for each in _columns(item)]
    if item.kind is Kind.PRIMARY_KEY:
        return call("sa.PrimaryKeyConstraint", *columns, name=name, **_deferrable(item))
    if item.kind is Kind.UNIQUE:
        return call("sa.UniqueConstraint", *columns, name=name, **_unique_options(item))
    if item.kind is Kind.CHECK:
        return call("sa.CheckConstraint", text_clause(text(item, "expression")), name=name)
    table, referenced = _referenced(item)
    schema, relation = (unquoted(part) for part in split_name(table))
    path = [relation] if schema == names.default_schema else [schema, relation]
    actions = _actions(item)
    if actions is None or any("." in each for each in (*path, *referenced)):
        return None
    targets = [".".join([*path, each]) for each in referenced]
    return call("sa.ForeignKeyConstraint", strings(_columns(item)), strings(targets), name=name, **actions)


def create(item: SchemaObject, names: Names, piece: Piece) -> list[Written] | None:
    """``op.create_*`` of one constraint; None where Alembic has no such operation."""
    not_valid = piece.form is Form.NOT_VALID or item.attributes.get("validated") is False
    if not piece.statements or not _sayable(item):
        return None
    rest = [names.execute(each) for each in piece.statements[1:]]
    name, (table, options) = names.final(item.name), names.of(item.parent or "")
    late = {"postgresql_not_valid": "True" if not_valid else None}
    if item.kind is Kind.PRIMARY_KEY:
        made = call("op.create_primary_key", name, table, strings(_columns(item)), **options, **_deferrable(item))
    elif item.kind is Kind.UNIQUE:
        if item.attributes.get("include"):
            return None  # Alembic would look for those columns among the others
        made = call(
            "op.create_unique_constraint", name, table, strings(_columns(item)), **options, **_unique_options(item)
        )
    elif item.kind is Kind.CHECK:
        made = call("op.create_check_constraint", name, table, text_clause(text(item, "expression")), **options, **late)
    else:
        target, referenced = _referenced(item)
        actions = _actions(item)
        if actions is None or any("." in each for each in (unquoted(last_part(target)), *referenced)):
            return None
        schemas = {"source_schema": options.get("schema"), "referent_schema": names.schema(target)}
        columns = strings(_columns(item)), strings(referenced)
        made = call("op.create_foreign_key", name, table, names.of(target)[0], *columns, **schemas, **actions, **late)
    return [Written(made), *rest]


def drop(item: SchemaObject, names: Names, piece: Piece) -> list[Written] | None:
    """``op.drop_constraint``."""
    if piece.statements != (f"ALTER TABLE {item.parent} DROP CONSTRAINT {last_part(item.name)}",):
        return None
    table, options = names.of(item.parent or "")
    kind = _TYPES.get(item.kind)
    type_ = {"type_": string(kind)} if kind else {}
    return [Written(call("op.drop_constraint", names.final(item.name), table, **type_, **options))]


def create_index(item: SchemaObject, names: Names, piece: Piece) -> list[Written] | None:
    """``op.create_index``; None where it cannot say everything."""
    concurrently = piece.form is Form.CONCURRENTLY
    if not piece.statements or not set(item.attributes) <= _INDEX or not item.attributes["valid"]:
        return None
    unique = "UNIQUE " if item.attributes["unique"] else ""
    method = text(item, "method")
    definition = item.definition.replace(f" ON ONLY {item.parent}", f" ON {item.parent}", 1)
    prefix = f"CREATE {unique}INDEX {last_part(item.name)} ON {item.parent} USING {method} "
    if not definition.startswith(prefix):
        return None
    elements = [_element(each) for each in split_list(inside_brackets(definition[len(prefix) :]))]
    table, options = names.of(item.parent or "")
    include = texts(item.attributes.get("include"))
    parameters = [each.partition("=") for each in texts(item.attributes.get("storage_parameters"))]
    predicate = item.attributes.get("predicate")
    made = call(
        "op.create_index",
        names.final(item.name),
        table,
        f"[{', '.join(elements)}]",
        unique=str(bool(unique)),
        **options,
        postgresql_using=string(method) if method != "btree" else None,
        postgresql_include=strings(map(unquoted, include)) if include else None,
        postgresql_nulls_not_distinct="True" if item.attributes.get("nulls_not_distinct") else None,
        postgresql_with="{" + ", ".join(f"{string(n)}: {string(v)}" for n, _, v in parameters) + "}"
        if parameters
        else None,
        postgresql_where=text_clause(str(predicate)) if predicate is not None else None,
        postgresql_concurrently="True" if concurrently else None,
    )
    return [Written(made), *(names.execute(each) for each in piece.statements[1:])]


def _element(element: str) -> str:
    name = unquoted(element)
    simple = is_plain(element) or (element.startswith('"') and element == '"' + name.replace('"', '""') + '"')
    return string(name) if simple else text_clause(element)


def drop_index(item: SchemaObject, names: Names, piece: Piece) -> list[Written] | None:
    """``op.drop_index``."""
    concurrently = piece.form is Form.CONCURRENTLY
    if piece.statements != (f"DROP INDEX {'CONCURRENTLY ' if concurrently else ''}{item.name}",):
        return None
    table, options = names.of(item.parent or "")
    late = {"postgresql_concurrently": "True"} if concurrently else {}
    return [Written(call("op.drop_index", names.final(item.name), table_name=table, **options, **late))]
