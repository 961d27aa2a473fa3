"""Running a project's test command on the tests that were selected, and counting how they end."""

from __future__ import annotations

import importlib.util
import os
import shlex
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from db_migrate.errors import ConfigurationError
from db_migrate.results import TestRun
from db_migrate.testing.select import Selection

_PLACE = "{tests}"
_STOPPING_SECONDS = 30.0
_ENDS = {
    2: "the tests were interrupted",
    3: "pytest met an error of its own",
    4: "pytest did not understand its command line",
    5: "no test was collected from the selected files",
}
"""pytest's exit codes: https://docs.pytest.org/en/stable/reference/exit-codes.html."""


@dataclass(frozen=True, slots=True)
class _Counts:
    passed: int = 0
    failed: int = 0


def run_tests(
    selection: Selection, command: str, args: Sequence[str] = (), *, root: Path, env: Mapping[str, str] | None = None
) -> TestRun:
    """Run ``command`` in ``root`` with ``{tests}`` replaced by the selected files, and ``args`` after it.

    ``python`` in it is the one of the project's ``.venv``, else the one that runs this; ``--no-cov`` is left out where
    that one has no pytest-cov. What the tests print goes to standard error. When nothing is selected nothing runs.
    ``env`` is the tests' environment (None: this process's). Raises ``ConfigurationError`` (``test.command``).
    """
    if not selection.selected:
        return _outcome(selection, command="")
    env = os.environ if env is None else env
    words = _without_missing_coverage([*_command(command, selection.selected, root), *args], env)
    with tempfile.TemporaryDirectory(prefix="db-migrate-") as folder:
        report = _own_report(words, root)
        more = []
        if report is None and _is_pytest(words):
            report = Path(folder) / "tests.xml"
            more = [f"--junitxml={report}"]
        before = _modified(report)
        code = _run([*words, *more], env, root)
        counts = _count(report) if report is not None and _modified(report) != before else _Counts()
    return _outcome(selection, command=shlex.join(words), counts=counts, exit_code=code)


def _modified(file: Path | None) -> int | None:
    return file.stat().st_mtime_ns if file is not None and file.is_file() else None


def _outcome(selection: Selection, *, command: str, counts: _Counts = _Counts(), exit_code: int = 0) -> TestRun:
    warnings = []
    if selection.unrecorded:
        names = ", ".join(selection.unrecorded)
        warnings.append(f"nothing is recorded yet of what these tests touch, so they were included: {names}")
    if exit_code in _ENDS and "pytest" in command:
        warnings.append(_ENDS[exit_code])
    return TestRun(
        tables=selection.tables,
        selected=selection.selected,
        reason=selection.reason,
        passed=counts.passed,
        failed=counts.failed,
        command=command,
        exit_code=exit_code,
        warnings=tuple(warnings),
    )


def _command(command: str, tests: Sequence[str], cwd: Path) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise _unusable(command, str(error)) from error
    if _PLACE not in words:
        raise _unusable(command, f"it does not say where the tests go: {_PLACE}, as a word of its own")
    place = words.index(_PLACE)
    words[place : place + 1] = tests
    return [_interpreter(cwd) if word == "python" else word for word in words]


def _unusable(command: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        "test.command",
        f"the test command cannot be used: {command}",
        why=why,
        where="test_command in the settings",
        next=["db-migrate config"],
    )


def _interpreter(cwd: Path) -> str:
    own = cwd / ".venv" / "bin" / "python"
    return str(own) if own.exists() else sys.executable


def _is_pytest(words: Sequence[str]) -> bool:
    return any(Path(word).name in ("pytest", "py.test") for word in words)


def _without_missing_coverage(words: list[str], env: Mapping[str, str]) -> list[str]:
    """Without pytest-cov pytest refuses ``--no-cov``."""
    if "--no-cov" not in words or (_has_coverage(words[0]) and not env.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD")):
        return words
    return [word for word in words if word != "--no-cov"]


def _has_coverage(program: str) -> bool:
    if program == sys.executable:
        return importlib.util.find_spec("pytest_cov") is not None
    if not Path(program).name.startswith("python"):
        return True  # a wrapper: what it runs is its own affair
    question = "import importlib.util, sys; sys.exit(importlib.util.find_spec('pytest_cov') is None)"
    return subprocess.run([program, "-c", question], check=False, capture_output=True).returncode == 0


def _own_report(words: Sequence[str], cwd: Path) -> Path | None:
    """The report that the command writes anyway."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        for option in ("--junitxml", "--junit-xml"):
            if word == option and following:
                return cwd / following
            if word.startswith(f"{option}="):
                return cwd / word.partition("=")[2]
    return None


def _run(words: Sequence[str], env: Mapping[str, str], cwd: Path) -> int:
    sys.stderr.flush()
    try:
        process = subprocess.Popen(words, cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, stdout=2, stderr=2)
    except OSError as error:
        raise _unusable(shlex.join(words), str(error)) from error
    try:
        return process.wait()
    except KeyboardInterrupt:
        # the terminal interrupted the tests as well: let them put away their databases
        _wait_or_kill(process)
        raise


def _wait_or_kill(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_STOPPING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _count(report: Path) -> _Counts:
    """Count test cases, not the report's own sums: a test that fails and then errors in its teardown is one."""
    verdicts: dict[tuple[str | None, str | None], str] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        key = (case.get("classname"), case.get("name"))
        ends = {child.tag for child in case} & {"failure", "error", "skipped"}
        verdict = "failed" if ends & {"failure", "error"} else "skipped" if ends else "passed"
        if verdicts.get(key) != "failed":
            verdicts[key] = verdict
    return _Counts(*(sum(1 for each in verdicts.values() if each == verdict) for verdict in ("passed", "failed")))
