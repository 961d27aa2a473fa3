"""``python -m db_migrate`` is the command ``db-migrate``."""

import gc
import signal
import sys

from db_migrate import gentle


def run() -> int:
    """Be the command. Until it can be said in words, Ctrl-C just ends: nothing has begun."""
    gentle.begin()
    told = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if told:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from db_migrate.cli import main

    if told:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return main()
    finally:
        gc.freeze()  # the process ends: nothing needs to be looked through for garbage again


if __name__ == "__main__":
    sys.exit(run())
