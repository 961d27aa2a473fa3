"""One revision file: where it goes, what it is called, what it says; written by the project's own template."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from db_migrate.generate.ground import Ground
from db_migrate.generate.request import Request
from db_migrate.generate.write import Draft
from db_migrate.project.jobs import Proposal, WriteRevision
from db_migrate.rules.python_text import comment, indent


@dataclass(frozen=True)
class Content:
    """What a revision does, as Python without indentation, and what it needs imported."""

    upgrade: Sequence[str] = ()
    downgrade: Sequence[str] = ()
    imports: Iterable[str] = ()
    waits_for: str | None = None


def draft(ground: Ground, said: Request | Proposal, content: Content, revision: str | None = None) -> Draft:
    """The file, made by the project's template and hooks, and not yet part of the project.

    ``said`` is what was asked for, or what the project's hooks made of it. Raises ChildError where Alembic refuses.
    """
    waits = [comment(f"Waits until {content.waits_for}.")] if content.waits_for else []
    job = WriteRevision(
        revision=revision or said.revision or random_id(),
        message=said.message,
        head=said.head,
        splice=said.splice,
        branch_label=said.branch_label,
        version_path=_folder(ground, said.version_path, said.head),
        depends_on=said.depends_on,
        upgrade=_joined([*waits, *content.upgrade]),
        downgrade=_joined(content.downgrade),
        imports=tuple(sorted(set(_lines(content.imports)), key=lambda line: (not line.startswith("import "), line))),
    )
    return Draft(job.revision, ground.scratch.child.write_revision(job), content.waits_for)


def _lines(imports: Iterable[str]) -> Iterator[str]:
    """The import lines one by one: a plugin may give several in one text."""
    for each in imports:
        lines = each.splitlines()
        yield from lines if all(line.startswith(("import ", "from ")) for line in lines) else [each]


def random_id() -> str:
    """An id as Alembic makes them."""
    return uuid.uuid4().hex[-12:]


def _folder(ground: Ground, given: str | None, heads: Sequence[str]) -> str | None:
    """Where the file goes: as Alembic decides, which must not take the folder of our drafts into account."""
    locations = ground.scratch.project.version_locations
    if given is not None:
        return given
    if len(locations) == 1:
        return str(locations[0])
    known = [ground.graph.revisions[h].file.parent for h in heads or ground.graph.heads if h in ground.graph.revisions]
    return str(known[0]) if known else None


def _joined(texts: Sequence[str]) -> str:
    """Python for a function's body, as the template wants it: indented but for the first line."""
    return indent("\n".join(each for each in texts if each)).strip()
