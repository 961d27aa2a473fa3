"""What a rule is, and the one list of them: data, plus one small function over effects and facts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from db_migrate.rules.finding import Severity

if TYPE_CHECKING:
    from db_migrate.rules.context import Context, Hit

    Check = Callable[[Context], Iterable[Hit]]


class Section(StrEnum):
    """The families of rules, as the manual orders them."""

    ADD_COLUMN = "A"
    DROP = "B"
    TYPE = "C"
    CONSTRAINT = "D"
    INDEX = "E"
    TRANSACTION = "F"
    OBJECT = "G"
    SECURITY = "H"
    STYLE = "I"
    PROCESS = "J"
    DATA = "K"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: its name, what it catches and why that matters, and the examples that prove and explain it.

    ``catches`` is the condition, ``effect`` what PostgreSQL does, ``why`` what that means for a running system and
    ``instead`` the way around it. ``bad`` and ``good`` are bodies of ``upgrade()`` over the schema of ``examples``
    (whole revisions when they define ``upgrade`` themselves). ``versions`` says where it holds; ``since`` and ``until``
    are the oldest and the newest major that can run the examples, ``runner`` is what they are judged for, ``prepared``
    what a superuser has done before. ``general`` names the rule of which this one is a case: an intent for that
    allows this too. ``source`` marks the rules that read the revision's text and not only its effects,
    ``needs_facts`` those that are silent without a target. ``severity`` is the usual one; a check may say another
    for a case.
    """

    id: str
    section: Section
    severity: Severity
    catches: str
    effect: str
    why: str
    instead: str
    bad: str
    good: str
    check: Check
    versions: str = "all"
    since: int = 0
    until: int = 99
    runner: str = "db-migrate"
    prepared: str = ""
    general: str = ""
    source: bool = False
    needs_facts: bool = False
    on_by_default: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """The data of a rule; see :class:`Rule` for the meaning of each field."""

    catches: str
    effect: str
    why: str
    instead: str
    bad: str
    good: str
    severity: Severity = Severity.WARNING
    versions: str = "all"
    since: int = 0
    until: int = 99
    runner: str = "db-migrate"
    prepared: str = ""
    general: str = ""
    source: bool = False
    needs_facts: bool = False


_rules: dict[str, Rule] = {}


def rule(id: str, section: Section, about: About) -> Callable[[Check], Check]:
    """Register the decorated check under ``id``; rules of section I are policy and off until they are named.

    Raises ValueError when the name is taken.
    """

    def register(check: Check) -> Check:
        if id in _rules:
            raise ValueError(f"two rules are called {id}")
        _rules[id] = Rule(
            id=id,
            section=section,
            check=check,
            severity=about.severity,
            catches=about.catches,
            effect=about.effect,
            why=about.why,
            instead=about.instead,
            bad=about.bad.strip("\n"),
            good=about.good.strip("\n"),
            versions=about.versions,
            since=about.since,
            until=about.until,
            runner=about.runner,
            prepared=about.prepared,
            general=about.general,
            source=about.source,
            needs_facts=about.needs_facts,
            on_by_default=section is not Section.STYLE,
        )
        return check

    return register


def opt_in(id: str) -> None:
    """Turn a registered rule off until the settings name it."""
    _rules[id] = replace(_rules[id], on_by_default=False)


def registered() -> tuple[Rule, ...]:
    """The rules of the modules imported so far, by section and then name."""
    return tuple(sorted(_rules.values(), key=lambda each: (each.section, each.id)))
