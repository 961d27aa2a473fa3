"""The rules' lab, which traces revisions over the schema of the examples."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "rules"))

from rules_lab import lab, lab15

__all__ = ["lab", "lab15"]
