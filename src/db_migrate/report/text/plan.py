"""A plan to be decided on in a minute: what it comes to, what is wrong, what is lost, then every statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from db_migrate.language import said
from db_migrate.report.source import place
from db_migrate.report.style import Style, block, count, indent, name, seconds, size
from db_migrate.report.text.changes import brief, change_text
from db_migrate.report.text.findings import SourceLine, findings_text
from db_migrate.report.text.parts import columns, each_text, page, revisions_text, target_line, warnings_of
from db_migrate.report.timeline import held_text, timeline
from db_migrate.results import KeptObject, LockEffect, PhaseEffect, Plan, PlannedRevision, PlannedStatement, Restored
from db_migrate.results.typed import command_of, executes
from db_migrate.rules.facts import Throughput


def plan_text(plan: Plan, style: Style, source_line: SourceLine, file: str = "") -> str:
    """The whole review. The first paragraph is the verdict, the last the command to type next.

    ``file`` is where the plan was written: what is executed next is that.
    """
    if plan.targets:
        return _of_each(plan, style, source_line, file)
    if not plan.revisions:
        at = revisions_text(plan.current)
        return page(
            said(f"{style.good('✓')} {style.bold(said('nothing to do'))}: the database is at {at}"),
            target_line(plan.target, style),
            warnings_of(plan, style),
            style=style,
        )
    return page(
        _summary(plan, style),
        [revision_text(each, style) for each in plan.revisions],
        findings_text(plan.findings, plan.revisions, source_line, style),
        kept_text(plan.kept, style, title=said("would be kept, until it is purged")),
        restored_text(plan.restored, style, title=said("would be put back")),
        warnings_of(plan, style),
        _verdict(plan, style, file),
        style=style,
    )


def _of_each(plan: Plan, style: Style, source_line: SourceLine, file: str) -> str:
    """The plan of each of several databases or schemas, and what comes of them all."""
    each = each_text(plan.targets, lambda one, _: plan_text(one, style, source_line, file), style)
    verdict = (
        _verdict(plan, style, file) if plan.revisions else f"{style.good('✓')} {style.bold(said('nothing to do'))}"
    )
    return f"{each}\n{page(style.dim(said(f'plan {plan.hash[:16]}')), verdict, style=style)}"


def stopped_by(plan: Plan) -> tuple[str, ...]:
    """What refuses the plan: names of findings without intent, and revisions that fail on scratch."""
    failing = tuple(said(f"{each.revision} fails") for each in plan.revisions if each.error)
    return (*dict.fromkeys(each.name for each in plan.findings if each.stops), *failing)


def _summary(plan: Plan, style: Style) -> str:
    way = f"{revisions_text(plan.current)} → {revisions_text(plan.destination)}"
    title = f"{said(plan.direction)} {way}: {count(len(plan.revisions), 'revision')}, {_statements(plan)}"
    rows = [(said("proved on"), plan.proved_on), (said("plan"), plan.hash[:16])]
    locked = _strongest(plan)
    rows.append((said("blocks"), locked or said("nothing")))
    if locked:
        rows.append(("lock_timeout", lock_timeouts(plan)))
    rewritten = sorted({each.relation for s in _all(plan) for each in s.effects.rewrites} - _made(plan))
    if rewritten:
        rows.append((said("rewrites"), ", ".join(name(each) for each in rewritten)))
    dropped = sorted({each for s in _all(plan) for each in s.effects.dropped})
    if dropped:
        rows.append((said("drops"), ", ".join(name(each) for each in dropped)))
    if plan.throughput is not None and any(s.estimate.seconds for s in _all(plan)):
        rows.append((said("speed"), _speed(plan.throughput)))
    lines = [style.bold(title), target_line(plan.target, style), *(f"  {line}" for line in columns(rows))]
    return "\n".join(line for line in lines if line)


def _speed(known: Throughput) -> str:
    each = (said("scans"), known.scan), (said("rewrites"), known.rewrite), (said("index builds"), known.index_build)
    return f"{', '.join(f'{what} {size(int(speed))}/s' for what, speed in each)} ({name(known.source)})"


def _all(plan: Plan) -> list[PlannedStatement]:
    return [statement for revision in plan.revisions for statement in revision.statements]


def _made(plan: Plan) -> set[str]:
    """What the plan itself makes, and nobody waits for."""
    return {c.object for s in _all(plan) for c in s.effects.changes if c.action == "created"}


def _statements(plan: Plan) -> str:
    statements = _all(plan)
    transactions = len({each.transaction for each in statements})
    return said(f"{count(len(statements), 'statement')} in {count(transactions, 'transaction')}")


def _strongest(plan: Plan) -> str:
    """Which relations, of those that were there, have reads and writes waiting at some time; each is named once."""
    waits: dict[str, set[str]] = {}
    made = _made(plan)
    for statement in _all(plan):
        for lock in statement.effects.locks:
            if lock.blocks and lock.relation not in made:
                waits.setdefault(lock.relation, set()).update(lock.blocks)
    both = sorted(each for each, what in waits.items() if "reads" in what)
    writes = sorted(each for each, what in waits.items() if "reads" not in what)
    parts = [said(f"reads and writes of {_names(both)}")] if both else []
    parts += [said(f"writes of {_names(writes)}")] if writes else []
    return "; ".join(parts)


def lock_timeouts(plan: Plan) -> str:
    """How long is waited for what stops others, by the revisions where that is not the same everywhere."""
    found: dict[float | None, list[str]] = {}
    for revision in plan.revisions:
        for statement in revision.statements:
            if any(lock.blocks for lock in statement.effects.locks):
                found.setdefault(statement.lock_timeout, []).append(revision.revision)
    shown = {limit: said("none") if limit is None else seconds(limit) for limit in found}
    if len(found) < 2:
        return "".join(shown.values())
    return "; ".join(
        said(f"{shown[limit]} in {revisions_text(tuple(dict.fromkeys(each)))}") for limit, each in found.items()
    )


def _names(relations: Sequence[str], most: int = 4) -> str:
    shown = ", ".join(name(each) for each in relations[:most])
    return shown if len(relations) <= most else said(f"{shown} and {len(relations) - most} more")


def revision_text(revision: PlannedRevision, style: Style) -> str:
    """One revision: its statements with their effects, grouped by transaction, and whether it can be undone."""
    lines = [
        f"{style.bold(name(revision.revision))}  {name(revision.message)}  {style.dim(place(revision.file))}".rstrip()
    ]
    if revision.derived:
        lines.append(style.warn(said("  derived from the catalogs, in place of the downgrade in the file")))
    for held in timeline(revision):
        alone = all(each.autocommit for each in held.statements)
        lines.append(style.dim(said("  in no transaction (autocommit)") if alone else said("  in one transaction")))
        for looks, group in groupby(enumerate(held.statements, held.first), lambda each: each[1].only_looks):
            members = list(group)
            if looks:
                lines.append(
                    style.dim(said(f"  {members[0][0]:>2}  {count(len(members), 'query', 'queries')} of the catalogs"))
                )
                continue
            for number, statement in members:
                lines.append(indent(statement_text(statement, style), 6, first=f"  {number:>2}  "))
        lines += [style.warn(f"      {line}") for line in held_text(held)]
    if not revision.statements and not revision.error:
        lines.append(style.dim(said("  no statements")))
    if revision.error:
        lines.append(
            indent(said(block(revision.error)), 4, first=f"  {style.bad('✗')} {style.bold(said('fails on scratch:'))} ")
        )
        lines += [indent(each, 4) for each in where_it_failed(revision, style)]
    if revision.downgrade:
        lines += _downgrade(revision, style)
    return "\n".join(lines)


def where_it_failed(revision: PlannedRevision, style: Style) -> list[str]:
    """The line of the user's code that failed, and the statement that was refused."""
    lines = [f"{style.info('-->')} {place(revision.error_place)}"] if revision.error_place else []
    if revision.error_sql:
        lines.append(indent(block(revision.error_sql.strip()), 4, first=f" = {style.bold('sql:')} "))
    return lines


def statement_text(statement: PlannedStatement, style: Style) -> str:
    """The statement's SQL and below it what it did on scratch and what it will meet on the target."""
    lines = [style.info(block(statement.sql.strip()))]
    effects = statement.effects
    lines += [_lock(lock, style) for lock in effects.locks if lock.blocks]
    lines += [
        style.warn(said(f"rewrites {name(each.relation)}: {said(name(each.reason))}")) for each in effects.rewrites
    ]
    lines += [said(f"builds index {name(each.index)} on {name(each.relation)}") for each in effects.index_builds]
    lines += [said(f"scans {name(each)}") for each in effects.scans]
    lines += [said(f"writes to {name(each)}") for each in effects.writes]
    lines += [style.bad(said(f"drops {name(each)}")) for each in effects.dropped]
    created = [each for each in effects.changes if each.action != "dropped"]
    if created:
        lines.append(said(f"changes {brief(created)}"))
    lines += [style.dim(said(name(each))) for each in effects.spared]
    lines += [said(f"the server says: {name(each)}") for each in effects.notices]
    if effects.phases:
        lines.append(_phases(effects.phases))
    if _estimate(statement):
        lines.append(style.dim(_estimate(statement)))
    return "\n".join([lines[0], *(f"  {line}" for line in lines[1:])])


def _phases(phases: Sequence[PhaseEffect]) -> str:
    """What it waited for, in order, each time anew: others' locks, or every older transaction."""
    awaited = [
        said(f"{name(p.awaits.relation)} in {p.awaits.mode}") if p.awaits else said("older transactions")
        for p in phases
    ]
    return said(f"waits for {said(', then for ').join(each for each, _ in groupby(awaited))}")


def _lock(lock: LockEffect, style: Style) -> str:
    text = said(
        f"locks {name(lock.relation)} in {lock.mode}: {said(' and ').join(said(each) for each in lock.blocks)} wait"
    )
    return style.warn(text) if "reads" in lock.blocks else text


def _estimate(statement: PlannedStatement) -> str:
    estimate = statement.estimate
    if estimate.rows == 0 and not estimate.bytes:
        return ""  # an empty table costs nothing
    parts = [count(estimate.rows, "row")] if estimate.rows is not None else []
    parts += [size(estimate.bytes)] if estimate.bytes is not None else []
    parts += [said(f"about {seconds(estimate.seconds)}")] if estimate.seconds is not None else []
    return said(f"on the target: {', '.join(parts)}") if parts else ""


def _downgrade(revision: PlannedRevision, style: Style) -> list[str]:
    proof = revision.downgrade
    assert proof is not None
    if proof.proved:
        return [said(f"  {style.good('✓')} downgrade gives back the schema that was there")]
    if proof.error:
        return [indent(said(block(proof.error)), 4, first=said(f"  {style.warn('⚠')} downgrade fails on scratch: "))]
    lines = [said(f"  {style.warn('⚠')} downgrade leaves {count(len(proof.differences), 'difference')}")]
    return lines + [indent(change_text(each, style), 6) for each in proof.differences]


def kept_text(kept: Sequence[KeptObject], style: Style, *, title: str) -> str:
    """What is kept of what is dropped, with how and how much."""
    if not kept:
        return ""
    rows = [(name(each.object), each.strategy, _amount(each)) for each in kept]
    return "\n".join([style.bold(title), *(f"  {line}" for line in columns(rows))])


def restored_text(restored: Sequence[Restored], style: Style, *, title: str) -> str:
    """What kept data is put back, and how many rows there are that it knows nothing of."""
    if not restored:
        return ""
    rows = [
        (
            name(each.object),
            count(each.rows, "row"),
            ", ".join(_beside(each)),
        )
        for each in restored
    ]
    ahead = [style.dim(said(f"first, without blocking: {sql}")) for each in restored for sql in each.ahead]
    return "\n".join([style.bold(title), *(f"  {line}" for line in (*columns(rows), *ahead))])


def _beside(restored: Restored) -> Iterator[str]:
    """What comes back of it, and what does not."""
    if restored.since:
        yield said(f"{count(restored.since, 'row')} came since")
    if restored.left:
        yield said(f"no place for, and still kept: {', '.join(name(each) for each in restored.left)}")


def _amount(kept: KeptObject) -> str:
    parts = [count(kept.rows, "row")] if kept.rows is not None else []
    parts += [size(kept.bytes)] if kept.bytes is not None else []
    return ", ".join(parts)


def _verdict(plan: Plan, style: Style, file: str) -> str:
    stops = stopped_by(plan)
    if stops:
        shown = ", ".join(name(each) for each in stops)
        return f"{style.bad('✗')} {style.bold(said('refused'))}: {shown}"
    command = executes(file) or command_of(plan)
    return said(f"{style.good('✓')} {style.bold(said('can be applied'))}\n  next: {style.info(command)}")
