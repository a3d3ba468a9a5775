"""How the driver of a run is woken: by a byte in a named pipe beside the database.

A pipe needs no import, has no limit on its path's length, serves threads, signal handlers and other processes alike,
and dies with its readers. That a wake-up was lost, or that the folder cannot hold a pipe, is caught by a look into the
inbox once a second.

The pipe also tells that its driver is not stuck: once a second, the sleeper sets its times to now. The time of the last
*access* counts, since whoever wakes the driver changes the time of the last change.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable
from math import ceil
from pathlib import Path

_NET = 1.0  # seconds between two looks into the inbox


class PipeListener:
    """Where the driver of a run sleeps."""

    def __init__(self, path: Path, has_messages: Callable[[], bool]) -> None:
        self._path: Path | None = path
        self._has_messages = has_messages
        self._look_at = time.monotonic() + _NET
        self._closing = threading.RLock()  # a signal handler may interrupt the poke of its own thread
        self._closed = False
        try:
            path.unlink(missing_ok=True)
            os.mkfifo(path, 0o600)
            # Open for both, as Linux and macOS allow: a pipe that has a writer never reads as ended.
            self._reader = self._writer = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            self._path = None
            self._reader, self._writer = os.pipe()
            os.set_blocking(self._reader, False)
            os.set_blocking(self._writer, False)
        self._poll = select.poll()
        self._poll.register(self._reader, select.POLLIN)

    def wait(self, timeout: float | None) -> bool:
        """Sleep until poked, woken by another process, or `timeout` seconds passed. True if something may have come."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            now = time.monotonic()
            if now >= self._look_at:
                self._look_at = now + _NET
                self._give_sign()
                if self._has_messages():
                    return True
            until = self._look_at if deadline is None else min(deadline, self._look_at)
            if self._poll.poll(max(0, ceil((until - now) * 1000))):
                self._drain()
                return True
            if deadline is not None and time.monotonic() >= deadline:
                return False

    def poke(self) -> None:
        """Wake the sleeper, from any thread or signal handler of this process; an early poke is not lost."""
        with self._closing:
            if not self._closed:
                try:
                    os.write(self._writer, b"!")
                except BlockingIOError:
                    pass  # the pipe is full of wake-ups

    def close(self) -> None:
        """Stop listening."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._unlink()
            os.close(self._reader)
            if self._writer != self._reader:
                os.close(self._writer)

    def _give_sign(self) -> None:
        if self._path is not None:
            try:
                os.utime(self._reader)
            except OSError:
                pass  # it is for show

    def _unlink(self) -> None:
        try:
            # Whoever drives the run next may listen already, at a pipe of his own.
            if self._path is not None and os.path.samestat(os.stat(self._path), os.fstat(self._reader)):
                self._path.unlink()
        except OSError:
            pass

    def _drain(self) -> None:
        try:
            os.read(self._reader, 65536)
        except BlockingIOError:
            pass


def heard_at(path: Path) -> float | None:
    """When the listener at a path last gave a sign of life, in seconds since 1970; None where there is no pipe."""
    try:
        return os.stat(path).st_atime
    except OSError:
        return None


def wake(path: Path) -> None:
    """Wake whoever listens at a path, if anybody does."""
    try:
        pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return  # nobody listens
    try:
        os.write(pipe, b"!")
    except OSError:
        pass  # it is full of wake-ups, or its reader has gone
    finally:
        os.close(pipe)
