"""Tables as Python: ``op.create_table`` with what belongs to it, ``op.drop_table``, renames and comments."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from db_migrate.catalog.comparing import own_sequence
from db_migrate.catalog.objects import Catalog, Key, Kind, SchemaObject
from db_migrate.catalog.sql.order import Verb
from db_migrate.catalog.sql.steps import comment, text, texts
from db_migrate.catalog.tokens import last_part, reference, without_last
from db_migrate.generate.columns import column
from db_migrate.generate.constraints import within_table
from db_migrate.generate.naming import Names
from db_migrate.generate.pieces import Form, Piece
from db_migrate.generate.types import Types, Written
from db_migrate.rules.python_text import call, string

_WITHIN = frozenset({Kind.PRIMARY_KEY, Kind.UNIQUE, Kind.CHECK, Kind.FOREIGN_KEY})
_ATTRIBUTES = frozenset({"persistence", "partition_key", "comment"})
_LARGEST = {"smallint": "32767", "integer": "2147483647", "bigint": "9223372036854775807"}


@dataclass(frozen=True)
class Gathered:
    """A table to be made, with those pieces around it that one ``op.create_table`` makes along with it."""

    table: SchemaObject
    constraints: tuple[SchemaObject, ...]
    serials: frozenset[str]
    taken: frozenset[int]


def gather(pieces: Sequence[Piece], place: int, catalog: Catalog, existing: frozenset[Key]) -> Gathered:
    """What goes into the table that the piece at ``place`` makes; ``existing`` is there before it."""
    piece = pieces[place]
    table = catalog.objects[piece.key]
    serials, taken = _serials(pieces, place, catalog)
    constraints: list[SchemaObject] = []
    for at in range(place + 1, len(pieces)):
        each = pieces[at]
        if each.owner != piece.owner or each.phase is not piece.phase:
            break
        item = catalog.objects.get(each.key)
        if each.verb is Verb.CREATE and each.key[0] in _WITHIN and item is not None and item.parent == table.name:
            plain = len(each.statements) == 1 and each.form is Form.PLAIN
            if plain and _can_be_within(item, constraints, existing):
                constraints.append(item)
                taken.add(at)
    return Gathered(table, tuple(constraints), serials, frozenset(taken))


def _can_be_within(item: SchemaObject, constraints: Sequence[SchemaObject], existing: frozenset[Key]) -> bool:
    """Whether the table that a foreign key leads to is there already, or is the table itself with that key."""
    if item.kind is not Kind.FOREIGN_KEY:
        return within_table(item, Names()) is not None
    table = reference(text(item, "referenced"))[0]
    if table == item.parent:
        return any(each.kind in (Kind.PRIMARY_KEY, Kind.UNIQUE) for each in constraints)
    return (Kind.TABLE, table) in existing


def _serials(pieces: Sequence[Piece], place: int, catalog: Catalog) -> tuple[frozenset[str], set[int]]:
    """The columns of the key whose sequence SQLAlchemy makes by itself, and the pieces that it then makes."""
    table = pieces[place].key[1]
    keys = [o for o in catalog.children.get(table, ()) if o.kind is Kind.PRIMARY_KEY]
    columns = {name for key in keys for name in texts(key.attributes["columns"])}
    serials, taken = set(), set()
    for item in catalog.columns(table):
        sequence = own_sequence(item, catalog)
        if sequence is None or last_part(item.name) not in columns or not _usual(sequence, item):
            continue
        at = {each: i for i, piece in enumerate(pieces) for each in [(piece.verb, piece.key)]}
        made = at.get((Verb.CREATE, sequence.key)), at.get((Verb.FINISH, sequence.key))
        if None not in made and all(pieces[i or 0].owner == pieces[place].owner for i in made):
            serials.add(item.name)
            taken |= {i for i in made if i is not None}
    return frozenset(serials), taken


def _usual(sequence: SchemaObject, item: SchemaObject) -> bool:
    """Whether the sequence is what SERIAL makes."""
    type_ = text(item, "type")
    usual = {"increment": "1", "min": "1", "max": _LARGEST.get(type_), "start": "1", "cache": "1", "cycle": False}
    plain = all(sequence.attributes[name] == value for name, value in usual.items())
    names = (last_part(each).strip('"') for each in (item.parent or "", item.name))
    expected = "_".join([*names, "seq"])
    own = last_part(sequence.name).strip('"') == expected and sequence.attributes.get("persistence") != "unlogged"
    return plain and own and without_last(sequence.name) == without_last(item.parent or "")


def create(gathered: Gathered, catalog: Catalog, types: Types, names: Names, piece: Piece) -> list[Written] | None:
    """``op.create_table``; None where SQLAlchemy cannot say all of the table."""
    table = gathered.table
    said = {n for n, v in table.attributes.items() if v is not None and v != ()}
    if table.kind is not Kind.TABLE or not said <= _ATTRIBUTES or not catalog.columns(table.name):
        return None
    within = [within_table(each, names) for each in gathered.constraints]
    key = [each for each in gathered.constraints if each.kind is Kind.PRIMARY_KEY]
    sole = {n for each in key for n in texts(each.attributes["columns"]) if len(texts(each.attributes["columns"])) == 1}
    referring = {n for c in gathered.constraints if c.kind is Kind.FOREIGN_KEY for n in texts(c.attributes["columns"])}
    written = [
        column(
            each,
            catalog,
            types,
            serial=each.name in gathered.serials,
            key=last_part(each.name) in sole - referring,
        )
        for each in catalog.columns(table.name)
    ]
    if any(each is None for each in (*written, *within)):
        return None
    described = table.attributes.get("comment")
    name, options = names.of(table.name)
    partition = table.attributes.get("partition_key")
    made = call(
        "op.create_table",
        name,
        *(each.python for each in written if each is not None),
        *within,
        **options,
        comment=None if described is None else string(str(described)),
        prefixes='["UNLOGGED"]' if table.attributes.get("persistence") == "unlogged" else None,
        postgresql_partition_by=None if partition is None else string(str(partition)),
    )
    imports = frozenset(each for w in written if w is not None for each in w.imports)
    said_within = set(_comments(table, catalog))
    rest = [names.execute(each) for each in piece.statements[1:] if each not in said_within]
    return [Written(made, imports), *rest]


def _comments(table: SchemaObject, catalog: Catalog) -> list[str]:
    found = [comment(f"TABLE {table.name}", table.attributes.get("comment"))]
    return found + [comment(f"COLUMN {c.name}", c.attributes.get("comment")) for c in catalog.columns(table.name)]


def drop(item: SchemaObject, names: Names, piece: Piece) -> list[Written] | None:
    """``op.drop_table``."""
    if piece.statements != (f"DROP TABLE {item.name}",):
        return None
    table, options = names.of(item.name)
    return [Written(call("op.drop_table", table, **options))]


def alter(after: SchemaObject, before: SchemaObject, names: Names, piece: Piece) -> list[Written]:
    """The comment as Alembic's operation, all else as it is."""
    table, options = names.of(after.name)
    found = []
    for statement in piece.statements:
        described = after.attributes.get("comment")
        if statement == comment(f"TABLE {after.name}", described):
            old = before.attributes.get("comment")
            existing = {"existing_comment": None if old is None else string(str(old))}
            if described is None:
                found.append(Written(call("op.drop_table_comment", table, **existing, **options)))
            else:
                found.append(
                    Written(call("op.create_table_comment", table, string(str(described)), **existing, **options))
                )
        else:
            found.append(names.execute(statement))
    return found


_NAME = r'("(?:[^"]|"")*"|[\w$]+)'
_RENAMED_COLUMN = re.compile(rf"ALTER TABLE (?P<table>.+) RENAME COLUMN (?P<old>{_NAME}) TO (?P<new>{_NAME})")
_RENAMED_TABLE = re.compile(rf"ALTER TABLE (?P<table>.+) RENAME TO (?P<new>{_NAME})")


def rename(piece: Piece, names: Names) -> list[Written]:
    """``op.rename_table`` and ``op.alter_column(…, new_column_name=…)``."""
    found = []
    for statement in piece.statements:
        if piece.key[0] is Kind.COLUMN and (match := _RENAMED_COLUMN.fullmatch(statement)) is not None:
            table, options = names.of(match["table"])
            old, new = (string(_stored(match[each])) for each in ("old", "new"))
            found.append(Written(call("op.alter_column", table, old, new_column_name=new, **options)))
        elif piece.key[0] is Kind.TABLE and (match := _RENAMED_TABLE.fullmatch(statement)) is not None:
            table, options = names.of(match["table"])
            found.append(Written(call("op.rename_table", table, string(_stored(match["new"])), **options)))
        else:
            found.append(names.execute(statement))
    return found


def _stored(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
