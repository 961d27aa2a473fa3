"""What GitLab's job has to know of the pipeline that it is included in."""

from __future__ import annotations

import pytest
import yaml

from db_migrate.setup.ci import stage_of


@pytest.mark.parametrize(
    ("pipeline", "stage"),
    [
        ("", "test"),
        ("a:\n  script: [stages]\n", "test"),
        ("stages: [build, test]\n", "test"),
        ("stages: [build, deploy]  # test\n", "build"),
        ("stages:\n- 'lint it'\n- build\na: 1\ntest: {}\n", "lint it"),
        ("x: 1\nstages:\n  # test\n  - check-1\n\n  - build\ntest:\n  stage: build\n", "check-1"),
        ('stages:\r\n  - "a"\r\n  - b\r\n', "a"),
        ("stages: [\n  one,\n  two,\n]\ntest: {}\n", "one"),
    ],
)
def test_the_job_is_in_a_stage_that_there_is(pipeline: str, stage: str) -> None:
    """`test` where that is a stage, else the first that the pipeline lists."""
    listed = (yaml.safe_load(pipeline) or {}).get("stages", ["build", "test", "deploy"])
    assert stage in listed
    assert stage_of(pipeline) == stage
