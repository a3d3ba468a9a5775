"""A command that runs: its output streams into the log, and it ends with the attempt that started it.

A command is started in a session of its own. Whoever ends the attempt ends all of that session's first process group:
SIGTERM when it is asked to end, SIGKILL when the time for that is over, and SIGKILL to what is left once the command
has ended. A watcher in the group does the last when the process that started it is gone, whatever has ended that: it
waits for the end of a pipe of which only that process has the other end.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import os
import selectors
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Mapping
from typing import Any

from penstock.errors import PenstockError, TaskCancelled
from penstock.executor.current import running

LOOK = 0.05
"""Seconds after which a command that writes nothing is looked at."""
MOST_LEFT = 64
"""Reads after the end of a command: more than pipes can hold, unless somebody still writes who cannot be ended."""
TOLD = 10
"""Lines of its output that the error of a command has."""
LONGEST_LINE = 4096
"""Characters of a line that are kept for the value and the error."""

_WATCHED = """exec 3<&0 </dev/null
(trap '' HUP INT QUIT TERM; read -r _; kill -s KILL -- "-$$") <&3 3<&- >/dev/null 2>&1 &
exec 3<&-
exec "$@"
"""


class RunningCommand:
    """A command that runs."""

    def __init__(self, argv: list[str], variables: Mapping[str, str], cwd: Any) -> None:
        self.last_line = ""
        """The last line of stdout that is not empty."""
        self._last: deque[str] = deque(maxlen=TOLD)
        self._attempt = running.get()
        self._asked = self._ended = False
        lifeline, ours = os.pipe()
        self._lifeline = os.fdopen(ours, "wb", buffering=0)  # closed with this object, whatever becomes of it
        try:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _WATCHED, "penstock", *argv],
                stdin=lifeline,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=None if cwd is None else os.fspath(cwd),
                env={**os.environ, **variables},
                start_new_session=True,
            )
        except BaseException as error:
            self._lifeline.close()
            if isinstance(error, OSError) and error.errno == errno.E2BIG:
                raise PenstockError(
                    "the command is given more than the system lets pass by arguments and environment (a single value "
                    "may have 128 kB): write what is large to a file, and pass its path"
                ) from None
            raise
        finally:
            os.close(lifeline)

    def __enter__(self) -> RunningCommand:
        return self

    def __exit__(self, *exc: object) -> None:
        """End all that is left of it. The watcher lives until then, so that the number of the group is still its."""
        self._end()
        self._process.wait()
        self._lifeline.close()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def follow(self) -> tuple[int, str]:
        """Pass on what it writes until it ends: its exit code, and its last lines. TaskCancelled if the attempt was
        asked to end."""
        with selectors.DefaultSelector() as selector:
            for name, stream in (("stdout", self._process.stdout), ("stderr", self._process.stderr)):
                assert stream is not None
                os.set_blocking(stream.fileno(), False)
                selector.register(stream, selectors.EVENT_READ, _Lines(self, name))
            while selector.get_map() and self._process.poll() is None:
                _read(selector, LOOK)
                self._heed()
            if selector.get_map():  # its end was seen before that of its pipes, which what it has left behind may hold
                self._end()
                for _ in range(MOST_LEFT):
                    if not _read(selector, 0):
                        break
            for key in list(selector.get_map().values()):
                key.data.end()
        while self._process.poll() is None:  # it has closed its pipes, and goes on
            self._heed()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(LOOK)
        if self._asked:
            raise TaskCancelled("the command was asked to end")
        return self._process.returncode, _summary(list(self._last))

    def note(self, stream: str, line: str) -> None:
        """A line was written."""
        line = line.rstrip()
        if line:
            self._last.append(line)
            if stream == "stdout":
                self.last_line = line

    def _heed(self) -> None:
        """Ask it to end, once, if the attempt was asked to."""
        if self._attempt is not None and self._attempt.ending is not None and not self._asked:
            self._asked = True
            self._signal(signal.SIGTERM)

    def _end(self) -> None:
        """End the whole group, once: afterwards its number may be another's."""
        if not self._ended:
            self._ended = True
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def _read(selector: selectors.BaseSelector, seconds: float) -> bool:
    """Pass on what there is, waiting for it so long; whether there was anything."""
    ready = selector.select(seconds) if selector.get_map() else []
    for key, _ in ready:
        if not key.data.read(key.fd):
            selector.unregister(key.fileobj)
    return bool(ready)


class _Lines:
    """One stream of a command, passed on as it comes."""

    def __init__(self, owner: RunningCommand, stream: str) -> None:
        self._owner = owner
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._line = ""

    def read(self, fd: int) -> bool:
        """Pass on what is there; False at the end."""
        try:
            data = os.read(fd, 65_536)
        except BlockingIOError:
            return True
        self._pass_on(self._decoder.decode(data, final=not data))
        if not data:
            self.end()
        return bool(data)

    def end(self) -> None:
        """Nothing more is read."""
        self._owner.note(self._stream, self._line)
        self._line = ""

    def _pass_on(self, text: str) -> None:
        place = sys.stdout if self._stream == "stdout" else sys.stderr
        if place is not None and text:
            place.write(text)
        *lines, rest = (self._line + text).split("\n")
        for line in lines:
            self._owner.note(self._stream, line[-LONGEST_LINE:])
        self._line = rest[-LONGEST_LINE:]


def _summary(lines: list[str]) -> str:
    """What a command wrote last: the last line first, for who shows one line of an error."""
    told = f": {lines[-1]}" if lines else ""
    return f"{told}\nIts last lines:" + "".join(f"\n  {line}" for line in lines) if len(lines) > 1 else told
