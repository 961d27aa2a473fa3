"""Kept data outside of a run: what there is, putting one thing back by itself, giving up what is old."""

from __future__ import annotations

import random
import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from db_migrate.config.parsing import age
from db_migrate.errors import Failed, LockBudgetExceeded, Refused, UsageError
from db_migrate.execute.journal import Entry, Journal
from db_migrate.execute.keep.put_back import is_there, put_back
from db_migrate.execute.keep.store import Kept, Run, kept_objects, purge, runner
from db_migrate.execute.opening import locked
from db_migrate.execute.progress import nobody
from db_migrate.postgres.session import connect
from db_migrate.results import KeptData, KeptItem, Restored, TargetSummary
from db_migrate.schemas.target import Target

if TYPE_CHECKING:
    from psycopg import Connection

    from db_migrate.config import Settings

T = TypeVar("T")

_LONGEST_PAUSE_S = 2.0


@dataclass(frozen=True, slots=True)
class KeptThere:
    """The verb ``kept`` for one target."""

    target: Target
    settings: Settings
    summary: TargetSummary

    def list(self, ids: Sequence[str] = ()) -> KeptData:
        """All that is kept, or one object of it. Raises ``Refused`` (``kept.unknown``)."""
        found = kept_items(self.target, self.settings.keep_for)
        return KeptData(target=self.summary, objects=_only(found, ids), detail=bool(ids))

    def restore(self, wanted: str) -> KeptData:
        """What is kept after one object was put back; raises as :func:`restore` does."""
        done = restore(self.target, self.settings, wanted)
        return replace(self.list(), restored=(done,))

    def purge(self, ids: Sequence[str] = (), *, older_than: str | None = None, confirm: str | None = None) -> KeptData:
        """What is kept after others were given up; raises as :func:`purge_kept` does, and for what is no age."""
        seconds = age(older_than) if older_than else None
        purged = purge_kept(self.target, self.settings, ids, seconds, confirm)
        return replace(self.list(), purged=purged)


def kept_items(target: Target, keep_for: float, now: datetime | None = None) -> tuple[KeptItem, ...]:
    """All that is kept on the target, oldest first; ``keep_for`` in seconds tells what is due to be purged."""
    moment = now or datetime.now(UTC)
    with closing(connect(target.conninfo, told=True)) as connection:
        return tuple(_item(each, keep_for, moment) for each in kept_objects(runner(connection)))


def _only(items: tuple[KeptItem, ...], ids: Sequence[str]) -> tuple[KeptItem, ...]:
    """Those of these ids, all where none is given. Raises ``Refused`` (``kept.unknown``)."""
    known = {each.id: each for each in items}
    for each in ids:
        if each not in known:
            raise _unknown(each, known)
    return tuple(known[each] for each in ids) if ids else items


def overdue(target: Target, keep_for: float, now: datetime | None = None) -> tuple[KeptItem, ...]:
    """What is kept for longer than ``keep_for`` seconds: what ``doctor`` tells of."""
    return tuple(each for each in kept_items(target, keep_for, now) if each.overdue)


def restore(target: Target, settings: Settings, wanted: str) -> Restored:
    """Put one kept object back where there is a table or a column for it, in one transaction.

    Raises ``Refused`` (``kept.unknown``, ``kept.no-place``), ``Failed`` when what was put back is not what was kept,
    ``LockBudgetExceeded``.
    """

    def work(run: Run) -> tuple[Kept, Restored]:
        (found,) = _chosen(kept_objects(run), (wanted,))
        done = put_back(run, found)
        if done is None:
            raise _no_place(run, found)
        return found, done

    again = f"db-migrate kept restore {shlex.quote(wanted)}"
    with _session(target, settings, again) as (connection, journal):
        found, done = _patiently(connection, settings, work, "nothing was changed", again)
        if journal is not None:
            journal.add(found.label.run, Entry.RESTORED, {"object": done.object, "rows": done.rows, "from": found.name})
    return done


def _no_place(run: Run, kept: Kept) -> Refused:
    label = kept.label
    message = f"there is no {label.object} to put the data back into"
    why = f"revision {label.revision} dropped it, and nothing has made it again"
    if not label.column and not kept.parked_in and is_there(run, label.table):
        message = f"{label.object} cannot take the data"
        why = "there are rows in it already, or it has a column that needs a value which was not kept"
    return Refused(
        "kept.no-place",
        message,
        why=why,
        where=kept.qualified,
        state="nothing was changed",
        next=[f"db-migrate kept list {kept.id}", "db-migrate rollback"],
    )


def purge_kept(
    target: Target, settings: Settings, ids: Sequence[str], older_than: float | None, confirm: str | None
) -> tuple[KeptItem, ...]:
    """Give up the kept objects that are named, and those older than so many seconds; what was given up.

    Raises ``UsageError`` when neither is given, ``Refused`` without the database's name (``consent.missing``,
    ``consent.wrong-name``) and for an unknown id.
    """
    if not ids and older_than is None:
        raise UsageError(
            "kept.purge",
            "nothing says what to purge",
            state="nothing was changed",
            next=["db-migrate kept list", "db-migrate kept purge --older-than 30d --confirm NAME"],
        )
    with _session(target, settings, "db-migrate kept list") as (connection, journal):
        everything = kept_objects(runner(connection))
        chosen = {each.id: each for each in _chosen(everything, ids)}
        if older_than is not None:
            chosen |= {each.id: each for each in everything if _age(each) > timedelta(seconds=older_than)}
        items = tuple(_item(each, settings.keep_for, datetime.now(UTC)) for each in chosen.values())
        if items:
            _check_name(items, target.conninfo.dbname, confirm)
        for number, each in enumerate(chosen.values()):
            state = f"of {len(chosen)} objects {number} were given up, the others are still kept"
            _patiently(connection, settings, partial(_purge, each), state, _purging(items[number:], confirm))
            if journal is not None:
                journal.add(each.label.run, Entry.NOTE, {"purged": each.label.object, "rows": each.label.rows})
    return items


def _purge(kept: Kept, run: Run) -> None:
    purge(run, kept)


def _check_name(items: Sequence[KeptItem], name: str, confirm: str | None) -> None:
    if confirm == name:
        return
    rows = sum(each.rows or 0 for each in items)
    raise Refused(
        "consent.missing" if confirm is None else "consent.wrong-name",
        f"this needs the name of the database: --confirm {name}",
        why=f"{rows} kept rows of {', '.join(each.object for each in items)} would be gone for good",
        state="nothing was changed",
        next=[_purging(items, name)],
    )


def _purging(items: Sequence[KeptItem], name: str | None) -> str:
    """The command that gives these up, in the database of that name."""
    confirm = ["--confirm", name] if name is not None else []
    return shlex.join(["db-migrate", "kept", "purge", *(each.id for each in items), *confirm])


def _chosen(everything: Sequence[Kept], ids: Sequence[str]) -> tuple[Kept, ...]:
    """The objects of these ids. Raises ``Refused`` for one that there is not."""
    known = {each.id: each for each in everything}
    for each in ids:
        if each not in known:
            raise _unknown(each, known)
    return tuple(known[each] for each in ids)


def _unknown(wanted: str, known: Iterable[str]) -> Refused:
    return Refused(
        "kept.unknown",
        f"nothing is kept under the id {wanted}",
        why=f"there is {', '.join(known) or 'nothing'}",
        state="nothing was changed",
        next=["db-migrate kept list"],
    )


def _age(kept: Kept) -> timedelta:
    return datetime.now(UTC) - datetime.fromisoformat(kept.label.kept_at)


def _item(kept: Kept, keep_for: float, now: datetime) -> KeptItem:
    label = kept.label
    return KeptItem(
        id=kept.id,
        object=label.object,
        strategy=label.strategy,
        rows=label.rows,
        bytes=kept.bytes,
        run=label.run,
        kept_at=label.kept_at,
        revision=label.revision,
        direction=label.direction,
        place=kept.qualified,
        overdue=now - datetime.fromisoformat(label.kept_at) > timedelta(seconds=keep_for),
    )


@contextmanager
def _session(
    target: Target, settings: Settings, again: str
) -> Iterator[tuple[Connection[tuple[object, ...]], Journal | None]]:
    """A session that holds the lock between runners, and the journal where there is one to write."""
    budget = settings.budget("lock_budget") or 0.0
    with locked(target, "kept", again, budget, nobody) as lock, closing(connect(target.conninfo)) as connection:
        journal = Journal(lock.connection)
        yield connection, journal if settings.journal and journal.exists else None


def _patiently(
    connection: Connection[tuple[object, ...]], settings: Settings, work: Callable[[Run], T], state: str, again: str
) -> T:
    """Do the work in one transaction that waits only briefly for locks, again until the budget is used up.

    ``state`` and ``again``: what is so where it cannot be done, and the command that tries it again.
    """
    from psycopg import errors

    budget = settings.budget("lock_budget") or 0.0
    deadline, pause = time.monotonic() + budget, 0.1
    wait = round((settings.budget("lock_timeout") or 0.0) * 1000)
    while True:
        try:
            with connection.transaction():
                connection.execute(f"SET LOCAL lock_timeout = {wait}".encode())
                return work(runner(connection))
        except (errors.LockNotAvailable, errors.DeadlockDetected) as error:
            if time.monotonic() > deadline:
                raise LockBudgetExceeded(
                    "kept.lock",
                    "the lock was not to be had in time",
                    why=str(error).strip(),
                    state=state,
                    next=[again],
                ) from error
        except errors.Error as error:
            why = str(error).strip()
            look = ["db-migrate kept list", again]
            raise Failed("kept.failed", "the server refused it", why=why, state=state, next=look) from error
        time.sleep(pause * random.uniform(0.5, 1.5))
        pause = min(pause * 2, _LONGEST_PAUSE_S)
