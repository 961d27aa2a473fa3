"""The steps of `action.yml`, run in a repository with a branch; `gh` is a program that keeps comments in a file."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import DROPS, DROPS_BACK, ROOT, SAFE, SAFE_BACK, Runner

ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
STEPS: dict[str, dict[str, Any]] = {each["name"]: each for each in ACTION["runs"]["steps"]}
BASH = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c"]
"""As the documentation of GitHub's workflow syntax says of `shell: bash`."""

GH = """\
#!/usr/bin/env python
import json, os, sys
from pathlib import Path
store = Path(os.environ["COMMENTS"])
comments = json.loads(store.read_text())
match sys.argv[1:]:
    case ["api", "--paginate", path, "--jq", '.[] | select(.body | startswith(env.MARK)) | .id']:
        assert path == "repos/o/r/issues/7/comments", path
        print(*(key for key, body in comments.items() if body.startswith(os.environ["MARK"])), sep="\\n")
    case ["api", "--silent", "--method", "PATCH", path, "-F", body]:
        key = path.removeprefix("repos/o/r/issues/comments/")
        assert key in comments
        comments[key] = Path(body.removeprefix("body=@")).read_text()
    case ["api", "--silent", "--method", "POST", "repos/o/r/issues/7/comments", "-F", body]:
        comments[str(100 + len(comments))] = Path(body.removeprefix("body=@")).read_text()
    case _:
        sys.exit(f"gh: {sys.argv}")
assert all(len(each) < 65536 for each in comments.values())
store.write_text(json.dumps(comments))
"""


@dataclass
class Job:
    """One run of the action on a checkout."""

    runner: Runner
    inputs: dict[str, str] = field(default_factory=dict)
    github: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=lambda: {"55": "nice"})

    def step(self, name: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run one step with what its expressions stand for; its outputs are there for the next."""
        step = STEPS[name]
        output, store = (self.runner.temporary / each for each in ("output", "comments"))
        output.write_text("")
        store.write_text(json.dumps(self.comments))
        variables = {
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(self.runner.temporary / "summary.md"),
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_BASE_REF": "main",
            "GITHUB_REPOSITORY": "o/r",
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_RUN_ID": "9",
            "RUNNER_TEMP": str(self.runner.temporary),
            "COMMENTS": str(store),
        }
        own = {key: self.value(text) for key, text in step.get("env", {}).items()}
        done = self.runner.run(BASH, step["run"], {**variables, **own, **(environ or {})})
        lines = (line.partition("=") for line in output.read_text().splitlines())
        self.outputs[step.get("id", name)] = {key: value for key, _, value in lines}
        self.comments = json.loads(store.read_text())
        return done

    def value(self, text: str) -> str:
        """The text with its expressions resolved."""
        return re.sub(r"\$\{\{ *([\w.-]+) *\}\}", lambda found: self._expression(found[1]), text)

    def _expression(self, path: str) -> str:
        match path.split("."):
            case ["inputs", name]:
                default = ACTION["inputs"][name]["default"]
                return self.inputs.get(name, default if "${{" not in default else "token")
            case ["steps", name, "outputs", key]:
                return self.outputs.get(name, {}).get(key, "")
            case ["github", *rest]:
                return self.github.get(".".join(rest), "")
        raise AssertionError(path)

    @property
    def sarif(self) -> list[dict[str, Any]]:
        """The results in the file for code scanning."""
        log = json.loads((self.runner.temporary / "db-migrate.sarif").read_text("utf-8"))
        assert log["version"] == "2.1.0"
        found: list[dict[str, Any]] = log["runs"][0]["results"]
        return found


@pytest.fixture
def job(runner: Runner) -> Job:
    """The action in a pull request."""
    runner.program("gh", GH)
    return Job(runner, github={"event.pull_request.number": "7", "event.repository.default_branch": "main"})


def test_a_pull_request_gets_one_comment_that_follows_it(job: Job) -> None:
    """What the branch adds is judged and planned; the comment is made once, then changed; a finding fails the job."""
    runner = job.runner
    assert runner.project.alembic("upgrade", "a1").code == 0
    runner.project.sql("INSERT INTO t VALUES (1, 'kept')")
    runner.project.revision("b1", SAFE, SAFE_BACK)
    runner.project.revision("c1", DROPS, DROPS_BACK)
    runner.push("topic", "two")
    job.inputs["url"] = runner.project.url
    for name in ("Install", "Base", "Lint", "Plan", "Summary", "Comment"):
        done = job.step(name)
        assert done.returncode == 0, (name, done.stdout, done.stderr)
        if name == "Lint":
            assert "::error title=drop-column" in done.stdout
    assert job.outputs["base"]["ref"] == "origin/main"
    assert (job.outputs["lint"]["code"], job.outputs["plan"]["code"]) == ("1", "1")
    assert job.step("Verdict").returncode == 1
    assert "drop-column" in {each["ruleId"] for each in job.sarif}
    (place,) = {each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for each in job.sarif}
    assert place == "migrations/versions/c1_x.py"
    assert set(job.comments) == {"55", "101"}
    body = job.comments["101"]
    assert body.startswith("<!-- db-migrate: . -->\n## Migration plan: upgrade a1 → c1\n")
    assert "## Migration lint: 2 revisions" in body
    assert body.endswith((runner.temporary / "summary.md").read_text("utf-8"))
    assert runner.project.sql("SELECT x FROM t") == [("kept",)]
    (runner.temporary / "db-migrate.md").write_text("all is well\n")
    assert job.step("Comment").returncode == 0
    assert job.comments == {"55": "nice", "101": "<!-- db-migrate: . -->\nall is well\n"}
    job.outputs.clear()
    assert job.step("Verdict").returncode == 0


def test_the_base_is_found(job: Job, tmp_path: Path) -> None:
    """In a shallow clone what is missing is fetched; after a push it is what was there before, if that is known."""
    runner = job.runner
    first = runner.git("rev-parse", "HEAD").strip()
    (runner.folder / "a.txt").write_text("a")
    runner.push("main", "main goes on")
    runner.git("checkout", "-q", "-b", "topic", first)
    (runner.folder / "b.txt").write_text("b")
    runner.push("topic", "two")
    whole, runner.project.folder = runner.folder, tmp_path / "shallow"
    subprocess.run(
        ["git", "clone", "-q", "--depth=1", "-b", "topic", runner.origin.as_uri(), runner.folder], check=True
    )
    assert job.step("Base").returncode == 0
    assert runner.git("merge-base", "origin/main", "HEAD").strip() == first
    runner.project.folder = whole
    pushed = {"GITHUB_BASE_REF": ""}
    for before, expected in ((first, first), ("0" * 40, "origin/main"), ("", "origin/main")):
        job.github["event.before"] = before
        assert job.step("Base", pushed).returncode == 0
        assert job.outputs["base"]["ref"] == expected
    job.inputs["base"] = "topic"
    assert job.step("Base").returncode == 0
    assert job.outputs["base"]["ref"] == "topic"


def test_comments_that_are_not_made(job: Job) -> None:
    """Where no revision comes none is needed, what is too long is cut, and a token that may not fails nothing."""
    page = job.runner.temporary / "db-migrate.md"
    page.write_text("## Migration lint: 0 revisions\n\nx\n")
    assert job.step("Comment").returncode == 0
    assert set(job.comments) == {"55"}
    page.write_text(f"## Migration plan\n\n| a |\n\n### b1\n\n{'я' * 70000}\n")
    assert job.step("Comment").returncode == 0
    assert job.comments["101"] == (
        "<!-- db-migrate: . -->\n## Migration plan\n\n| a |\n\n\n\n"
        "The rest is too long for a comment: it is in the summary of https://github.example/o/r/actions/runs/9\n"
    )
    page.write_text(f"## Migration plan\n\n{'я' * 70000}\n\n### b1\n")
    assert job.step("Comment").returncode == 0
    assert 30000 < len(job.comments["101"]) < 65536
    page.write_text("## Migration lint: 0 revisions\n")
    assert job.step("Comment").returncode == 0
    assert job.comments["101"] == "<!-- db-migrate: . -->\n## Migration lint: 0 revisions\n"
    job.runner.program("gh", "#!/bin/sh\necho 'HTTP 403' >&2; exit 1\n")
    done = job.step("Comment")
    assert done.returncode == 0
    assert "::warning" in done.stdout


def test_an_error_ends_the_job(job: Job) -> None:
    """What keeps lint from running is no finding: its exit code and words are the job's."""
    job.outputs["base"] = {"ref": "origin/no-such-branch"}
    done = job.step("Lint")
    assert done.returncode == 2
    assert "git.reference" in done.stderr


def test_it_installs_what_is_missing(job: Job) -> None:
    """The given command is run; db-migrate is installed from the action's own checkout where it is still not there."""
    job.inputs["install"] = "echo mine"
    done = job.step("Install")
    assert done.stdout.splitlines()[0] == "mine"
    (job.runner.programs / "db-migrate").unlink()
    make = 'printf "#!/bin/sh\\necho fresh\\n" >"$HERE/db-migrate"; chmod +x "$HERE/db-migrate"'
    job.runner.program("python", f'#!/bin/sh\necho "python $*"\n{make}\n')
    minimal = {"HERE": str(job.runner.programs), "PATH": f"{job.runner.programs}:/usr/bin:/bin"}
    done = job.step("Install", minimal)
    assert done.stdout.splitlines() == ["mine", f"python -m pip install --quiet {ROOT}", "fresh"]
    (job.runner.programs / "db-migrate").unlink()
    done = job.step("Install", {**minimal, "GITHUB_ACTION_PATH": "/nowhere"})
    assert done.stdout.splitlines() == ["mine", "python -m pip install --quiet db-migrate", "fresh"]


def test_no_expression_stands_in_a_script() -> None:
    """Names of branches and the like reach the scripts as variables only, never as their text."""
    for step in STEPS.values():
        assert "${{" not in step.get("run", "")
        assert step.get("shell") == ("bash" if "run" in step else None)
