"""The script of `ci/gitlab.yml`, run in a repository with a branch; `curl` is a program that keeps notes in a file."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import yaml

from .conftest import DROPS, DROPS_BACK, ROOT, Runner

JOB: dict[str, Any] = yaml.safe_load((ROOT / "ci" / "gitlab.yml").read_text("utf-8"))["db-migrate"]

CURL = """\
#!/usr/bin/env python
import json, os, sys
from pathlib import Path
store = Path(os.environ["NOTES"])
notes = json.loads(store.read_text())
words = sys.argv[1:]
assert words[:3] in (["-fsS", "--header", "PRIVATE-TOKEN: s3cret"], ["-fsS", "--output", "/dev/null"]), words
address = words[-1]
root = "https://gitlab.example/api/v4/projects/3/merge_requests/7/notes"
assert address.startswith(root), address
if "--request" not in words:
    page = int(address.rpartition("=")[2])
    print(json.dumps([{"id": int(key), "body": body} for key, body in notes.items()][(page - 1) * 2 : page * 2]))
    sys.exit()
body = Path(words[words.index("--data-urlencode") + 1].removeprefix("body@")).read_text()
if words[words.index("--request") + 1] == "POST":
    assert address == root
    notes[str(100 + len(notes))] = body
else:
    key = address.removeprefix(root + "/")
    assert key in notes
    notes[key] = body
store.write_text(json.dumps(notes))
"""


def run(runner: Runner, shell: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the job's script in a merge request of that project."""
    variables = {
        **JOB["variables"], "MIGRATIONS_INSTALL": "true", "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
        "CI_API_V4_URL": "https://gitlab.example/api/v4", "CI_PROJECT_ID": "3", "CI_MERGE_REQUEST_IID": "7",
        "MIGRATIONS_TOKEN": "s3cret", **more,
    }  # fmt: skip
    return runner.run([shell, "-c"], JOB["script"][0], variables)


def test_a_merge_request_has_one_note_that_follows_it(runner: Runner) -> None:
    """What the branch adds is judged and planned; the note, on a later page, is changed; a finding fails."""
    runner.program("curl", CURL)
    notes = runner.temporary / "notes"
    notes.write_text(json.dumps({"1": "a", "2": "b", "3": "<!-- db-migrate: . -->\nold"}))
    runner.project.revision("c1", DROPS, DROPS_BACK)
    runner.push("topic", "two")
    done = run(runner, "sh", NOTES=str(notes), DB_MIGRATE_URL=runner.project.url)
    assert done.returncode == 1, done.stderr
    assert "error[drop-column]" in done.stdout
    found = json.loads(notes.read_text())
    assert set(found) == {"1", "2", "3"}
    assert found["3"].startswith("<!-- db-migrate: . -->\n## Migration plan")
    assert "## Migration lint:" in found["3"]
    report = json.loads((runner.folder / "db-migrate.codequality.json").read_text())
    assert "drop-column" in {each["check_name"] for each in report}
    assert "<testsuites" in (runner.folder / "db-migrate.junit.xml").read_text()


def test_a_new_note_that_is_refused_fails_nothing(runner: Runner) -> None:
    """Where there is none one is made; where the server refuses it, the judgement stands and curl's words are there."""
    refusing = CURL.replace("assert address == root\n", 'sys.exit(f"curl: 401 for {body}")\n')
    runner.program("curl", refusing)
    runner.program("db-migrate", "#!/bin/sh\necho '## Migration lint: 1 revision'\n")
    notes = runner.temporary / "notes"
    notes.write_text(json.dumps({"1": "a"}))
    done = run(runner, "bash", NOTES=str(notes))
    assert done.returncode == 0, done.stderr
    assert "curl: 401 for <!-- db-migrate: . -->\n## Migration lint: 1 revision\n" in done.stderr
    assert "The note was not written" in done.stdout
