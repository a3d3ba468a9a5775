"""A command of the command line in a process of its own, forked from a template."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import IO, Self

from tests.integration.template import template


class Command:
    """`python -m penstock` that goes on, with what `subprocess.Popen` has; its streams are pipes.

    As a context it is waited for, or killed where an error leaves it.
    """

    def __init__(self, arguments: Sequence[str], errors: str = "strict", **environ: str) -> None:
        self.args = [*arguments]
        self.returncode: int | None = None
        self._read: tuple[str, str] | None = None
        output, writes_output = os.pipe()
        error, writes_error = os.pipe()
        nothing = os.open(os.devnull, os.O_RDONLY)
        self.stdout: IO[str] = os.fdopen(output, encoding="utf-8", errors=errors)
        self.stderr: IO[str] = os.fdopen(error, encoding="utf-8", errors=errors)
        try:
            end = template().fork(arguments, {**os.environ, **environ}, [nothing, writes_output, writes_error])
        finally:
            for stream in (nothing, writes_output, writes_error):
                os.close(stream)
        self._told: IO[bytes] = os.fdopen(end, "rb")
        self.pid = int(self._told.readline())

    def poll(self) -> int | None:
        """The exit code, when it has ended."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait till it has ended: its exit code."""
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return code

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._told], [], [], timeout)[0]:
            self.returncode = int(self._told.readline())
            self._told.close()
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Read all that it still writes, and wait till it has ended; again, the same."""
        if self._read is None:
            with ThreadPoolExecutor(1) as reader:
                errors = reader.submit(rest, self.stderr)
                self._read = rest(self.stdout), errors.result()
        self.wait(timeout)
        return self._read

    def close(self) -> None:
        """Read no more."""
        self.stdout.close()
        self.stderr.close()

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.kill()
        self.close()
        self.wait()


def rest(stream: IO[str]) -> str:
    """What is still to be read from a stream, which is closed."""
    if stream.closed:
        return ""
    with stream:
        return stream.read()
