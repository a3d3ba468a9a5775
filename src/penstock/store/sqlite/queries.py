"""The SQL of the store. It lies in queries.sql: blocks of a line `-- name --`, a line in words, and one statement."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_BLOCK = re.compile(r"^-- (\w+) --\n-- .*\n((?:(?!-- ).*\n?)+)", re.MULTILINE)


@cache
def queries() -> dict[str, str]:
    """Every statement by its name."""
    text = Path(__file__).with_name("queries.sql").read_text("utf-8")
    return {name: statement.strip() for name, statement in _BLOCK.findall(text)}
