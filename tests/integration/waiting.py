"""Waiting for what another process or thread does."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path


def wait_until(condition: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    """Wait until the condition holds; an error if that takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s until {what}")
        time.sleep(0.005)


def is_alive(pid: int) -> bool:
    """Whether a process runs: one that has ended and waits for its parent to look does not."""
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat")
        return not stat.parent.parent.joinpath("self").exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def pids_in(file: Path) -> list[int]:
    """Process ids that were written to a file, one a line."""
    return [int(line) for line in file.read_text().split()] if file.exists() else []
