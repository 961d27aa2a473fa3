"""Running the selected tests and counting how they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

import pytest

from db_migrate.errors import ConfigurationError
from db_migrate.results import TestRun
from db_migrate.testing.run import run_tests
from db_migrate.testing.select import Selection

from .conftest import Project, environment

Make = Callable[[Mapping[str, str]], Project]
DEFAULT = "python -m pytest {tests} --no-cov -q -x"
ENDS = """
    import pytest

    def test_good(): pass
    def test_bad(): assert 0
    @pytest.mark.skip
    def test_skipped(): pass
    @pytest.mark.xfail
    def test_expected(): assert 0
    @pytest.fixture
    def broken_end():
        yield
        raise RuntimeError
    def test_bad_twice(broken_end): assert 0
    @pytest.mark.parametrize("n", [1, 2, 3])
    def test_many(n): pass
"""


def run(project: Project, *files: str, command: str = DEFAULT, args: Sequence[str] = (), **env: str) -> TestRun:
    """Run the command on these files as if they had been selected."""
    selection = Selection(("public.a",), files, dict.fromkeys(files, ("public.a",)))
    return run_tests(selection, command, args, root=project.root, env=environment(**env))


def test_passed_and_failed_are_counted(project: Make, capfd: pytest.CaptureFixture[str]) -> None:
    """Each test counts once, those that error in their teardown too; skipped and xfailed ones are neither."""
    made = project({"tests/test_it.py": ENDS})
    result = run(made, "tests/test_it.py", command="python -m pytest {tests} -q")
    assert (result.passed, result.failed, result.exit_code) == (4, 2, 1)
    output = capfd.readouterr()
    assert (output.out, "2 failed" in output.err) == ("", True)


def test_the_default_command_stops_at_the_first_failure(project: Make) -> None:
    """-x is in it; only the selected files run, and arguments follow the command."""
    files = {"tests/test_bad.py": "def test_a(): assert 0\ndef test_b(): assert 0", "tests/test_other.py": "assert 0"}
    made = project({**files, "tests/test_good.py": "def test_c(): pass\ndef test_d(): pass"})
    assert run(made, "tests/test_bad.py", args=["-p", "no:randomly"]).failed == 1
    result = run(made, "tests/test_good.py", args=["-k", "test_c"])
    assert (result.passed, result.failed, result.exit_code) == (1, 0, 0)
    assert result.command.startswith(f"{sys.executable} -m pytest tests/test_good.py")
    assert result.command.endswith("-k test_c")


def test_nothing_selected_runs_nothing(project: Make) -> None:
    """Without tests there is no command, and all is well."""
    made = project({"tests/test_it.py": "assert 0"})
    result = run(made, command="false {tests}")
    assert (result.command, result.exit_code, result.passed, result.selected) == ("", 0, 0, ())


def test_no_cov_is_left_out_where_pytest_cov_is_not(project: Make) -> None:
    """The default command works with and without pytest-cov."""
    made = project({"tests/test_it.py": "def test_it(): pass"})
    assert "--no-cov" in run(made, "tests/test_it.py").command
    result = run(made, "tests/test_it.py", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert "--no-cov" not in result.command
    assert result.passed == 1


def test_a_project_s_own_environment_is_used(project: Make) -> None:
    """python means .venv/bin/python where there is one, whose own packages decide about --no-cov."""
    made = project({"tests/test_it.py": "def test_it(): pass"})
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", made.root / ".venv"], check=True)
    result = run(made, "tests/test_it.py", command="python -c pass {tests} --no-cov")
    assert result.command == f"{made.root}/.venv/bin/python -c pass tests/test_it.py"


def test_the_command_s_own_report_is_read(project: Make) -> None:
    """A command that writes a JUnit file anyway keeps it, and an old one is not taken for new."""
    made = project({"tests/test_it.py": "def test_it(): pass"})
    result = run(made, "tests/test_it.py", command="python -m pytest {tests} --junitxml=out/own.xml")
    assert result.passed == 1
    assert (made.root / "out" / "own.xml").is_file()
    stale = run(made, "tests/test_it.py", command="python -m pytest {tests} --junitxml out/own.xml --no-such-option")
    assert (stale.passed, stale.exit_code) == (0, 4)
    assert "command line" in stale.warnings[0]


def test_another_test_runner_is_run_too(project: Make) -> None:
    """What is not pytest is judged by its exit code alone."""
    made = project({"check.py": "import sys; sys.exit(3 if 'tests/test_it.py' in sys.argv else 0)"})
    result = run(made, "tests/test_it.py", command="python check.py {tests}")
    assert (result.exit_code, result.passed, result.failed, result.warnings) == (3, 0, 0, ())


def test_names_with_spaces_are_one_argument(project: Make) -> None:
    """No shell takes paths apart."""
    made = project({"tests/a b/test $x.py": "def test_it(): pass"})
    assert run(made, "tests/a b/test $x.py").passed == 1


@pytest.mark.parametrize("command", ["pytest", "python 'pytest {tests}", "no-such-program {tests}", "pytest x{tests}"])
def test_a_command_that_cannot_work_is_an_error(project: Make, command: str) -> None:
    """No place for the tests, open quotes and missing programs are named before anything is believed to be tested."""
    with pytest.raises(ConfigurationError) as caught:
        run(project({}), "tests/test_it.py", command=command)
    assert (caught.value.code, caught.value.next) == ("test.command", ("db-migrate config",))


def test_tests_that_have_no_record_are_named(project: Make) -> None:
    """What was included only for want of knowledge is a warning."""
    made = project({"tests/test_it.py": "def test_it(): pass"})
    selection = Selection(("public.a",), ("tests/test_it.py",), {"tests/test_it.py": ()}, ("tests/test_it.py",))
    result = run_tests(selection, DEFAULT, root=made.root, env=environment())
    assert "tests/test_it.py" in result.warnings[0]


def test_an_interrupt_lets_the_tests_end(project: Make) -> None:
    """After Ctrl-C the tests put away what they made before we end."""
    test = """
        import pathlib, time, pytest

        @pytest.fixture
        def thing():
            pathlib.Path("begun").touch()
            yield
            pathlib.Path("ended").touch()

        def test_it(thing): time.sleep(60)
    """
    made = project({"tests/test_it.py": test})
    script = (
        "import pathlib\n"
        "from db_migrate.testing.run import run_tests\n"
        "from db_migrate.testing.select import Selection\n"
        "run_tests(Selection(('a',), ('tests/test_it.py',)), 'python -m pytest {tests}', root=pathlib.Path.cwd())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=made.root, env=environment(), stderr=subprocess.DEVNULL, process_group=0
    )
    deadline = time.monotonic() + 60
    while not (made.root / "begun").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(30) == -signal.SIGINT
    assert (made.root / "ended").exists()
