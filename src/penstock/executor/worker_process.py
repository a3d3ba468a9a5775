"""A worker process as the driver's process sees it: pipes, and a process group that can be ended at once."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from threading import Lock
from time import monotonic, sleep
from typing import Any

from penstock.executor.base import Ending
from penstock.executor.channel import Receiver, Sender, encode

BOOTSTRAP = (
    "import sys; pipes = [*map(int, sys.argv[1:5])]; sys.path[:] = sys.argv[5:]; "
    "from penstock.executor.guardian import guard; guard(*pipes); "
    "from penstock.executor.worker import main; main(*pipes[1:])"
)


SOON = 0.2
"""Seconds that a process may take to end after it has closed its pipes."""


class WorkerProcess:
    """A fresh interpreter that has the caller's `sys.path`, folder and environment, and never runs the caller's script.

    It leads a session of its own. So a terminal's Ctrl-C comes to the driver alone, which decides; no body can stop to
    ask somebody at the terminal for a password; and whatever bodies start can be ended together with them, unless it
    makes a session for itself. What they write past Python's streams goes to the driver's own, and is not kept.
    """

    def __init__(self) -> None:
        reads, self._requests = os.pipe()
        self._messages, writes = os.pipe()
        wishes, self._control = os.pipe()
        held, self._lifeline = os.pipe()
        os.set_blocking(self._control, False)
        theirs = (held, reads, writes, wishes)
        paths = [path for path in sys.path if isinstance(path, str)]
        try:
            self._process = subprocess.Popen(
                [sys.executable, *_interpreter_flags(), "-c", BOOTSTRAP, *map(str, theirs), *paths],
                stdin=subprocess.DEVNULL,
                pass_fds=theirs,
                start_new_session=True,
            )
        except BaseException:
            for fd in (self._requests, self._messages, self._control, self._lifeline):
                os.close(fd)
            raise
        finally:
            for fd in theirs:
                os.close(fd)
        self._sender = Sender(self._requests)
        self._receiver = Receiver(self._messages)
        self._lock = Lock()
        self._closed = False
        self.killed = False
        """Whether `kill` was called: it takes no more work, even if it has just answered."""
        self.run = ""
        """The run that it was told about last."""
        self.sequence = 0
        """Counts the attempts."""
        self.functions: set[int] = set()
        """Those of this run that were sent already."""
        self.where = ""
        """Where the body was when it was asked to end."""
        self.astray = ""
        """What it did that cannot be, if it has to be ended for that."""

    def send(self, *message: Any) -> None:
        """Send a request, or an answer. OSError if the process is gone."""
        self._sender.send(*message)

    def receive(self) -> tuple[Any, ...] | None:
        """What the process says next; None if it says no more, or what is no message."""
        try:
            return self._receiver.receive()
        except (OSError, ValueError, EOFError, TypeError, MemoryError) as error:
            self.astray = f"wrote something else than messages into its pipe ({error})"
            return None

    def is_gone(self) -> bool:
        """Whether it can do no more: it has died, or closed its pipes."""
        poll = select.poll()
        poll.register(self._messages, 0)  # POLLHUP comes unasked
        return bool(poll.poll(0))

    def has_unread(self) -> bool:
        """Whether it has not read all that was sent to it; where that cannot be told, False."""
        import fcntl
        import termios

        try:
            held = fcntl.ioctl(self._requests, termios.FIONREAD, bytes(4))
        except OSError:
            return False
        return int.from_bytes(held, sys.byteorder) > 0

    def ask(self, ending: Ending) -> None:
        """Let the body that runs now know that it should end. It may be told twice."""
        with self._lock, contextlib.suppress(OSError):
            if not self._closed:
                os.write(self._control, encode((self.sequence, ending.name)))

    def kill(self) -> None:
        """End the process and what it started, now."""
        self.killed = True
        if self._process.poll() is None:
            self._kill_group()

    def bury(self, patience: float = 0.0) -> int:
        """Let the process end in good order if it does so within so many seconds, and end it if not, with all that is
        left of what it started. Its exit code, or minus the number of the signal that ended it."""
        if not (patience or self.killed or self.astray) and hasattr(os, "waitid") and self._process.returncode is None:
            self._see_it_die()
        with self._lock:
            closed, self._closed = self._closed, True
        if not closed:
            os.close(self._requests)
            os.close(self._control)
            self._hear_out(patience)
            os.close(self._messages)
        self._kill_group()
        code = self._process.wait()
        if not closed:
            os.close(self._lifeline)
        return code

    def _see_it_die(self) -> None:
        """A process that has closed its pipes is about to end; where it is not, that is told instead of the signal by
        which it is ended then. It stays a zombie, whose number nobody else gets before `bury` has used it."""
        deadline = monotonic() + SOON
        while not os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if monotonic() > deadline:
                self.astray = "closed the pipes through which it is spoken to"
                return
            sleep(0.001)

    def _hear_out(self, seconds: float) -> None:
        """Wait for the process to end, reading what it may still have to say."""
        poll = select.poll()
        poll.register(self._messages, select.POLLIN)
        deadline = monotonic() + seconds
        while (left := deadline - monotonic()) > 0 and poll.poll(1000 * left):
            if not os.read(self._messages, 1 << 16):
                break

    def _kill_group(self) -> None:
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)


def _interpreter_flags() -> list[str]:
    """The options that this interpreter was started with, such as -O and -X utf8."""
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    return flags
