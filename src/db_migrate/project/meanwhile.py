"""Work that is done while this thread waits for somebody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread


@contextmanager
def meanwhile(work: Callable[[], object] | None) -> Iterator[None]:
    """Do ``work`` in a thread of its own while the body of the context runs; raise what it has raised after that.

    Where the body fails nobody waits for the work any more: it ends by itself.
    """
    if work is None:
        yield
        return
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)

    thread = Thread(target=run, daemon=True)
    thread.start()
    yield
    thread.join()
    if raised:
        raise raised[0]
