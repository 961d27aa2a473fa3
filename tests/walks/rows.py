"""The rows that a walk puts into tables, and where each value of them has to be found."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .oracle import Item, Listing, Session, columns, contents

Cell = tuple[str, int, str]
"""Table, key, column."""

Makers = Mapping[tuple[str, str], str]
"""Which revision made a column that is there: by table and column."""


@dataclass
class Rows:
    """Every value that was put into the target and that nobody has taken out by hand.

    Each is like no other, so that it can be found wherever it is. A cell remembers which revision had made its column:
    a column that another revision makes under the same name later is another column.
    """

    session: Session
    cells: dict[Cell, tuple[str, str]] = field(default_factory=dict)
    keys: dict[tuple[str, int], str] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def insert(self, live: Listing, makers: Makers, table: str, count: int) -> None:
        """Put rows in, with a value of their own in every column; one that refers to a table has its last row."""
        for _ in range(count):
            self._insert(live, makers, table)

    def _insert(self, live: Listing, makers: Makers, table: str) -> None:
        values = {name: self._value(live, table, name) for name in sorted(_plain(live, table))}
        values |= {name: self._newest(makers, other) for name, other in _references(live, table).items()}
        given = {name: value for name, value in values.items() if value is not None}
        if live["column", f"public.{table}.id"].attributes["default"] is None:
            given["id"] = str(next(self._numbers))
        names, marks = ", ".join(given), ", ".join(["%s"] * len(given))
        into = f"({names}) VALUES ({marks})" if given else "DEFAULT VALUES"
        row: Any = self.session.execute(f"INSERT INTO public.{table} {into} RETURNING id".encode(), [*given.values()])
        (key,) = row.fetchone()
        self.keys[table, key] = makers.get((table, "id"), "")
        for name, value in given.items():
            if name != "id":
                self.cells[table, key, name] = (value, makers.get((table, name), ""))

    def _value(self, live: Listing, table: str, name: str) -> str | None:
        if name == "id":
            return None
        number = next(self._numbers)
        is_text = live["column", f"public.{table}.{name}"].attributes["type"] == "text"
        return f"<{number:06}>" if is_text else str(10_000_000 + number)

    def update(self, live: Listing, makers: Makers, table: str, column: str) -> None:
        """Put a new value into a column of every row."""
        for key in sorted(self.there(makers, table)):
            value = self._value(live, table, column)
            done = self.session.execute(f"UPDATE public.{table} SET {column} = %s WHERE id = %s".encode(), [value, key])
            assert value is not None
            if done.rowcount:  # else the row is kept somewhere until somebody asks for it
                self.cells[table, key, column] = (value, makers.get((table, column), ""))

    def _newest(self, makers: Makers, table: str) -> str | None:
        return str(max(keys)) if (keys := self.there(makers, table)) else None

    def is_plain(self, live: Listing, table: str, column: str) -> bool:
        """Whether the column refers to no other table."""
        return column in _plain(live, table)

    def there(self, makers: Makers, table: str) -> set[int]:
        """The keys of the rows that the table should have, if it is the one that they were put into."""
        maker = makers.get((table, "id"))
        return {key for (name, key), made in self.keys.items() if (name, made) == (table, maker)}

    def adopt(self, makers: Makers) -> None:
        """What was made by hand is a revision's now: so are the values that were put there before."""
        self.keys = {at: made or makers.get((at[0], "id"), "") for at, made in self.keys.items()}
        self.cells = {at: (value, made or makers.get((at[0], at[2]), "")) for at, (value, made) in self.cells.items()}

    def hand_over(self, before: Makers, now: Makers) -> None:
        """What is there counts as made by other revisions than before: so do the values in it."""
        passed = {(at, maker): now[at] for at, maker in before.items() if at in now}
        self.keys = {at: passed.get(((at[0], "id"), made), made) for at, made in self.keys.items()}
        self.cells = {at: (value, passed.get(((at[0], at[2]), made), made)) for at, (value, made) in self.cells.items()}

    def forget(self, table: str, column: str, maker: str) -> None:
        """Somebody has dropped a column, or with ``id`` the table, by hand: its values are nobody's concern."""
        if column == "id":
            self.keys = {at: made for at, made in self.keys.items() if (at[0], made) != (table, maker)}
            self.cells = {at: cell for at, cell in self.cells.items() if (at[0], at[1]) in self.keys}
        self.cells = {at: cell for at, cell in self.cells.items() if (at[0], at[2], cell[1]) != (table, column, maker)}

    def lost(self, live: Listing, makers: Makers, *, around: bool = False) -> list[str]:
        """What is not where it has to be: in its own cell, or, where its column is gone, anywhere at all.

        ``around``: rows may still be kept although their table is there.
        """
        everything = contents(self.session)
        haystack = "\n".join(row for rows in everything.values() for row in rows)
        present = columns(live)
        missing = []
        for table in {table for table, _ in self.keys}:
            if (table, "id") in present and (table, "id") in makers:
                names = [n for t, n in present if t == table and (t, n) in makers]
                missing += self._wrong_in(table, names, makers, haystack if around else "")
        for (table, key, name), (value, _maker) in self.cells.items():
            if value not in haystack:
                missing.append(f"{table}.{name} of {key}: {value} is nowhere")
        return missing

    def _is_in(self, text: str, table: str, key: int) -> bool:
        return all(value in text for (t, k, _), (value, _maker) in self.cells.items() if (t, k) == (table, key))

    def _wrong_in(self, table: str, names: list[str], makers: Makers, elsewhere: str) -> list[str]:
        listed = ", ".join(f'"{name}"::text' for name in names)
        rows: list[Any] = self.session.execute(f"SELECT id, {listed} FROM public.{table}".encode()).fetchall()
        found = {key: dict(zip(names, values, strict=True)) for key, *values in rows}
        wanted = self.there(makers, table)
        wrong = [
            f"{table}: row {key} is gone" for key in wanted - found.keys() if not self._is_in(elsewhere, table, key)
        ]
        wrong += [f"{table}: row {key} came from nowhere" for key in found.keys() - wanted]
        for (where, key, name), (value, maker) in self.cells.items():
            is_here = where == table and key in found and name in names and makers[table, name] == maker
            if is_here and not _same(found[key][name], value):
                wrong.append(f"{table}.{name} of {key}: {found[key][name]} and not {value}")
        return wrong


def _same(found: str | None, value: str) -> bool:
    """Whether it is the value, which a wider type may print with decimals."""
    return found is not None and found in (value, f"{value}.00")


def _plain(live: Listing, table: str) -> set[str]:
    """The columns of a table that hold no key of another."""
    return {column for name, column in columns(live) if name == table} - _references(live, table).keys()


def _references(live: Listing, table: str) -> dict[str, str]:
    """The columns of a table that hold a key of another, and which."""
    keys = [each for (kind, _), each in live.items() if kind == "foreign_key" and each.parent == f"public.{table}"]
    matches = (re.match(r"FOREIGN KEY \((\w+)\) REFERENCES (?:public\.)?(\w+)", _definition(each)) for each in keys)
    return {match[1]: match[2] for match in matches if match}


def _definition(key: Item) -> str:
    return str(key.attributes["definition"])
