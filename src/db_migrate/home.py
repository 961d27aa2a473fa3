"""The user's home folder and cache, where there may be none: a container's user often has neither name nor home."""

from __future__ import annotations

import os
from pathlib import Path

_NOWHERE = Path("/nonexistent")


def home() -> Path:
    """The home folder, which need not be there, nor be ours to read."""
    try:
        return Path.home()
    except RuntimeError:
        return _NOWHERE


def cache_home() -> Path:
    """Where this user's caches are: ``XDG_CACHE_HOME``, or ``.cache`` in the home folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or home() / ".cache")


def is_there(path: Path) -> bool:
    """Whether there is such a file or folder, as far as we may look: ``HOME`` is another user's after ``su``, say."""
    try:
        return path.exists()
    except PermissionError:  # Python 3.14 says False by itself
        return False
