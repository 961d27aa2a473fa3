"""Which revisions are run so that some can be judged: found in one look through the history, however long it is."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from tests.calls import calls

from db_migrate.plan.stretch import of_range, of_revisions
from db_migrate.project.files import RevisionFile
from db_migrate.project.graph import Graph, build_graph


def graph(parents: list[set[int]]) -> Graph:
    """A history: of each revision the numbers of those that it comes after."""
    names = [f"r{number:04}" for number in range(len(parents))]
    return build_graph(
        RevisionFile(name, tuple(names[parent] for parent in sorted(each)), Path(f"versions/{name}.py"))
        for name, each in zip(names, parents, strict=True)
    )


@st.composite
def histories(draw: st.DrawFn) -> Graph:
    """Histories with forks and merges."""
    return graph([draw(st.sets(st.integers(0, number - 1), max_size=2)) if number else set() for number in range(9)])


@given(histories(), st.data())
def test_what_is_run_before_is_all_that_needs_none_of_the_chosen(history: Graph, data: st.DataObject) -> None:
    """From the lower end on, whatever runs is a chosen revision or needs one, and each chosen one runs."""
    chosen = data.draw(st.sets(st.sampled_from(sorted(history.revisions)), min_size=1))
    found = of_revisions(history, chosen)
    run = set(history.between(found.lower, found.upper))
    assert run == {each for each in history.ancestors(*chosen) if chosen & history.ancestors(each)}
    assert found.chosen == chosen <= run


def test_the_newest_revision_of_a_history_twice_as_long_costs_twice_as_much() -> None:
    """A history of thousands would take minutes if every revision's ancestors were looked through."""
    some, more = ([set() if not number else {number - 1} for number in range(length)] for length in (200, 400))
    first, second = (calls(lambda: of_range(graph(each), f"r{len(each) - 1:04}")) for each in (some, more))  # noqa: B023
    assert second < 2.2 * first, (first, second)
