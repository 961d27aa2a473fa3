"""Follows tables and columns through a run: what each is called, was called before, and how big it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from db_migrate.catalog.change import Action, Change
from db_migrate.catalog.objects import TABLE_KINDS, Kind
from db_migrate.rules.facts import TableFacts
from db_migrate.rules.names import owner_of, rebase
from db_migrate.trace.effects import TracedStatement


@dataclass(slots=True)
class Following:
    """The state between two statements of a run.

    ``sizes`` are those of the tables that hold rows of the target, under their names of now. A table that the run
    makes has one only where rows that are kept go ``back`` to it, by revision and table.
    """

    sizes: dict[str, TableFacts]
    back: Mapping[tuple[str, str], TableFacts]
    _revision: str = ""
    _begun: dict[str, str] = field(default_factory=dict)
    """What has another name now than when the revision began: that one, by the name of now."""

    def copy(self) -> Following:
        """One that can go ahead by itself."""
        return Following(dict(self.sizes), self.back, self._revision, dict(self._begun))

    def begin_revision(self, revision: str) -> None:
        """From now on names are told from those of here."""
        self._revision = revision
        self._begun.clear()

    def begun(self, name: str) -> str:
        """What a table or a column was called when the revision began."""
        if name in self._begun:
            return self._begun[name]
        owner = owner_of(name)
        return rebase(name, owner, self._begun.get(owner, owner))

    def follow(self, statement: TracedStatement) -> None:
        """Take in what a statement did."""
        tables = [each for each in statement.effects.changes if each.kind in TABLE_KINDS]
        renamed = {str(each.from_object): each.object for each in tables if each.action is Action.RENAMED}
        columns = [c for c in statement.effects.changes if c.kind is Kind.COLUMN and c.action is Action.RENAMED]
        schemas = [c for c in statement.effects.changes if c.kind is Kind.SCHEMA and c.action is Action.RENAMED]
        for each in schemas:
            renamed |= self._within(str(each.from_object), each.object)
        self._rename(renamed, columns)
        for each in tables:
            if each.action in (Action.CREATED, Action.DROPPED):
                self.sizes.pop(each.object, None)
            if each.action is Action.CREATED and (self._revision, each.object) in self.back:
                self.sizes[each.object] = self.back[self._revision, each.object]

    def _within(self, schema: str, new: str) -> dict[str, str]:
        """The tables of a schema, under its new name too."""
        return {name: rebase(name, schema, new) for name in self.sizes if owner_of(name) == schema}

    def _rename(self, renamed: Mapping[str, str], columns: list[Change]) -> None:
        begun = {new: self.begun(old) for old, new in renamed.items()}
        begun |= {each.object: self.begun(str(each.from_object)) for each in columns}
        gone = {*renamed, *(str(each.from_object) for each in columns)}
        for name, first in self._begun.items():
            owner = owner_of(name)
            if name not in gone:
                begun.setdefault(rebase(name, owner, renamed.get(owner, owner)), first)
        self._begun = begun
        moved = {new: self.sizes.pop(old) for old, new in renamed.items() if old in self.sizes}
        self.sizes.update(moved)
