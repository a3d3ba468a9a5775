"""Processes of a campaign that are forked: they cost some milliseconds and not the start of an interpreter.

Who forks must have no threads and have opened no store.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HANG = 100.0
"""Seconds after which a child counts as hanging. None of them has more than some seconds of work."""


@dataclass(frozen=True)
class Ended:
    """How a child process ended."""

    code: int
    """Its exit code, or minus the number of the signal that ended it."""
    value: Any = None
    """What its function gave, as JSON carries it."""
    error: str | None = None
    """The traceback of what its function raised."""
    hung: bool = False

    @property
    def was_killed(self) -> bool:
        """Whether SIGKILL ended it, sent by itself or by its lane."""
        return self.code == -signal.SIGKILL and not self.hung

    def __str__(self) -> str:
        if self.hung:
            return f"it hung for {HANG:g} seconds"
        return self.error or f"its exit code is {self.code}, and it said nothing"


class Child:
    """A forked child that calls `function`. Its standard streams lead nowhere."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self._reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._reader)
            _be_child(writer, function, args)
        os.close(writer)

    def kill(self) -> None:
        """End it now."""
        os.kill(self.pid, signal.SIGKILL)

    def wait(self, timeout: float = HANG) -> Ended:
        """Wait for its end, and see to it after `timeout` seconds."""
        said = b""
        hung = False
        deadline = time.monotonic() + timeout
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        while True:
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000) and not hung:
                hung = True
                self.kill()
                deadline += 5.0
                continue
            data = os.read(self._reader, 1 << 16)
            if not data:
                break
            said += data
        os.close(self._reader)
        _, status = os.waitpid(self.pid, 0)
        answer = json.loads(said) if said.endswith(b"}") else {}
        return Ended(os.waitstatus_to_exitcode(status), answer.get("value"), answer.get("error"), hung)


def in_child(function: Callable[..., Any], *args: Any, timeout: float = HANG) -> Ended:
    """Call a function in a child, and wait for its end."""
    return Child(function, *args).wait(timeout)


def orphans(patience: float = 10.0) -> list[str]:
    """What children have left running `patience` seconds later, with its command; it is ended then."""
    deadline = time.monotonic() + patience
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return []
        if pid == 0:
            if time.monotonic() > deadline:
                break
            time.sleep(0.002)
    left = []
    for pid in _children():
        left.append(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:200])
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return left


def _children() -> list[int]:
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def _be_child(writer: int, function: Callable[..., Any], args: Any) -> None:
    code = 0
    try:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        os.close(nowhere)
        answer: dict[str, Any] = {"value": function(*args)}
    except BaseException:
        answer, code = {"error": traceback.format_exc()}, 70
    try:
        data = json.dumps(answer).encode()
        while data:
            data = data[os.write(writer, data) :]
    finally:
        os._exit(code)
