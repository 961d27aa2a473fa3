"""Cases as text: what is on both sides, what is only on one, and the change that PostgreSQL's documentation implies.

    ## title [flags]
      statements of both sides          (before those of one side)
    - statements of *from* alone
    + statements of *to* alone
    > kind object action | attribute: from → to | attribute: from → to | class

A dash for a value means that there is none; ``nothing`` instead of a change means that the sides are the same. The
action ``renamed`` is followed by ``from NAME``. Flags: ``18`` (needs that major version), ``no dump`` (pg_dump tells
apart what is no difference, such as the order of columns), ``one way`` (PostgreSQL has no statement that leads from
*from* to *to*), ``no way back`` (none for the opposite).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from db_migrate.catalog.change import Action, Change, ChangeClass
from db_migrate.catalog.objects import Value


@dataclass(frozen=True, slots=True)
class Expected:
    """A change as a case expects it, every value as text."""

    kind: str
    object: str
    action: str
    from_object: str | None
    attributes: tuple[tuple[str, str, str], ...]
    class_: str

    def reversed(self) -> Expected:
        """The same change seen from the other side."""
        opposite = {"created": "dropped", "dropped": "created"}
        attributes = tuple((name, new, old) for name, old, new in self.attributes)
        if self.from_object is not None:
            return Expected(self.kind, self.from_object, self.action, self.object, attributes, self.class_)
        action = opposite.get(self.action, self.action)
        return Expected(self.kind, self.object, action, None, attributes, self.class_)


@dataclass(frozen=True, slots=True)
class Case:
    """One difference between two schemas."""

    title: str
    old: str
    new: str
    expected: tuple[Expected, ...]
    since: int
    flags: frozenset[str]

    def reversed(self) -> Case:
        """The same difference, the other way round."""
        swap = {"one way": "no way back", "no way back": "one way"}
        flags = frozenset(swap.get(flag, flag) for flag in self.flags)
        changes = tuple(change.reversed() for change in self.expected)
        return Case(f"{self.title} (back)", self.new, self.old, changes, self.since, flags)


def parse(family: str, text: str) -> list[Case]:
    """The cases of a family's table, in both directions."""
    cases = []
    for block in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        head, _, body = block.partition("\n")
        match = re.fullmatch(r"(.*?)(?: \[(.*)\])?", head.strip())
        assert match is not None
        flags = [flag.strip() for flag in (match[2] or "").split(",") if flag.strip()]
        since = next((int(flag) for flag in flags if flag.isdigit()), 0)
        case = _case(f"{family}: {match[1]}", body, since, frozenset(flag for flag in flags if not flag.isdigit()))
        cases += [case, case.reversed()]
    titles = [case.title for case in cases]
    assert len(titles) == len(set(titles)), "two cases have the same title"
    return cases


def _case(title: str, body: str, since: int, flags: frozenset[str]) -> Case:
    both: list[str] = []
    old: list[str] = []
    new: list[str] = []
    expected: list[Expected] = []
    for line in body.splitlines():
        if line.startswith("> "):
            if line != "> nothing":
                expected.append(_expected(line[2:]))
        elif line.startswith("- "):
            old.append(line[2:])
        elif line.startswith("+ "):
            new.append(line[2:])
        elif line.strip():
            both.append(line)
    join = "\n".join
    return Case(title, join([*both, *old]), join([*both, *new]), tuple(expected), since, flags)


_HEAD = re.compile(r"(?P<kind>\S+) (?P<object>.+?) (?P<action>created|dropped|altered|renamed)(?: from (?P<old>.+))?")


def _expected(line: str) -> Expected:
    head, *rest = re.split(r" \| ", line)
    match = _HEAD.fullmatch(head)
    assert match is not None, line
    class_ = "drift"
    if rest and rest[-1] in {each.value for each in ChangeClass}:
        class_ = rest.pop()
    attributes = []
    for part in rest:
        name, _, values = part.partition(": ")
        old, arrow, new = values.partition(" → ")
        assert arrow, line
        attributes.append((name, old, new))
    return Expected(match["kind"], match["object"], match["action"], match["old"], tuple(sorted(attributes)), class_)


def seen(change: Change) -> Expected:
    """A change as cases write it."""
    attributes = tuple(sorted((a.name, _text(a.from_), _text(a.to)) for a in change.attributes))
    old = change.from_object if change.action is Action.RENAMED else None
    return Expected(change.kind.value, _text(change.object), change.action.value, old, attributes, change.class_.value)


def _text(value: Value) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join(value)}]"
    return re.sub(r"\s+", " ", str(value))
