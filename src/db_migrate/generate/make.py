"""``generate``: propose, dispose, ask, make safe, write, prove."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from db_migrate.catalog.change import Change
from db_migrate.generate.backfill import Pace
from db_migrate.generate.body import Body, Direction, body, function
from db_migrate.generate.dispose import Decision, dispose, fills
from db_migrate.generate.ground import Ground
from db_migrate.generate.propose import Extra, left_out, missed, types_of
from db_migrate.generate.prove import Proof, prove
from db_migrate.generate.request import Questioner, Request
from db_migrate.generate.safe import Choices
from db_migrate.generate.text import indent
from db_migrate.generate.write import Draft, draft_folder, next_id, put_aside, put_in_place
from db_migrate.project.child_process import ChildError
from db_migrate.project.jobs import Proposal, Propose, WriteRevision
from db_migrate.results import BothProofs, Generate, NewRevision, Operation
from db_migrate.schemas.replay import Witness


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way to write a revision: the nicest first, and simpler ones where it does not hold."""

    project_types: bool = True
    plain_sql: bool = False
    safe: bool = True


ATTEMPTS = (
    Attempt(),
    Attempt(project_types=False),
    Attempt(project_types=False, plain_sql=True),
    Attempt(project_types=False, plain_sql=True, safe=False),
)


@dataclass(frozen=True)
class Bodies:
    """Both functions of a revision."""

    upgrade: Body
    downgrade: Body
    extra: Extra = field(default_factory=Extra)


def generate(ground: Ground, request: Request, questioner: Questioner) -> Generate:
    """A new revision that leads from the history to the models, written if it is proved.

    Raises UsageError where something has to be answered first, ChildError where Alembic refuses the place.
    """
    warnings: list[str] = []
    proposal = _proposal(ground, request, warnings)
    request = replace(request, revision=proposal.revision if proposal is not None else request.revision or _random_id())
    decision = dispose(ground, request, questioner)
    choices = Choices(
        request.safe,
        fills(decision, request, questioner),
        Pace(ground.settings.backfill_rows, ground.settings.backfill_pause),
    )
    if not decision.changes and not _beside(proposal):
        return Generate(warnings=tuple(warnings), left_out=left_out(proposal, (), decision.ignored, ()))
    return _Making(ground, request, proposal, decision, choices, warnings).result()


def _proposal(ground: Ground, request: Request, warnings: list[str]) -> Proposal | None:
    """What autogenerate says; it is asked on a copy of the history, never on the target."""
    job = _job(ground, request, {})
    with ground.scratch.database("autogenerate", template=ground.template) as database:
        try:
            return ground.scratch.child.propose(replace_database(job, database.as_libpq()))
        except ChildError as error:
            warnings.append(f"autogenerate failed, so the comparison of the catalogs decides alone: {error.why}")
            return None


def _job(ground: Ground, request: Request, database: dict[str, str]) -> Propose:
    return Propose(
        database=database,
        message=request.message,
        revision=next_id(ground.graph, ground.settings, request.revision),
        head=request.head,
        splice=request.splice,
        branch_label=request.branch_label,
        version_path=request.version_path,
        depends_on=request.depends_on,
    )


def replace_database(job: Propose, database: dict[str, str]) -> Propose:
    """The same job on another database."""
    import msgspec

    return msgspec.structs.replace(job, database=database)


def _beside(proposal: Proposal | None) -> bool:
    """Whether a plugin or a hook proposes something that Alembic itself does not know."""
    return proposal is not None and any(not each.own or each.by_hook for each in proposal.operations)


class _Making:
    """One revision in the making."""

    def __init__(
        self,
        ground: Ground,
        request: Request,
        proposal: Proposal | None,
        decision: Decision,
        choices: Choices,
        warnings: list[str],
    ) -> None:
        self._ground = ground
        self._request = request
        self._proposal = proposal
        self._decision = decision
        self._choices = choices
        self._warnings = warnings

    def result(self) -> Generate:
        """Try one form after the other until one is proved; write it then."""
        best: tuple[Draft, Bodies, Proof] | None = None
        for attempt in ATTEMPTS:
            bodies = self._bodies(attempt)
            with draft_folder() as folder:
                bodies = replace(bodies, extra=self._extra(bodies, folder))
                draft = self._draft(bodies)
                put_aside([draft], folder)
                proof = prove(self._ground, folder, [draft.revision])
            if best is None or proof.holds:
                best = (draft, bodies, proof)
            if proof.holds:
                break
        assert best is not None
        return self._finish(*best)

    def _bodies(self, attempt: Attempt) -> Bodies:
        decision = self._decision
        proposal = self._proposal if attempt.project_types else None
        history, models = types_of(proposal, decision.way.before, decision.way.after)
        choices = replace(self._choices, safe=self._choices.safe and attempt.safe)
        up = Direction(decision.way, (history, models), plain_sql=attempt.plain_sql)
        down = Direction(decision.back, (models, history), plain_sql=attempt.plain_sql)
        back = replace(choices, fills={})
        return Bodies(body(decision.forward(choices), up), body(decision.backward(back), down))

    def _extra(self, bodies: Bodies, folder: Path) -> Extra:
        """What plugins and hooks want beside: hooks always, plugins what is left when our own part is done."""
        proposal = self._proposal
        if proposal is None or not _beside(proposal):
            return Extra()
        hooks = [each for each in proposal.operations if each.by_hook]
        plugins = [each for each in proposal.operations if not each.own]
        if plugins and bodies.upgrade.blocks:
            again = self._proposal_after(bodies, folder)
            plugins = [each for each in again.operations if not each.own] if again is not None else plugins
        chosen = [*plugins, *hooks]
        return Extra(
            tuple(each.python for each in chosen),
            tuple(each.reverse for each in reversed(chosen) if each.reverse),
            proposal.imports if chosen else (),
        )

    def _proposal_after(self, bodies: Bodies, folder: Path) -> Proposal | None:
        """What autogenerate still proposes when our own part has been done."""
        ground = self._ground
        draft = self._draft(bodies)
        put_aside([draft], folder)
        try:
            with ground.scratch.database("plugins", template=ground.template) as database:
                address = database.as_libpq()
                with ground.scratch.child.seeing(folder):
                    done = ground.scratch.child.migrate("upgrade", draft.revision, address, Witness())
                if done.failure is not None:
                    return None
                return ground.scratch.child.propose(_job(ground, self._request, address))
        except ChildError:
            return None
        finally:
            (folder / draft.written.name).unlink()

    def _draft(self, bodies: Bodies) -> Draft:
        proposal = self._proposal
        extra = bodies.extra
        up = "\n".join([*([function(bodies.upgrade)] if bodies.upgrade.blocks else []), *map(_inner, extra.upgrade)])
        down = "\n".join(
            [*map(_inner, extra.downgrade), *([function(bodies.downgrade)] if bodies.downgrade.blocks else [])]
        )
        request = self._request
        job = WriteRevision(
            revision=request.revision or _random_id(),
            message=proposal.message if proposal is not None else request.message,
            head=proposal.head if proposal is not None else request.head,
            splice=proposal.splice if proposal is not None else request.splice,
            branch_label=proposal.branch_label if proposal is not None else request.branch_label,
            version_path=proposal.version_path if proposal is not None else request.version_path,
            depends_on=proposal.depends_on if proposal is not None else request.depends_on,
            upgrade=up.strip(),
            downgrade=down.strip(),
            imports=tuple(
                sorted(
                    {
                        *bodies.upgrade.imports,
                        *bodies.downgrade.imports,
                        *extra.imports,
                        *(proposal.hook_imports if proposal is not None else ()),
                    }
                )
            ),
        )
        return Draft(job.revision, self._ground.scratch.child.write_revision(job))

    def _finish(self, draft: Draft, bodies: Bodies, proof: Proof) -> Generate:
        request, proposal = self._request, self._proposal
        written = (proof.holds or request.keep) and not request.dry_run
        if written:
            put_in_place([draft])
        operations = tuple(_operations(self._decision.changes, bodies.upgrade, draft.revision))
        extra = bodies.extra.upgrade
        return Generate(
            warnings=tuple(self._warnings),
            revisions=(NewRevision(draft.revision, str(draft.place), draft.waits_for, draft.written.text),)
            if proof.holds or request.keep
            else (),
            operations=operations,
            left_out=left_out(proposal, self._decision.changes, self._decision.ignored, extra),
            added=tuple(each for each in operations if missed(proposal, each.change)),
            proof=BothProofs(proof.upgrade, proof.downgrade),
            findings=proof.findings,
            remaining=proof.upgrade.differences,
            written=written,
        )


def _inner(python: str) -> str:
    return indent(python)


def _random_id() -> str:
    import uuid

    return uuid.uuid4().hex[-12:]


def _operations(changes: Sequence[Change], upgrade: Body, revision: str) -> Iterator[Operation]:
    """Each change with what was written for it."""
    for place, change in enumerate(changes):
        own = [each for each in upgrade.blocks if each.owner == place]
        python = "\n".join(each.python for each in own)
        sql = "\n".join(f"{statement};" for each in own for statement in each.statements)
        yield Operation(python, sql, change, revision)
