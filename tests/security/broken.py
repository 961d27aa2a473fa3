"""``python -m tests.security.broken [WORD …]``: breaks each claim of docs/security.md once, and runs its test.

In a copy of this tree, with caches and a scratch server of its own: first the claims' tests as the code is, which
have to pass, then each with its claim broken, which has to fail. With words, only claims that have all of them. Exit
code 1 where a test does not notice. It takes a quarter of an hour.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.security.claims import CLAIMS, ROOT, Claim

_FAILED = 1
"""pytest's exit code where tests failed; others say that none ran, or that it could not be run."""


def main(words: list[str]) -> int:
    """Break the claims; the exit code."""
    claims = [each for each in CLAIMS if all(word in each.words for word in words)]
    with tempfile.TemporaryDirectory(prefix="db-migrate-broken-") as name:
        copy = _copied(Path(name) / "tree")
        sound = {test: _ended(copy, test) for test in dict.fromkeys(each.test for each in claims)}
        for test, code in sound.items():
            if code != 0:
                print(f"{test}: ends with {code} as the code is", flush=True)
        noticed = [sound[each.test] == 0 and _noticed(copy, each) for each in claims]
    print(f"{sum(noticed)} of {len(claims)} claims: broken, and their tests failed")
    return 0 if all(noticed) else 1


def _copied(place: Path) -> Path:
    """A copy of what git has, or would take, of this tree."""
    names = subprocess.check_output(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, text=True
    )
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)
    return place


def _noticed(copy: Path, claim: Claim) -> bool:
    began = time.monotonic()
    with _broken(copy, claim):
        code = _ended(copy, claim.test)
    seconds = time.monotonic() - began
    said = "its test fails" if code == _FAILED else f"NOT NOTICED, its test ends with {code}"
    print(f"{claim.words}: {said} ({claim.file}, {seconds:.0f} s)", flush=True)
    return code == _FAILED


@contextmanager
def _broken(copy: Path, claim: Claim) -> Iterator[None]:
    file = copy / claim.file
    text = file.read_text("utf-8")
    file.write_text(claim.broken(text), "utf-8")
    try:
        yield
    finally:
        file.write_text(text, "utf-8")


def _ended(copy: Path, test: str) -> int:
    """The exit code of pytest; what is kept and the servers are this run's own, so that nothing is left of another."""
    with tempfile.TemporaryDirectory(prefix="dbm-", dir="/tmp", ignore_cleanup_errors=True) as name:
        path = os.pathsep.join([str(copy / "src"), str(copy)])
        environ = {**os.environ, "PYTHONPATH": path, "XDG_CACHE_HOME": f"{name}/cache", "PYTHONDONTWRITEBYTECODE": "1"}
        environ |= {"DB_MIGRATE_RUNTIME_DIR": name, "HOME": name}  # what a broken jail lets out stays here
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-n0", test]
        done = subprocess.run(command, cwd=copy, env=environ, capture_output=True, text=True, check=False)
        if os.environ.get("SHOW"):
            print(done.stdout[-3000:], done.stderr[-1000:])
        return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
