"""What env.py tells, asked of the child process only when something that it looked at has changed.

An answer is kept with the list of all that running env.py looked at and a digest of the state of that. Found again
with the same digest it is what running env.py again would tell, so nothing of the project is imported.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from db_migrate import __version__
from db_migrate.postgres.conninfo import NAMES, SECRETS, ConnInfo
from db_migrate.project import whereabouts
from db_migrate.project.fork_server import fork_server
from db_migrate.project.inputs import changed_since, state_of
from db_migrate.project.jobs import Candidate, Inputs, ModelFacts
from db_migrate.project.outcomes import LearnedTarget
from db_migrate.schemas.replay import Witness
from db_migrate.schemas.scratch import Scratch

_FORMAT = 4


Configured = tuple[str, str | None, str]
"""A version table as env.py has configured it: its name, its schema, and the search_path that env.py has set."""


class Kept(msgspec.Struct, frozen=True):
    """An answer as it lies in the cache. ``state`` is the digest of the inputs."""

    inputs: Inputs
    state: str
    answer: msgspec.Raw


class KnownTarget(msgspec.Struct, frozen=True):
    """A ``LearnedTarget`` without its password; ``password`` says where that stands."""

    drivername: str
    parameters: dict[str, str | int | float | bool]
    at_import: bool
    configured: bool
    password: whereabouts.Place | None


class Learned(msgspec.Struct, frozen=True):
    """Where env.py connects, and the version tables that it configures: name, schema, and the search_path it has set.

    ``targets`` is None where they have passwords that stand nowhere. ``several``: env.py migrates more than one.
    ``swallowed`` is where env.py begins the transaction that its ``transaction_per_migration`` is void within.
    """

    targets: tuple[KnownTarget, ...] | None
    version_tables: tuple[Configured, ...]
    several: bool = False
    swallowed: str = ""


class Declared(msgspec.Struct, frozen=True):
    """The facts about the models, and the ``candidates`` (a digest) that env.py's filters were asked about."""

    facts: ModelFacts
    candidates: str


A = TypeVar("A")


def recall(scratch: Scratch, question: str, kind: type[A]) -> A | None:
    """The answer that is kept, if nothing has changed since."""
    name = name_of(scratch, question)
    kept = kept_as(scratch, name)
    if kept is None or state_of(kept.inputs, os.environ) != kept.state:
        return None
    try:
        answer = msgspec.msgpack.decode(kept.answer, type=kind)
    except msgspec.DecodeError:
        return None
    scratch.consulted[name] = kept.state
    return answer


def remember(scratch: Scratch, question: str, answer: object, inputs: Inputs) -> str | None:
    """Keep an answer that the child process has just given, unless it may be another one next time.

    Returns what the answer depends on, as ``state_now`` does; None where nothing is kept.
    """
    name = name_of(scratch, question)
    scratch.consulted[name] = None
    scratch.anew.add(name)
    started = scratch.start_child(scratch.project)
    if scratch.cache is None or not started.noted:
        return None
    if inputs.reasons:
        notice(scratch, f"{inputs.reasons[0]}: what the project's code does is not kept, but done each time")
        return None
    state = state_of(inputs, os.environ)
    path = changed_since(inputs, started.began)
    if path is not None:
        notice(scratch, f"{path} changed meanwhile: what the project's code does is not kept this time")
        return None
    kept = Kept(inputs, state, msgspec.Raw(msgspec.msgpack.encode(answer)))
    scratch.cache.put(name, msgspec.msgpack.encode(kept))
    scratch.consulted[name] = state
    return f"{name} {state}"


def remember_more(scratch: Scratch, question: str, inputs: Inputs) -> str | None:
    """Keep what something depends on, with what it was known to depend on before; else as ``remember``."""
    kept = kept_as(scratch, name_of(scratch, question))
    return remember(scratch, question, None, inputs if kept is None else _together(kept.inputs, inputs))


def _together(first: Inputs, second: Inputs) -> Inputs:
    def both(name: str) -> object:
        one, other = getattr(first, name), getattr(second, name)
        return one or other if isinstance(one, bool) else tuple(sorted({*one, *other}))

    return msgspec.convert({name: both(name) for name in Inputs.__struct_fields__}, Inputs)


def notice(scratch: Scratch, text: str) -> None:
    """Say it once."""
    if text not in scratch.notices:
        scratch.notices.append(text)


def state_now(scratch: Scratch, question: str) -> str | None:
    """What the answer depends on, as it is now; None if this was never answered, so that nobody knows."""
    name = name_of(scratch, question)
    kept = kept_as(scratch, name)
    if kept is None:
        return None
    state = state_of(kept.inputs, os.environ)
    scratch.consulted[name] = state
    return f"{name} {state}"


def kept_as(scratch: Scratch, name: str) -> Kept | None:
    """What lies in the cache under an answer's name."""
    content = scratch.cache.get(name) if scratch.cache is not None else None
    if content is None:
        return None
    try:
        return msgspec.msgpack.decode(content, type=Kept)
    except msgspec.DecodeError:  # a file that something else has written to: as good as none
        return None


def name_of(scratch: Scratch, question: str) -> str:
    """The file of an answer: one for each project, settings for Alembic, version and question."""
    parts = (_FORMAT, __version__, scratch.version, scratch.project, question)
    return f"{hashlib.sha256(repr(parts).encode()).hexdigest()}.answer"


def learn(scratch: Scratch, *, with_targets: bool) -> tuple[tuple[LearnedTarget, ...], Sequence[Configured]]:
    """Where env.py connects and the version tables that it configures.

    Without ``with_targets`` there may be none of the former, unless there are several to choose from. Raises what the
    child process raises.
    """
    known = recall(scratch, "learn", Learned)
    if known is not None and (known.targets is not None or not (with_targets or known.several)):
        return tuple(_with_password(target) for target in known.targets or ()), known.version_tables
    witness = Witness()
    fork_server()  # first, so that it starts while the database is made
    with scratch.database("where env.py connects to") as empty:
        targets = scratch.child.learn(empty.as_libpq(), witness)
    tables = configured_in(witness)
    if scratch.cache is not None:
        inputs = scratch.child.inputs()
        safe = tuple(_without_password(target, inputs) for target in targets)
        complete = tuple(each for each in safe if each is not None)
        if len(complete) < len(safe):
            notice(scratch, "the target's password stands in no file and no variable: env.py is run each time")
        remember(
            scratch,
            "learn",
            Learned(
                complete if len(complete) == len(safe) else None, tables, len(migrated(targets)) > 1, witness.swallowed
            ),
            inputs,
        )
    return targets, tables


def where_swallowed(scratch: Scratch) -> str:
    """Where env.py makes its own ``transaction_per_migration`` void, with what it sends there; empty where it does not.

    Raises what the child process raises.
    """
    known = recall(scratch, "learn", Learned)
    if known is not None:
        return known.swallowed
    witness = Witness()
    with scratch.database("what env.py does before the revisions") as empty:
        scratch.child.learn(empty.as_libpq(), witness)
    return witness.swallowed


def configured_in(witness: Witness) -> tuple[Configured, ...]:
    """The version tables that were configured while ``witness`` looked on, each once."""
    found = ((each.version_table, each.version_table_schema, each.search_path) for each in witness.configured)
    return tuple(dict.fromkeys(found))


def migrated(learned: Sequence[LearnedTarget]) -> tuple[ConnInfo, ...]:
    """The databases that env.py migrates, each once: those that it configures Alembic for, where that is known."""
    chosen = (
        [each for each in learned if each.configured] or [each for each in learned if not each.at_import] or learned
    )
    found = {_place(each): each for each in map(address_of, reversed(chosen))}
    return tuple(reversed(found.values()))


def address_of(learned: LearnedTarget) -> ConnInfo:
    """Where a connection goes."""
    return ConnInfo.from_sqlalchemy_params(learned.drivername, learned.parameters)


def _place(address: ConnInfo) -> tuple[str, int, str]:
    return address.host, address.port, address.dbname


def _with_password(target: KnownTarget) -> LearnedTarget:
    parameters: dict[str, object] = dict(target.parameters)
    if target.password is not None:
        parameters["password"] = whereabouts.read(target.password, os.environ)
    return LearnedTarget(target.drivername, parameters, target.at_import, target.configured)


def _without_password(target: LearnedTarget, inputs: Inputs) -> KnownTarget | None:
    """The target with the password's whereabouts instead; None where a secret cannot be found again."""
    if any(target.parameters.get(name) for name in SECRETS):
        return None
    plain = {
        name: value
        for name, value in target.parameters.items()
        if name in NAMES and isinstance(value, str | int | float | bool)
    }
    password = target.parameters.get("password")
    place = whereabouts.find(str(password), inputs, os.environ) if password else None
    if password and place is None:
        return None
    return KnownTarget(target.drivername, plain, target.at_import, target.configured, place)


def declared(
    scratch: Scratch,
    candidates: Sequence[Candidate] = (),
    *,
    question: str = "models",
    draft: bool = True,
) -> ModelFacts:
    """What the models declare, and what env.py's filters say of candidates.

    With ``draft`` the facts have the models' DDL too, where it can be drafted. Answers to several questions are kept
    beside each other. Nothing is said of what the ORM's mappers believe, which takes as long to find out as all else.
    Raises ``ChildError``.
    """
    asked = hashlib.sha256(msgspec.msgpack.encode(list(candidates))).hexdigest()
    known = recall(scratch, question, Declared)
    if known is not None and not known.facts.filtered:
        return msgspec.structs.replace(known.facts, included=(True,) * len(candidates))
    if known is not None and known.candidates == asked:
        return known.facts
    with scratch.database("models") as database:
        facts = scratch.child.models(
            database.as_libpq(), create=False, candidates=candidates, draft=draft, mappers=False
        ).facts
    if scratch.cache is not None:
        remember(scratch, question, Declared(facts, asked), scratch.child.inputs())
    return facts


def mapped(scratch: Scratch) -> ModelFacts:
    """What the ORM's mappers believe: relationships, and which class maps which table. Raises ``ChildError``."""
    known = recall(scratch, "mappers", ModelFacts)
    if known is not None:
        return known
    with scratch.database("what the models say") as empty:
        facts = scratch.child.models(empty.as_libpq(), create=False).facts
    if scratch.cache is not None:
        remember(scratch, "mappers", facts, scratch.child.inputs())
    return facts
