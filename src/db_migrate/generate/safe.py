"""Operations in the form that lets a running release work meanwhile, cut into phases; and in the plain form.

What the forms rest on: "Building Indexes Concurrently" in PostgreSQL's CREATE INDEX, and the notes on NOT VALID,
USING INDEX and SET NOT NULL in ALTER TABLE. On a table that the same revision makes, the plain form is as safe.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from db_migrate.catalog.change import Change
from db_migrate.catalog.comparing import SUBJECT_KINDS, subject_of
from db_migrate.catalog.objects import CONSTRAINT_KINDS, TABLE_KINDS, Catalog, Key, Kind, SchemaObject, Value
from db_migrate.catalog.sql.needs import Needs
from db_migrate.catalog.sql.order import Operation, Verb
from db_migrate.catalog.sql.steps import Sides, table_of, text, texts
from db_migrate.catalog.tokens import is_plain, last_part, quoted, unquoted, without_last
from db_migrate.generate.backfill import Pace, backfill
from db_migrate.generate.filling import Fill, How
from db_migrate.generate.pieces import Form, Phase, Piece

_STABLE = ("now()", "CURRENT_", "LOCALTIME", "current_", "session_user", "statement_timestamp()")
_LONGEST_NAME = 63
OWN_DEFAULT = "DEFAULT"
"""The expression of a backfill that gives each row the column's own default."""

WHY_CONCURRENTLY = "Built while others write; takes longer, and blocks nobody."
WHY_NOT_VALID = "Holds for new rows at once; those that are there are looked through below, while others write."
WHY_USING_INDEX = "Takes over the index that was built above, so that nothing is scanned under the lock."
WHY_SET_NOT_NULL = "The check that was validated proves it, so that nothing is scanned under the lock."
WHY_LABELS = "A label may be used only after it was committed."
WHY_VOLATILE = "Each row gets a value of its own: set apart from adding the column, which would rewrite the table."


@dataclass(frozen=True)
class Choices:
    """What was asked for and answered: fills by column, how fast to backfill, and whether to be safe at all.

    ``apart``: where not, what builds an index or looks through a table is still apart from the rest. ``renamed``: what
    has got its new name, or its labels theirs, before all else.
    """

    safe: bool = True
    fills: Mapping[str, Fill] = field(default_factory=lambda: MappingProxyType({}))
    pace: Pace = field(default_factory=Pace)
    apart: bool = False
    renamed: frozenset[Key] = frozenset()


def pieces(
    operations: Sequence[Operation], changes: Sequence[Change], sides: Sides, choices: Choices
) -> tuple[Piece, ...]:
    """The operations of one direction as pieces."""
    plain = [Piece(*o.node, o.statements, o.owner) for o in operations]
    way = _Way(plain, changes, sides, choices)
    found = [made for piece in plain for made in way.of(piece)]
    if any(piece.form is Form.PYTHON for piece in found):
        found = [way.after_filling(piece) for piece in found]
    ordered = _after_what_it_needs(found, sides) if choices.safe or choices.apart else found
    return tuple(_once(sorted(ordered, key=lambda piece: piece.phase)))


def _once(found: Iterable[Piece]) -> Iterator[Piece]:
    """The pieces without a default that is taken away, or given, right before the same column is given one."""
    waiting: Piece | None = None
    for piece in found:
        if waiting is not None and not (waiting.key == piece.key and waiting.phase == piece.phase and _sets(piece)):
            yield waiting
        waiting = None
        if _sets(piece) or (len(piece.statements) == 1 and piece.statements[0] == f"{_of(piece)} DROP DEFAULT"):
            waiting = piece
        else:
            yield piece
    if waiting is not None:
        yield waiting


def _sets(piece: Piece) -> bool:
    """Whether the piece gives a column a default, and does nothing else."""
    return len(piece.statements) == 1 and piece.statements[0].startswith(f"{_of(piece)} SET DEFAULT ")


def _of(piece: Piece) -> str:
    return f"ALTER TABLE {without_last(piece.key[1])} ALTER COLUMN {last_part(piece.key[1])}"


class _Way:
    """One direction while it is made safe."""

    def __init__(self, plain: Sequence[Piece], changes: Sequence[Change], sides: Sides, choices: Choices) -> None:
        self._changes = changes
        self._sides = sides
        self._choices = choices
        self._new = {p.key[1] for p in plain if p.verb is Verb.CREATE and p.key[0] in TABLE_KINDS}
        self._renamed = choices.renamed | {p.key for p in plain if p.verb is Verb.RENAME}
        self._disturbed = {self._table(p.key) for p in plain if p.verb in (Verb.DROP, Verb.ALTER) and _disturbs(p)}
        self._taken = {_slot(p.key) for p in plain if p.verb is Verb.CREATE and p.key[0] is not Kind.INDEX}

    def _table(self, key: Key) -> str:
        return without_last(key[1])

    def of(self, piece: Piece) -> Iterator[Piece]:
        """The piece as it is to be done."""
        kind = piece.key[0]
        item = self._sides.after.objects.get(piece.key)
        if piece.verb is Verb.CREATE and kind is Kind.COLUMN and item is not None and self._is_old(item.parent):
            yield from self._added(piece, item)
        elif piece.verb is Verb.ALTER and kind is Kind.COLUMN and item is not None:
            yield from self._altered(piece, item)
        elif piece.verb is Verb.FINISH and kind is Kind.COLUMN and item is not None:
            yield piece
            if self._gets_own_default(piece):
                yield from self._filled(piece, item)
        elif piece.verb is Verb.ALTER and kind is Kind.ENUM:
            labels = all(" ADD VALUE " in each for each in piece.statements) and piece.key not in self._renamed
            yield replace(piece, phase=Phase.LABELS, form=Form.SQL, comment=WHY_LABELS) if labels else piece
        elif not self._choices.safe and not (self._choices.apart and _takes_long(piece)):
            yield piece
        elif piece.verb is Verb.DROP and kind is Kind.INDEX:
            yield self._dropped_index(piece)
        elif piece.verb is Verb.CREATE and item is not None and self._is_plain_table(item.parent):
            yield from self._created(piece, item)
        elif piece.verb is Verb.ALTER:
            yield from _validations_apart(piece)
        else:
            yield piece

    def after_filling(self, piece: Piece) -> Piece:
        """The piece, after the backfill where it is a constraint or index of a table with rows.

        So a revision that begins with a backfill has done nothing else when that is killed.
        """
        item = self._sides.after.objects.get(piece.key)
        apart = piece.verb in (Verb.CREATE, Verb.FINISH) and piece.key[0] in {*CONSTRAINT_KINDS, Kind.INDEX}
        if apart and piece.phase is Phase.MAIN and item is not None and self._is_old(item.parent):
            return replace(piece, phase=Phase.USE)
        return piece

    def _is_old(self, table: str | None) -> bool:
        """Whether the table may have rows."""
        return table is not None and table not in self._new and table_of(table, self._sides.after) is not None

    def _is_plain_table(self, table: str | None) -> bool:
        """Whether it may have rows and is neither partitioned nor foreign."""
        return self._is_old(table) and is_plain_table(table, self._sides.after)

    def _created(self, piece: Piece, item: SchemaObject) -> Iterator[Piece]:
        match item.kind:
            case Kind.INDEX if item.attributes["valid"] and item.attributes.get("attached_to") is None:
                yield from self._index(piece)
            case Kind.UNIQUE | Kind.PRIMARY_KEY if _as_index(item):
                yield from self._unique(piece, item)
            case Kind.FOREIGN_KEY | Kind.CHECK if item.attributes["validated"] and item.attributes.get(
                "enforced", True
            ):
                yield from self._unvalidated(piece, item)
            case _:
                yield piece

    def _index(self, piece: Piece) -> Iterator[Piece]:
        if not self._is_own(piece):
            yield piece  # it is made again after a change of what it is on, and must be there when that is committed
            return
        first = piece.statements[0].replace("INDEX ", "INDEX CONCURRENTLY ", 1)
        made = replace(piece, statements=(first,), phase=Phase.BUILD, form=Form.CONCURRENTLY)
        yield replace(made, comment=WHY_CONCURRENTLY)
        if piece.statements[1:]:
            yield replace(piece, verb=Verb.FINISH, statements=piece.statements[1:], phase=Phase.USE, form=Form.SQL)

    def _is_own(self, piece: Piece) -> bool:
        """Whether the piece is what its change is about, and not something that the change disturbs."""
        return piece.owner < len(self._changes) and piece.key[1] in (
            self._changes[piece.owner].object,
            self._changes[piece.owner].from_object,
        )

    def _dropped_index(self, piece: Piece) -> Piece:
        before = self._sides.before.objects.get(piece.key)
        if before is None or not self._is_own(piece) or not before.attributes["valid"]:
            return piece
        table = self._sides.before.get(Kind.TABLE, before.parent or "")
        partitioned = table is None or table.attributes.get("partition_key") is not None
        if partitioned or before.parent in self._disturbed or _slot(piece.key) in self._taken:
            return piece
        statement = piece.statements[0].replace("DROP INDEX ", "DROP INDEX CONCURRENTLY ", 1)
        return replace(piece, statements=(statement,), phase=Phase.BUILD, form=Form.CONCURRENTLY)

    def _unique(self, piece: Piece, item: SchemaObject) -> Iterator[Piece]:
        if not self._is_own(piece):
            yield piece
            return
        name = last_part(item.name)
        index = _index_of(item)
        head, _, rest = index.definition.partition(" USING btree")
        built = f"{head.replace('INDEX ', 'INDEX CONCURRENTLY ', 1)}{rest}"
        made = Piece(Verb.CREATE, index.key, (built,), piece.owner, Phase.BUILD, Form.CONCURRENTLY, index)
        yield replace(made, comment=WHY_CONCURRENTLY)
        words = "PRIMARY KEY" if item.kind is Kind.PRIMARY_KEY else "UNIQUE"
        deferrable = text(item, "deferrable")
        suffix = f" DEFERRABLE {'' if deferrable == 'DEFERRABLE' else deferrable}".rstrip() if deferrable else ""
        add = f"ALTER TABLE {item.parent} ADD CONSTRAINT {name} {words} USING INDEX {name}{suffix}"
        phase = Phase.FINISH if item.kind is Kind.PRIMARY_KEY else Phase.USE
        statements = (add, *piece.statements[1:])
        yield replace(piece, statements=statements, phase=phase, form=Form.SQL, comment=WHY_USING_INDEX)

    def _unvalidated(self, piece: Piece, item: SchemaObject) -> Iterator[Piece]:
        if not self._is_own(piece):
            yield piece
            return
        first = f"{piece.statements[0]} NOT VALID"
        yield replace(piece, statements=(first, *piece.statements[1:]), form=Form.NOT_VALID, comment=WHY_NOT_VALID)
        yield _validation(piece, item.parent or "", last_part(item.name))

    # Columns

    def _added(self, piece: Piece, item: SchemaObject) -> Iterator[Piece]:
        fill = self._choices.fills.get(item.name)
        default = item.attributes.get("default")
        if fill is not None and fill.how is How.DEFAULT:
            yield from self._added_with_default(piece, item, fill.expression)
        elif fill is not None and fill.how is How.BACKFILL and (self._choices.safe or fill.expression != OWN_DEFAULT):
            yield from self._added_and_filled(piece, item, fill.expression, fill.comment)
        elif (
            self._choices.safe
            and default is not None
            and is_volatile(str(default))
            and self._is_plain_table(item.parent)
        ):
            yield from self._added_and_filled(piece, item, OWN_DEFAULT, WHY_VOLATILE)
        else:
            yield piece

    def _added_with_default(self, piece: Piece, item: SchemaObject, expression: str) -> Iterator[Piece]:
        """The default fills the rows that are there without touching them, and is then taken away again."""
        first, *rest = piece.statements
        with_default = first.replace(" NOT NULL", f" DEFAULT {expression} NOT NULL", 1)
        made = replace(item, attributes={**item.attributes, "default": expression})
        why = "The default is for the rows that are there; the models have none."
        yield replace(piece, statements=(with_default, *rest), item=made, comment=why)
        yield replace(piece, verb=Verb.ALTER, statements=(f"{_alter(item)} DROP DEFAULT",), item=made)

    def _added_and_filled(self, piece: Piece, item: SchemaObject, expression: str, why: str) -> Iterator[Piece]:
        default = item.attributes.get("default")
        bare = piece.statements[0].replace(f" DEFAULT {default}", "", 1) if default is not None else piece.statements[0]
        bare = bare.replace(" NOT NULL", "", 1) if not item.attributes["nullable"] else bare
        empty = replace(item, attributes={**item.attributes, "default": None, "nullable": True})
        yield replace(piece, statements=(bare, *piece.statements[1:]), item=empty, comment=why)
        if default is not None:
            late = (f"{_alter(item)} SET DEFAULT {default}",)
            yield replace(piece, verb=Verb.ALTER, statements=late, item=empty)
        yield backfill(piece, item, expression, self._sides.after, self._choices.pace)
        if not item.attributes["nullable"]:
            yield from self._not_null(piece, item, Phase.USE)

    def _altered(self, piece: Piece, item: SchemaObject) -> Iterator[Piece]:
        statement = f"ALTER TABLE {item.parent} ALTER COLUMN {last_part(item.name)} SET NOT NULL"
        fill = self._choices.fills.get(item.name)
        if statement not in piece.statements or not self._is_old(item.parent):
            yield piece
            if self._gets_own_default(piece):
                yield from self._filled(piece, item)
            return
        filled = fill is not None and fill.how is not How.NOTHING
        if not filled and (not self._choices.safe or not self._is_plain_table(item.parent)):
            yield piece
            return
        if rest := tuple(each for each in piece.statements if each != statement):
            yield replace(piece, statements=rest)
        if filled:
            yield from self._filled(piece, item)
        if self._choices.safe:
            yield from self._not_null(piece, item, Phase.USE if filled else Phase.MAIN)
        else:
            yield replace(piece, statements=(statement,), phase=Phase.FINISH)

    def _gets_own_default(self, piece: Piece) -> bool:
        """Whether a column that was made without it now gets the default that its rows are filled with."""
        item = self._sides.after.objects[piece.key]
        fill = self._choices.fills.get(item.name)
        fills = self._choices.safe and fill is not None and fill.expression == OWN_DEFAULT
        sets = any(" SET DEFAULT " in each for each in piece.statements)
        return fills and sets and bool(item.attributes["nullable"])

    def _filled(self, piece: Piece, item: SchemaObject) -> Iterator[Piece]:
        fill = self._choices.fills[item.name]
        made = backfill(piece, item, fill.expression, self._sides.after, self._choices.pace)
        yield replace(made, comment="\n".join(filter(None, (fill.comment, made.comment))))

    def _not_null(self, piece: Piece, item: SchemaObject, phase: Phase) -> Iterator[Piece]:
        """NOT NULL by way of a check that is validated while others write (ALTER TABLE, "SET NOT NULL")."""
        table, column = item.parent or "", last_part(item.name)
        added = item if item.key not in self._sides.before.objects else None
        done = replace(
            piece,
            verb=Verb.ALTER,
            statements=(f"{_alter(item)} SET NOT NULL",),
            phase=Phase.FINISH,
            form=Form.PLAIN,
            item=added,
            comment=WHY_SET_NOT_NULL if self._choices.safe else "",
        )
        if not self._choices.safe:
            yield done
            return
        name = self._helper(table, column)
        check = SchemaObject(
            Kind.CHECK,
            f"{table}.{name}",
            parent=table,
            attributes={"expression": f"{column} IS NOT NULL", "validated": False},
        )
        add = f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({column} IS NOT NULL) NOT VALID"
        made = Piece(Verb.CREATE, check.key, (add,), piece.owner, phase, item=check)
        yield replace(made, comment=WHY_NOT_VALID)
        yield _validation(piece, table, name)
        yield done
        drop = (f"ALTER TABLE {table} DROP CONSTRAINT {name}",)
        yield replace(made, verb=Verb.DROP, statements=drop, phase=Phase.FINISH)

    def _helper(self, table: str, column: str) -> str:
        """A name for the check that no constraint of the table has."""
        wanted = f"{unquoted(last_part(table))}_{unquoted(column)}_is_set"
        name = wanted.encode()[:_LONGEST_NAME].decode(errors="ignore")
        taken = {
            last_part(o.name) for side in (self._sides.before, self._sides.after) for o in side.children.get(table, ())
        }
        chosen = name if {name, quoted(name)}.isdisjoint(taken) else f"{name[:54]}_is_set_2"
        return chosen if is_plain(chosen) else quoted(chosen)


def _alter(column: SchemaObject) -> str:
    return f"ALTER TABLE {column.parent} ALTER COLUMN {last_part(column.name)}"


def _index_of(constraint: SchemaObject) -> SchemaObject:
    """The unique index that a constraint takes over."""
    name, table = last_part(constraint.name), constraint.parent or ""
    columns, include = (texts(constraint.attributes.get(each)) for each in ("columns", "include"))
    distinct = not constraint.attributes.get("nulls_not_distinct")
    definition = f"CREATE UNIQUE INDEX {name} ON {table} USING btree ({', '.join(columns)})"
    definition += f" INCLUDE ({', '.join(include)})" if include else ""
    definition += "" if distinct else " NULLS NOT DISTINCT"
    attributes: dict[str, Value] = {"unique": True, "method": "btree", "columns": columns, "valid": True}
    attributes |= {"include": include} if include else {}
    attributes |= {} if distinct else {"nulls_not_distinct": True}
    return SchemaObject(
        Kind.INDEX, f"{without_last(table)}.{name}", table, attributes=attributes, definition=definition
    )


def is_plain_table(table: str | None, catalog: Catalog) -> bool:
    """Whether it is neither partitioned nor foreign."""
    found = catalog.get(Kind.TABLE, table or "") or catalog.get(Kind.PARTITION, table or "")
    return found is not None and found.attributes.get("partition_key") is None


def _takes_long(piece: Piece) -> bool:
    """Whether it may read a whole table, or build something of it, while others wait."""
    kind = piece.key[0]
    made = piece.verb is Verb.CREATE and kind in {*CONSTRAINT_KINDS, Kind.INDEX}
    return made or (piece.verb is Verb.DROP and kind is Kind.INDEX)


def _disturbs(piece: Piece) -> bool:
    """Whether the piece may take indexes of the column along, or need them out of the way."""
    return piece.key[0] is Kind.COLUMN and (
        piece.verb is Verb.DROP or any(" TYPE " in each for each in piece.statements)
    )


def _slot(key: Key) -> str:
    """The name within its schema that an index, constraint or relation takes."""
    parts = key[1].split(".") if '"' not in key[1] else [without_last(key[1]), last_part(key[1])]
    return f"{parts[0]}.{last_part(key[1])}" if key[0] is not Kind.INDEX else key[1]


def _as_index(item: SchemaObject) -> bool:
    """Whether a unique index is all that the constraint needs."""
    known = {"columns", "include", "nulls_not_distinct", "deferrable", "storage_parameters", "tablespace"}
    period = any(name.endswith(" WITHOUT OVERLAPS") for name in texts(item.attributes["columns"]))
    return not period and {n for n, v in item.attributes.items() if v} <= known


def is_volatile(default: str) -> bool:
    """Whether each row might get another value; PostgreSQL alone knows, so what calls a function is taken for it."""
    rest = default
    for each in _STABLE:
        rest = rest.replace(each, "")
    return "(" in rest.replace("::", "") and any(c.isalpha() for c in rest.partition("(")[0][-1:])


def _validation(piece: Piece, table: str, name: str) -> Piece:
    statement = f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}"
    return replace(piece, verb=Verb.FINISH, statements=(statement,), phase=Phase.VALIDATE, form=Form.SQL, comment="")


def _validations_apart(piece: Piece) -> Iterator[Piece]:
    """What is validated is validated outside of the transaction that does the rest."""
    late = tuple(each for each in piece.statements if " VALIDATE CONSTRAINT " in each)
    if rest := tuple(each for each in piece.statements if each not in late):
        yield replace(piece, statements=rest)
    for each in late:
        yield replace(piece, statements=(each,), phase=Phase.VALIDATE, form=Form.SQL)


def _after_indexes_went(found: list[Piece], sides: Sides) -> list[Piece]:
    """What an index that goes concurrently needs, such as an extension or a function, goes after it."""
    going = {piece.key for piece in found if piece.verb is Verb.DROP and piece.phase is Phase.BUILD}
    needs = Needs(sides.before) if going else None
    while needs is not None:
        needed = {key for each in going for key in needs.of(each)}
        more = {p.key for p in found if p.verb is Verb.DROP and p.phase is Phase.MAIN and p.key in needed} - going
        if not more:
            break
        going |= more
    return [replace(p, phase=Phase.USE) if _goes_with(p, going) else p for p in found]


def _goes_with(piece: Piece, going: Collection[Key]) -> bool:
    return piece.verb is Verb.DROP and piece.phase is Phase.MAIN and piece.key in going


def _after_what_it_needs(found: Iterable[Piece], sides: Sides) -> Iterator[Piece]:
    """Pieces that rest on one of a later phase wait for it."""
    found = _after_indexes_went(list(found), sides)
    made: dict[Key, Phase] = {}
    unique: dict[str, Phase] = {}
    mentioned: dict[str, Phase] = {}
    for piece in found:
        if piece.phase > Phase.MAIN and piece.verb is Verb.CREATE:
            made[piece.key] = max(piece.phase, made.get(piece.key, piece.phase))
            item = sides.after.objects.get(piece.key)
            if item is not None and item.parent is not None:
                mentioned[item.parent] = max(piece.phase, mentioned.get(item.parent, piece.phase))
                if item.kind in (Kind.UNIQUE, Kind.PRIMARY_KEY) or item.attributes.get("unique"):
                    columns = f"{item.parent}({', '.join(texts(item.attributes['columns']))})"
                    unique[columns] = max(piece.phase, unique.get(columns, piece.phase))
    for piece in found:
        item = sides.after.objects.get(piece.key)
        waits = [made[key] for key in (item.needs if item is not None else ()) if key in made]
        if item is not None and piece.verb in (Verb.CREATE, Verb.FINISH) and item.kind is Kind.FOREIGN_KEY:
            waits.append(unique.get(text(item, "referenced"), Phase.LABELS))
        if item is not None and item.kind in TABLE_KINDS and piece.verb is Verb.FINISH:
            waits.append(mentioned.get(item.name, Phase.LABELS))
        if item is not None and item.kind in SUBJECT_KINDS:
            waits += [phase for key, phase in made.items() if key[1] == subject_of(item)]
        attached = item.attributes.get("attached_to") if item is not None else None
        if attached is not None and (Kind.INDEX, str(attached)) in made:
            waits.append(made[Kind.INDEX, str(attached)])
        needed = max((Phase(p + (p in (Phase.BUILD, Phase.VALIDATE))) for p in waits), default=Phase.LABELS)
        if piece.phase is Phase.VALIDATE and needed > Phase.VALIDATE:
            foreign = piece.key[0] is Kind.FOREIGN_KEY
            yield replace(piece, phase=Phase.CONFIRM if foreign else Phase.FINISH)
        else:
            yield replace(piece, phase=needed) if piece.phase is not Phase.VALIDATE and needed > piece.phase else piece
