"""Statements in an order that PostgreSQL accepts, and cut into one text for each change."""

from __future__ import annotations

import heapq
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum

from db_migrate.catalog.objects import RANK, Key
from db_migrate.catalog.tokens import last_part, without_last


class Verb(StrEnum):
    """What a node of the plan does with its object."""

    RENAME = "rename"
    RELEASE = "release"
    DROP = "drop"
    ALTER = "alter"
    CREATE = "create"
    FINISH = "finish"
    PURGE = "purge"


Node = tuple[Verb, Key]
_WORD = re.compile(r'\w+|"(?:[^"]|"")*"')
_PHASES = {Verb.RENAME: 0, Verb.RELEASE: 1, Verb.DROP: 2, Verb.ALTER: 3, Verb.CREATE: 3, Verb.FINISH: 4, Verb.PURGE: 5}


@dataclass(frozen=True, slots=True)
class Operation:
    """Statements that belong together, for the change (its place in the list of changes) that they are part of."""

    node: Node
    statements: tuple[str, ...]
    owner: int
    note: str = ""

    @property
    def is_anchor(self) -> bool:
        """Whether a change may stand at the place of this operation in the order of changes."""
        return self.node[0] in (Verb.RENAME, Verb.DROP, Verb.ALTER, Verb.CREATE)


class Graph:
    """Operations and what has to come before what."""

    def __init__(self) -> None:
        self.operations: dict[Node, Operation] = {}
        self._hard: dict[Node, set[Node]] = defaultdict(set)
        self._soft: dict[Node, set[Node]] = defaultdict(set)
        self._names: dict[Node, tuple[frozenset[str], str]] = {}

    def add(self, operation: Operation) -> None:
        """Add an operation; one that is there already stays."""
        self.operations.setdefault(operation.node, operation)

    def before(self, first: Node, second: Node, *, soft: bool = False) -> None:
        """``first`` has to come before ``second``, where both exist; a soft wish gives way when it makes a circle."""
        if first != second and first in self.operations and second in self.operations:
            (self._soft if soft else self._hard)[second].add(first)

    def renames(self, node: Node, old: str, new: str, table: str) -> None:
        """``node`` is a renaming; of a column, mentioned only together with its ``table``, where that is given."""
        parts = [(last_part(old), last_part(new)), *([] if table else [(without_last(old), without_last(new))])]
        changed = " ".join(each for before, after in parts if before != after for each in (before, after))
        self._names[node] = frozenset(_WORD.findall(changed)), table

    def owner_positions(self, first: Mapping[int, int]) -> dict[int, int]:
        """The changes in an order that follows from that of their operations; ``first`` decides where it is free."""
        waiting: dict[int, set[int]] = {operation.owner: set() for operation in self.operations.values()}
        for edges in (self._hard, self._soft):
            for node, before in edges.items():
                owner = self.operations[node].owner
                waiting[owner] |= {self.operations[each].owner for each in before} - {owner}
        positions: dict[int, int] = {}
        while waiting:
            free = [owner for owner, before in waiting.items() if not before]
            for owner in sorted(free, key=lambda o: first.get(o, 0)) or [min(waiting, key=lambda o: first.get(o, 0))]:
                positions[owner] = len(positions)
                del waiting[owner]
            for others in waiting.values():
                others.difference_update(positions)
        return positions

    def sorted(self, positions: Mapping[int, int], *, renames_first: bool = True) -> list[Operation]:
        """All operations in order; those of changes with a lower position as early as may be.

        Without ``renames_first`` a renaming is as late as its change, save that what mentions its names comes after it.
        """
        waiting = {n: set(self._hard.get(n, ())) | set(self._soft.get(n, ())) for n in self.operations}
        first = self._names.keys() & self.operations.keys() if renames_first else frozenset()
        if not renames_first:
            self._wait_for_names(waiting)
        followers: dict[Node, list[Node]] = defaultdict(list)
        for node, before in waiting.items():
            for each in before:
                followers[each].append(node)
        ready = [(self._priority(node, positions, first), node) for node, before in waiting.items() if not before]
        heapq.heapify(ready)
        done: list[Operation] = []
        while waiting:
            if not ready:
                ready = [self._freed(waiting, positions, first)]
            _, node = heapq.heappop(ready)
            if node not in waiting:
                continue
            del waiting[node]
            done.append(self.operations[node])
            for follower in followers[node]:
                if follower in waiting:
                    waiting[follower].discard(node)
                    if not waiting[follower]:
                        heapq.heappush(ready, (self._priority(follower, positions, first), follower))
        return done

    def _wait_for_names(self, waiting: Mapping[Node, set[Node]]) -> None:
        """What mentions the names that a renaming gives or takes away waits for it, unless it has to come before."""
        words = {node: set(_WORD.findall(" ".join(each.statements))) for node, each in self.operations.items()}
        for rename in self._names.keys() & self.operations.keys():
            names, table = self._names[rename]
            earlier = self._all_before(rename)
            for node, said in words.items():
                if node not in earlier and not names.isdisjoint(said) and (not table or table in said):
                    waiting[node].add(rename)

    def _all_before(self, node: Node) -> set[Node]:
        """The operation itself and all that has to come before it."""
        found, left = {node}, [node]
        while left:
            at = left.pop()
            new = (self._hard.get(at, set()) | self._soft.get(at, set())) - found
            found |= new
            left.extend(new)
        return found

    def _freed(
        self, waiting: dict[Node, set[Node]], positions: Mapping[int, int], first: Set[Node]
    ) -> tuple[tuple[int, ...], Node]:
        """The node of a circle to go on with: one that only soft wishes hold back, else the first."""
        held = {node: (len(before & self._hard.get(node, set())) > 0) for node, before in waiting.items()}
        node = min(waiting, key=lambda n: (held[n], self._priority(n, positions, first)))
        waiting[node].clear()
        return self._priority(node, positions, first), node

    def _priority(self, node: Node, positions: Mapping[int, int], first: Set[Node]) -> tuple[int, ...]:
        verb, (kind, _) = node
        rank = RANK[kind]
        downwards = verb in (Verb.DROP, Verb.RELEASE)
        position = positions.get(self.operations[node].owner, 0)
        return (0 if node in first else 1, position, _PHASES[verb], -rank if downwards else rank)


def owners_in_order(operations: Sequence[Operation]) -> list[int]:
    """The changes in the order of their last anchor, which is where each stands in the script."""
    last = {operation.owner: place for place, operation in enumerate(operations) if operation.is_anchor}
    return sorted(last, key=lambda owner: last[owner])


def cut(operations: Sequence[Operation], order: Sequence[int]) -> dict[int, list[Operation]]:
    """The operations cut into consecutive pieces, one for each change, which in ``order`` are the whole again.

    What helps a change (a view out of the way before, the same view made again after) goes with that change.
    """
    places = {owner: place for place, owner in enumerate(order)}
    anchors = {operation.owner: at for at, operation in enumerate(operations) if operation.is_anchor}
    anchored = {at: places[owner] for owner, at in anchors.items()}
    upcoming, following = len(order) - 1, []
    for at in reversed(range(len(operations))):
        upcoming = anchored.get(at, upcoming)
        following.append(upcoming)
    following.reverse()
    pieces: dict[int, list[Operation]] = {owner: [] for owner in order}
    current = 0
    for at, operation in enumerate(operations):
        behind = anchors.get(operation.owner, len(operations)) <= at
        current = max(current, places[operation.owner] if behind else following[at])
        pieces[order[current]].append(operation)
    return pieces
