"""Objects that are one definition: dropped by their name, made by their definition, mostly replaced when it differs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from db_migrate.catalog.objects import ROUTINE_KINDS, Kind, SchemaObject, Value
from db_migrate.catalog.sql.columns import change_options
from db_migrate.catalog.sql.steps import REPLACE, Steps
from db_migrate.catalog.tokens import last_part, split_list, tokens, top_level, without_last

_NAMED: Mapping[Kind, str] = {
    Kind.SCHEMA: "SCHEMA",
    Kind.EXTENSION: "EXTENSION",
    Kind.FOREIGN_DATA_WRAPPER: "FOREIGN DATA WRAPPER",
    Kind.FOREIGN_SERVER: "SERVER",
    Kind.FUNCTION: "FUNCTION",
    Kind.PROCEDURE: "PROCEDURE",
    Kind.AGGREGATE: "AGGREGATE",
    Kind.OPERATOR: "OPERATOR",
    Kind.CAST: "CAST",
    Kind.VIEW: "VIEW",
    Kind.MATERIALIZED_VIEW: "MATERIALIZED VIEW",
    Kind.EVENT_TRIGGER: "EVENT TRIGGER",
    Kind.PUBLICATION: "PUBLICATION",
    Kind.STATISTICS: "STATISTICS",
}
_ON_A_RELATION: Mapping[Kind, str] = {Kind.TRIGGER: "TRIGGER", Kind.RULE: "RULE", Kind.POLICY: "POLICY"}


def drop_statement(item: SchemaObject) -> str:
    """``DROP`` of an object by its name."""
    if item.kind in _ON_A_RELATION:
        return f"DROP {_ON_A_RELATION[item.kind]} {last_part(item.name)} ON {item.parent}"
    if item.kind is Kind.TEXT_SEARCH:
        name = item.name.removesuffix(" (dictionary)")
        return f"DROP TEXT SEARCH {'CONFIGURATION' if name == item.name else 'DICTIONARY'} {name}"
    if item.kind is Kind.AGGREGATE:
        return f"DROP AGGREGATE {aggregate_name(item)}"
    return f"DROP {_NAMED[item.kind]} {item.name}"


def aggregate_name(item: SchemaObject) -> str:
    """An aggregate as DDL names it: ``f(*)`` when it has no arguments, ``f(a ORDER BY b)`` when they are ordered."""
    start = item.name[: len(item.name) - len(last_part(item.name))] + last_part(item.name).partition("(")[0]
    depth, arguments = 0, ""
    for token in tokens(item.definition[item.definition.index(start) + len(start) :]):
        depth += (token == "(") - (token == ")")
        arguments += token
        if depth == 0:
            break
    return f"{start}(*)" if arguments == "()" else f"{start}{arguments}"


def drop(item: SchemaObject) -> Steps:
    """``DROP`` as steps."""
    return Steps((drop_statement(item),))


def create(item: SchemaObject) -> Steps:
    """The object's own definition."""
    return Steps((item.definition,))


def alter(before: SchemaObject, after: SchemaObject) -> Steps:
    """Change the object in place where PostgreSQL can; else drop it and make it again."""
    changed = _IN_PLACE.get(after.kind)
    return changed(before, after) if changed is not None else REPLACE


def _routine(before: SchemaObject, after: SchemaObject) -> Steps:
    """``CREATE OR REPLACE`` where neither arguments nor result differ."""
    heads = {item.definition.partition("\n LANGUAGE ")[0] for item in (before, after)}
    return Steps((after.definition,)) if len(heads) == 1 else REPLACE


def _extension(before: SchemaObject, after: SchemaObject) -> Steps:
    del before
    schema = after.definition.rpartition(" WITH SCHEMA ")[2]
    return Steps((f"ALTER EXTENSION {after.name} SET SCHEMA {schema}",))


_ENABLED = re.compile(r";\nALTER (?:TABLE|EVENT TRIGGER) .* ((?:DISABLE|ENABLE REPLICA|ENABLE ALWAYS).*)\Z")


def _switched(before: SchemaObject, after: SchemaObject) -> Steps:
    """A trigger or rule of which only whether it is enabled differs."""
    old, new = (item.definition.split(";\nALTER ", 1)[0] for item in (before, after))
    if old != new:
        return REPLACE
    target = f"EVENT TRIGGER {after.name}" if after.kind is Kind.EVENT_TRIGGER else f"TABLE {after.parent}"
    what = "" if after.kind is Kind.EVENT_TRIGGER else f" {_ON_A_RELATION[after.kind]} {last_part(after.name)}"
    state = _ENABLED.search(after.definition)
    word = re.sub(r"^(DISABLE|ENABLE REPLICA|ENABLE ALWAYS).*", r"\1", state[1]) if state else "ENABLE"
    return Steps((f"ALTER {target} {word}{what}",))


_PUBLICATION = re.compile(
    r"CREATE PUBLICATION (?P<name>.*?)(?: FOR (?P<what>.*))? WITH \((?P<how>[^()]*)\)\Z", re.DOTALL
)
_USUAL_PUBLICATION = {"publish_via_partition_root": "false", "publish_generated_columns": "none"}


def _publication(before: SchemaObject, after: SchemaObject) -> Steps:
    old, new = (_PUBLICATION.match(item.definition) for item in (before, after))
    if old is None or new is None or (old["what"] != new["what"] and not (old["what"] and new["what"])):
        return REPLACE
    if old["what"] != new["what"] and "ALL TABLES" in (old["what"], new["what"]):
        return REPLACE
    main = [f"ALTER PUBLICATION {after.name} SET {new['what']}"] if old["what"] != new["what"] else []
    if old["how"] != new["how"]:
        settings = [*_settings(new["how"])]
        named = {setting.partition(" = ")[0] for setting in settings}
        settings += [f"{n} = {v}" for n, v in _USUAL_PUBLICATION.items() if n in old["how"] and n not in named]
        main.append(f"ALTER PUBLICATION {after.name} SET ({', '.join(settings)})")
    return Steps(tuple(main))


def _settings(how: str) -> Iterator[str]:
    yield from split_list(how)


_SERVER_CLAUSE = re.compile(r" VERSION ('(?:[^']|'')*')")


def _server(before: SchemaObject, after: SchemaObject) -> Steps:
    """Version and options change in place; a server of another type or wrapper is another server."""
    old, new = (item.definition.partition(" OPTIONS (") for item in (before, after))
    if _SERVER_CLAUSE.sub("", old[0]) != _SERVER_CLAUSE.sub("", new[0]):
        return REPLACE
    versions = [_SERVER_CLAUSE.search(head[0]) for head in (old, new)]
    version = f" VERSION {versions[1][1]}" if versions[1] is not None and old[0] != new[0] else ""
    if versions[0] is not None and versions[1] is None:
        version = " VERSION NULL"
    changes = change_options(old[2].removesuffix(")"), new[2].removesuffix(")"))
    return Steps((f"ALTER SERVER {after.name}{version}{f' OPTIONS ({changes})' if changes else ''}",))


def _wrapper(before: SchemaObject, after: SchemaObject) -> Steps:
    del before
    words = {word: at for at, word in top_level(after.definition)}
    handler = "" if "HANDLER" in words else " NO HANDLER"
    validator = "" if "VALIDATOR" in words else " NO VALIDATOR"
    rest = after.definition.removeprefix(f"CREATE FOREIGN DATA WRAPPER {after.name}")
    return Steps((f"ALTER FOREIGN DATA WRAPPER {after.name}{rest}{handler}{validator}",))


_IN_PLACE: Mapping[Kind, Callable[[SchemaObject, SchemaObject], Steps]] = {
    Kind.FUNCTION: _routine,
    Kind.PROCEDURE: _routine,
    Kind.EXTENSION: _extension,
    Kind.TRIGGER: _switched,
    Kind.RULE: _switched,
    Kind.EVENT_TRIGGER: _switched,
    Kind.PUBLICATION: _publication,
    Kind.FOREIGN_SERVER: _server,
    Kind.FOREIGN_DATA_WRAPPER: _wrapper,
}


_RENAMED: Mapping[Kind, str] = {
    Kind.SCHEMA: "SCHEMA",
    Kind.ENUM: "TYPE",
    Kind.DOMAIN: "DOMAIN",
    Kind.COMPOSITE_TYPE: "TYPE",
    Kind.RANGE_TYPE: "TYPE",
    Kind.COLLATION: "COLLATION",
    Kind.SEQUENCE: "SEQUENCE",
    Kind.FUNCTION: "FUNCTION",
    Kind.PROCEDURE: "PROCEDURE",
    Kind.AGGREGATE: "AGGREGATE",
    Kind.TABLE: "TABLE",
    Kind.PARTITION: "TABLE",
    Kind.FOREIGN_TABLE: "FOREIGN TABLE",
    Kind.VIEW: "VIEW",
    Kind.MATERIALIZED_VIEW: "MATERIALIZED VIEW",
    Kind.INDEX: "INDEX",
    Kind.STATISTICS: "STATISTICS",
}


def rename(item: SchemaObject, old: str, new: str) -> Iterator[str]:
    """``RENAME`` and, where the schema differs, ``SET SCHEMA``; ``item`` is the object under its old name."""
    before, after = last_part(old), last_part(new)
    if item.kind is Kind.COLUMN:
        yield f"ALTER TABLE {item.parent} RENAME COLUMN {before} TO {after}"
    elif item.kind in _ON_A_RELATION:
        yield f"ALTER {_ON_A_RELATION[item.kind]} {before} ON {item.parent} RENAME TO {after}"
    elif item.kind not in _RENAMED:
        yield f"ALTER TABLE {item.parent} RENAME CONSTRAINT {before} TO {after}"
    else:
        yield from _rename_named(item, old, new)


def _rename_named(item: SchemaObject, old: str, new: str) -> Iterator[str]:
    word = _RENAMED[item.kind]
    name, schemas = old, (without_last(old), without_last(new))
    before, after = last_part(old), last_part(new)
    if item.kind in ROUTINE_KINDS:
        before, after = before.partition("(")[0], after.partition("(")[0]
        if item.kind is Kind.AGGREGATE:
            name = f"{schemas[0]}.{before}({aggregate_name(item).partition('(')[2]}"
    if before != after:
        yield f"ALTER {word} {name} RENAME TO {after}"
        name = name.replace(f"{schemas[0]}.{before}", f"{schemas[0]}.{after}", 1) if schemas[0] else after
    if schemas[0] != schemas[1]:
        yield f"ALTER {word} {name} SET SCHEMA {schemas[1]}"


def comment_statements(value: Value) -> tuple[str, ...]:
    """The statements that a comment's or a grant's definition consists of."""
    if isinstance(value, tuple):
        return value
    return (value,) if isinstance(value, str) else ()


def comment_target(statement: str) -> str:
    """What a ``COMMENT ON … IS …`` is about."""
    offset = 0
    for at, word in top_level(statement):
        if word == "IS":
            offset = at
    return statement[len("COMMENT ON ") : offset - 1]


def alter_comment(before: SchemaObject | None, after: SchemaObject | None) -> Steps:
    """Set the comments of *to*, and take away those that only *from* has."""
    old, new = (comment_statements(o.attributes["definition"]) if o is not None else () for o in (before, after))
    targets = {comment_target(statement) for statement in new}
    gone = [target for target in map(comment_target, old) if target not in targets]
    return Steps((*(f"COMMENT ON {t} IS NULL" for t in gone), *(s for s in new if s not in old)))


_GRANT = re.compile(
    r"(?P<head>.*?)GRANT (?P<what>.*?) ON (?P<on>.*) TO (?P<who>.*?)(?P<option> WITH GRANT OPTION)?\Z", re.DOTALL
)
_REVOKE = re.compile(r"REVOKE (?P<what>.*?) ON (?P<on>.*) FROM (?P<who>.*?)\Z", re.DOTALL)


def alter_grant(before: SchemaObject | None, after: SchemaObject | None) -> Steps:
    """Undo the privileges of *from*, then give those of *to*."""
    old, new = (comment_statements(o.attributes["definition"]) if o is not None else () for o in (before, after))
    undone = [_undo(statement) for statement in old if statement not in new]
    return Steps((*undone, *(statement for statement in new if statement not in old or undone)))


def _undo(statement: str) -> str:
    if (revoked := _REVOKE.match(statement)) is not None:
        return f"GRANT {revoked['what']} ON {revoked['on']} TO {revoked['who']}"
    granted = _GRANT.match(statement)
    assert granted is not None
    return f"{granted['head']}REVOKE {granted['what']} ON {granted['on']} FROM {granted['who']}"
