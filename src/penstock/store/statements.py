"""SQL that lies in a file: blocks of a line `-- name --`, lines in words that begin with `-- `, and one statement."""

from __future__ import annotations

import re
from pathlib import Path

_BLOCK = re.compile(r"^-- (\w+) --\n(?:-- .*\n)+((?:(?!-- ).*\n?)+)", re.MULTILINE)


def statements(path: Path) -> dict[str, str]:
    """Every statement of a file by its name."""
    return {name: statement.strip() for name, statement in _BLOCK.findall(path.read_text("utf-8"))}
