"""Section D: constraints of domains; and a domain's definition, as PostgreSQL prints it, taken apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from db_migrate.catalog.change import Action, Change
from db_migrate.catalog.objects import Kind
from db_migrate.catalog.tokens import top_level
from db_migrate.rules import advice, rewriting
from db_migrate.rules.context import Context, Hit, locked
from db_migrate.rules.finding import Severity
from db_migrate.rules.matching import attribute
from db_migrate.rules.registry import About, Section, rule
from db_migrate.trace.effects import LockMode


def constraints_of(definition: str) -> tuple[tuple[str, str], ...]:
    """The constraints: the name of each as SQL writes it, and what it says."""
    text = definition + " CONSTRAINT"
    places = [offset for offset, word in top_level(text) if word == "CONSTRAINT"]
    pieces = [text[start + len("CONSTRAINT ") : end].strip() for start, end in pairwise(places)]
    return tuple((piece[: _end_of_name(piece)], piece[_end_of_name(piece) :].strip()) for piece in pieces)


def _end_of_name(piece: str) -> int:
    return next(offset for offset, word in top_level(piece) if word == "CHECK") - 1


@dataclass(frozen=True, slots=True)
class Domain:
    """What a domain is made of: its type, its default (empty for none), and what its constraints say."""

    base: str
    default: str
    required: bool
    checks: tuple[str, ...]


def parts_of(definition: str) -> Domain:
    """A domain taken apart; a constraint is ``CHECK ((VALUE > 0))``."""
    text = definition.partition(" AS ")[2]
    places = [(offset, word) for offset, word in top_level(text) if word in ("DEFAULT", "NOT", "CONSTRAINT")]
    ends = [offset for offset, _word in places] + [len(text)]
    pieces = {word: text[at : ends[n + 1]].strip() for n, (at, word) in enumerate(places) if word != "CONSTRAINT"}
    return Domain(
        base=text[: ends[0]].strip(),
        default=pieces.get("DEFAULT", "").removeprefix("DEFAULT "),
        required="NOT" in pieces,
        checks=tuple(said.removesuffix(" NOT VALID") for _name, said in constraints_of(definition)),
    )


@rule(
    "domain-constraint",
    Section.CONSTRAINT,
    About(
        catches="a domain gets a constraint, or one is created with one",
        effect="SHARE on every table that uses the domain while each is scanned",
        why="writes to all of these tables wait; a constraint on a domain cannot be replaced under load",
        instead="ALTER DOMAIN ... ADD ... NOT VALID, then VALIDATE; or a CHECK on each table",
        bad='op.execute("ALTER DOMAIN positive ADD CONSTRAINT small CHECK (VALUE < 1000)")',
        good='op.execute("ALTER DOMAIN positive ADD CONSTRAINT small CHECK (VALUE < 1000) NOT VALID")',
    ),
)
def domain_constraint(context: Context) -> Iterator[Hit]:
    """A note for a new domain, by the budget where tables are scanned."""
    for place in context.places:
        for change in place.changes(Kind.DOMAIN, Action.ALTERED):
            users = [lock.relation for lock in place.effects.locks if locked(place, lock.relation, LockMode.SHARE)]
            scanned = sorted({name for name in users if not context.exempt(place, name)})
            if scanned:
                tables = ", ".join(context.size(place, name) for name in scanned)
                fix = _new_domain_constraints(change)
                message = f"looks at every row of {tables} while writes wait"
                yield Hit(place, change.object, message, fix, context.block_severity(place))
        for change in place.changes(Kind.DOMAIN, Action.CREATED):
            domain = place.find(Kind.DOMAIN, change.object)
            if domain is not None and " CHECK " in domain.definition:
                message = f"{change.object} carries a constraint, which cannot be changed under load later"
                plain = rewriting.without_constraints(place.statement.sql)
                fix = f"# the CHECK belongs to each table that uses it:\n{advice.execute(plain)}" if plain else ""
                yield Hit(place, change.object, message, fix, Severity.NOTE)


def _new_domain_constraints(change: Change) -> str:
    """What the statement added, NOT VALID: what rows there are is looked at when that is convenient."""
    found = attribute(change, "definition")
    before = dict(constraints_of(str(found.from_))) if found is not None else {}
    added_now = constraints_of(str(found.to)) if found is not None else ()
    lines, validations = [], []
    for name, said in added_now:
        if name not in before:
            add = f"ALTER DOMAIN {change.object} ADD CONSTRAINT {name} {said.removesuffix(' NOT VALID')} NOT VALID"
            lines.append(advice.execute(add))
            validations.append(advice.execute(f"ALTER DOMAIN {change.object} VALIDATE CONSTRAINT {name}"))
    if not lines:
        return advice.intent("domain-constraint", change.object, "when writes to these tables may wait")
    checked = advice.later("writes to these tables may wait for the scan", advice.autocommit(*validations))
    return "\n".join((*lines, checked))
