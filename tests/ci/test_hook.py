"""`.pre-commit-hooks.yaml`: its hook, run as pre-commit does, on the files that it chooses."""

from __future__ import annotations

import re

import yaml

from .conftest import DROPS, DROPS_BACK, ROOT, Runner

KNOWN = {
    "id", "name", "entry", "language", "alias", "files", "exclude", "types", "types_or", "exclude_types", "always_run",
    "fail_fast", "verbose", "pass_filenames", "require_serial", "description", "language_version",
    "minimum_pre_commit_version", "args", "stages", "additional_dependencies", "log_file",
}  # fmt: skip
"""The keys of pre-commit's documentation, "Creating new hooks" and ".pre-commit-config.yaml - hooks"."""


def test_the_hook_judges_the_revisions_that_are_committed(runner: Runner) -> None:
    """Of the files of a commit those of revisions are linted, and a finding stops it."""
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    assert set(hook) <= KNOWN
    assert {"id", "name", "entry", "language"} <= set(hook)
    assert hook["language"] == "python"
    runner.project.revision("c1", DROPS, DROPS_BACK)
    runner.project.write("helper.py", "x = 1\n")
    runner.git("add", "-A")
    staged = runner.git("diff", "--cached", "--name-only", "--diff-filter=d").split()
    chosen = [each for each in staged if each.endswith(".py") and re.search(hook["files"], each)]
    done = runner.run(["sh", "-c"], " ".join([hook["entry"], *chosen]), {})
    assert done.returncode == 1, done.stderr
    assert "error[drop-column]" in done.stdout
    assert "1 revision or file" in done.stdout
