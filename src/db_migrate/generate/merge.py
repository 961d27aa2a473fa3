"""``generate --merge``: heads joined in one revision, if it makes no difference which of them ran first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations

from db_migrate.catalog.change import Change
from db_migrate.catalog.diff import diff, drifted
from db_migrate.catalog.objects import Catalog
from db_migrate.errors import UsageError
from db_migrate.generate.dispose import in_words
from db_migrate.generate.drafting import Content, draft, random_id
from db_migrate.generate.ground import Ground
from db_migrate.generate.request import Request
from db_migrate.generate.write import Draft, next_id, put_in_place
from db_migrate.project.graph import Graph
from db_migrate.results import BothProofs, DirectionProof, Generate, Goal, NewRevision
from db_migrate.schemas.history import replay, template_of
from db_migrate.schemas.replay import Witness
from db_migrate.schemas.scratch import Scratch, read

_PROVED = DirectionProof(True, (), None)


def merge(ground: Ground, request: Request) -> Generate:
    """A revision after several heads. Raises UsageError ``generate.one-head`` where there are not several.

    Every two heads are run in both orders from what they have in common; where the schemas differ, or one order fails,
    the heads do not commute and the result names what they clash about.
    """
    graph = ground.graph
    heads = tuple(graph.resolve(each)[0] for each in request.head) or graph.heads
    if len(heads) < 2:
        raise UsageError(
            "generate.one-head",
            "there is nothing to merge",
            why=f"the heads are: {', '.join(heads) or 'none'}",
            next=["db-migrate history"],
        )
    proof = commuting(ground.scratch, graph, heads, ground.without_own)
    request = replace(
        request,
        head=heads,
        message=request.message or f"merge {', '.join(heads)}",
        revision=next_id(graph, ground.settings, request.revision) or random_id(),
    )
    file = draft(ground, request, Content(["pass"], ["pass"]))
    wanted = proof.proved or request.keep
    written = wanted and not request.dry_run
    if written:
        put_in_place([file])
    return Generate(
        revisions=(_new(file),) if wanted else (),
        proof=BothProofs(proof, _PROVED, Goal.EITHER_ORDER),
        remaining=proof.differences,
        written=written,
    )


def _new(file: Draft) -> NewRevision:
    return NewRevision(file.revision, str(file.place), None, file.written.text)


def commuting(
    scratch: Scratch, graph: Graph, heads: Sequence[str], plain: Callable[[Catalog], Catalog]
) -> DirectionProof:
    """Whether it makes no difference in which order any two of the heads run, each pair from what it has in common.

    ``plain`` gives a catalog without Alembic's own tables.
    """
    pairs = (_commute(scratch, graph, pair, plain) for pair in combinations(heads, 2))
    return next((each for each in pairs if not each.proved), _PROVED)


def _commute(
    scratch: Scratch, graph: Graph, heads: Sequence[str], plain: Callable[[Catalog], Catalog]
) -> DirectionProof:
    """Whether both orders lead to the same schema."""
    found: list[Catalog] = []
    for order in (heads, tuple(reversed(heads))):
        catalog, error = _in_order(scratch, graph, order)
        if catalog is None:
            return DirectionProof(False, (), error)
        found.append(plain(catalog))
    first, second = (f"{each} first" for each in heads)
    left: tuple[Change, ...] = tuple(in_words(each, second, first) for each in drifted(diff(found[0], found[1])))
    names = ", ".join(each.object for each in left)
    return DirectionProof(not left, left, f"{heads[0]} and {heads[1]} clash about {names}" if left else None)


def _in_order(scratch: Scratch, graph: Graph, order: Sequence[str]) -> tuple[Catalog | None, str | None]:
    """The schema after running one head's revisions before the other's; or how that fails."""
    common = frozenset.intersection(*(graph.ancestors(head) for head in order))
    tips = tuple(r for r in common if not any(r in graph.parents(other) for other in common))
    start = replay(scratch, graph, tips)
    with scratch.database("both orders", template=template_of(scratch, start)) as database:
        for head in order:
            witness = Witness()
            done = scratch.migrate("upgrade", head, database, witness)
            if done.failure is not None:
                first = "" if head == order[0] else f" after {order[0]}"
                return None, f"{witness.revision or head} fails{first}: {done.failure.message}"
        return read(database), None
