"""A revision that does not do the same each time is found by its plan, and refused where it would do another thing."""

from __future__ import annotations

import json
from typing import Any

from db_migrate.rules.variation import may_vary

from .conftest import ROOT, Project

NAMES = "amber", "brass", "coral", "denim", "ebony", "flint", "grass", "hazel"
OF_A_SET = f"""
for name in {set(NAMES)!r}:
    op.execute(f"ALTER TABLE things ADD COLUMN {{name}} int")
"""

COMMENTS = "for _ in range({}): op.execute('COMMENT ON TABLE things IS NULL')"
AGE = """
import os, time

def age():
    return int((time.time() - os.stat(__file__).st_mtime) * 10)
"""

VARIES = {
    "set": (OF_A_SET, ""),
    "uuid": ("op.execute(f\"ALTER TABLE things ADD COLUMN a text DEFAULT '{uuid.uuid4()}'\")", "import uuid"),
    "random": ("op.execute(f'INSERT INTO things VALUES ({random.randrange(10**8)})')", "import random"),
    "clock": (
        "op.execute(f\"COMMENT ON TABLE things IS '{datetime.utcnow()}'\")",
        "from datetime import datetime",
    ),
    "hash": ("op.execute(f\"COMMENT ON TABLE things IS '{hash('a')}'\")", ""),
    "own module": ("op.execute(comment())", "from helpers import comment"),
    "bulk insert": (
        "op.bulk_insert(sa.table('things', sa.column('id')), [{'id': random.randrange(10**8)}])",
        "import random",
    ),
    "more each time": (COMMENTS.format("age()"), AGE),
    "fewer each time": (COMMENTS.format("max(0, 500 - age())"), AGE),
}
"""Bodies of upgrades, and what they import: each in its own way depends on the process that runs it."""

ONLY_LOOKS_SO = {
    "sorted": (OF_A_SET.replace("in {", "in sorted({").replace("}:", "}):").replace("name}", "name}_2"), ""),
    "module that could": ("op.execute(f\"COMMENT ON TABLE things IS '{os.sep}'\")", "import os"),
    "server's chance": ("op.execute('INSERT INTO things SELECT (random() * 100)::int')", ""),
    "server's clock": ("op.execute('ALTER TABLE things ADD COLUMN t timestamptz DEFAULT now()')", "import time"),
}


def found(project: Project, *words: str) -> list[dict[str, Any]]:
    """The findings of the rule in the plan."""
    planned = project.run("plan", *words, "--json")
    assert planned.code in (0, 1), planned.err
    return [each for each in json.loads(planned.out)["findings"] if each["rule"] == "not-deterministic"]


def test_what_varies_is_found_with_its_line_and_nothing_else(project: Project) -> None:
    """One warning for each revision, where the statement is that was another one."""
    project.revision("r1", "op.execute('CREATE TABLE things (id int)')", "op.execute('DROP TABLE things')")
    project.write("helpers.py", "def comment():\n    return f\"COMMENT ON TABLE things IS '{object()}'\"\n")
    varying = {}
    for number, (what, (body, extra)) in enumerate({**VARIES, **ONLY_LOOKS_SO}.items()):
        file = project.revision(f"v{number}", body, "pass", extra=extra)
        if what in VARIES:
            varying[f"v{number}"] = file.read_text().splitlines()

    findings = found(project)

    assert [each["revision"] for each in findings] == list(varying)
    for each in findings:
        assert (each["severity"], each["object"]) == ("warning", each["revision"])
        assert "op." in varying[each["revision"]][each["line"] - 1]


def test_a_downgrade_that_varies_is_found_in_the_plan_of_the_way_back(project: Project) -> None:
    """And only there: forwards it does the same each time."""
    project.revision("r1", "op.execute('CREATE TABLE things (id int)')", "op.execute('DROP TABLE things')")
    add = "; ".join(f"op.execute('ALTER TABLE things ADD COLUMN {each} int')" for each in NAMES)
    drop = OF_A_SET.replace("ADD COLUMN", "DROP COLUMN").replace(" int", "")
    project.revision("r2", add, drop)
    assert found(project) == []
    assert project.run("apply", "--yes").code == 0

    (finding,) = found(project, "-1")

    assert finding["revision"] == "r2"


def test_what_only_says_what_is_to_be_is_not_run_again() -> None:
    """As those of the example, nearly all revisions: they cost nothing more."""
    files = [*(ROOT / "examples" / "mesh").rglob("versions/*.py")]
    assert len(files) > 5
    assert [each.name for each in files if may_vary(str(each))] == []
