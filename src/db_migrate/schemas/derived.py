"""Answers that rest on other answers, kept while each of those is still the same (``schemas.asked``)."""

from __future__ import annotations

import os
from typing import TypeVar

import msgspec

from db_migrate.project.inputs import state_of
from db_migrate.schemas.asked import kept_as, name_of
from db_migrate.schemas.scratch import Scratch

A = TypeVar("A")


class Derived(msgspec.Struct, frozen=True):
    """An answer as it lies in the cache, with the files of the answers it rests on and their digests then."""

    rests_on: dict[str, str]
    answer: msgspec.Raw


def recall_derived(scratch: Scratch, question: str, kind: type[A]) -> A | None:
    """The answer that is kept, if all that it rests on is the same; ``question`` says everything else about it."""
    content = scratch.cache.get(name_of(scratch, question)) if scratch.cache is not None else None
    if content is None:
        return None
    try:
        found = msgspec.msgpack.decode(content, type=Derived)
        if all(_still(scratch, name, state) for name, state in found.rests_on.items()):
            return msgspec.msgpack.decode(found.answer, type=kind)
    except msgspec.DecodeError:  # a file that something else has written to: as good as none
        return None
    return None


def keep_derived(scratch: Scratch, question: str, answer: object) -> None:
    """Keep an answer that rests on all that this command has asked the project, unless any of that is not kept."""
    rests_on = {name: state for name, state in scratch.consulted.items() if state is not None}
    if scratch.cache is None or len(rests_on) < len(scratch.consulted):
        return
    kept = Derived(rests_on, msgspec.Raw(msgspec.msgpack.encode(answer)))
    scratch.cache.put(name_of(scratch, question), msgspec.msgpack.encode(kept))
    scratch.anew.clear()


def _still(scratch: Scratch, name: str, state: str) -> bool:
    """Whether an answer rests on the same as it did; what this command has already found out is not looked at again."""
    if name in scratch.consulted:
        return scratch.consulted[name] == state
    kept = kept_as(scratch, name)
    return kept is not None and state_of(kept.inputs, os.environ) == state
