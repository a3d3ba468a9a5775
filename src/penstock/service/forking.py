"""Making a process by a fork, of one that has no threads."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path


def has_threads() -> bool:
    """Whether threads run beside this one, also such as Python does not know of: then a fork is not safe."""
    tasks = Path("/proc/self/task")
    if tasks.is_dir():
        return len(list(tasks.iterdir())) > 1
    return threading.active_count() > 1


def fork(main: Callable[[], None]) -> int:
    """Begin a process that calls `main` and ends, in a session of its own; its id. Whoever forks is not told of its
    end: see `forget_children`."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # what the user's code starts is waited for
        main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                pass
        os._exit(code)


def forget_children() -> None:
    """From now on nobody needs to wait for the processes that this one has begun."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
