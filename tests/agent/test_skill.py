"""The skill for coding agents: it is valid, what it says is so, and it gets into a project unharmed."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from skills_ref import validate

from db_migrate.agent.skill import default_folder, install_skill, skill_files, skill_folder
from db_migrate.cli import main
from db_migrate.errors import Refused
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.rules.judge import all_rules

ROOT = Path(__file__).parents[2]
BODY = (skill_folder() / "SKILL.md").read_text("utf-8")
EXPECTED = {"status": 1, "drift": 1}
"""The steps that end with 1 on an empty database: everything is pending."""


def test_it_is_a_valid_skill() -> None:
    """By the reference validator of the format; and short enough to be read."""
    assert validate(skill_folder()) == []
    assert len(BODY.splitlines()) <= 160


@pytest.mark.parametrize("name", [name for name in skill_files() if name.endswith(".md")])
def test_what_it_names_exists(name: str) -> None:
    """Files, verbs, options and rules that a page cites are there."""
    text = skill_files()[name].decode()
    for file in re.findall(r"`((?:references|scripts)/[\w./-]+)", text):
        assert (skill_folder() / file).is_file(), file
    rules = {rule.id for rule in all_rules()}
    for rule in re.findall(r"`((?:would|loses|cascade|blocked)-[a-z-]+)`", text):
        assert rule in rules, rule
    for command in re.findall(r"`(db-migrate [^`]+)`", text):
        verb = shlex.split(command)[1]
        done = main([verb, "--help"])
        assert done == 0, command


def test_every_command_in_it_runs_and_prints_its_shape(
    tmp_path: Path, target_database: ConnInfo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the order of its steps, on the mesh example: each ends as it says, in the published shape."""
    ignored = shutil.ignore_patterns(".*", "__pycache__", "demo")
    shutil.copytree(ROOT / "examples" / "mesh", tmp_path, ignore=ignored, dirs_exist_ok=True)
    for file in sorted((tmp_path / "alembic" / "versions").glob("*.py"))[2:]:
        file.unlink()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", target_database.url("postgresql+psycopg"))
    commands = [line for block in re.findall(r"```bash\n(.*?)```", BODY, re.DOTALL) for line in block.splitlines()]
    assert [shlex.split(each)[1] for each in commands] == [
        "status", "drift", "plan", "apply", "verify", "test", "plan", "rollback",
    ]  # fmt: skip
    for command in commands:
        words = shlex.split(command)[1:]
        if words[0] == "test":
            words += ["--", "--collect-only"]
        code = main(words)
        document = json.loads(capsys.readouterr().out)
        schema = json.loads((ROOT / "docs" / "schemas" / f"{words[0]}.json").read_text("utf-8"))
        jsonschema.validate(document, schema)
        assert code == EXPECTED.get(words[0], 0) or (words[0] == "test" and code in (0, 1)), document
    done = subprocess.run(
        [sys.executable, skill_folder() / "scripts" / "check_actual_schema.py"],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "public.users  (table)" in done.stdout
    assert re.search(r"email .*VARCHAR|email .*character varying", done.stdout)


def test_it_is_installed_whole_and_again_without_a_change(tmp_path: Path) -> None:
    """What is there and the same is left alone; what was edited is not overwritten unless asked."""
    (tmp_path / ".claude").mkdir()
    into = default_folder(tmp_path)
    assert into == tmp_path / ".claude" / "skills"
    assert set(install_skill(into, dry_run=True).written) == set(skill_files())
    assert not into.exists()
    assert set(install_skill(into).written) == set(skill_files())
    assert install_skill(into).written == ()
    page = into / "db-migrate" / "SKILL.md"
    page.write_text("mine")
    with pytest.raises(Refused, match=r"SKILL\.md"):
        install_skill(into)
    assert page.read_text() == "mine"
    assert install_skill(into, force=True).written == ("SKILL.md",)
    assert page.read_text("utf-8") == BODY
