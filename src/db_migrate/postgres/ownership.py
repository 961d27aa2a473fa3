"""Marks that say which process something on a scratch server belongs to, so that others know when it is gone.

A mark is ``dbm_<process number>_<its start>``. With the start, a number that the system gave to a later process is
not taken for the earlier one.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from pathlib import Path

_MARK = re.compile(r"dbm_(?P<pid>\d+)_(?P<started>\d+)(?:_\d+)?")


def own_mark() -> str:
    """The mark of this process."""
    return f"dbm_{os.getpid()}_{_started(os.getpid())}"


def is_mark(text: str) -> bool:
    """Whether ``text`` is a mark, or a name made of one and a number."""
    return _MARK.fullmatch(text) is not None


def is_own(text: str) -> bool:
    """Whether ``text`` is a mark of this process."""
    mark = own_mark()
    return text == mark or text.startswith(f"{mark}_")


def is_alive(text: str) -> bool:
    """Whether ``text`` is the mark of a process that still runs."""
    match = _MARK.fullmatch(text)
    return match is not None and _started(int(match["pid"])) == match["started"]


def _started(pid: int) -> str:
    """When process ``pid`` began, in digits of whatever clock the system offers; empty when there is none."""
    if Path("/proc/self/stat").exists():
        try:
            status = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return ""
        state, *fields = status.rpartition(")")[2].split()
        # A zombie has ended; only its parent has not looked.
        return "" if state in "ZX" else fields[18]
    shown = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return str(int(hashlib.sha256(shown.strip().encode()).hexdigest()[:10], 16)) if shown.strip() else ""
