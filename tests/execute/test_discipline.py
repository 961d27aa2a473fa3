"""The discipline of locks as a protocol, driven by a recorder: no server is needed to see what it asks for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db_migrate.execute.discipline import (
    Budget,
    BudgetSpent,
    Got,
    Intention,
    Look,
    Manners,
    Retrying,
    Sleep,
    Tried,
    TryLocks,
    Waiting,
    acquire,
    back_off,
    drive,
)
from db_migrate.execute.locks import CONFLICTS, conflict, is_strong
from db_migrate.execute.progress import Blocker
from db_migrate.trace.effects import Lock, LockMode

NOW = (Lock("public.a", LockMode.ACCESS_EXCLUSIVE),)
AHEAD = (*NOW, Lock("public.b", LockMode.SHARE))
MANNERS = Manners(lock_timeout=0.05, lock_budget=10.0, deadlock_timeout=1.0)


@dataclass
class Recorder:
    """Plays the server: answers looks and tries from lists, and lets time pass only when asked to sleep."""

    looks: Iterator[tuple[Blocker, ...]]
    tries: Iterator[Tried]
    now: float = 0.0
    asked: list[Intention] = field(default_factory=list)

    def perform(self, intention: Intention) -> object:
        """Write the intention down and answer it."""
        self.asked.append(intention)
        match intention:
            case Look():
                return next(self.looks)
            case TryLocks():
                return next(self.tries)
            case Sleep(seconds):
                self.now += seconds
        return None

    def budget(self, seconds: float = 10.0) -> Budget:
        """A budget by this recorder's clock."""
        return Budget(seconds, lambda: self.now, lambda: 1.0)

    def kinds(self) -> list[str]:
        """What was asked for, in order."""
        return [type(each).__name__ for each in self.asked]


def blocker(age: float | None = 5.0, *, pid: int = 1, autovacuum: bool = False, wraparound: bool = False) -> Blocker:
    """A session in the way."""
    return Blocker(
        pid, "app", "web", age, "idle in transaction", "SELECT", "public.a", "ACCESS SHARE", autovacuum, wraparound
    )


def test_nobody_in_the_way_means_one_look_and_one_try() -> None:
    """Where the table is free, the lock is tried at once, with the short timeout, after a look at all to come."""
    recorder = Recorder(iter([()]), iter([Tried.GOT]))
    got = drive(acquire(NOW, AHEAD, MANNERS, recorder.budget()), recorder.perform)
    assert got == Got(0.0, 1, held=True)
    assert recorder.asked == [Look(AHEAD), TryLocks(NOW, 0.05)]


def test_a_lasting_blocker_is_waited_for_without_queueing() -> None:
    """While somebody holds a conflicting lock for long, nothing is tried; it is named, and looked at again."""
    recorder = Recorder(iter([(blocker(),), (blocker(),), ()]), iter([Tried.GOT]))
    got = drive(acquire(NOW, AHEAD, MANNERS, recorder.budget()), recorder.perform)
    assert recorder.kinds() == ["Look", "Waiting", "Sleep", "Look", "Waiting", "Sleep", "Look", "TryLocks"]
    assert recorder.asked[1] == Waiting((blocker(),), 0.0)
    assert got.waited == pytest.approx(0.2)


def test_a_blocker_of_the_moment_does_not_count() -> None:
    """On a busy table somebody always holds a lock; whoever began a moment ago is about to be gone."""
    recorder = Recorder(iter([(blocker(0.01),)]), iter([Tried.GOT]))
    drive(acquire(NOW, AHEAD, MANNERS, recorder.budget()), recorder.perform)
    assert recorder.kinds() == ["Look", "TryLocks"]


def test_a_session_whose_age_is_hidden_counts_when_it_is_seen_twice() -> None:
    """A role without pg_read_all_stats does not see since when others are in a transaction."""
    hidden = blocker(None)
    recorder = Recorder(iter([(hidden,)]), iter([Tried.BUSY]))
    with pytest.raises(StopIteration):
        drive(acquire(NOW, AHEAD, MANNERS, recorder.budget()), recorder.perform)
    again = Recorder(chain([(hidden, blocker(9.0, pid=2)), (hidden,), ()]), iter([Tried.GOT]))
    drive(acquire(NOW, AHEAD, MANNERS, again.budget()), again.perform)
    assert again.kinds().count("Waiting") == 2


def test_a_busy_lock_is_tried_again_after_a_growing_pause() -> None:
    """After each failed try it looks again and waits longer, never less than half of the step."""
    recorder = Recorder(repeat(()), iter([Tried.BUSY, Tried.BUSY, Tried.BUSY, Tried.GOT]))
    got = drive(acquire(NOW, AHEAD, MANNERS, recorder.budget()), recorder.perform)
    pauses = [each.seconds for each in recorder.asked if isinstance(each, Sleep)]
    assert got.attempts == 4
    assert pauses == pytest.approx([0.1, 0.2, 0.4])
    assert [each.attempt for each in recorder.asked if isinstance(each, Retrying)] == [1, 2, 3]


def test_autovacuum_is_asked_to_go_with_a_lock_that_stops_nobody() -> None:
    """Short tries never get past autovacuum: first SHARE UPDATE EXCLUSIVE, for longer than deadlock_timeout."""
    recorder = Recorder(iter([(blocker(autovacuum=True),)]), iter([Tried.GOT, Tried.GOT]))
    drive(acquire(NOW, AHEAD, MANNERS, recorder.budget()), recorder.perform)
    gentle = (Lock("public.a", LockMode.SHARE_UPDATE_EXCLUSIVE),)
    assert recorder.asked[1:] == [TryLocks(gentle, 1.5), TryLocks(NOW, 0.05)]


def test_autovacuum_against_wraparound_is_waited_for_like_anybody() -> None:
    """That one does not give way, and must not."""
    recorder = Recorder(repeat((blocker(autovacuum=True, wraparound=True),)), iter([]))
    with pytest.raises(BudgetSpent):
        drive(acquire(NOW, AHEAD, MANNERS, recorder.budget(1.0)), recorder.perform)


@pytest.mark.parametrize("seconds", [0.0, 0.3, 7.0])
def test_the_budget_ends_the_waiting_and_names_who_was_in_the_way(seconds: float) -> None:
    """Not a moment longer than allowed, counted over all waits of a run."""
    recorder = Recorder(repeat((blocker(),)), iter([]))
    with pytest.raises(BudgetSpent) as caught:
        drive(acquire(NOW, AHEAD, MANNERS, recorder.budget(seconds)), recorder.perform)
    assert caught.value.blockers == (blocker(),)
    assert recorder.now == pytest.approx(seconds, abs=0.001)


@given(st.integers(1, 60), st.floats(0, 1))
def test_pauses_stay_within_their_bounds(attempt: int, jitter: float) -> None:
    """However often it failed, a pause is neither nothing nor longer than five seconds."""
    recorder = Recorder(iter([]), iter([]))
    budget = Budget(1000.0, lambda: recorder.now, lambda: jitter)
    drive(back_off(attempt, budget), recorder.perform)
    assert 0.05 <= recorder.now <= 5.0
    assert budget.spent == recorder.now


def test_the_matrix_of_conflicts_is_symmetric_and_has_the_documented_count() -> None:
    """The documentation's table has 38 marks, and a mark for (a, b) is one for (b, a)."""
    assert sum(len(each) for each in CONFLICTS.values()) == 38
    assert all(conflict(a, b) == conflict(b, a) for a in LockMode for b in LockMode)


def test_strong_are_the_modes_that_writers_wait_behind() -> None:
    """A lock is strong exactly when it conflicts with what INSERT, UPDATE and DELETE take."""
    assert {mode for mode in LockMode if is_strong(mode)} == CONFLICTS[LockMode.ROW_EXCLUSIVE]
