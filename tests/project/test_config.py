"""A project is found and read as Alembic would read it, without importing anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from db_migrate.errors import ConfigurationError
from db_migrate.project.config import ProjectConfig, load_config

from .conftest import PROJECTS


def project(folder: Path, ini: str = "[alembic]\nscript_location = migrations\n", name: str = "alembic.ini") -> Path:
    """A project with this ini file and an env.py in ``migrations``."""
    scripts = folder / "migrations"
    scripts.mkdir(parents=True, exist_ok=True)
    (scripts / "env.py").touch()
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(ini)
    return folder


def alembics(config: ProjectConfig) -> tuple[Path, tuple[Path, ...]]:
    """Where Alembic itself finds the scripts and the revisions of the same project."""
    extra = {"toml_file": str(config.pyproject)} if config.pyproject else {}
    made = Config(str(config.ini) if config.ini else None, ini_section=config.name, **extra)
    script = ScriptDirectory.from_config(made)
    return Path(script.dir).resolve(), tuple(Path(each).resolve() for each in script._version_locations)


@pytest.mark.parametrize(
    "ini",
    [
        "[alembic]\nscript_location = migrations\n",
        "[alembic]\nscript_location = %(here)s/migrations\n",
        "[DEFAULT]\nroot = migr\n[alembic]\nscript_location = %(root)sations\n",
        "[alembic]\nscript_location = migrations\npath_separator = os\nversion_locations = %(here)s/a:%(here)s/b\n",
        "[alembic]\nscript_location = migrations\npath_separator = newline\nversion_locations =\n  a\n  b c\n",
        "[alembic]\nscript_location = migrations\npath_separator = ;\nversion_locations = a;b\n",
        "[alembic]\nscript_location = inside:migrations\nprepend_sys_path = .\npath_separator = os\n",
        "[alembic]\nscript_location = migrations\nsqlalchemy.url = postgresql://u:p%w@h/d\n",
    ],
)
def test_folders_are_those_that_alembic_finds(ini: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interpolation, separators, packages, and a URL that interpolation would choke on."""
    project(tmp_path, ini)
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "__init__.py").touch()
    project(tmp_path / "inside", "")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    config = load_config()
    script_location, version_locations = alembics(config)
    assert config.script_location.resolve() == script_location
    assert tuple(path.resolve() for path in config.version_locations) == version_locations
    assert config.directory == tmp_path


def test_lists_without_a_separator_are_split_as_before(tmp_path: Path) -> None:
    """Spaces and commas split version locations, colons sys.path too, where no separator is named."""
    project(tmp_path, "[alembic]\nscript_location=migrations\nversion_locations=a, b c\nprepend_sys_path=x:y z\n")
    config = load_config(tmp_path)
    assert [path.name for path in config.version_locations] == ["a", "b", "c"]
    assert config.prepend_sys_path == ("x", "y", "z")


def test_pyproject_alone_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``[tool.alembic]`` says the same as an ini file would, and lists are lists."""
    project(tmp_path, "", "unused.ini")
    (tmp_path / "pyproject.toml").write_text(
        '[tool.alembic]\nscript_location = "%(here)s/migrations"\nprepend_sys_path = ["."]\n'
        'version_locations = ["%(here)s/a%%b"]\nrecursive_version_locations = true\n'
    )
    monkeypatch.chdir(tmp_path)
    config = load_config()
    assert config.ini is None
    assert config.recursive_version_locations
    assert config.version_locations == (tmp_path / "a%b",)
    assert config.script_location == tmp_path / "migrations"
    assert config.prepend_sys_path == (".",)


def test_what_the_ini_file_says_goes_before_pyproject(tmp_path: Path) -> None:
    """Both may be there; the rest comes from the other."""
    project(tmp_path, "[alembic]\nversion_locations = mine\n")
    (tmp_path / "pyproject.toml").write_text(
        '[tool.alembic]\nscript_location="migrations"\nversion_locations=["theirs"]\n'
    )
    config = load_config(tmp_path)
    assert config.version_locations == (tmp_path / "mine",)
    assert config.script_location == tmp_path / "migrations"


def test_a_project_further_up_is_found_and_run_from_there(tmp_path: Path) -> None:
    """In a subfolder the nearest project above is meant, with its own folder as the current one."""
    project(tmp_path)
    below = tmp_path / "src" / "deep"
    below.mkdir(parents=True)
    assert load_config(below).directory == tmp_path


def test_a_given_file_is_read_from_here(tmp_path: Path) -> None:
    """``-c sub/alembic.ini`` keeps the current folder, as Alembic does."""
    project(tmp_path, name="conf/alembic.ini")
    config = load_config(tmp_path, ini=Path("conf/alembic.ini"))
    assert (config.directory, config.script_location) == (tmp_path, tmp_path / "migrations")
    assert config.ini == tmp_path / "conf" / "alembic.ini"


def test_flask_migrates_ini_file_needs_no_location() -> None:
    """Its env.py is beside the ini file, and the child is told so."""
    config = load_config(PROJECTS / "flask_migrate")
    assert config.script_location == PROJECTS / "flask_migrate" / "migrations"
    assert config.set_script_location


@pytest.mark.parametrize(
    ("ini", "name", "code", "words"),
    [
        ("[other]\nx = 1\n", "alembic", "project.config", "no section [alembic]"),
        ("[alembic]\nscript_location = migrations\n", "other", "project.config", "it has [alembic]"),
        ("[alembic]\nx = 1\n", "alembic", "project.scripts", "script_location is not set"),
        ("[alembic]\nscript_location = %(nowhere)s\n", "alembic", "project.config", "written %%"),
        ("[alembic]\nscript_location = %x\n", "alembic", "project.config", "written %%"),
        ("[alembic]\nscript_location = nowhere\n", "alembic", "project.scripts", "no env.py"),
        ("[alembic]\nscript_location = no_such:x\n", "alembic", "project.scripts", "no package no_such"),
        (
            "[alembic]\nscript_location = migrations\nversion_locations = no_such:x\n",
            "alembic",
            "project.config",
            "no package no_such",
        ),
        ("script_location = x\n", "alembic", "project.config", "no section headers"),
        (
            "[alembic]\nscript_location=migrations\nversion_locations=a\npath_separator=|\n",
            "alembic",
            "project.config",
            "Alembic knows space",
        ),
    ],
)
def test_a_configuration_that_cannot_be_used_says_why(
    ini: str, name: str, code: str, words: str, tmp_path: Path
) -> None:
    """Each problem names the file and what Alembic expects."""
    project(tmp_path, ini)
    with pytest.raises(ConfigurationError) as raised:
        load_config(tmp_path, name=name)
    assert raised.value.code == code
    assert words in f"{raised.value.message} {raised.value.why}"
    assert str(tmp_path) in raised.value.where


def test_a_broken_pyproject_is_named(tmp_path: Path) -> None:
    """A TOML error is a configuration error with the file."""
    project(tmp_path)
    for broken in ("[tool", "a=" + "[" * 9999):
        (tmp_path / "pyproject.toml").write_text(broken)
        with pytest.raises(ConfigurationError, match="cannot be read"):
            load_config(tmp_path)
    for other in ("tool = 5", "[tool]\nalembic = 5"):
        (tmp_path / "pyproject.toml").write_text(other)
        assert load_config(tmp_path).pyproject is None


def test_no_project_at_all_says_where_it_looked(tmp_path: Path) -> None:
    """Nothing here and nothing above: where it was looked for and what to type is said."""
    with pytest.raises(ConfigurationError, match="no Alembic project") as raised:
        load_config(tmp_path)
    assert raised.value.code == "project.not-found"
    assert "alembic.ini" in raised.value.why
    assert raised.value.next


def test_a_file_that_was_named_and_is_not_there(tmp_path: Path) -> None:
    """No other file was looked for, and nothing else is claimed; the one that there is is what to type next."""
    (tmp_path / "sub").mkdir()
    for instead in ("path/to/alembic.ini", "../migrations/alembic.ini"):
        with pytest.raises(ConfigurationError, match=r"there is no missing\.ini") as raised:
            load_config(tmp_path / "sub", ini=Path("missing.ini"))
        assert raised.value.code == "project.not-found"
        assert "looked for alembic.ini" not in raised.value.why
        assert raised.value.next[0] == f"db-migrate -c {instead} status"
        project(tmp_path, name="migrations/alembic.ini")
