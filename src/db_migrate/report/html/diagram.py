"""An entity-relationship diagram as SVG, laid out without a script: tables in columns, those referred to leftmost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from db_migrate.catalog.change import Change
from db_migrate.report.mermaid import referenced_table
from db_migrate.report.style import name
from db_migrate.report.text.changes import value_text
from db_migrate.results import SchemaEntry

MOST = 60
"""Of more tables only those are drawn that change, with what they refer to and what refers to them."""

_TABLES = frozenset({"table", "foreign_table"})
_WIDTH, _GAP_X, _GAP_Y, _LINE, _HEAD = 250, 90, 26, 17, 26
_TALL = 1500
"""A column of tables that would be taller goes on in the next."""

_LETTERS = 34
_FEW = 18


@dataclass(frozen=True, slots=True)
class Row:
    """One column of a drawn table; ``mark`` says what it is: a key, a reference, or nothing."""

    text: str
    type: str
    mark: str
    state: str


@dataclass(frozen=True, slots=True)
class Box:
    """One table at its place. ``state`` is created, altered, dropped or empty; ``hidden`` columns are not drawn."""

    table: str
    state: str
    x: int
    y: int
    rows: tuple[Row, ...]
    hidden: int

    @property
    def height(self) -> int:
        """In pixels."""
        return _HEAD + _LINE * (len(self.rows) + (1 if self.hidden else 0)) + 6


@dataclass(frozen=True, slots=True)
class Line:
    """A foreign key from the table that has it to the one that it refers to, as the ``d`` of an SVG path."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Diagram:
    """The whole drawing, with how many tables were left out of it."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    left_out: int
    box_width: int = _WIDTH
    line_height: int = _LINE
    head_height: int = _HEAD


def draw(objects: Iterable[SchemaEntry], changes: Iterable[Change]) -> Diagram:
    """The diagram of these tables, with what changes marked. A dropped table that is not among them is not drawn."""
    tables = {each.object: each for each in objects if each.kind in _TABLES}
    states = _states(changes)
    references = {table: _references(entry, tables) for table, entry in tables.items()}
    chosen = _chosen(tables, states, references)
    boxes = _placed(chosen, tables, states, references)
    lines = tuple(_lines(boxes, references))
    width = max((each.x + _WIDTH for each in boxes.values()), default=0) + 10
    height = max((each.y + each.height for each in boxes.values()), default=0) + 10
    return Diagram(width, height, tuple(boxes.values()), lines, len(tables) - len(chosen))


def _states(changes: Iterable[Change]) -> dict[str, str]:
    """What happens to each table and column; a table whose parts change is altered."""
    states: dict[str, str] = {}
    for change in changes:
        states[change.object] = change.action.value
        if change.parent and change.parent not in states:
            states[change.parent] = "altered"
    return states


def _references(table: SchemaEntry, known: Mapping[str, SchemaEntry]) -> dict[str, str]:
    """The tables that a table refers to, each with the foreign key's columns."""
    found: dict[str, str] = {}
    for each in table.columns:
        other = referenced_table(each)
        if other in known:
            found.setdefault(other, value_text(each.attributes.get("columns")))
    return found


def _chosen(
    tables: Mapping[str, SchemaEntry], states: Mapping[str, str], references: Mapping[str, Mapping[str, str]]
) -> list[str]:
    if len(tables) <= MOST:
        return list(tables)
    changed = {each for each in tables if each in states}
    near = {other for each in changed for other in references[each]}
    near |= {each for each in tables if changed & set(references[each])}
    return [each for each in tables if each in changed or each in near][: MOST * 2]


def _placed(
    chosen: Sequence[str],
    tables: Mapping[str, SchemaEntry],
    states: Mapping[str, str],
    references: Mapping[str, Mapping[str, str]],
) -> dict[str, Box]:
    """Each table one column to the right of the farthest that it refers to."""
    depths = _depths(chosen, references)
    boxes: dict[str, Box] = {}
    x = 10
    for depth in range(max(depths.values(), default=-1) + 1):
        y = 10
        for table in sorted(each for each in chosen if depths[each] == depth):
            rows, hidden = _rows(tables[table], states)
            box = Box(table, states.get(table, ""), x, y, rows, hidden)
            if y > 10 and y + box.height > _TALL:
                x, y = x + _WIDTH + _GAP_X, 10
                box = Box(table, box.state, x, y, rows, hidden)
            boxes[table] = box
            y += box.height + _GAP_Y
        x += _WIDTH + _GAP_X
    return boxes


def _depths(chosen: Sequence[str], references: Mapping[str, Mapping[str, str]]) -> dict[str, int]:
    """How many references lead on from a table; a circle of references is cut where it closes."""
    depths: dict[str, int] = {}
    inside = set(chosen)
    for start in chosen:
        path = [(start, iter(references[start]))]
        while path:
            table, rest = path[-1]
            following = next(
                (o for o in rest if o in inside and o not in depths and all(o != t for t, _ in path)), None
            )
            if following is not None:
                path.append((following, iter(references[following])))
                continue
            path.pop()
            depths[table] = max((depths[o] + 1 for o in references[table] if o in depths and o != table), default=0)
    return depths


def _rows(table: SchemaEntry, states: Mapping[str, str]) -> tuple[tuple[Row, ...], int]:
    """The columns to draw: all when there are few, else keys, references and what changes."""
    keys = _members(table, "primary_key")
    refers = _members(table, "foreign_key")
    columns = [each for each in table.columns if each.kind == "column"]
    shown = columns
    if len(columns) > _FEW:
        shown = [c for c in columns if c.object in states or _last(c, table) in keys | refers][:_FEW]
    rows = tuple(
        Row(
            _cut(name(_last(each, table))),
            _cut(name(value_text(each.attributes.get("type")))),
            "key" if _last(each, table) in keys else "reference" if _last(each, table) in refers else "",
            states.get(each.object, ""),
        )
        for each in shown
    )
    return rows, len(columns) - len(shown)


def _members(table: SchemaEntry, kind: str) -> set[str]:
    found: set[str] = set()
    for each in table.columns:
        columns = each.attributes.get("columns") if each.kind == kind else None
        found |= {str(column) for column in columns} if isinstance(columns, tuple) else set()
    return found


def _last(column: SchemaEntry, table: SchemaEntry) -> str:
    return column.object.removeprefix(table.object + ".")


def _cut(text: str) -> str:
    return text if len(text) <= _LETTERS // 2 else text[: _LETTERS // 2 - 1] + "…"


def _lines(boxes: Mapping[str, Box], references: Mapping[str, Mapping[str, str]]) -> Iterable[Line]:
    for table, box in boxes.items():
        for other, columns in references[table].items():
            if other in boxes:
                yield Line(_curve(box, boxes[other]), f"{table} ({columns}) refers to {other}")


def _curve(child: Box, parent: Box) -> str:
    """From the child to the parent: leftwards, or around on the right where that is not to the left."""
    start_y, end_y = child.y + _HEAD // 2, parent.y + _HEAD // 2
    if parent.x < child.x:
        start_x, end_x = child.x, parent.x + _WIDTH
        bend = (start_x - end_x) // 2
        return f"M{start_x} {start_y} C{start_x - bend} {start_y} {end_x + bend} {end_y} {end_x} {end_y}"
    start_x, end_x = child.x + _WIDTH, parent.x + _WIDTH
    out = max(start_x, end_x) + 45
    return f"M{start_x} {start_y} C{out} {start_y} {out} {end_y + 8} {end_x} {end_y + 8}"
