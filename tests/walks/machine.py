"""A walk: random commands, crashes and hand edits on one real project, each followed by all that must hold then."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule
from psycopg.errors import NotNullViolation, UniqueViolation

from db_migrate.errors import DbMigrateError, Refused
from db_migrate.generate.request import Request
from db_migrate.results import RunResult

from . import journal, oracle, refusals
from .checks import is_foreign
from .hand import HAND, by_hand
from .oracle import differences
from .spec import ACTS, COLUMNS, TABLES, TYPES, Column, Edit
from .standing import KeptPlan, Standing
from .world import Errand, ancestors

REVISIONS = 16
"""How many a walk has at most: each of them costs time in every later step."""

edits = st.builds(
    Edit,
    st.sampled_from(ACTS),
    st.sampled_from(TABLES),
    st.sampled_from(COLUMNS),
    st.builds(
        Column,
        st.sampled_from(TYPES[:3]),
        st.booleans(),
        st.booleans(),
        st.integers(0, 4).map(lambda n: n == 0),
        st.one_of(st.none(), st.none(), st.sampled_from(TABLES)),
    ),
    st.booleans(),
)


class Walk(Standing):
    """Everything that can be done, and by whom."""

    @initialize(salt=st.integers(0, 1 << 32), wanted=st.lists(edits, min_size=2, max_size=6), count=st.integers(0, 3))
    def begin(self, salt: int, wanted: list[Edit], count: int) -> None:
        """A walk begins with tables that have rows. The simplest of all, which Hypothesis tries first, is none."""
        assume(salt)
        tables = [replace(edit, what="add_table") for edit in wanted[:2]]
        self.change_models([*tables, *wanted])
        self.apply(one=False, consent=True)
        for table in sorted(self.models.tables):
            self.rows.insert(self.live, self.makers, table, count)

    @precondition(lambda self: len(self.heads) < 2 and len(self.graph) < REVISIONS)
    @rule(wanted=st.lists(edits, min_size=1, max_size=4))
    def change_models(self, wanted: list[Edit]) -> None:
        """The models change, and a revision is generated that leads to them."""
        models = self.models
        for edit in wanted:
            models = edit.of(models)
        made = self.generate(Request(message="change", revision=self.world.new_id()), models)
        self.models = models
        self.look()
        left = differences(self.world.reference(self.heads, self.graph), self.world.of_models(models))
        assert not left, f"the revisions {made} do not lead to the models: {left}"
        if made:
            self.specs[made[-1]] = models

    @precondition(lambda self: len(self.heads) == 1 and len(self.specs) > 1 and len(self.graph) < REVISIONS)
    @rule(data=st.data())
    def branch(self, data: st.DataObject) -> None:
        """Somebody else's revision comes in, who has made it where the later ones were not yet."""
        (head,) = self.heads
        at = data.draw(st.sampled_from([each for each in self.specs if each != head] or [head]), "at")
        later = [spec for name, spec in self.specs.items() if at in ancestors(frozenset({name}), self.graph)]
        common = sorted(set.intersection(*(set(spec.tables) for spec in later)))
        name = self.world.new_id()
        if common and data.draw(st.booleans(), "a column"):
            edit = Edit("add_column", data.draw(st.sampled_from(common), "table"), f"d{name}")
        else:
            edit = Edit("add_table", f"u{name}", "c0")
        with self.world.without(self.graph.keys() - ancestors(frozenset({at}), self.graph)):
            made = self.generate(Request(message="branch", revision=name), edit.of(self.specs[at]))
        assert made
        self.look()
        self.models = edit.of(self.models)
        self.world.write(self.models)

    @precondition(lambda self: len(self.heads) == 2)
    @rule()
    def merge(self) -> None:
        """Two heads become one."""
        made = self.generate(Request(message="merge", revision=self.world.new_id(), merge=True), self.models)
        self.look()
        assert len(self.heads) == 1
        if not differences(self.world.reference(self.heads, self.graph), self.world.of_models(self.models)):
            self.specs[made[-1]] = self.models  # else who branches off here would undo what a bridge took in

    @precondition(lambda self: self.recorded != self.heads and not self.stamped)
    @rule(one=st.booleans(), consent=st.integers(0, 4).map(bool))
    def apply(self, one: bool, consent: bool) -> None:
        """Go up, to the heads or by one; what has to be allowed is, as the refusal says."""
        to = "+1" if one and len(self.heads) == 1 and len(self.recorded) < 2 else "heads"
        found = self.attempt(lambda workspace: workspace.apply(to))
        if isinstance(found, Refused) and found.code == "plan.findings" and consent:
            allow = refusals.allowed(found)
            found = self.attempt(lambda workspace: workspace.apply(to, allow=allow, confirm=self.world.target.dbname))
        if isinstance(found, DbMigrateError) and found.code == "graph.ambiguous-revision":
            assert to == "+1", refusals.said(found)  # there are several next ones
            return
        self.ran(found, consent)
        if isinstance(found, RunResult) and found.error is None and to == "heads":
            assert self.recorded == self.heads

    def ran(self, found: RunResult | DbMigrateError, consent: bool = True) -> None:
        """After a run: it may only have been refused where consent was, or where something is not as it should be."""
        was_clean = self.clean
        if isinstance(found, DbMigrateError):
            missing = found.code in ("plan.findings", "consent.missing") and not consent
            assert missing or not was_clean or refusals.on_rows(found), refusals.said(found)
            return
        self.look()
        if found.error is not None:
            assert not was_clean, f"{found.error.code}: {found.error.message} {found.error.why}"
            return
        self.crashed = self.left = False
        if was_clean:
            assert not self.edited, differences(self.own, self.live)
            assert found.verify is not None
            assert found.verify.ok, found.verify.problems

    @precondition(lambda self: self.recorded and not self.stamped)
    @rule(data=st.data(), consent=st.integers(0, 4).map(bool))
    def rollback(self, data: st.DataObject, consent: bool) -> None:
        """Go back, by one or to a revision below."""
        below = sorted(ancestors(self.recorded, self.graph) - self.recorded)
        to = data.draw(st.sampled_from(["-1", "base", *below]) if len(self.recorded) == 1 else st.just("base"), "to")
        confirm = self.world.target.dbname if consent else None
        found = self.attempt(lambda workspace: workspace.rollback(to, confirm=confirm))
        if isinstance(found, Refused) and found.code == "plan.findings" and consent:
            allow = refusals.allowed(found)
            found = self.attempt(lambda workspace: workspace.rollback(to, allow=allow, confirm=confirm))
        if isinstance(found, DbMigrateError) and found.code.startswith(("revision.", "rollback.", "target.", "graph.")):
            assert to == "-1", refusals.said(found)  # which of several is meant is not said
            return
        self.ran(found, consent)

    @precondition(lambda self: not self.broken)
    @rule(data=st.data(), force=st.booleans())
    def stamp(self, data: st.DataObject, force: bool) -> None:
        """Record a revision: it is refused where the schema is another one's, unless it is forced."""
        to = data.draw(st.sampled_from(["base", *self.graph]), "to")
        wanted = frozenset() if to == "base" else frozenset({to, *self.beside(to)})
        confirm = self.world.target.dbname if force else None
        there = differences(self.world.reference(wanted, self.graph), self.live)
        if force and self.edited:
            return  # where is what, nobody could tell any more
        found = self.attempt(lambda workspace: workspace.stamp(to, force=force, confirm=confirm))
        if isinstance(found, DbMigrateError):
            assert found.code == "stamp.differs", refusals.said(found)
            assert there, "it is refused, and the schema is that revision's"
            assert not force
            return
        assert force or not there, there
        self.stamped = bool(there)
        self.believe()
        assert self.recorded == wanted
        self.around = self.around or any(oracle.kept(self.world.session).values())

    def beside(self, revision: str) -> frozenset[str]:
        """The recorded revisions of other branches, which stay when this one is stamped."""
        below = ancestors(frozenset({revision}), self.graph)
        return frozenset(
            each
            for each in self.recorded
            if each not in below and revision not in ancestors(frozenset({each}), self.graph)
        )

    @precondition(lambda self: self.edited or self.stamped or self.crashed)
    @rule(back=st.booleans())
    def repair(self, back: bool) -> None:
        """End what is broken."""
        must, was_clean = self.broken or self.stamped, self.clean
        before = oracle.fingerprint(self.world.session) if was_clean else ""
        confirm = self.world.target.dbname
        found = self.attempt(lambda workspace: workspace.repair(back=back, confirm=confirm))
        if isinstance(found, DbMigrateError):
            assert not must, refusals.said(found)
            return
        assert found.error is None or not must, f"{found.error}"
        self.stamped = False
        self.believe()
        if must:
            assert not self.edited, differences(self.own, self.live)
        if was_clean and not self.crashed:
            assert oracle.fingerprint(self.world.session) == before, "there was nothing to repair"
        self.crashed = self.left = False

    @precondition(lambda self: self.broken or (self.clean and (self.recorded or self.heads)))
    @rule(data=st.data(), verb=st.sampled_from(("apply", "rollback")), at=st.integers(1, 60))
    def crash(self, data: st.DataObject, verb: str, at: int) -> None:
        """kill -9 before any statement of a run."""
        verb = verb if self.clean else "repair"
        verb = "rollback" if verb == "apply" and self.recorded == self.heads else verb
        below = sorted(ancestors(self.recorded, self.graph) - self.recorded)
        confirm = {"confirm": self.world.target.dbname}
        if verb == "rollback":
            to = data.draw(st.sampled_from(["base", *below]), "to") if len(self.recorded) == 1 else "base"
            errand = Errand("rollback", (to,), confirm)
        elif verb == "apply":
            plan = self.unchanged(lambda workspace: workspace.plan("heads"))
            allow = tuple({each.name for each in plan.findings if each.stops})
            errand = Errand("apply", ("heads",), {**confirm, "allow": allow})
        else:
            errand = Errand("repair", (), {**confirm, "back": data.draw(st.booleans(), "back")})
        killed, code = self.world.killed(errand, at)
        assert killed or code in (0, 1, 3), f"{errand} ended with {code}"
        self.crashed = killed or (self.crashed and code == 3)
        self.look()
        self.left = self.crashed and self.edited

    @precondition(lambda self: self.clean and not self.crashed and self.recorded != self.heads)
    @rule()
    def upgrade_plainly(self) -> None:
        """Somebody goes up with plain Alembic, which keeps nothing; and puts nothing back, so nothing is to be due."""
        if any(oracle.kept(self.world.session).values()):
            return
        plan = self.unchanged(lambda workspace: workspace.plan("heads"))
        if any(each.rule == "would-fail-on-data" for each in plan.findings):
            return
        before = self.makers
        self.world.plainly("upgrade", self.world.target, "heads")
        self.passed = journal.newest(self.world.session)
        self.look()
        assert self.recorded == self.heads
        assert not self.edited, differences(self.own, self.live)
        for (table, column), maker in before.items():
            if self.makers.get((table, column)) != maker:
                self.rows.forget(table, column, maker)

    # By hand

    @precondition(lambda self: not self.broken and not self.stamped and self.live)
    @rule(data=st.data(), what=st.sampled_from(HAND))
    def hand_edit(self, data: st.DataObject, what: str) -> None:
        """Somebody changes the schema with psql."""
        made = by_hand(what, self.live, lambda choices, name: data.draw(st.sampled_from(sorted(choices)), name))
        if made is None:
            return
        for table, column in made.destroys:
            self.rows.forget(table, column, self.makers.get((table, column), ""))
            self.around = True
        self.world.run(made.sql)

    @precondition(lambda self: self.edited and not self.broken and not self.stamped)
    @rule()
    def take_back(self) -> None:
        """The SQL that drift gives for it ends what was done by hand."""
        side = f"history@{','.join(sorted(self.recorded)) or 'base'}"
        drift = self.unchanged(lambda workspace: workspace.drift(from_="live", to=side))
        (comparison,) = drift.comparisons
        try:
            self.world.run("\n".join(each.sql for each in comparison.changes))
        except NotNullViolation:  # rows have come since the column went: only people know what it should say of them
            assert any(each.kind == "column" and each.action == "created" for each in comparison.changes)
            return
        except UniqueViolation:  # and rows that are alike, since the constraint did
            assert any(each.kind == "unique" and each.action == "created" for each in comparison.changes)
            return
        for each in comparison.changes:
            if each.kind in ("table", "column") and each.action == "dropped":
                table, _, column = each.object.removeprefix("public.").partition(".")
                self.rows.forget(table, column or "id", self.makers.get((table, column or "id"), ""))
        self.look()
        assert not self.edited, differences(self.own, self.live)

    @precondition(lambda self: self.edited and not self.broken and not self.stamped and len(self.graph) < REVISIONS)
    @rule()
    def bridge(self) -> None:
        """What was done by hand is taken into the history."""
        files = {each.name: each.read_bytes() for each in self.world.versions.glob("*.py")}
        confirm = self.world.target.dbname
        found = self.attempt(lambda workspace: workspace.repair(bridge=True, confirm=confirm))
        if isinstance(found, DbMigrateError):
            assert files == {each.name: each.read_bytes() for each in self.world.versions.glob("*.py")}
            assert self.recorded != self.heads, refusals.said(found)
            return
        assert found.error is None, f"{found.error}"
        self.look()
        if is_foreign(self.live, [self.step_of(each) for each in self.graph]):
            assert (found.state, found.verify and found.verify.ok) == ("unchanged", False)
            return
        assert not self.edited, differences(self.own, self.live)
        self.rows.adopt(self.makers)

    @precondition(lambda self: not self.broken and self.makers)
    @rule(data=st.data(), count=st.integers(1, 4))
    def insert(self, data: st.DataObject, count: int) -> None:
        """The application writes rows."""
        names = sorted({t for t, _ in self.makers} & {t for t, _ in oracle.columns(self.live)})
        if names:
            self.rows.insert(self.live, self.makers, data.draw(st.sampled_from(names), "table"), count)

    @precondition(lambda self: not self.broken and self.makers)
    @rule(data=st.data())
    def update(self, data: st.DataObject) -> None:
        """The application changes rows."""
        known = set(self.makers) & oracle.columns(self.live)
        choices = sorted(name for name in known if name[1].startswith("c") and self.rows.is_plain(self.live, *name))
        if choices:
            self.rows.update(self.live, self.makers, *data.draw(st.sampled_from(choices), "column"))

    @precondition(lambda self: self.plan is None and self.recorded != self.heads and not self.stamped)
    @rule()
    def make_plan(self) -> None:
        """Somebody makes a plan, to be executed later."""
        plan = self.unchanged(lambda workspace: workspace.plan("heads"))
        self.plan = KeptPlan(plan, self.recorded, self.live)

    @precondition(lambda self: self.plan is not None)
    @rule()
    def apply_plan(self) -> None:
        """The plan is executed on what it was made for, and on nothing else."""
        kept, self.plan = self.plan, None
        assert kept is not None
        same = (kept.recorded, kept.live) == (self.recorded, self.live)
        confirm = self.world.target.dbname
        found = self.attempt(lambda workspace: workspace.apply(kept.plan, confirm=confirm))
        if same:
            self.ran(found, consent=False)
        elif isinstance(found, RunResult):
            assert found.state == "unchanged", f"a stale plan was executed: {found.state} {found.error}"
