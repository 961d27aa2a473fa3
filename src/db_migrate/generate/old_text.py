"""SQL that people wrote in the names of the models, in the names that things still have before their renames.

Nothing is replaced where it is in doubt what a name means: PostgreSQL then refuses it in the proof, which is better
than another column of the same name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from db_migrate.catalog.labels import Labels
from db_migrate.catalog.tokens import last_part, literal, quoted, tokens, unquoted

_RESULT = frozenset({"then", "else"})
"""What a literal that is a result of CASE follows."""


@dataclass(frozen=True)
class OldText:
    """Old names by new ones: of the table that a row is of, of its columns, and of whatever else is not a column.

    ``labels`` are the old ones by the new ones, for each enum under its name in the models.
    """

    table: frozenset[str]
    columns: Mapping[str, str]
    others: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    labels: Labels = field(default_factory=lambda: MappingProxyType({}))

    def of(self, expression: str, type_: str | None) -> str:
        """An expression over the columns, whose result has the type that is named."""
        return "".join(self._written(list(tokens(expression)), type_))

    def _written(self, parts: Sequence[str], type_: str | None) -> Iterator[str]:
        subqueries: list[bool] = []
        words = [part for part in parts if not part.isspace()]
        place = -1
        for part in parts:
            if part.isspace():
                yield part
                continue
            place += 1
            if part == "(":
                subqueries.append(words[place + 1 : place + 2] != [] and words[place + 1].lower() in ("select", "with"))
            elif part == ")" and subqueries:
                subqueries.pop()
            if part.startswith("'"):
                yield self._literal(words, place, type_)
            else:
                yield self._name(words, place, within=any(subqueries))

    def _name(self, words: Sequence[str], place: int, *, within: bool) -> str:
        word = words[place]
        name = word if word.startswith('"') else word.lower()
        qualified = words[place - 1 : place] == ["."]
        qualifier = words[place - 2].lower() if qualified and place > 1 else ""
        if qualified and qualifier in self.table:
            return self.columns.get(name) or self.columns.get(quoted(unquoted(name))) or word
        if not qualified and not within and name in self.columns and words[place + 1 : place + 2] not in (["."], ["("]):
            return self.columns[name]
        return self.others.get(name, word)

    def _literal(self, words: Sequence[str], place: int, type_: str | None) -> str:
        word = words[place]
        if words[place + 1 : place + 2] == ["::"]:
            enum = words[place + 4] if words[place + 3 : place + 4] == ["."] else words[place + 2 : place + 3][0]
        elif len(words) == 1 or words[place - 1].lower() in _RESULT:
            enum = last_part((type_ or "").removesuffix("[]"))
        else:
            return word
        renamed = next((each for name, each in self.labels.items() if enum in self._names(name)), {})
        return next((literal(old) for old, new in renamed.items() if literal(new) == word), word)

    def _names(self, enum: str) -> frozenset[str]:
        name = last_part(enum)
        return frozenset({name, self.others.get(name, name)})
