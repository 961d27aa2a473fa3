"""The child's surroundings: a home and a temporary folder of its own, and an environment that points nowhere else.

``PGHOST``, ``PGUSER`` and their like stay visible, since an env.py may read them; what connects does not see them
(``child.drivers``). A leftover of a process that was killed is removed by the next one.
"""

from __future__ import annotations

import os
import re
import shutil
import site
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from db_migrate.home import home, is_there

_PREFIX = "dbm-child-"
_NAME = re.compile(rf"{_PREFIX}(?P<pid>\d+)-(?P<start>\d+)-")
_CREDENTIALS = (".pgpass", ".pg_service.conf", ".postgresql")
_USER_FOLDERS = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """A temporary folder: ``home`` and ``temporary`` for the child, and ``output``, where its prints go."""

    home: Path
    temporary: Path
    output: Path


NOWHERE = Surroundings(*[Path("/nonexistent")] * 3)
"""Those of a process that writes nothing."""


@contextmanager
def surroundings() -> Iterator[Surroundings]:
    """Make the folders, and remove them with all that the child has left in them."""
    _sweep()
    root = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-{_started(os.getpid())}-"))
    try:
        made = Surroundings(root / "home", root / "tmp", root / "output")
        made.home.mkdir()
        made.temporary.mkdir()
        for name in _CREDENTIALS:
            if is_there(real := home() / name):
                (made.home / name).symlink_to(real)
        yield made
    finally:
        shutil.rmtree(root, ignore_errors=True)


def environment(made: Surroundings, extra: Mapping[str, str] | None) -> dict[str, str]:
    """The child's environment variables: the caller's, changed by ``extra``, with the folders of its own."""
    variables = {**os.environ, **(extra or {})}
    for name in _USER_FOLDERS:
        variables.pop(name, None)
    if site.ENABLE_USER_SITE:
        # Packages installed for this user only are found through the home folder, which is about to change.
        variables.setdefault("PYTHONUSERBASE", site.getuserbase())
    return variables | {
        "HOME": str(made.home),
        "TMPDIR": str(made.temporary),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONIOENCODING": "utf-8",
    }


def _started(pid: int) -> int:
    """When process ``pid`` started, in clock ticks since boot (``proc(5)``, field 22 of stat); 0 if it is not known."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[19])


def _sweep() -> None:
    """Remove the folders of processes that are gone."""
    if sys.platform != "linux":
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        match = _NAME.match(folder.name)
        if match and _started(int(match["pid"])) != int(match["start"]) and _is_ours(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    try:
        return folder.lstat().st_uid == os.geteuid()
    except FileNotFoundError:
        return False  # another process was quicker to remove it
