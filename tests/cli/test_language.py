"""``--lang ru``: help, usage errors and questions in Russian; JSON as ever."""

from __future__ import annotations

import json
import re

import pytest

from db_migrate import language
from db_migrate.cli.app import VERBS

from .conftest import Run
from .test_verbs import STATUS, Recorder

ENGLISH = re.compile(r"\b(?:the|is|are|of|and|what|that|with|not|which|for|was|this|its|one|from|be|when)\b")
"""Words that no Russian sentence has, and most English ones do."""


def left_english(text: str) -> list[str]:
    """Lines with English words, but for commands, flags, quotations and what is in capitals."""
    quoted = re.compile(r"`[^`]*`|\"[^\"]*\"|--[a-z-]+|\S+\|\S+|^\s+\$ .*")
    return [line for line in text.splitlines() if ENGLISH.search(quoted.sub("", line))]


@pytest.mark.parametrize("verb", [*VERBS, ""])
def test_help(run: Run, verb: str) -> None:
    """No sentence of a verb's help is left in English, and none of it is lost."""
    words = [verb] if verb else []
    ended, english = run("--lang", "ru", *words, "--help"), run("--lang", "en", *words, "--help")
    assert (ended.code, left_english(ended.out)) == (0, [])
    assert set(re.findall(r"--[a-z-]+", english.out)) <= set(re.findall(r"--[a-z-]+", ended.out))


@pytest.mark.parametrize("topic", ["exit-codes", "environment", "formats"])
def test_topics(run: Run, topic: str) -> None:
    """The topics too."""
    ended = run("help", topic, "--lang=ru")
    assert (ended.code, left_english(ended.out)) == (0, [])


@pytest.mark.parametrize(
    "words",
    [
        ["statuz"],
        ["status", "--no-such"],
        ["status", "--format", "nonsense"],
        ["status", "--format", "sarif"],
        ["drift", "--watch", "0"],
        ["rollback", "2", "--run", "x"],
        ["generate", "--rename", "a"],
        ["help", "nothing"],
        ["lint", "--target"],
    ],
)
def test_usage_errors(run: Run, words: list[str]) -> None:
    """What is wrong with the words is said in Russian, click's own sentences too."""
    ended = run("--lang", "ru", *words)
    assert ended.code == 2
    assert left_english(ended.err) == []
    assert "ошибка[usage]" in ended.err


def test_the_locale_is_asked(run: Run, library: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a flag the locale decides, and the next command may have another."""
    monkeypatch.delenv("DB_MIGRATE_LANG")
    library.answers = [STATUS, STATUS]
    monkeypatch.setenv("LC_ALL", "ru_RU.UTF-8")
    assert "всё" in run("status").out
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    assert "up to date" in run("status").out


def test_the_language_is_that_of_the_command_alone(run: Run) -> None:
    """Whoever calls the command line in his own process is spoken to as before."""
    run("--lang", "ru", "--help")
    assert language.spoken() == "en"


def test_json_stays_english(run: Run, library: Recorder) -> None:
    """What programs read is the same in every language, an error too."""
    library.answers = [STATUS, STATUS]
    assert run("--lang", "ru", "status", "--json").out == run("status", "--json").out
    said = [json.loads(run("--lang", lang, "plan", "--no-such", "--json").out)["error"] for lang in ("en", "ru")]
    assert said[0] == said[1]
