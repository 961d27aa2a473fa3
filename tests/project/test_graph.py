"""The graph means what Alembic means by it, and says clearly what is wrong with one."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from alembic.script.revision import Revision, RevisionError, RevisionMap
from hypothesis import given
from hypothesis import strategies as st

from db_migrate.errors import ConfigurationError, UsageError
from db_migrate.project.files import RevisionFile
from db_migrate.project.graph import Graph, build_graph


def revision(name: str, *down: str, labels: tuple[str, ...] = (), depends_on: tuple[str, ...] = ()) -> RevisionFile:
    return RevisionFile(name, down, Path(f"versions/{name}.py"), branch_labels=labels, depends_on=depends_on)


FORKED = (
    revision("aaaa1"),
    revision("bbbb1", "aaaa1", labels=("billing",)),
    revision("bbbb2", "bbbb1"),
    revision("cccc1", "aaaa1", labels=("content",)),
    revision("cccc2", "cccc1", depends_on=("bbbb1",)),
    revision("cccc3", "cccc2"),
)


@st.composite
def histories(draw: st.DrawFn) -> tuple[RevisionFile, ...]:
    """Histories with several bases, forks, merges, labels and dependencies; parents come first."""
    files: list[RevisionFile] = []
    for index in range(draw(st.integers(1, 9))):
        known = [file.revision for file in files]
        down = draw(st.lists(st.sampled_from(known), max_size=2, unique=True)) if known else []
        depends = draw(st.lists(st.sampled_from(known), max_size=2, unique=True)) if known else []
        labels = (f"label{index}",) if draw(st.integers(0, 3)) == 0 else ()
        wanted = tuple(name for name in depends if name not in down)
        files.append(revision(f"rev{index}a", *down, labels=labels, depends_on=wanted))
    return tuple(files)


def alembic_map(files: tuple[RevisionFile, ...]) -> RevisionMap:
    return RevisionMap(
        lambda: [Revision(f.revision, f.down_revision, f.depends_on or None, f.branch_labels or None) for f in files]
    )


@given(histories())
def test_heads_bases_and_ancestors_are_those_of_alembic(files: tuple[RevisionFile, ...]) -> None:
    """Heads, effective heads, bases and ancestors of any history are what Alembic says."""
    graph, theirs = build_graph(files), alembic_map(files)
    assert set(graph.heads) == set(theirs.heads)
    assert set(graph.effective_heads) == set(theirs._real_heads)
    assert set(graph.bases) == set(theirs.bases)
    for name in graph.revisions:
        script = theirs.get_revision(name)
        assert script is not None
        assert graph.ancestors(name) == {each.revision for each in theirs._get_ancestor_nodes([script])}
        assert set(graph.dependencies[name]) == set(script._normalized_resolved_dependencies)


@given(histories(), st.data())
def test_what_lies_between_is_what_alembic_would_run(files: tuple[RevisionFile, ...], data: st.DataObject) -> None:
    """From nothing to any revision, Alembic runs the same revisions, and ours also come after their parents."""
    graph, theirs = build_graph(files), alembic_map(files)
    target = data.draw(st.sampled_from(sorted(graph.revisions)))
    between = graph.between([], [target])
    assert set(between) == {each.revision for each in theirs.iterate_revisions(target, None, implicit_base=True)}
    for index, name in enumerate(between):
        assert set(graph.parents(name)) <= set(between[:index])


def outcome(resolve: object) -> object:
    """The value of a call, or the fact that it refuses."""
    assert callable(resolve)
    try:
        return resolve()
    except (RevisionError, UsageError, AssertionError):
        return "refused"


@given(histories(), st.data())
def test_targets_resolve_as_in_alembic(files: tuple[RevisionFile, ...], data: st.DataObject) -> None:
    """Symbols, beginnings of ids, branches and steps up mean what they mean to ``alembic upgrade``."""
    graph, theirs = build_graph(files), alembic_map(files)
    labels = sorted(label for file in files for label in file.branch_labels)
    names = sorted(graph.revisions)
    branch = data.draw(st.sampled_from(["", *(f"{each}@" for each in [*labels, *names])]))
    symbol = data.draw(st.sampled_from(["head", "heads", "base", "+1", "+2", *names, *labels, names[0][:4], "nothing"]))
    current = data.draw(st.sampled_from([(), (names[0],), (names[-1],)]))

    def ours() -> object:
        return set(graph.resolve(branch + symbol, current))

    def alembics() -> object:
        found = theirs._parse_upgrade_target(current, branch + symbol, True)
        return {each.revision for each in found if each is not None}

    assert outcome(ours) == outcome(alembics)


@given(histories(), st.data())
def test_steps_down_resolve_as_in_alembic(files: tuple[RevisionFile, ...], data: st.DataObject) -> None:
    """``-1`` and ``-2``, of the current revision or of a named one, mean what they mean to ``alembic downgrade``."""
    graph, theirs = build_graph(files), alembic_map(files)
    names = sorted(graph.revisions)
    symbol = data.draw(st.sampled_from(["", *names]))
    steps = data.draw(st.sampled_from(["-1", "-2", "-3"]))
    current = data.draw(st.sampled_from([(), *((name,) for name in names)]))

    def ours() -> object:
        return set(graph.resolve(symbol + steps, current))

    def alembics() -> object:
        _, found = theirs._parse_downgrade_target(current, symbol + steps, True)
        return set() if found in (None, "base") else {found.revision}

    assert outcome(ours) == outcome(alembics)


def test_a_branch_relative_step_walks_along_the_branch() -> None:
    """``content@+1`` takes the next revision of that branch, from where the branch stands."""
    graph = build_graph(FORKED)
    assert graph.resolve("content@+1", ["aaaa1"]) == ("cccc1",)
    assert graph.resolve("billing@head") == ("bbbb2",)
    assert set(graph.resolve("heads")) == {"bbbb2", "cccc3"}


def test_several_heads_are_named_with_what_to_type() -> None:
    """``head`` of a forked history is refused with the heads and a command for each."""
    with pytest.raises(UsageError) as raised:
        build_graph(FORKED).resolve("head")
    assert raised.value.code == "graph.multiple-heads"
    assert "bbbb2, cccc3" in raised.value.why
    assert "db-migrate plan heads" in raised.value.next


@pytest.mark.parametrize(
    ("files", "code", "words"),
    [
        ((revision("a"), revision("a")), "graph.duplicate", "two files"),
        ((revision("a", "b"),), "graph.missing-parent", "b, which has no file"),
        ((revision("a", depends_on=("b",)),), "graph.missing-parent", "depends_on names b"),
        ((revision("a", "b"), revision("b", "a")), "graph.cycle", "among a, b"),
        ((revision("a", "a"),), "graph.cycle", "among a"),
        ((revision("a"), revision("b", "a", depends_on=("b",))), "graph.cycle", "among b"),
        ((revision("a", labels=("x",)), revision("b", "a", labels=("x",))), "graph.duplicate-label", "a and b"),
    ],
)
def test_a_broken_history_says_what_is_broken(files: tuple[RevisionFile, ...], code: str, words: str) -> None:
    """Two files with one id, a lost parent, a circle: each has its own error, naming revisions and files."""
    with pytest.raises(ConfigurationError) as raised:
        build_graph(files)
    assert raised.value.code == code
    assert words in f"{raised.value.message} {raised.value.why}"
    assert "versions/" in raised.value.where


def test_only_the_circle_itself_is_named() -> None:
    """Not all that comes after it."""
    with pytest.raises(ConfigurationError) as raised:
        build_graph((revision("a", "b"), revision("b", "a"), revision("c", "b"), revision("d", "c")))
    assert raised.value.why == "among a, b"
    assert raised.value.where == "versions/a.py, versions/b.py"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("zzzz", "graph.unknown-revision"),
        ("", "graph.unknown-revision"),
        ("bbbb", "graph.ambiguous-revision"),
        ("+9", "graph.too-far"),
        ("billing@cccc2", "graph.unknown-revision"),
    ],
)
def test_a_target_that_cannot_be_meant_is_refused(text: str, code: str) -> None:
    """An unknown, too short, ambiguous or unreachable target is refused with its own code."""
    with pytest.raises(UsageError) as raised:
        build_graph(FORKED).resolve(text, ["cccc2"])
    assert raised.value.code == code
    assert (raised.value.report().state, raised.value.next) == ("nothing was changed", ("db-migrate history",))


@pytest.mark.parametrize(("text", "near"), [("bilings", "billing"), ("cccc33", "cccc3")])
def test_a_misspelt_revision_is_corrected(text: str, near: str) -> None:
    """The revision or branch that is nearest to what was typed is named."""
    with pytest.raises(UsageError, match="there is no revision or branch") as raised:
        build_graph(FORKED).resolve(text)
    assert f"did you mean {near}" in raised.value.why


def test_an_empty_history_has_no_heads() -> None:
    """A project without revisions is a graph like any other."""
    graph: Graph = build_graph(())
    assert (graph.heads, graph.bases, graph.resolve("head"), graph.ordered()) == ((), (), (), ())


class _Stamps:
    """Alembic's own ``stamp`` on a history that is in no folder."""

    def __init__(self, files: tuple[RevisionFile, ...]) -> None:
        self.script = ScriptDirectory(".")
        self.script.revision_map = alembic_map(files)

    def __call__(self, current: tuple[str, ...], revisions: tuple[str, ...]) -> set[str]:
        heads = set(current)
        for step in self.script._stamp_revs(revisions or "base", current):
            heads -= set(step.from_revisions)
            heads |= set(step.to_revisions)
        return heads


@given(histories(), st.data())
def test_a_stamp_leaves_what_alembic_leaves_of_other_branches(
    files: tuple[RevisionFile, ...], data: st.DataObject
) -> None:
    """From any set of heads that a version table can hold, to any revision, or the base of a branch."""
    graph = build_graph(files)
    ran = graph.ancestors(*data.draw(st.lists(st.sampled_from([f.revision for f in files]), max_size=3, unique=True)))
    needed = {parent for each in ran for parent in graph.parents(each)}
    current = tuple(each for each in graph.revisions if each in ran - needed)
    labels = [label for file in files for label in file.branch_labels]
    wanted = data.draw(st.sampled_from([*graph.revisions, "base", *(f"{each}@base" for each in labels)]))
    found = graph.stamped(current, graph.resolve(wanted, current), wanted.removesuffix("base").removesuffix("@"))
    assert set(found) == _Stamps(files)(current, (wanted,))
