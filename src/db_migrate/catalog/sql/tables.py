"""Tables, foreign tables and partitions: made in one statement with their columns, and changed in place."""

from __future__ import annotations

from collections.abc import Iterator

from db_migrate.catalog.objects import Catalog, Kind, SchemaObject
from db_migrate.catalog.sql import columns
from db_migrate.catalog.sql.steps import (
    Sides,
    Steps,
    comment,
    differing,
    options,
    set_parameters,
    text,
    texts,
)
from db_migrate.catalog.tokens import last_part

_NEW_TABLE = "PostgreSQL cannot change this in place: the table is dropped and made anew, and its rows are lost"


def create(table: SchemaObject, sides: Sides) -> Steps:
    """``CREATE TABLE`` with its columns, then what only ALTER TABLE can say."""
    main = [*_creation(table, sides.after)]
    for column in sides.after.columns(table.name):
        if table.kind is Kind.PARTITION or column.attributes.get("inherited"):
            main += columns.override(column, sides.after) if table.kind is Kind.PARTITION else _override(column)
        else:
            main += columns.extras(column)
    main += _row_security(None, table)
    if (described := table.attributes.get("comment")) is not None:
        main.append(comment(f"{'FOREIGN ' if _server(table) else ''}TABLE {table.name}", described))
    if (owner := table.attributes.get("owner")) is not None:
        main.append(f"ALTER TABLE {table.name} OWNER TO {owner}")
    return Steps(tuple(main), finish=tuple(_index_mentions(None, table)))


def _creation(table: SchemaObject, catalog: Catalog) -> Iterator[str]:
    attributes = table.attributes
    words = "UNLOGGED TABLE" if attributes.get("persistence") == "unlogged" else "TABLE"
    if attributes.get("server") is not None:
        words = "FOREIGN TABLE"
    own = [c for c in catalog.columns(table.name) if not c.attributes.get("inherited")]
    if table.kind is Kind.PARTITION:
        head = f"CREATE {words} {table.name} PARTITION OF {attributes['partition_of']} {attributes['partition_bound']}"
    elif (of_type := attributes.get("of_type")) is not None:
        head = f"CREATE {words} {table.name} OF {of_type}{_typed(own)}"
    else:
        lines = ",\n".join(f"  {columns.definition(column, catalog)}" for column in own)
        head = f"CREATE {words} {table.name} (\n{lines}\n)" if lines else f"CREATE {words} {table.name} ()"
    yield head + "".join(_clauses(table))


def _typed(own: list[SchemaObject]) -> str:
    changed = []
    for column in own:
        clauses = [f"DEFAULT {column.attributes['default']}"] if column.attributes.get("default") is not None else []
        clauses += [] if column.attributes["nullable"] else ["NOT NULL"]
        if clauses:
            changed.append(f"{last_part(column.name)} WITH OPTIONS {' '.join(clauses)}")
    return f" ({', '.join(changed)})" if changed else ""


def _clauses(table: SchemaObject) -> Iterator[str]:
    attributes = table.attributes
    if inherits := texts(attributes.get("inherits")):
        yield f" INHERITS ({', '.join(inherits)})"
    if (key := attributes.get("partition_key")) is not None:
        yield f" PARTITION BY {key}"
    if (server := attributes.get("server")) is not None:
        yield f" SERVER {server}"
    if (method := attributes.get("access_method")) is not None:
        yield f" USING {method}"
    if parameters := texts(attributes.get("storage_parameters")):
        yield f" WITH ({options(parameters)})"
    if (tablespace := attributes.get("tablespace")) is not None:
        yield f" TABLESPACE {tablespace}"


def _override(column: SchemaObject) -> Iterator[str]:
    """What an inherited column has of its own: its default and its physical properties."""
    if (default := column.attributes.get("default")) is not None:
        yield f"ALTER TABLE {column.parent} ALTER COLUMN {last_part(column.name)} SET DEFAULT {default}"
    if not column.attributes["nullable"]:
        yield f"ALTER TABLE {column.parent} ALTER COLUMN {last_part(column.name)} SET NOT NULL"
    yield from columns.extras(column)


def drop(table: SchemaObject) -> Steps:
    """``DROP TABLE``."""
    words = "FOREIGN TABLE" if table.attributes.get("server") is not None else "TABLE"
    return Steps((f"DROP {words} {table.name}",))


def alter(before: SchemaObject, after: SchemaObject) -> Steps:
    """Change a table in place; what PostgreSQL cannot change needs a new table."""
    names = differing(before, after)
    if names & {"partition_key"} or _server(before) != _server(after):
        return Steps(replace=True, note=_NEW_TABLE)
    statement = f"ALTER TABLE {after.name}"
    main = [*_attachment(before, after, names)]
    if "persistence" in names:
        main.append(f"{statement} SET {'UNLOGGED' if after.attributes['persistence'] == 'unlogged' else 'LOGGED'}")
    main += set_parameters(
        statement, before.attributes.get("storage_parameters"), after.attributes.get("storage_parameters")
    )
    main += _inheritance(before, after)
    main += _simple(statement, names, after)
    main += _row_security(before, after)
    if "server" in names:
        old, new = (_server_options(t) for t in (before, after))
        main.append(f"ALTER FOREIGN TABLE {after.name} OPTIONS ({columns.change_options(old, new)})")
    if "comment" in names:
        main.append(
            comment(f"{'FOREIGN ' if _server(after) else ''}TABLE {after.name}", after.attributes.get("comment"))
        )
    return Steps(tuple(main), finish=tuple(_index_mentions(before, after)))


def _server(table: SchemaObject) -> str:
    return text(table, "server").partition(" OPTIONS (")[0]


def _server_options(table: SchemaObject) -> str:
    return text(table, "server").partition(" OPTIONS (")[2].removesuffix(")")


def _attachment(before: SchemaObject, after: SchemaObject, names: frozenset[str]) -> Iterator[str]:
    if not names & {"partition_of", "partition_bound"}:
        return
    old, new = before.attributes.get("partition_of"), after.attributes.get("partition_of")
    if old is not None:
        yield f"ALTER TABLE {old} DETACH PARTITION {after.name}"
    if new is not None:
        yield f"ALTER TABLE {new} ATTACH PARTITION {after.name} {after.attributes['partition_bound']}"


def _inheritance(before: SchemaObject, after: SchemaObject) -> Iterator[str]:
    old, new = texts(before.attributes.get("inherits")), texts(after.attributes.get("inherits"))
    kept = [parent for parent in new if parent in old]
    stay = kept if [p for p in old if p in new] == kept and list(new[: len(kept)]) == kept else []
    yield from (f"ALTER TABLE {after.name} NO INHERIT {parent}" for parent in old if parent not in stay)
    yield from (f"ALTER TABLE {after.name} INHERIT {parent}" for parent in new if parent not in stay)


def _simple(statement: str, names: frozenset[str], after: SchemaObject) -> Iterator[str]:
    attributes = after.attributes
    if "tablespace" in names:
        yield f"{statement} SET TABLESPACE {attributes.get('tablespace') or 'pg_default'}"
    if "access_method" in names:
        yield f"{statement} SET ACCESS METHOD {attributes.get('access_method') or 'heap'}"
    if "of_type" in names:
        of_type = attributes.get("of_type")
        yield f"{statement} NOT OF" if of_type is None else f"{statement} OF {of_type}"
    if "owner" in names and attributes.get("owner") is not None:
        yield f"{statement} OWNER TO {attributes['owner']}"


_FLAGS = {None: (False, False), "enabled": (True, False), "forced": (True, True), "forced when enabled": (False, True)}


def _row_security(before: SchemaObject | None, after: SchemaObject) -> Iterator[str]:
    old = _FLAGS[text(before, "row_security") or None] if before is not None else (False, False)
    new = _FLAGS[text(after, "row_security") or None]
    if old[0] != new[0]:
        yield f"ALTER TABLE {after.name} {'ENABLE' if new[0] else 'DISABLE'} ROW LEVEL SECURITY"
    if old[1] != new[1]:
        yield f"ALTER TABLE {after.name} {'' if new[1] else 'NO '}FORCE ROW LEVEL SECURITY"


def _index_mentions(before: SchemaObject | None, after: SchemaObject) -> Iterator[str]:
    """What names an index, and so comes after the indexes."""
    old = before.attributes if before is not None else {}
    new = after.attributes
    if old.get("replica_identity") != new.get("replica_identity"):
        yield f"ALTER TABLE {after.name} REPLICA IDENTITY {new.get('replica_identity') or 'DEFAULT'}"
    if old.get("cluster_on") != new.get("cluster_on"):
        clustered = new.get("cluster_on")
        yield f"ALTER TABLE {after.name} " + ("SET WITHOUT CLUSTER" if clustered is None else f"CLUSTER ON {clustered}")


def index_mentions(table: SchemaObject) -> tuple[str, ...]:
    """What has to be said again about a table once an index of it was made again."""
    return tuple(_index_mentions(None, table))


def mentions_index(table: SchemaObject, name: str) -> bool:
    """Whether a table is clustered on the index of that name, or identified by it."""
    return name in (text(table, "cluster_on"), text(table, "replica_identity").removeprefix("USING INDEX "))
