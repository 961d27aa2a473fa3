"""Constraints and indexes."""

from __future__ import annotations

from collections.abc import Iterator

from db_migrate.catalog.objects import Kind, SchemaObject
from db_migrate.catalog.sql.steps import REPLACE, Sides, Steps, differing, options, set_parameters, texts
from db_migrate.catalog.tokens import last_part, without_last

_INVALID = "an invalid index cannot be made on purpose: only a failed CREATE INDEX CONCURRENTLY leaves one"
_UNPROVED = "the constraint is made again as NOT VALID"


def create_constraint(item: SchemaObject, sides: Sides) -> Steps:
    """``ADD CONSTRAINT``, with what it cannot say about the index said afterwards."""
    if item.kind is Kind.NOT_NULL:
        return _create_not_null(item, sides)
    main = [f"ALTER TABLE {item.parent} ADD CONSTRAINT {last_part(item.name)} {item.definition}"]
    if parameters := texts(item.attributes.get("storage_parameters")):
        main.append(f"ALTER INDEX {index_name(item)} SET ({options(parameters)})")
    if (tablespace := item.attributes.get("tablespace")) is not None:
        main.append(f"ALTER INDEX {index_name(item)} SET TABLESPACE {tablespace}")
    return Steps(tuple(main))


def index_name(constraint: SchemaObject) -> str:
    """The qualified name of the index of a primary key, unique or exclusion constraint."""
    return f"{without_last(constraint.parent or '')}.{last_part(constraint.name)}"


def _column_of(item: SchemaObject) -> str:
    return f"{item.parent}.{texts(item.attributes['columns'])[0]}"


def _create_not_null(item: SchemaObject, sides: Sides) -> Steps:
    before = sides.before.get(Kind.COLUMN, _column_of(item))
    add = f"ALTER TABLE {item.parent} ADD CONSTRAINT {last_part(item.name)} {item.definition}"
    if before is None or before.attributes["nullable"]:
        return Steps((add,))
    plain = item.attributes["validated"] and not item.attributes["no_inherit"]
    if plain:
        return Steps((f"ALTER TABLE {item.parent} RENAME CONSTRAINT {before.definition} TO {last_part(item.name)}",))
    return Steps((f"ALTER TABLE {item.parent} DROP CONSTRAINT {before.definition}", add))


def drop_constraint(item: SchemaObject, sides: Sides) -> Steps:
    """``DROP CONSTRAINT``; a NOT NULL that stays becomes one of the usual kind."""
    name = last_part(item.name)
    after = sides.after.get(Kind.COLUMN, _column_of(item)) if item.kind is Kind.NOT_NULL else None
    if after is None or after.attributes["nullable"]:
        return Steps((f"ALTER TABLE {item.parent} DROP CONSTRAINT {name}",))
    main: list[str] = []
    if item.attributes["no_inherit"]:
        main.append(f"ALTER TABLE {item.parent} ALTER CONSTRAINT {name} INHERIT")
    if not item.attributes["validated"]:
        main.append(f"ALTER TABLE {item.parent} VALIDATE CONSTRAINT {name}")
    if after.definition and after.definition != name:
        main.append(f"ALTER TABLE {item.parent} RENAME CONSTRAINT {name} TO {after.definition}")
    return Steps(tuple(main))


def alter_constraint(before: SchemaObject, after: SchemaObject) -> Steps:
    """Change a constraint in place where PostgreSQL can; else drop it and add it again."""
    names = set(differing(before, after))
    if after.kind is Kind.NOT_NULL:
        return _alter_not_null(before, after, names)
    statement = f"ALTER TABLE {after.parent} "
    name = last_part(after.name)
    main: list[str] = []
    if after.kind is Kind.FOREIGN_KEY and "enforced" in names and names <= {"enforced", "validated"}:
        if after.attributes["enforced"] == after.attributes["validated"]:
            return Steps(
                (f"{statement}ALTER CONSTRAINT {name} {'' if after.attributes['enforced'] else 'NOT '}ENFORCED",)
            )
        return REPLACE
    if "validated" in names:
        if not after.attributes["validated"]:
            return Steps(replace=True, note=_UNPROVED)
        main.append(f"{statement}VALIDATE CONSTRAINT {name}")
        names.discard("validated")
    if after.kind is Kind.FOREIGN_KEY and "deferrable" in names:
        main.append(f"{statement}ALTER CONSTRAINT {name} {_deferrable(after)}")
        names.discard("deferrable")
    main += _index_properties(index_name(after), before, after, names)
    return REPLACE if names else Steps(tuple(main))


def _deferrable(constraint: SchemaObject) -> str:
    value = constraint.attributes.get("deferrable")
    if value is None:
        return "NOT DEFERRABLE"
    return "DEFERRABLE INITIALLY DEFERRED" if value == "INITIALLY DEFERRED" else "DEFERRABLE INITIALLY IMMEDIATE"


def _alter_not_null(before: SchemaObject, after: SchemaObject, names: set[str]) -> Steps:
    statement = f"ALTER TABLE {after.parent} "
    if "columns" in names or ("validated" in names and not after.attributes["validated"]):
        return REPLACE
    main = []
    if "no_inherit" in names:
        inherit = "NO INHERIT" if after.attributes["no_inherit"] else "INHERIT"
        main.append(f"{statement}ALTER CONSTRAINT {last_part(before.name)} {inherit}")
    if "validated" in names:
        main.append(f"{statement}VALIDATE CONSTRAINT {last_part(before.name)}")
    return Steps(tuple(main))


def _index_properties(index: str, before: SchemaObject, after: SchemaObject, names: set[str]) -> Iterator[str]:
    """What ALTER INDEX changes in place; taken out of ``names``."""
    if "storage_parameters" in names:
        names.discard("storage_parameters")
        old, new = before.attributes.get("storage_parameters"), after.attributes.get("storage_parameters")
        yield from set_parameters(f"ALTER INDEX {index}", old, new)
    if "tablespace" in names:
        names.discard("tablespace")
        yield f"ALTER INDEX {index} SET TABLESPACE {after.attributes.get('tablespace') or 'pg_default'}"
    if "statistics" in names:
        names.discard("statistics")
        yield from _statistics(
            index, texts(before.attributes.get("statistics")), texts(after.attributes.get("statistics"))
        )


def _statistics(index: str, before: tuple[str, ...], after: tuple[str, ...]) -> Iterator[str]:
    old, new = (dict(each.split(" ") for each in side) for side in (before, after))
    for place in sorted(old.keys() | new.keys(), key=int):
        if old.get(place) != new.get(place):
            yield f"ALTER INDEX {index} ALTER COLUMN {place} SET STATISTICS {new.get(place, -1)}"


def create_index(item: SchemaObject, sides: Sides) -> Steps:
    """``CREATE INDEX``; on a partitioned table for all partitions, unless the index is to stay incomplete."""
    if (attached := item.attributes.get("attached_to")) is not None:
        return Steps((f"ALTER INDEX {attached} ATTACH PARTITION {item.name}",))
    statement = item.definition
    valid = bool(item.attributes["valid"])
    if valid:
        statement = statement.replace(f" ON ONLY {item.parent}", f" ON {item.parent}", 1)
    statistics = _statistics(item.name, (), texts(item.attributes.get("statistics")))
    if not valid and not _is_partitioned(item, sides):
        return Steps(note=_INVALID)
    return Steps((statement, *statistics))


def _is_partitioned(index: SchemaObject, sides: Sides) -> bool:
    tables = (sides.after.get(kind, index.parent or "") for kind in (Kind.TABLE, Kind.PARTITION))
    return any(t is not None and t.attributes.get("partition_key") is not None for t in tables)


def drop_index(item: SchemaObject) -> Steps:
    """``DROP INDEX``."""
    return Steps((f"DROP INDEX {item.name}",))


def alter_index(before: SchemaObject, after: SchemaObject, sides: Sides) -> Steps:
    """Change an index in place where PostgreSQL can; else drop it and make it again."""
    names = set(differing(before, after))
    main = list(_index_properties(after.name, before, after, names))
    if "attached_to" in names:
        return _attach(before, after)
    if names == {"valid"}:
        if not _is_partitioned(after, sides):
            return Steps((*main, f"REINDEX INDEX {after.name}")) if after.attributes["valid"] else Steps(note=_INVALID)
        if after.attributes["valid"] and _is_completed(after, sides):
            return Steps(tuple(main), note="it becomes valid once every partition's index is attached")
        return REPLACE
    return REPLACE if names else Steps(tuple(main))


def _attach(before: SchemaObject, after: SchemaObject) -> Steps:
    if (parent := after.attributes.get("attached_to")) is not None:
        return Steps((f"ALTER INDEX {parent} ATTACH PARTITION {after.name}",))
    note = "an index cannot be detached: the parent's is dropped, which takes this one along, and both are made again"
    return Steps((before.definition,), note=note)


def _is_completed(index: SchemaObject, sides: Sides) -> bool:
    """Whether indexes of partitions are attached to the index in *to* and were not in *from*."""
    attached = [o for o in sides.after if o.kind is Kind.INDEX and o.attributes.get("attached_to") == index.name]
    return any(
        (o := sides.before.get(*item.key)) is not None and "attached_to" not in o.attributes for item in attached
    )
