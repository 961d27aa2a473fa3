"""The command itself: what is understood, what is refused, and how every kind of end is reported."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from db_migrate.errors import Failed, Interrupted, LockBudgetExceeded, PartiallyApplied, Refused
from db_migrate.results import Verify

from .conftest import Recorder, Run


def test_a_misspelt_verb_is_corrected(run: Run) -> None:
    """The nearest verb is named, although verbs are imported only when used."""
    outcome = run("rollbak")
    assert outcome.code == 2
    assert outcome.out == ""
    assert "There is no verb 'rollbak'. Did you mean rollback?" in outcome.err


def test_a_word_that_is_nearly_nothing_lists_the_verbs(run: Run) -> None:
    """Without a near one all verbs are listed."""
    outcome = run("xyzzy")
    assert outcome.code == 2
    assert "Verbs: status, history, schema" in outcome.err


@pytest.mark.parametrize(
    "words",
    [
        ["status", "--nonsense"],
        ["--nonsense", "status"],
        ["rollback", "--nonsense"],
        ["rollback", "-1", "--nonsense"],
        ["plan", "--dwon"],
        ["rollback", "-1x"],
        ["rollback", ""],
        ["rollback", "--yes", "", "--derive"],
        ["rollback", "--run", ""],
        ["apply", "--backup="],
        ["apply", "--backup", "folder", "--rehearse"],
        ["kept", "list", "--older-than", "1d"],
        ["stamp"],
        ["status", "extra"],
        ["drift", "--format", "mermaid"],
        ["--format", "mermaid", "drift"],
        ["--format", "nonsense", "drift"],
        ["status", "--color", "sometimes"],
        ["help", "nonsense"],
    ],
)
def test_what_is_not_understood_is_a_usage_error(run: Run, library: Recorder, words: list[str]) -> None:
    """What does not exist, is empty or does not go together ends 2, with the way to help, and calls nothing."""
    outcome = run(*words)
    assert outcome.code == 2
    assert outcome.out == ""
    assert "error[usage]" in outcome.err
    assert "--help" in outcome.err
    assert library.calls == []


@pytest.mark.parametrize(
    "words", [["--json", "plan", "--dwon"], ["plan", "--dwon", "--format", "json"], ["plan", "--json", "-Z"]]
)
def test_a_usage_error_is_a_document_when_json_was_asked_for(run: Run, words: list[str]) -> None:
    """Wherever the format was asked for, standard output has the one document and standard error nothing."""
    outcome = run(*words)
    assert outcome.code == 2
    document = json.loads(outcome.out)
    assert (document["verb"], document["ok"], document["error"]["code"]) == ("plan", False, "usage")
    assert outcome.err == ""


def test_json_after_two_dashes_is_for_the_test_command(run: Run) -> None:
    """What follows ``--`` belongs to the test command and decides nothing here."""
    outcome = run("test", "--nonsense", "--", "--json")
    assert outcome.out == ""
    assert "error[usage]" in outcome.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Refused("intent.missing", "no"), 3),
        (Failed("apply.failed", "no"), 4),
        (PartiallyApplied("apply.partial", "no"), 5),
        (LockBudgetExceeded("lock.budget", "no"), 6),
        (Interrupted("interrupted", "no"), 130),
    ],
)
def test_errors_end_with_their_exit_code(run: Run, library: Recorder, error: Exception, code: int) -> None:
    """Each kind of error has its exit code, as text on standard error and as the document's error."""
    library.answers = [error, error]
    as_text = run("apply")
    assert (as_text.code, as_text.out) == (code, "")
    assert as_text.err.startswith(f"error[{error.code}]: no")  # type: ignore[attr-defined]  # all are DbMigrateError
    as_json = run("apply", "--json")
    assert as_json.code == code
    assert json.loads(as_json.out)["error"]["code"] == error.code  # type: ignore[attr-defined]
    assert as_json.err == ""


def test_an_unexpected_exception_is_ours(run: Run, library: Recorder) -> None:
    """A bug ends 70 in one line without a traceback; --debug adds it; a password is in neither."""
    library.answers = [ValueError("postgresql://u:s3cret@h/d is odd")] * 2
    plain = run("status")
    assert plain.code == 70
    assert "unexpected ValueError" in plain.err
    assert "Traceback" not in plain.err
    debug = run("status", "--debug")
    assert debug.code == 70
    assert "Traceback" in debug.err
    assert "s3cret" not in plain.err + debug.err


def test_ctrl_c_ends_130(run: Run, library: Recorder) -> None:
    """An interruption is no bug; it says what was done, and what to type."""
    for verb, state in (("plan", "nothing was changed"), ("apply", "nothing is half-done")):
        library.answers = [KeyboardInterrupt()]
        outcome = run(verb, "--json")
        assert outcome.code == 130
        error = json.loads(outcome.out)["error"]
        assert (error["code"], error["state"], error["next"]) == ("interrupted", state, ["db-migrate status"])


def test_ctrl_c_while_python_still_imports_says_nothing(tmp_path: Path) -> None:
    """Before there is anybody to say it in words, an interruption is the signal's: no traceback."""
    (tmp_path / "click.py").write_text("import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(9)\n")
    command = [sys.executable, "-m", "db_migrate", "status"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, b"", b"")


def test_the_end_of_input_is_a_bug_not_an_interruption(run: Run, library: Recorder) -> None:
    """Only what the user did counts as an interruption."""
    library.answers = [EOFError("short read")]
    assert run("plan").code == 70


def test_verbose_names_the_causes(run: Run, library: Recorder) -> None:
    """With --verbose an error says what it was raised from."""
    error = Failed("apply.failed", "no")
    error.__cause__ = ValueError("the cause")
    library.answers = [error, error]
    assert "the cause" not in run("apply").err
    assert "caused by ValueError: the cause" in run("apply", "--verbose").err


def test_quiet_says_nothing_when_all_is_well(run: Run, library: Recorder) -> None:
    """--quiet prints no text at exit code 0, all at any other, and leaves JSON alone."""
    from db_migrate.results import Problem

    well, ill = Verify(problems=()), Verify(problems=(Problem("c", "o", "m", ""),))
    library.answers = [well, ill, well]
    assert run("verify", "--quiet").out == ""
    assert "1 problem" in run("verify", "--quiet").out
    assert json.loads(run("verify", "--quiet", "--json").out)["ok"] is True


def test_without_a_verb_there_is_help_and_exit_2(run: Run) -> None:
    """Nothing to do is a usage error that shows the verbs."""
    outcome = run()
    assert outcome.code == 2
    assert "Verbs:" in outcome.out + outcome.err


def test_help_topics_say_every_exit_code(run: Run) -> None:
    """The topic lists each exit code that errors have."""
    outcome = run("help", "exit-codes")
    assert outcome.code == 0
    for code in (0, 1, 2, 3, 4, 5, 6, 70, 130):
        assert f"\n  {code:3}  " in f"\n{outcome.out}"


def test_help_is_a_document_too(run: Run) -> None:
    """With --json help prints one document whose text is what it prints without; what has no document says so."""
    for words in ((), ("exit-codes",), ("plan",)):
        document = json.loads(run("help", *words, "--json").out)
        assert (document["verb"], document["ok"], document["topic"]) == ("help", True, "".join(words))
        assert document["text"] == run("help", *words).out
    for verb in ("demo", "mcp"):
        outcome = run("--json", verb)
        assert (outcome.code, json.loads(outcome.out)["error"]["code"]) == (2, "usage")


def test_help_names_every_variable(run: Run) -> None:
    """The variables of the help are those that the settings read."""
    from db_migrate.config.loading import variables

    shown = run("help", "environment").out
    assert all(variable in shown for variable in variables())


def test_help_of_a_verb_is_its_own_help(run: Run) -> None:
    """`help VERB` and `VERB --help` say the same."""
    assert run("help", "plan").out.split("Options", 1)[1] == run("plan", "--help").out.split("Options", 1)[1]


def test_completion_knows_verbs_and_options() -> None:
    """The shell's completion works although verbs are imported only when used."""
    environ = {**os.environ, "_DB_MIGRATE_COMPLETE": "bash_complete", "COMP_CWORD": "1", "COMP_WORDS": "db-migrate sta"}
    done = subprocess.run(
        [sys.executable, "-m", "db_migrate"], env=environ, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["plain,status", "plain,stamp"]
    environ |= {"COMP_CWORD": "2", "COMP_WORDS": "db-migrate plan --al"}
    done = subprocess.run(
        [sys.executable, "-m", "db_migrate"], env=environ, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["plain,--allow"]


@pytest.mark.parametrize(
    ("shell", "variables", "offered"),
    [
        ("zsh", {"COMP_CWORD": "2", "COMP_WORDS": "db-migrate plan --al"}, "--allow"),
        ("fish", {"COMP_CWORD": "--al", "COMP_WORDS": "db-migrate plan --al"}, "--allow"),
    ],
)
def test_completion_for_other_shells(shell: str, variables: dict[str, str], offered: str) -> None:
    """Each has its script, and is answered in its own form, with what an option is for."""
    asked = {
        instruction: subprocess.run(
            [sys.executable, "-m", "db_migrate"],
            env={**os.environ, "_DB_MIGRATE_COMPLETE": f"{shell}_{instruction}", **variables},
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        for instruction in ("source", "complete")
    }
    assert f"_DB_MIGRATE_COMPLETE={shell}_complete" in asked["source"]
    assert offered in asked["complete"]
    assert "The intent for one finding" in asked["complete"]


def test_completion_knows_the_revisions_and_runs_nothing(tmp_path: Path) -> None:
    """Ids come from the files' syntax trees, so that what cannot be imported is offered too; no project, none."""
    versions = tmp_path / "alembic" / "versions"
    versions.mkdir(parents=True)
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/alembic\n")
    (tmp_path / "alembic" / "env.py").write_text("raise SystemExit('not to be run')\n")
    for name, parent in (("aa1", None), ("aa2", "aa1"), ("bb3", "aa2")):
        text = f'"""{name}"""\nimport nowhere\nrevision = {name!r}\ndown_revision = {parent!r}\n'
        (versions / f"{name}.py").write_text(text)
    (tmp_path / "plan.json").touch()
    for words, folder, offered in (
        ("db-migrate plan aa", tmp_path, ["plain,aa2", "plain,aa1"]),
        ("db-migrate apply p", tmp_path, ["plain,plan.json"]),
        ("db-migrate stamp aa", Path("/"), []),
        ("db-migrate explain add-column-ser", tmp_path, ["plain,add-column-serial"]),
    ):
        environ = {**os.environ, "_DB_MIGRATE_COMPLETE": "bash_complete", "COMP_CWORD": "2", "COMP_WORDS": words}
        done = subprocess.run(
            [sys.executable, "-m", "db_migrate"], env=environ, cwd=folder, capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == offered, words


def test_a_reader_that_leaves_changes_no_exit_code() -> None:
    """A closed pipe ends the output quietly."""
    script = f"{sys.executable} -m db_migrate config; echo code=$? >&2"
    done = subprocess.run(["sh", "-c", f"({script}) | true"], capture_output=True, text=True, check=False)
    assert done.stderr == "code=0\n"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("config >/dev/full", 4, "error[output.lost]: standard output cannot be written"),
        ("config --json >/dev/full", 4, "error[output.lost]: standard output cannot be written"),
        ("status --json >/dev/full", 2, "error[project.not-found]"),
        ("status --json 2>/dev/full >/dev/full", 2, ""),
        ("config >&-", 0, ""),
        ("config --json >&-", 0, ""),
        ("status --json >&-", 2, ""),
        ("status >&- 2>&-", 2, ""),
        ("explain --help | true", 0, ""),
        ("help exit-codes | true", 0, ""),
        ("--help | true", 0, ""),
        ("demo | true", 0, ""),
    ],
)
def test_output_that_goes_nowhere_ends_in_words(words: str, code: int, said: str, tmp_path: Path) -> None:
    """A full disk, a closed stream and a reader who left: the exit code says what was done; no traceback."""
    command, _, pipe = words.partition(" | ")
    script = f"{sys.executable} -m db_migrate {command}; echo $? >code"
    whole = f"({script}) | {pipe}" if pipe else script
    done = subprocess.run(["sh", "-c", whole], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (tmp_path / "code").read_text() == f"{code}\n", done.stderr
    assert done.stderr.startswith(said)
    assert bool(done.stderr) is bool(said)


def test_a_terminal_without_unicode_gets_ascii(tmp_path: Path) -> None:
    """Where the encoding has no more than ASCII, names become escapes and nothing fails."""
    (tmp_path / "db-migrate.toml").write_text('around = "módulo:→"', encoding="utf-8")
    environ = {**os.environ, "PYTHONIOENCODING": "ascii:strict"}
    command = [sys.executable, "-m", "db_migrate", "config"]
    done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "m\\xf3dulo:->" in done.stdout
