"""Traces a stretch of the history on scratch; what ran before with the same files is read from the cache instead."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from db_migrate.catalog.objects import Catalog
from db_migrate.plan.proofs import prove_downgrades
from db_migrate.plan.sources import own_sources
from db_migrate.plan.stretch import Stretch
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.project.graph import Graph
from db_migrate.project.outcomes import ChildError
from db_migrate.results import DowngradeProof
from db_migrate.schemas.history import history_key, make_homes, remember, replay, template_of
from db_migrate.schemas.scratch import Scratch
from db_migrate.trace import store
from db_migrate.trace.effects import Direction, Trace, TracedRevision
from db_migrate.trace.run import install, trace, uninstall, unseen_warnings

_NOTHING = Catalog.of((), 0)


@dataclass(frozen=True)
class TracedHistory:
    """The trace of a stretch, and what was proved of the downgrades where that was asked for."""

    trace: Trace
    proofs: Mapping[str, DowngradeProof]


@dataclass(frozen=True)
class _Chain:
    """The revisions of a stretch in their order, each with the key of what the trace of it depends on."""

    revisions: tuple[str, ...]
    keys: tuple[str, ...]

    @property
    def order_file(self) -> str:
        """Where it is kept in which order Alembic ran these revisions, where branches leave it a choice."""
        return f"{self.keys[-1]}.order"


def trace_history(
    scratch: Scratch, graph: Graph, stretch: Stretch, *, downgrades: bool, cached: bool = True
) -> TracedHistory:
    """Run the stretch up, and with ``downgrades`` down again, as far as the cache does not know the outcome.

    A revision that fails ends the trace; its error is in its record. Raises ``Failed`` (``history.replay``) when what
    comes before the stretch does not run.
    """
    chain = _chain(scratch, graph, stretch, graph.between(stretch.lower, stretch.upper))
    if not chain.revisions:
        return TracedHistory(_joined(scratch, (), None), {})
    order = read_cached(scratch, chain.order_file) if cached else None
    if order is not None:
        chain = _chain(scratch, graph, stretch, tuple(order.decode().split("\n")))
    known = _known(scratch, chain) if cached else ()
    proofs = _known_proofs(scratch, chain) if downgrades and cached else {}
    missing = downgrades and len(proofs) < len(known)
    if len(known) == len(chain.revisions) and not missing:
        return TracedHistory(_joined(scratch, known, None), proofs)
    done = () if downgrades else known  # what is to go down must have gone up in the same database
    return _run(scratch, graph, stretch, chain, done, downgrades=downgrades)


def _run(
    scratch: Scratch,
    graph: Graph,
    stretch: Stretch,
    chain: _Chain,
    done: tuple[TracedRevision, ...],
    *,
    downgrades: bool,
) -> TracedHistory:
    _ = scratch.child  # it imports what it needs while we make the database
    began = _heads_after(graph, stretch, tuple(each.revision for each in done))
    ground = template_of(scratch, replay(scratch, graph, began)) if began else None
    with scratch.database("lint of the history", template=ground) as database:
        install(database)
        try:
            traces = list(_upwards(scratch, graph, database, stretch))
        except ChildError:
            if began or not make_homes(scratch, database):
                raise
            traces = list(_upwards(scratch, graph, database, stretch))
        joined = _joined(scratch, done, traces)
        chain = _as_ran(scratch, graph, stretch, chain, joined)
        _store(scratch, chain, joined, traces)
        up = replace(joined, revisions=joined.revisions[len(done) :])
        if not downgrades:
            if stretch.whole and not any(each.error for each in joined.revisions):
                uninstall(database)
                remember(scratch, graph, stretch.upper, database, joined.after)
            return TracedHistory(joined, {})
        proofs = prove_downgrades(scratch, graph, database, began, up)
        _store_proofs(scratch, chain, proofs)
        return TracedHistory(joined, proofs)


def _upwards(scratch: Scratch, graph: Graph, database: ConnInfo, stretch: Stretch) -> Iterator[Trace]:
    """The traces to each end of the stretch; one that fails is the last."""
    for target in ("heads",) if stretch.whole else stretch.upper:
        traced = trace(scratch, graph, database, Direction.UPGRADE, target)
        yield traced
        if any(each.error for each in traced.revisions):
            return


def _heads_after(graph: Graph, stretch: Stretch, done: Sequence[str]) -> tuple[str, ...]:
    """What the version table holds after the first revisions of the stretch."""
    run = graph.ancestors(*stretch.lower) | set(done)
    needed = {parent for each in run for parent in graph.parents(each)}
    return tuple(sorted(run - needed))


def _joined(scratch: Scratch, done: Sequence[TracedRevision], traces: Sequence[Trace] | None) -> Trace:
    """One trace, with its transactions numbered through."""
    revisions = list(done)
    for each in traces or ():
        last = max((s.transaction for r in revisions for s in r.statements), default=0)
        revisions += (_renumbered(revision, last) for revision in each.revisions)
    said = (warning for each in traces or () for warning in each.warnings)
    warnings = tuple(dict.fromkeys((*unseen_warnings(done), *said)))
    empty = traces[0].before if traces else _NOTHING
    before, after = (revisions[0].before, revisions[-1].after) if revisions else (empty, empty)
    connections = max((each.connections for each in traces or ()), default=1)
    return Trace(tuple(revisions), scratch.version, before, after, warnings, connections=connections)


def _renumbered(revision: TracedRevision, by: int) -> TracedRevision:
    if not by:
        return revision
    return replace(revision, statements=tuple(replace(s, transaction=s.transaction + by) for s in revision.statements))


def _as_ran(scratch: Scratch, graph: Graph, stretch: Stretch, chain: _Chain, ran: Trace) -> _Chain:
    """The chain in the order in which Alembic went, which is remembered for the next time."""
    order = tuple(each.revision for each in ran.revisions)
    if order == chain.revisions[: len(order)] or scratch.cache is None:
        return chain
    if len(order) == len(chain.revisions):
        scratch.cache.put(chain.order_file, "\n".join(order).encode())
    return _chain(scratch, graph, stretch, order)


def _chain(scratch: Scratch, graph: Graph, stretch: Stretch, revisions: tuple[str, ...]) -> _Chain:
    key = f"{store.FORMAT} {history_key(scratch, graph, stretch.lower)}"
    keys = []
    for revision in revisions:
        file = graph.revisions[revision].file
        digest = hashlib.sha256(f"{key} {revision} {file}\n".encode() + file.read_bytes())
        for source in own_sources(scratch.project, file):
            digest.update(f"{source}\n".encode() + source.read_bytes())
        key = digest.hexdigest()
        keys.append(key)
    return _Chain(revisions, tuple(keys))


def _known(scratch: Scratch, chain: _Chain) -> tuple[TracedRevision, ...]:
    """The longest beginning of the chain that the cache has."""
    found: list[TracedRevision] = []
    ground = _NOTHING
    for key in chain.keys:
        data = read_cached(scratch, f"{key}.trace")
        if data is None:
            break
        with contextlib.suppress(msgspec.DecodeError, KeyError):
            found.append(store.loads(data, ground))
            ground = found[-1].after
            continue
        break
    return tuple(found)


def _known_proofs(scratch: Scratch, chain: _Chain) -> dict[str, DowngradeProof]:
    found = {}
    for revision, key in zip(chain.revisions, chain.keys, strict=True):
        data = read_cached(scratch, f"{key}.downgrade")
        if data is not None:
            with contextlib.suppress(msgspec.DecodeError):
                found[revision] = msgspec.msgpack.decode(data, type=DowngradeProof)
    return found


def read_cached(scratch: Scratch, name: str) -> bytes | None:
    """A file of the cache, or None where it is not there."""
    return scratch.cache.get(name) if scratch.cache is not None else None


def _store(scratch: Scratch, chain: _Chain, joined: Trace, traces: Sequence[Trace]) -> None:
    """Keep what ran as the chain says; nothing of a run that was refused something, which may go otherwise."""
    if scratch.cache is None or any(each.refused for each in traces):
        return
    ground = _NOTHING
    for revision, name, key in zip(joined.revisions, chain.revisions, chain.keys, strict=False):
        if revision.revision != name or revision.error is not None:
            return
        scratch.cache.put(f"{key}.trace", store.dumps(revision, ground))
        ground = revision.after


def _store_proofs(scratch: Scratch, chain: _Chain, proofs: Mapping[str, DowngradeProof]) -> None:
    if scratch.cache is None:
        return
    for revision, key in zip(chain.revisions, chain.keys, strict=True):
        proved = proofs.get(revision)
        if proved is not None and proved.proved:
            scratch.cache.put(f"{key}.downgrade", msgspec.msgpack.encode(proved))
