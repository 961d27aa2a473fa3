"""Lint: the history, or files of SQL on top of it, traced and judged without any target."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from db_migrate.catalog.objects import Kind
from db_migrate.config import Settings
from db_migrate.plan.document import Subject, assemble
from db_migrate.plan.make import rule_settings
from db_migrate.plan.proofs import NOT_REACHED, downgrades
from db_migrate.plan.several import joined
from db_migrate.plan.stretch import Stretch
from db_migrate.plan.traced_history import TracedHistory, read_cached, trace_history
from db_migrate.postgres.scratch import scratch_database
from db_migrate.postgres.server import Server
from db_migrate.project.graph import Graph
from db_migrate.results import DowngradeProof, Lint, Plan, WayBack
from db_migrate.rules import baseline
from db_migrate.rules.facts import Facts, Relationship
from db_migrate.rules.intents import Intent
from db_migrate.rules.judge import judge
from db_migrate.schemas.finding import each_migrated
from db_migrate.schemas.history import history_key, replay, template_of
from db_migrate.schemas.scratch import Scratch
from db_migrate.trace.effects import Trace
from db_migrate.trace.run import install
from db_migrate.trace.script import ScriptFile, rehearse, trace_script

_MOST_NAMED = 3
"""Of the revisions that were not reached, how many are named."""


@dataclass(frozen=True)
class LintRequest:
    """How to judge: the intents given by hand, what the models say, and whether to go down again."""

    settings: Settings
    allow: tuple[Intent, ...] = ()
    relationships: Callable[[], tuple[Relationship, ...]] = tuple
    downgrades: bool = False
    cached: bool = True


def lint_history(scratch: Scratch, graph: Graph, stretch: Stretch, request: LintRequest) -> Lint:
    """Trace and judge a stretch of the history, in each of the databases that env.py migrates.

    Raises ``Failed`` (``history.replay``) when what comes before it does not run, and what ``judge`` raises.
    """

    def traced(scratch: Scratch) -> TracedHistory:
        return trace_history(scratch, graph, stretch, downgrades=request.downgrades, cached=request.cached)

    marker = f"{history_key(scratch, graph, ())}.several"
    alone = traced(scratch) if read_cached(scratch, marker) is None else None
    one = alone is not None and alone.trace.connections < 2
    databases = {"": scratch} if one else each_migrated(request.settings, scratch)
    if scratch.cache is not None and len(databases) > 1:
        scratch.cache.put(marker, b"")
    lints = {}
    for name, on in databases.items():
        found = alone if alone is not None and on is scratch else traced(on)
        lints[name] = _lint_traced(found, on, graph, stretch, request)
    return joined(lints)


def _lint_traced(traced: TracedHistory, scratch: Scratch, graph: Graph, stretch: Stretch, request: LintRequest) -> Lint:
    said = request.relationships() if _has_keys(traced.trace) else ()
    facts = Facts.unknown(scratch.version, said)
    order = graph.between(stretch.lower, stretch.upper)
    ran = {each.revision for each in traced.trace.revisions}
    warnings = _not_reached([each for each in order if each not in ran])
    plan = _judged(traced.trace, traced.proofs, facts, stretch.chosen, request, warnings)
    plan = replace(plan, current=stretch.lower, destination=stretch.upper)
    way_back = _way_back(graph, traced.trace, traced.proofs) if request.downgrades else None
    return _lint(plan, request, way_back)


def _not_reached(revisions: Sequence[str]) -> list[str]:
    if len(revisions) < 2:
        return [f"{each} was not linted: an earlier revision fails" for each in revisions]
    named = ", ".join(revisions[:_MOST_NAMED])
    rest = f" and {len(revisions) - _MOST_NAMED} more" if len(revisions) > _MOST_NAMED else ""
    return [f"{named}{rest} were not linted: an earlier revision fails"]


def lint_files(
    server: Server, files: Sequence[ScriptFile], ground: tuple[str, ...], template: str | None, request: LintRequest
) -> Lint:
    """Trace and judge files of SQL, one after the other: on the database ``template``, or alone without one.

    ``ground`` are the revisions that the template is at. Alone, objects that nobody made are made up.
    """
    made_up = {}
    if template is None:
        with scratch_database(server, purpose="rehearsal of files") as database:
            made_up = {each.name: rehearse(database, each) for each in files}
    with scratch_database(server, template=template, purpose="lint of files") as database:
        install(database)
        traces = [trace_script(server, database, each, made_up.get(each.name)) for each in files]
    revisions = tuple(revision for each in traces for revision in each.revisions)
    warnings = tuple(warning for each in traces for warning in each.warnings)
    trace = replace(traces[-1], revisions=revisions, before=traces[0].before, warnings=warnings)
    plan = _judged(trace, {}, Facts.unknown(server.version), frozenset(each.name for each in files), request, [])
    return _lint(replace(plan, current=ground, destination=ground), request, None)


def ground_of(scratch: Scratch, graph: Graph) -> tuple[tuple[str, ...], str | None]:
    """The whole history for files to stand on: its heads, and the name of the database that has it."""
    heads = graph.effective_heads
    return heads, template_of(scratch, replay(scratch, graph, heads)) if heads else None


def _has_keys(trace: Trace) -> bool:
    """Whether a foreign key was made, of which the mappers may have an opinion: asking them runs the models."""
    changes = (change for each in trace.revisions for s in each.statements for change in s.effects.changes)
    return any(change.kind is Kind.FOREIGN_KEY for change in changes)


def _judged(
    trace: Trace,
    proofs: Mapping[str, DowngradeProof],
    facts: Facts,
    chosen: frozenset[str],
    request: LintRequest,
    warnings: Sequence[str],
) -> Plan:
    facts = replace(facts, downgrades=downgrades(proofs))
    found = judge(trace, facts, rule_settings(request.settings), allow=request.allow)
    kept = tuple(each for each in found if each.revision in chosen or not each.revision)
    subject = Subject(None, (), (), "upgrade", trace.before.fingerprint)
    plan = assemble(subject, trace, proofs, facts, kept, warnings=warnings)
    return replace(plan, revisions=tuple(each for each in plan.revisions if each.revision in chosen))


def with_baseline(lint: Lint, file: Path | None) -> Lint:
    """The lint with the findings of a baseline allowed."""
    if file is None:
        return lint
    covered = {each.revision for each in lint.revisions}
    findings = baseline.apply(lint.findings, baseline.read(file), file, covered)
    return replace(lint, findings=findings, baseline=str(file))


def _lint(plan: Plan, request: LintRequest, way_back: WayBack | None) -> Lint:
    return Lint(
        target=None,
        warnings=plan.warnings,
        fingerprint=plan.fingerprint,
        hash=plan.hash,
        current=plan.current,
        destination=plan.destination,
        direction=plan.direction,
        proved_on=plan.proved_on,
        revisions=plan.revisions,
        findings=plan.findings,
        kept=(),
        fail_on=request.settings.fail_on.value,
        way_back=way_back,
    )


def _way_back(graph: Graph, up: Trace, proofs: Mapping[str, DowngradeProof]) -> WayBack:
    """How far one gets from the end, going down one revision after the other."""
    done = [each.revision for each in up.revisions if each.error is None]
    for position, revision in reversed(list(enumerate(done))):
        proved = proofs.get(revision)
        if proved is None or proved.proved or proved.error == NOT_REACHED:
            continue
        left = done[: position + 1]
        why = proved.error or f"leaves {', '.join(each.object for each in proved.differences[:3])} different"
        return WayBack(_tips(graph, left), revision, why)
    began = {parent for each in done for parent in graph.parents(each)} - set(done)
    return WayBack(tuple(sorted(began)), "", "")


def _tips(graph: Graph, revisions: Sequence[str]) -> tuple[str, ...]:
    needed = {parent for each in revisions for parent in graph.parents(each)}
    return tuple(sorted(set(revisions) - needed))
