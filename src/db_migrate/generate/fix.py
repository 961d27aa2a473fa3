"""``fix``: the unsafe steps of a revision that nobody has applied yet, rewritten into the safe form."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from db_migrate.catalog.change import Action, Change
from db_migrate.catalog.diff import diff
from db_migrate.catalog.objects import Catalog, Key, Kind, SchemaObject
from db_migrate.errors import Failed
from db_migrate.generate.body import Body, Direction, body
from db_migrate.generate.dispose import decision, in_words
from db_migrate.generate.editing import Replacement, rewrite
from db_migrate.generate.ground import Ground
from db_migrate.generate.naming import Names
from db_migrate.generate.propose import types_of
from db_migrate.generate.prove import prove
from db_migrate.generate.renaming import Renames
from db_migrate.generate.safe import Choices
from db_migrate.generate.write import replace_file
from db_migrate.project.mirror import mirror
from db_migrate.results import BothProofs, Generate, Goal, LeftOut, NewRevision, Operation
from db_migrate.rules.facts import Facts
from db_migrate.rules.finding import Finding
from db_migrate.rules.grammar import kinds
from db_migrate.rules.judge import judge
from db_migrate.trace.effects import Direction as Way
from db_migrate.trace.effects import TracedRevision, TracedStatement
from db_migrate.trace.run import install, trace

FIXED = frozenset(
    {
        "create-index-blocking",
        "drop-index-blocking",
        "add-foreign-key-validating",
        "add-check-validating",
        "add-unique-constraint",
        "set-not-null-scan",
        "enum-value-used-same-tx",
    }
)
"""The rules whose findings have a safe form that needs nothing but the schema."""

_NOT_ALONE = "it is not a statement of its own in upgrade()"
_MORE = "it does more than one thing, or a later step changes the same"
_RUNS = "it is not only DDL: what else it runs, or writes, would be lost"
_DDL = frozenset({"index_stmt", "alter_table_stmt", "drop_stmt", "alter_enum_stmt"})
"""What has a form to take its place, by the names of PostgreSQL's grammar; a DO block is none of it."""
_MADE = frozenset({Kind.INDEX, Kind.UNIQUE, Kind.PRIMARY_KEY, Kind.CHECK, Kind.FOREIGN_KEY})


@dataclass(frozen=True)
class _Step:
    """A statement of the revision that can be done in another way, and how."""

    statement: TracedStatement
    changes: tuple[Change, ...]
    written: Body


def fix(ground: Ground, revision: str, *, dry_run: bool = False, keep: bool = False) -> Generate:
    """Rewrite the revision's unsafe steps, and prove that it still does the same.

    ``ground`` is at the revision's parents. Raises Failed (``fix.upgrade``) for a revision that does not run.
    """
    file = ground.graph.revisions[revision].file
    traced = _traced(ground, revision)
    findings = judge_alone(traced)
    steps, left = _steps(traced, findings, ground.home)
    source = file.read_text(encoding="utf-8")
    replacements = [Replacement(step.statement.line, step.written.text, tuple(step.written.imports)) for step in steps]
    text, refused = rewrite(source, replacements)
    lines = source.splitlines()
    left = (*left, *(LeftOut(lines[each.line - 1].strip(), _NOT_ALONE) for each in refused))
    if text == source:
        return Generate(left_out=left)
    with tempfile.TemporaryDirectory(prefix="dbm-fix-") as name:
        folder = Path(name)
        mirror(ground.scratch.project.version_locations, folder, {file: text.encode()})
        proof = prove(ground, folder, [revision], expected=traced.after, instead=True)
    wanted = proof.holds or keep
    if wanted and not dry_run:
        replace_file(file, text)
    return Generate(
        revisions=(NewRevision(revision, str(file), None, text),) if wanted else (),
        operations=tuple(_operations(steps, refused, revision)),
        left_out=left,
        proof=BothProofs(proof.upgrade, proof.downgrade, Goal.AS_BEFORE),
        findings=proof.findings,
        remaining=(*proof.upgrade.differences, *proof.downgrade.differences),
        written=wanted and not dry_run,
    )


def _operations(steps: Sequence[_Step], refused: Sequence[Replacement], revision: str) -> Iterator[Operation]:
    lines = {each.line for each in refused}
    for step in steps:
        if step.statement.line not in lines:
            sql = "\n".join(f"{statement};" for statement in step.written.statements)
            yield Operation(step.written.text, sql, in_words(step.changes[0], "what it leads to"), revision)


def _traced(ground: Ground, revision: str) -> TracedRevision:
    scratch = ground.scratch
    with scratch.database("a revision to be fixed", template=ground.template) as database:
        install(database)
        done = trace(scratch, ground.graph, database, Way.UPGRADE, revision)
    found = next((each for each in done.revisions if each.revision == revision), None)
    if found is None or found.error is not None:
        raise Failed(
            "fix.upgrade",
            f"revision {revision} does not run on the schema before it",
            why=found.error.message if found is not None and found.error is not None else "Alembic does not run it",
            where=str(ground.graph.revisions[revision].file),
            state="nothing was changed",
            next=[f"db-migrate lint {revision}"],
        )
    return found


def judge_alone(traced: TracedRevision) -> tuple[Finding, ...]:
    """What the rules say of one revision without a target."""
    from db_migrate.trace.effects import Trace

    version = traced.after.server_version
    return judge(Trace((traced,), version, traced.before, traced.after), Facts.unknown(version))


def _steps(traced: TracedRevision, findings: Sequence[Finding], home: str) -> tuple[list[_Step], tuple[LeftOut, ...]]:
    places = {f.statement for f in findings if f.rule in FIXED and f.statement is not None and f.allowed is None}
    steps, left = [], []
    for place in sorted(places):
        statement = traced.statements[place]
        if not _is_ddl(statement.sql):
            left.append(LeftOut(statement.sql, _RUNS))
            continue
        changes = statement.effects.changes
        undone = _without(traced, changes)
        if undone is None or not changes:
            left.append(LeftOut(statement.sql, _MORE))
            continue
        steps.append(_Step(statement, changes, _written(undone, traced.after, home)))
    return steps, tuple(left)


def _is_ddl(sql: str) -> bool:
    """Whether all that was sent is known for what it does to the schema, so that nothing else goes with it."""
    sent = kinds(sql)
    return bool(sent) and _DDL.issuperset(sent)


def _written(before: Catalog, after: Catalog, home: str) -> Body:
    decided = decision(before, after, Renames(), diff(before, after), ())
    types = types_of(None, before, after, home)
    return body(decided.forward(Choices()), Direction(decided.way, types, Names(home)))


def _without(traced: TracedRevision, changes: Sequence[Change]) -> Catalog | None:
    """The schema after the revision, but for the changes; None where that cannot be told."""
    objects: dict[Key, SchemaObject] = dict(traced.after.objects)
    for change in changes:
        key = (change.kind, change.object)
        after, before = traced.after.objects.get(key), traced.before.objects.get(key)
        if change.action is Action.CREATED and change.kind in _MADE and after is not None:
            del objects[key]
        elif change.action is Action.DROPPED and change.kind is Kind.INDEX and before is not None and after is None:
            objects[key] = before
        elif change.action is Action.ALTERED and after is not None and _in_place(change):
            undone = {each.name: each.from_ for each in change.attributes}
            objects[key] = replace(after, attributes={**after.attributes, **undone})
        else:
            return None
    return traced.after.where(objects.values())


def _in_place(change: Change) -> bool:
    names = {each.name for each in change.attributes}
    return (change.kind is Kind.COLUMN and names == {"nullable"}) or (change.kind is Kind.ENUM and names == {"labels"})
