"""Revisions of the shapes that open-source projects have, judged by hand: which rules a reviewer would name for each.

They are one history on the schema of the examples, in this order. What is written here comes from PostgreSQL's
documentation and the list of rules; it was written before the first run, and where the two differed since, the reason
is in a comment. Without a target every table that an earlier revision made has rows.
"""

from __future__ import annotations

from judged.case import Judged
from judged.columns import COLUMNS
from judged.keys import KEYS
from judged.rest import REST
from judged.tables import TABLES

JUDGED: tuple[Judged, ...] = (*TABLES, *COLUMNS, *KEYS, *REST)
