"""The lab that this room's tests share."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from rules_lab import lab, lab15

__all__ = ["lab", "lab15"]
