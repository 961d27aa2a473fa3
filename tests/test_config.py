"""Settings: precedence, problems reported at once, and where each value came from."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path

import pytest
import tomlkit
from hypothesis import HealthCheck, given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from db_migrate.config import Acknowledgement, RuleLevel, Runner, Settings, load
from db_migrate.config.writing import acknowledge
from db_migrate.errors import ConfigurationError

LONG = os.environ.get("DB_MIGRATE_TEST_LONG") == "1"


def write(folder: Path, text: str, name: str = "db-migrate.toml") -> Path:
    """Write a settings file and return it."""
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def problems(error: pytest.ExceptionInfo[ConfigurationError]) -> list[str]:
    """The lines of an error about settings, one problem each."""
    return error.value.why.splitlines()


def test_defaults_need_no_file(tmp_path: Path) -> None:
    """Without any source the defaults hold, and each is said to be one."""
    settings = load(cwd=tmp_path, environ={})
    assert settings.lock_timeout == 0.05
    assert settings.lock_budget == 600
    assert settings.scratch == "embedded"
    assert settings.runner is Runner.DB_MIGRATE
    assert settings.root == tmp_path
    assert set(settings.sources.values()) == {"default"}


def test_a_file_is_found_from_the_current_folder_upward(tmp_path: Path) -> None:
    """The nearest settings file above the current folder is read; its folder is the root for relative paths."""
    file = write(tmp_path, 'config = "db/alembic.ini"\nlock_budget = "2h"\n')
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    settings = load(cwd=deep, environ={})
    assert settings.root == tmp_path
    assert settings.config == tmp_path / "db" / "alembic.ini"
    assert settings.lock_budget == 7200
    assert settings.sources["lock_budget"] == str(file)


def test_db_migrate_toml_wins_over_pyproject(tmp_path: Path) -> None:
    """In one folder db-migrate.toml is read and pyproject.toml is not."""
    write(tmp_path, 'name = "ours"')
    write(tmp_path, '[tool.db-migrate]\nname = "other"', "pyproject.toml")
    assert load(cwd=tmp_path, environ={}).name == "ours"


def test_a_pyproject_without_our_table_is_passed_by(tmp_path: Path) -> None:
    """A pyproject.toml that says nothing of db-migrate does not hide the settings above it."""
    write(tmp_path, '[tool.db-migrate]\nname = "above"', "pyproject.toml")
    inner = tmp_path / "service"
    inner.mkdir()
    write(inner, "[tool.ruff]\nline-length = 100", "pyproject.toml")
    assert load(cwd=inner, environ={}).name == "above"


def test_flags_win_over_variables_and_variables_over_files(tmp_path: Path) -> None:
    """The order of the sources is flags, variables, file, defaults."""
    write(tmp_path, 'lock_timeout = "1s"\nlock_budget = "1m"\nname = "filed"')
    environ = {"DB_MIGRATE_LOCK_BUDGET": "2m", "DB_MIGRATE_NAME": "varied"}
    settings = load({"name": "flagged"}, cwd=tmp_path, environ=environ)
    assert (settings.lock_timeout, settings.lock_budget, settings.name) == (1, 120, "flagged")
    assert settings.sources["name"] == "flag: --name"
    assert settings.sources["lock_budget"] == "environment: DB_MIGRATE_LOCK_BUDGET"


def test_every_problem_is_listed_with_its_path(tmp_path: Path) -> None:
    """All problems of all sources come at once, each beginning with where it is."""
    write(
        tmp_path,
        """
        lock_timeout = "50"
        lock_bugdet = "1m"
        runner = "psql"
        [rules]
        drop-column = "fatal"
        [targets.live]
        urlenv = "X"
        budgets = { lock_budgett = "1m" }
        [[drift.acknowledge]]
        kind = "index"
        """,
    )
    with pytest.raises(ConfigurationError) as error:
        load(cwd=tmp_path, environ={"DB_MIGRATE_STRICT": "perhaps"})
    assert error.value.code == "settings.invalid"
    assert error.value.exit_code == 2
    assert error.value.message == "8 problems in the settings"
    assert sorted(problems(error)) == [
        "DB_MIGRATE_STRICT: must be true or false (also: on, off)",
        "drift.acknowledge[0].reason: is missing: intended drift carries a reason",
        "lock_bugdet: unknown key; did you mean 'lock_budget'?",
        "lock_timeout: must be a duration with its unit, such as 50ms, 1s, 10m or 2h",
        "rules: 'drop-column' must be one of: off, on, note, warning, error",
        "runner: must be one of: db-migrate, alembic",
        "targets.live.budgets.lock_budgett: unknown key; did you mean 'lock_budget'?",
        "targets.live.urlenv: unknown key; did you mean 'url_env'?",
    ]


def test_paths_of_problems_name_the_table_of_pyproject(tmp_path: Path) -> None:
    """In pyproject.toml the path begins with the table that the key is in."""
    write(tmp_path, "[tool.db-migrate]\nscratch_major = 0\ntargets = 3", "pyproject.toml")
    with pytest.raises(ConfigurationError) as error:
        load(cwd=tmp_path, environ={})
    assert problems(error) == [
        "tool.db-migrate.scratch_major: must be a whole number above zero",
        "tool.db-migrate.targets: must be a table of targets, each a table: [targets.NAME]",
    ]


@pytest.mark.parametrize("value", ["true", "3.5", "[1]", "{ a = 1 }", '""', '"  "'])
def test_a_text_has_to_be_a_text(tmp_path: Path, value: str) -> None:
    """No value of another type, nor an empty one, passes for a text."""
    write(tmp_path, f"name = {value}")
    with pytest.raises(ConfigurationError, match="1 problem in the settings"):
        load(cwd=tmp_path, environ={})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("50ms", 0.05),
        ("1.5s", 1.5),
        ("10m", 600),
        ("10min", 600),
        ("2 h", 7200),
        ("1d", 86400),
        ("0", 0),
        ("250us", 25e-5),
    ],
)
def test_durations_are_seconds(tmp_path: Path, text: str, seconds: float) -> None:
    """Every unit is understood and becomes seconds."""
    assert load({"lock_budget": text}, cwd=tmp_path, environ={}).lock_budget == seconds


@pytest.mark.parametrize("text", ["-1s", "1", "s", "1 week", "1e3s", "٣s", "1s 2s", "infinity"])
def test_what_is_no_duration_is_refused(tmp_path: Path, text: str) -> None:
    """A number without a unit, and anything that is not one number with one unit, is refused."""
    with pytest.raises(ConfigurationError) as error:
        load({"lock_timeout": text}, cwd=tmp_path, environ={})
    assert problems(error)[0].startswith("--lock-timeout: must be a duration")


def test_a_timeout_is_one_that_postgresql_takes(tmp_path: Path) -> None:
    """Milliseconds in 31 bits, some where others wait; a budget of ours is long. A BOM is no part of the settings."""
    (tmp_path / "db-migrate.toml").write_text('lock_timeout = "24d"\nlock_budget = "99d"', encoding="utf-8-sig")
    assert load(cwd=tmp_path, environ={}).lock_budget == 99 * 86400
    for key in ("lock_timeout", "statement_timeout"):
        with pytest.raises(ConfigurationError) as error:
            load({key: "25d"}, cwd=tmp_path, environ={})
        assert "must be at most 24d" in problems(error)[0]
    for key, value, said in (
        ("lock_timeout", "0", "at least 1ms"),
        ("lock_timeout", "250us", "at least 1ms"),
        ("keep_for", "999999d", "at most 36500d"),
    ):
        with pytest.raises(ConfigurationError) as error:
            load({key: value}, cwd=tmp_path, environ={})
        assert said in problems(error)[0]


def test_a_misspelt_variable_is_a_problem(tmp_path: Path) -> None:
    """A variable that is nearly one of ours is reported, and one that a target names as its own is not."""
    write(tmp_path, '[targets.live]\nurl_env = "DB_MIGRATE_URLS"')
    environ = {"DB_MIGRATE_LOCK_TIMOUT": "1s", "DB_MIGRATE_URLS": "postgresql://h/d"}
    with pytest.raises(ConfigurationError) as error:
        load(cwd=tmp_path, environ=environ)
    assert problems(error) == ["DB_MIGRATE_LOCK_TIMOUT: unknown variable; did you mean DB_MIGRATE_LOCK_TIMEOUT?"]


def test_a_target_is_chosen_by_name(tmp_path: Path) -> None:
    """--target picks one of the settings' targets, with its own budgets."""
    write(
        tmp_path,
        """
        [targets.live]
        url_env = "LIVE_URL"
        url = "embedded://mesh"
        production = true
        budgets = { lock_timeout = "20ms" }
        """,
    )
    settings = load({"target": "live"}, cwd=tmp_path, environ={})
    assert settings.chosen.production
    assert settings.chosen.budgets == {"lock_timeout": 0.02}
    assert (settings.budget("lock_timeout"), settings.budget("lock_budget")) == (0.02, 600)
    assert settings.target_url({}) == "embedded://mesh"
    assert settings.target_url({"LIVE_URL": ""}) == "embedded://mesh"
    assert settings.target_url({"LIVE_URL": "postgresql://h/d"}) == "postgresql://h/d"


def test_a_url_given_by_hand_wins_over_the_targets_own(tmp_path: Path) -> None:
    """--url and DB_MIGRATE_URL are used whatever the target's settings say."""
    write(tmp_path, '[targets.default]\nurl = "postgresql://filed/d"')
    settings = load(cwd=tmp_path, environ={"DB_MIGRATE_URL": "postgresql://given/d"})
    assert settings.target_url({}) == "postgresql://given/d"


def test_an_unknown_target_is_refused(tmp_path: Path) -> None:
    """A target that the settings do not have is a problem which names those they have, unless its URL is given."""
    write(tmp_path, '[targets.live]\nurl = "postgresql://h/d"')
    with pytest.raises(ConfigurationError) as error:
        load({"target": "life"}, cwd=tmp_path, environ={})
    assert problems(error) == ["target: there is no target 'life'; the settings have live"]
    assert load({"target": "life", "url": "postgresql://h/d"}, cwd=tmp_path, environ={}).target == "life"


def test_passwords_are_not_in_the_repr(tmp_path: Path) -> None:
    """Neither the URL of the command line nor that of a target shows in a repr."""
    write(tmp_path, '[targets.default]\nurl = "postgresql://u:s3cret@h/d"')
    settings = load({"url": "postgresql://u:s3cret@h/d"}, cwd=tmp_path, environ={})
    assert "s3cret" not in repr(settings)


def test_rules_intents_and_acknowledgements_are_read(tmp_path: Path) -> None:
    """The tables become values: rule levels, intents by name, acknowledged drift with its patterns."""
    write(
        tmp_path,
        """
        exclude_schemas = ["audit"]
        [rules]
        create-index-blocking = "off"
        [allow]
        "drop-column:public.users.legacy" = "copied in 0012"
        [[drift.acknowledge]]
        kind = "index"
        object = "public.ix_*"
        reason = "made by hand"
        """,
    )
    settings = load(cwd=tmp_path, environ={})
    assert settings.rules == {"create-index-blocking": RuleLevel.OFF}
    assert settings.allow == {"drop-column:public.users.legacy": "copied in 0012"}
    assert settings.drift.acknowledge == (Acknowledgement("made by hand", "index", "public.ix_*"),)
    assert settings.exclude_schemas == ("audit",)


def test_a_settings_file_that_is_named_has_to_exist(tmp_path: Path) -> None:
    """--settings and DB_MIGRATE_SETTINGS name a file that must be there."""
    for named in ({"file": Path("none.toml")}, {"environ": {"DB_MIGRATE_SETTINGS": "none.toml"}}):
        with pytest.raises(ConfigurationError) as error:
            load(cwd=tmp_path, **{"environ": {}, **named})
        assert error.value.code == "settings.missing"


def test_a_settings_file_under_another_name_is_read(tmp_path: Path) -> None:
    """--settings reads the file it names, relative to the current folder."""
    write(tmp_path, 'name = "chosen"', "ci.toml")
    assert load(file=Path("ci.toml"), cwd=tmp_path, environ={}).name == "chosen"


@pytest.mark.parametrize("content", [b"name = ", b"\xff\xfe", b"[a]\n[a]", b"a=" + b"[" * 9999])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    """A file that cannot be read is reported with its path and the reason."""
    (tmp_path / "db-migrate.toml").write_bytes(content)
    with pytest.raises(ConfigurationError) as error:
        load(cwd=tmp_path, environ={})
    assert error.value.code == "settings.unreadable"
    assert error.value.where == str(tmp_path / "db-migrate.toml")
    assert error.value.why


def test_lists_in_variables_are_separated_by_commas(tmp_path: Path) -> None:
    """DB_MIGRATE_X and DB_MIGRATE_EXCLUDE_SCHEMAS take several values."""
    environ = {"DB_MIGRATE_X": "tenant=a, region=eu", "DB_MIGRATE_EXCLUDE_SCHEMAS": "a,b,"}
    settings = load(cwd=tmp_path, environ=environ)
    assert settings.x == ("tenant=a", "region=eu")
    assert settings.exclude_schemas == ("a", "b")


@pytest.mark.parametrize(
    ("name", "before"),
    [
        ("db-migrate.toml", ""),
        ("db-migrate.toml", "strict = true\n# hello\n\n[targets.a]  # here\nurl = 'x'\n"),
        ("db-migrate.toml", "[[drift.acknowledge]]\nreason = 'old'\n\n[targets.a]\nurl = 'x'\n"),
        ("pyproject.toml", "[project]\nname='x' # c\n[tool.db-migrate]\n[tool.ruff]\n"),
        ("pyproject.toml", "[tool.db-migrate.drift]\nacknowledge = [{reason = 'old'}]\n[tool.x]\ny = 1\n"),
        ("pyproject.toml", "[tool.db-migrate]\ndrift = {acknowledge = []}\n"),
    ],
)
def test_acknowledgements_are_added_to_what_is_there(tmp_path: Path, name: str, before: str) -> None:
    """Written acknowledgements are read back after the old ones, and every comment and table stays."""
    file = write(tmp_path, before, name)
    new = [Acknowledgement('it\'s "so"', "index", "public.f(integer[])"), Acknowledgement("b", attribute="default")]
    acknowledge(file, new)
    old = [Acknowledgement("old")] if "old" in before else []
    assert list(load(file=file, cwd=tmp_path, environ={}).drift.acknowledge) == [*old, *new]
    kept = [line for line in before.splitlines() if line and "acknowledge" not in line and "old" not in line]
    assert [line for line in file.read_text("utf-8").splitlines() if line in kept] == kept


def test_a_settings_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path) -> None:
    """What is no list of tables is not made into one."""
    file = write(tmp_path, "drift = 5\n")
    with pytest.raises(ConfigurationError) as error:
        acknowledge(file, [Acknowledgement("x")])
    assert error.value.code == "settings.unwritable"
    assert file.read_text("utf-8") == "drift = 5\n"


_SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ("1s", "-1s", "9" * 400 + "h", "5MB", "postgresql://a:b@[::1/x", "%(here)s", "../..", "\0", "on", "public.*")
    ),
    st.dates(),
    st.times(),
    st.datetimes(),
)
_NAMES = st.one_of(st.sampled_from([each.name for each in fields(Settings)]), st.text(max_size=9))
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=6,
)


@settings_of_hypothesis(max_examples=2000 if LONG else 60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(_NAMES, _VALUES, max_size=4), st.dictionaries(_NAMES, st.text(max_size=9), max_size=2))
def test_whatever_stands_there_is_taken_or_said_to_be_wrong(
    tmp_path: Path, content: dict[str, object], variables: dict[str, str]
) -> None:
    """Any TOML and any variables: settings, or an error in which each problem has its place; nothing else is raised."""
    file = write(tmp_path, tomlkit.dumps(content))
    environ = {f"DB_MIGRATE_{name.upper()}": value for name, value in variables.items()}
    found, wrong = None, None
    try:
        found = load(file=file, cwd=tmp_path, environ=environ)
    except ConfigurationError as error:
        wrong = error
    if found is None:
        assert wrong is not None
        assert wrong.code in ("settings.invalid", "settings.unreadable", "settings.missing")
        assert wrong.why
    else:
        assert found.file == file
        assert set(content) <= {each.name for each in fields(Settings)}
