"""What ends a worker process when the process of its driver is gone, whatever the worker is doing.

The worker may be stopped, or hold the interpreter's lock in C code, or have ended and left behind what it started. So
it is not the worker that watches, but a process in its group, made before anything else is imported. It waits for the
end of a pipe whose other end only the driver's process has, and then ends the group, itself included.
"""

from __future__ import annotations

import contextlib
import os
import signal


def guard(lifeline: int, *others: int) -> None:
    """Leave such a process behind. `lifeline` is the end of the pipe that is read from, `others` are what else this
    process was given open."""
    with contextlib.suppress(OSError):  # no more processes are to be had: the worker goes without
        child = os.fork()
        if child == 0:
            _be_guardian(lifeline, *others)
        os.waitpid(child, 0)
    os.close(lifeline)


def _be_guardian(lifeline: int, *others: int) -> None:
    try:
        if os.fork() != 0:
            os._exit(0)  # so that the guardian is no child of the worker, which a body might wait for
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            with contextlib.suppress(OSError):
                signal.signal(number, signal.SIG_IGN)
        for fd in (0, 1, 2, *others):
            with contextlib.suppress(OSError):
                os.close(fd)
        while os.read(lifeline, 1):
            pass
        os.killpg(0, signal.SIGKILL)
    finally:
        os._exit(1)
