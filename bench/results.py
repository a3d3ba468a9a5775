"""The file of results: what was measured, on what, when."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PATH = Path(__file__).parent / "results.json"

Results = Mapping[str, Any]
"""The machine under "machine", the time under "date", whether sizes were small under "quick", rows under "rows"."""


def read() -> Results:
    """What was measured last. FileNotFoundError if nothing was."""
    results: Results = json.loads(PATH.read_text("utf-8"))
    return results


def write(results: Results) -> None:
    """Keep what was measured."""
    PATH.write_text(json.dumps(results, indent=1, sort_keys=False) + "\n", "utf-8")
