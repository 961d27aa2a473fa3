"""``python requirements/audit.py``: is a vulnerability known of what is pinned here? A part of ``make check``.

Exit code 1 where one is. Where the service gives no answer, a line says so and the exit code is 0: the check works
without a network too. That the service knows nothing of a package which is surely published (a mirror that has
only the index answers so) is no answer either.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "dev.txt"
"""All that is in runtime.txt is in it too."""
_SOCKET_SECONDS = 5
_SECONDS = 60


def main(options: list[str]) -> int:
    """Audit; ``options`` go to pip-audit."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(FILE), "--require-hashes", "--disable-pip"]
    shown = ["--format", "json", "--progress-spinner", "off", "--timeout", str(_SOCKET_SECONDS)]
    try:
        done = subprocess.run(
            [*command, *shown, *options], capture_output=True, text=True, check=False, timeout=_SECONDS
        )
        dependencies: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        return _not_audited(f"no answer in {_SECONDS} seconds")
    except (ValueError, KeyError):
        return _not_audited(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no answer")
    vulnerable = [each for each in dependencies if each.get("vulns")]
    for each in vulnerable:
        for known in each["vulns"]:
            fixed = ", ".join(known["fix_versions"]) or "no version"
            print(f"{each['name']} {each['version']} has {known['id']}, fixed in {fixed}")
    skipped = [each["name"] for each in dependencies if "skip_reason" in each]
    if len(skipped) == len(dependencies):
        return _not_audited("the service knows none of the packages")
    if skipped:
        print(f"not audited: the service does not know them: {', '.join(skipped)}")
    if not vulnerable:
        print(f"no vulnerability is known of {len(dependencies) - len(skipped)} pinned packages")
    return 1 if vulnerable else 0


def _not_audited(why: str) -> int:
    print(f"requirements NOT AUDITED, the vulnerability service was not to be had: {why}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
