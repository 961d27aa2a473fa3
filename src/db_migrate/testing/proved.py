"""Which part of the history has gone up, down and up again before, with the same files: it need not go once more."""

from __future__ import annotations

from collections.abc import Iterator

from db_migrate.catalog.objects import Catalog
from db_migrate.schemas.history import Histories
from db_migrate.testing.history import History

_KIND = "up_down_up_1"
"""The number is raised whenever what is proved changes."""

_LOOKED_BACK = 32
"""How many revisions before the head a part that was proved may end."""


class Proved:
    """What is kept of earlier proofs.

    A proof holds for as long as nothing changes that making the schema depends on: the files of the revisions, env.py
    and what they looked at, the versions of everything (see ``Histories``).
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._known = Histories(history.scratch, history.graph)

    @property
    def whole(self) -> bool:
        """Whether every revision is proved."""
        return self._is_kept(tuple(sorted(self._history.graph.heads)))

    def before(self) -> tuple[str, ...]:
        """The newest revision up to which all is proved and which everything else stands on; none without it."""
        return next((each for each in self._below() if self._is_kept(each)), ())

    def keep(self, made: Catalog, *, below: bool) -> None:
        """Everything is proved, and ``made`` is the schema at the heads.

        With ``below`` each revision was, so that what is below a newest one need not be proved when that one changes.
        """
        heads, cache = tuple(sorted(self._history.graph.heads)), self._history.scratch.cache
        self._known.keep({heads: made})  # going down may have looked at more than going up
        for each in (heads, *(self._below() if below else ())):
            name = self._name(each)
            if cache is not None and name is not None:
                cache.put(name, b"")

    def _below(self) -> Iterator[tuple[str]]:
        """The revisions that everything newer stands on, the newest first."""
        graph = self._history.graph
        found = graph.heads
        for _ in range(_LOOKED_BACK):
            if len(found) != 1:
                return
            found = graph.parents(found[0])
            if len(found) == 1:
                yield (found[0],)

    def _is_kept(self, revisions: tuple[str, ...]) -> bool:
        name, cache = self._name(revisions), self._history.scratch.cache
        return cache is not None and name is not None and cache.get(name) is not None

    def _name(self, revisions: tuple[str, ...]) -> str | None:
        key = self._known.key(revisions)
        return None if key is None else f"{key}.{_KIND}"
