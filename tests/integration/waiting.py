"""Waiting for what another process or thread does."""

from __future__ import annotations

import subprocess
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
    return state_of(pid) not in ("", "Z")


def state_of(pid: int) -> str:
    """What a process does, by the letter that `ps` has for it: Z has ended, T is stopped. "" is there no more."""
    try:
        if Path("/proc/self/stat").exists():
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return ""
    told = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return told.stdout.strip()[:1]


def pids_in(file: Path) -> list[int]:
    """Process ids that were written to a file, one a line."""
    return [int(line) for line in file.read_text().split()] if file.exists() else []
