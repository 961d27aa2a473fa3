"""What of a text that should be Russian is English."""

from __future__ import annotations

import re

_WORDS = re.compile(
    r"(?<![\w.`'\"/:-])(?:the|an|is|are|was|were|be|been|has|have|had|does|do|did|of|and|or|but|not|no|none|nothing|that"
    r"|this|these|what|which|who|whose|when|while|where|how|if|than|then|its|it|they|one|each|every|all|any|only|more"
    r"|less|again|first|in|on|at|to|by|for|from|with|without|within|under|over|until|after|before|since|about|rows?"
    r"|reads|writes|values?|tables?|columns?|indexe?s?|statements?|takes|needs|drops|builds|rewrites|would|could|cannot"
    r"|must|may)(?![\w.`'\"(/=-])"
)
"""Words of which every English sentence of ours has one, and that no Russian one has."""

_QUOTED = re.compile(
    r"`[^`]*`|\"[^\"]*\"|'[^']*'|--[a-z-]+"
    r"|\bwith(?:out)? time zone\b|\bidle in transaction\b"  # a type, and what PostgreSQL calls a session
    r"|(?<=PostgreSQL отказывает: ).*"  # its own words
    r"|\b[A-Z]{4,} [^,;]*"  # SQL
)


def left_in_english(text: str, names: str = "") -> list[str]:
    """The lines with English words that are no SQL, flags or quotations, and no word of ``names``."""
    known = {*re.findall(r"\w+", names)}
    return [line for line in text.splitlines() if {*_WORDS.findall(_QUOTED.sub("", line))} - known]


def prose(advice: str) -> str:
    """The comments of advice that is code, each on a line of its own; all of other advice."""
    if not re.search(r"^\s*# |\bop\.|=", advice, re.MULTILINE):
        return advice
    return "\n".join(line.partition("# ")[2] for line in advice.splitlines() if line.lstrip().startswith("# "))
