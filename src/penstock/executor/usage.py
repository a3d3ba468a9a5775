"""What bodies use: processor time and, in processes of their own, memory.

A reading of a thread's processor time costs more than all else that is done for a task that does nothing. So only
attempts that took LONG or more are measured, and the reading that theirs is compared with may be up to FRESH old: what
the thread did between that and the beginning of the body is counted with it, which is little beside LONG.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from time import process_time, thread_time

LONG = 0.01
"""Seconds from which on an attempt is measured."""
FRESH = 0.0005
"""Seconds after which another reading is taken before a body begins."""


class Last(threading.local):
    """The last reading in this thread."""

    at = float("-inf")
    """By perf_counter()."""
    cpu = 0.0


class _Peak:
    """The most memory that this process has had at once, since that was last forgotten. Where the system cannot forget
    it, since the process began."""

    def __init__(self) -> None:
        self._clear = _opened("/proc/self/clear_refs", os.O_WRONLY)
        self._status = _opened("/proc/self/status", os.O_RDONLY)

    def forget(self) -> None:
        if self._clear is not None:
            try:
                os.pwrite(self._clear, b"5", 0)  # proc(5): resets the peak of the resident set
            except OSError:
                self._clear = None

    def read(self) -> int | None:
        """In bytes. Not getrusage's where there is another: a new process begins with that of the one it came from."""
        if self._status is not None:
            for line in os.pread(self._status, 8_192, 0).splitlines():
                if line.startswith(b"VmHWM:"):
                    return int(line.split()[1]) * 1024
        if sys.platform == "darwin":
            import resource

            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return None


def _opened(path: str, flags: int) -> int | None:
    try:
        return os.open(path, flags)
    except OSError:
        return None


last = Last()
_clock: Callable[[], float] = thread_time
_peak: _Peak | None = None


def measure_process() -> None:
    """From here on, count all threads of this process, and its memory: there is one body in it at a time."""
    global _clock, _peak
    _clock, _peak = process_time, _Peak()


def read(now: float) -> None:
    """A body begins, and the last reading is too old."""
    last.cpu, last.at = _clock(), now
    if _peak is not None:
        _peak.forget()


def used(began: float, ended: float) -> tuple[int | None, int | None]:
    """A body has ended: microseconds of processor time, and bytes of memory at most, each if it is known."""
    before, own = last.cpu, last.at <= began  # else the body ran others in this thread, which were measured since
    last.cpu, last.at = _clock(), ended if _peak is None else float("-inf")
    return round((last.cpu - before) * 1_000_000) if own else None, None if _peak is None else _peak.read()
