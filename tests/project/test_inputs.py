"""What is the project's own and what was installed, in environments of every shape."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

ASK = """
import json, sys
from db_migrate.project.inputs import is_installed, is_self_contained

code, paths = sys.argv[1].encode(), sys.argv[2:]
print(json.dumps([is_self_contained(code), *map(is_installed, paths)]))
"""


def test_packages_of_an_environment_beside_this_one(tmp_path: Path) -> None:
    """They are installed, whichever way they are found; the project is not, even where it lies in the environment."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path], check=True)
    (ours,) = tmp_path.glob("lib/python*/site-packages")
    beside = sysconfig.get_path("purelib")
    (ours / "beside.pth").write_text(f"{beside}\n{Path(__file__).parents[2] / 'src'}\n")
    (tmp_path / "models.py").touch()

    def ask(code: str, *paths: str) -> list[bool]:
        words = [tmp_path / "bin" / "python", "-c", ASK, code, *paths]
        answer: list[bool] = json.loads(subprocess.check_output(words, text=True, cwd=tmp_path))
        return answer

    assert ask("from alembic import op\nimport sqlalchemy as sa, os", f"{beside}/alembic/op.py") == [True, True]
    assert ask("import models", str(tmp_path / "models.py"), str(ours / "beside.pth")) == [False, False, True]
    assert ask("import nowhere", "/usr/lib/python3/dist-packages/yaml/__init__.py") == [False, True]
