"""`wait_for_file`: a task that waits until a file is there."""

from __future__ import annotations

import os
from pathlib import Path
from time import time
from typing import Any

from penstock.definition.decorators import task
from penstock.policy import Done


@task.sensor(poll_interval=10, waits_for="the file {path}")
def wait_for_file(path: str | os.PathLike[str], *, unchanged_for: float = 0.0) -> Any:
    """Wait until a file or folder is there and, with `unchanged_for`, was not changed for so many seconds: whoever
    writes it may not have finished. The path, as a Path."""
    found = Path(path)
    try:
        changed = found.stat().st_mtime
    except (FileNotFoundError, NotADirectoryError):
        return False
    return Done(found) if not unchanged_for or time() - changed >= unchanged_for else False
