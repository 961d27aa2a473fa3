"""``generate``: propose, dispose, ask, make safe, write, prove."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from db_migrate.catalog.change import Change
from db_migrate.generate.backfill import Pace
from db_migrate.generate.body import Body, Direction, body
from db_migrate.generate.dispose import Decision, dispose, fills, in_words, left_to_plugins
from db_migrate.generate.drafting import Content, draft, random_id
from db_migrate.generate.ground import Ground
from db_migrate.generate.home import sql_at_home
from db_migrate.generate.late import with_own_defaults
from db_migrate.generate.naming import Names
from db_migrate.generate.propose import Extra, left_out, missed, types_of
from db_migrate.generate.prove import Proof, prove
from db_migrate.generate.request import Questioner, Request
from db_migrate.generate.safe import Choices
from db_migrate.generate.split import Part, parts
from db_migrate.generate.write import Draft, draft_folder, next_id, put_aside, put_in_place
from db_migrate.project.child_process import ChildError
from db_migrate.project.jobs import Proposal, Propose, Proposed
from db_migrate.results import BothProofs, Generate, NewRevision, Operation
from db_migrate.schemas.replay import Witness


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way to write a revision: the nicest first, and simpler ones where it does not hold.

    ``divided``: what has to wait for a release, and backfills, are set apart; sometimes PostgreSQL lets the rest not be
    done before. Without ``commits`` a revision is one transaction.
    """

    project_types: bool = True
    plain_sql: bool = False
    safe: bool = True
    divided: bool = True
    commits: bool = True


ATTEMPTS = (
    Attempt(),
    Attempt(project_types=False),
    Attempt(project_types=False, plain_sql=True),
    Attempt(divided=False),
    Attempt(project_types=False, plain_sql=True, safe=False, divided=False),
)

IN_ONE_TRANSACTION = (
    Attempt(safe=False, commits=False),
    Attempt(project_types=False, safe=False, commits=False),
    Attempt(project_types=False, plain_sql=True, safe=False, divided=False, commits=False),
)
"""Where env.py begins a transaction of its own, which Alembic lets no revision end."""
_NO_COMMITS = (
    "env.py begins a transaction itself, and Alembic lets no revision commit anything in one: the plain form was "
    "written, which blocks others for as long as it takes. With context.begin_transaction() instead it would be safe"
)


_TOGETHER = "what has to wait for a release could not be set apart, and is in one revision with the rest"


@dataclass(frozen=True)
class Bodies:
    """Both functions of a revision."""

    upgrade: Body
    downgrade: Body
    extra: Extra = field(default_factory=Extra)


def to_models(ground: Ground, request: Request, questioner: Questioner) -> Generate:
    """A new revision that leads from the history to the models, written if it is proved.

    Raises UsageError where something has to be answered first, ChildError where Alembic refuses the place.
    """
    warnings: list[str] = []
    proposal = _proposal(ground, request, warnings)
    decision = dispose(ground, request, questioner)
    choices = Choices(
        request.safe,
        fills(decision, request, questioner),
        Pace(ground.settings.backfill_rows, ground.settings.backfill_pause),
    )
    choices = with_own_defaults(decision, choices)
    if not decision.changes and not _plugins(proposal):
        return Generate(
            warnings=tuple(warnings), left_out=left_out(proposal, (), decision.ignored, ground.history.catalog)
        )
    if choices.safe and proposal is not None and not proposal.commits:
        warnings.append(_NO_COMMITS)
    request = replace(request, revision=proposal.revision if proposal is not None else request.revision or random_id())
    making = _Making(ground, request, proposal, decision, choices)
    return making.result(making.made(), warnings)


def _proposal(ground: Ground, request: Request, warnings: list[str]) -> Proposal | None:
    """What autogenerate says; it is asked on a copy of the history, never on the target."""
    job = _job(ground, request, {})
    with ground.scratch.database("autogenerate", template=ground.template) as database:
        try:
            return ground.scratch.child.propose(replace_database(job, database.as_libpq()))
        except ChildError as error:
            warnings.append(f"autogenerate failed, and was asked again when all else was done: {error.why}")
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


def _plugins(proposal: Proposal | None) -> list[Proposed]:
    """What a plugin proposes that Alembic itself does not know."""
    return [each for each in _operations_of(proposal) if not each.own]


def _operations_of(proposal: Proposal | None) -> Sequence[Proposed]:
    return proposal.operations if proposal is not None else ()


@dataclass(frozen=True)
class Made:
    """The revisions of one attempt, each with its part of the changes and its bodies, and their proof.

    ``together``: why what would have to wait is not apart.
    """

    parts: tuple[Part, ...]
    drafts: tuple[Draft, ...]
    bodies: tuple[Bodies, ...]
    proof: Proof
    together: str | None = None


class _Making:
    """The revisions in the making."""

    def __init__(
        self, ground: Ground, request: Request, proposal: Proposal | None, decision: Decision, choices: Choices
    ) -> None:
        self._ground = ground
        self._request = request
        self._proposal = proposal
        self._decision = decision
        self._choices = choices
        self._later: Proposal | None = None

    def made(self) -> Made:
        """Try one form after the other until one is proved; the first where none is.

        What plugins propose is theirs first, in the operations that the project uses.
        """
        found: list[Made] = []
        attempts = ATTEMPTS if self._proposal is None or self._proposal.commits else IN_ONE_TRANSACTION
        if self._proposal is None or _plugins(self._proposal):
            whole, self._decision = self._decision, left_to_plugins(self._decision)
            made = self._attempt(attempts[0])
            if made.proof.holds:
                return made
            self._decision = whole
        for attempt in attempts:
            if attempt.safe and not attempt.divided and len(found[0].parts) == 1:
                continue  # the same as the first
            found.append(self._attempt(attempt))
            if found[-1].proof.holds:
                apart = attempt.divided or not attempt.safe or len(found[0].parts) == 1
                return found[-1] if apart else replace(found[-1], together=_why(found[0].proof))
        return found[0]

    def _attempt(self, attempt: Attempt) -> Made:
        choices = self._choices_for(attempt)
        divided = parts(self._decision, choices, divided=self._choices.safe and attempt.divided)
        written = [self._bodies(part, attempt, choices) for part in divided]
        with draft_folder() as folder, self._ground.scratch.child.seeing(folder):
            extra = self._extra(divided[0], written[0], folder)
            if self._proposal is None and self._later is not None:  # now it is known how the project writes its types
                written = [self._bodies(part, attempt, choices) for part in divided]
            written[0] = replace(written[0], extra=extra)
            drafts: list[Draft] = []
            for part, bodies in zip(divided, written, strict=True):
                drafts.append(self._draft(part, bodies, drafts))
                put_aside(drafts[-1:], folder)
            proof = prove(self._ground, folder, [draft.revision for draft in drafts])
        return Made(divided, tuple(drafts), tuple(written), proof)

    def _choices_for(self, attempt: Attempt) -> Choices:
        pace = self._choices.pace if attempt.commits else Pace(rows=None)
        return replace(self._choices, safe=self._choices.safe and attempt.safe, pace=pace)

    def _bodies(self, part: Part, attempt: Attempt, choices: Choices) -> Bodies:
        decision = part.decision
        proposal = (self._proposal or self._later) if attempt.project_types else None
        home = self._ground.home
        history, models = types_of(proposal, decision.way.before, decision.way.after, home)
        form = partial(Direction, names=Names(home), plain_sql=attempt.plain_sql, commits=attempt.commits)
        up = form(decision.way, (history, models))
        down = form(decision.back, (models, history))
        back = replace(choices, fills={})
        return Bodies(body(part.forward(choices), up), body(part.backward(back), down))

    def _extra(self, part: Part, bodies: Bodies, folder: Path) -> Extra:
        """What plugins and hooks want beside: hooks always, plugins what is left when our own part is done."""
        proposal = self._proposal
        if proposal is None or (_plugins(proposal) and bodies.upgrade.blocks):
            self._later = self._proposal_after(part, bodies, folder)
            proposal = self._later or proposal
        hooks = [each for each in _operations_of(self._proposal or proposal) if each.by_hook]
        chosen = [*_plugins(proposal), *hooks]
        return Extra(
            tuple(each.python for each in chosen),
            tuple(each.reverse for each in reversed(chosen) if each.reverse),
            proposal.imports if chosen and proposal is not None else (),
        )

    def _proposal_after(self, part: Part, bodies: Bodies, folder: Path) -> Proposal | None:
        """What autogenerate still proposes when our own part has been done."""
        ground, child = self._ground, self._ground.scratch.child
        draft = self._draft(part, bodies, [])
        put_aside([draft], folder)
        try:
            with ground.scratch.database("plugins", template=ground.template) as database:
                done = ground.scratch.migrate("upgrade", draft.revision, database, Witness())
                return None if done.failure else child.propose(_job(ground, self._request, database.as_libpq()))
        except ChildError:
            return None
        finally:
            (folder / draft.written.name).unlink()

    def _draft(self, part: Part, bodies: Bodies, before: Sequence[Draft]) -> Draft:
        """The file of one part; what comes second follows the first, in the same folder."""
        extra = bodies.extra
        content = Content(
            [bodies.upgrade.text, *extra.upgrade],
            [*extra.downgrade, bodies.downgrade.text],
            self._imports(bodies),
            part.waits_for and sql_at_home(part.waits_for, self._ground.home),
        )
        request = self._request
        if not before:
            return draft(self._ground, self._proposal or request, content, request.revision)
        taken = [each.revision for each in before]
        following = Request(
            message=f"{(self._proposal or request).message or 'empty message'}{part.suffix}",
            revision=next_id(self._ground.graph, self._ground.settings, None, taken),
            head=(before[-1].revision,),
            version_path=before[-1].written.folder,
        )
        return draft(self._ground, following, content)

    def _imports(self, bodies: Bodies) -> tuple[str, ...]:
        hooks = self._proposal.hook_imports if self._proposal is not None else ()
        return tuple(sorted({*bodies.upgrade.imports, *bodies.downgrade.imports, *bodies.extra.imports, *hooks}))

    def result(self, made: Made, warnings: Sequence[str]) -> Generate:
        """What was made, as a value; the files are written where that is asked for."""
        request, proof = self._request, made.proof
        wanted = proof.holds or request.keep
        written = wanted and not request.dry_run
        if written:
            put_in_place(made.drafts)
        operations = tuple(
            each
            for part, bodies, draft in zip(made.parts, made.bodies, made.drafts, strict=True)
            for each in _operations(part.decision.changes, bodies.upgrade, draft.revision)
        )
        extra = made.bodies[0].extra.upgrade
        decision, history = self._decision, self._ground.history.catalog
        return Generate(
            warnings=(*warnings, *([f"{_TOGETHER}: {made.together}"] if made.together else [])),
            revisions=tuple(
                NewRevision(draft.revision, str(draft.place), draft.waits_for, draft.written.text)
                for draft in made.drafts
                if wanted
            ),
            operations=operations,
            left_out=left_out(self._proposal, decision.changes, decision.ignored, history, extra),
            added=tuple(each for each in operations if missed(self._proposal, each.change)),
            proof=BothProofs(proof.upgrade, proof.downgrade),
            findings=proof.findings,
            remaining=proof.upgrade.differences,
            written=written,
        )


def _why(proof: Proof) -> str:
    return next((each.error for each in (proof.upgrade, proof.downgrade) if each.error), "it leads somewhere else")


def _operations(changes: Sequence[Change], upgrade: Body, revision: str) -> Iterator[Operation]:
    """Each change with what was written for it."""
    for place, change in enumerate(changes):
        own = [each for each in upgrade.blocks if each.owner == place]
        python = "\n".join(each.python for each in own)
        sql = "\n".join(f"{statement};" for each in own for statement in each.statements)
        yield Operation(python, sql, in_words(change), revision)
