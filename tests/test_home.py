"""A home folder that is not there, or is not this user's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

STRANGER = 12345
"""A user that no machine knows by name."""

LOOK = f"""
import os
from db_migrate.home import cache_home, home, is_there
from db_migrate.project.surroundings import surroundings
if os.geteuid() == 0:
    os.setgid({STRANGER})
    os.setuid({STRANGER})
print(is_there(home() / ".pgpass"), cache_home().name)
with surroundings() as made:
    print(sorted(path.name for path in made.home.iterdir()))
"""


def test_a_home_that_nobody_may_look_into(tmp_path: Path) -> None:
    """After `su` HOME is another user's, and in a container there may be neither name nor home: both are no home."""
    closed = tmp_path / "closed"
    (closed / ".postgresql").mkdir(parents=True)
    closed.chmod(0)
    unset = {key: value for key, value in os.environ.items() if key not in ("HOME", "XDG_CACHE_HOME")}
    for environ in (unset | {"HOME": str(closed)}, unset if os.geteuid() == 0 else unset | {"HOME": "/nonexistent"}):
        done = subprocess.run([sys.executable, "-c", LOOK], env=environ, capture_output=True, text=True, check=False)
        assert done.stdout == "False .cache\n[]\n", done.stderr
    closed.chmod(0o700)
