"""Record locks of the operating system, byte by byte on one file.

Such a lock ends with its process, however that ends, and a forked child does not inherit it. (A lock by flock(2) is
inherited: a child that outlives its killed parent would hold it on.) But the kernel counts record locks by process and
not by descriptor: a process never conflicts with itself, and drops all its locks on a file when it closes *any* of its
descriptors of that file. So a process opens each file once, however many stores it has there, and keeps its own list of
what it holds.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import sys
import threading
from pathlib import Path

_FLOCK = "qqihh" if sys.platform == "darwin" else "hhqqi4x"  # struct flock of <fcntl.h>

# What this process has open: (process, device, inode) -> file. The process is part of the key, since a forked child
# finds here what its parent had open, and holds none of its parent's locks.
_open: dict[tuple[int, int, int], LockFile] = {}
_opening = threading.Lock()


class LockFile:
    """A file whose bytes are locks. Made by `open_lock_file`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._held: set[int] = set()
        self._lock = threading.Lock()
        self.users = 0

    def take(self, byte: int) -> bool:
        """Take the lock on a byte; False if anybody has it, be it this process."""
        with self._lock:
            if byte in self._held:
                return False
            try:
                fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
            except OSError as error:
                if error.errno in (errno.EACCES, errno.EAGAIN):
                    return False
                raise
            self._held.add(byte)
            return True

    def give_back(self, byte: int) -> None:
        """Give back a lock that was taken."""
        with self._lock:
            self._held.discard(byte)
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, byte)

    def owner(self, byte: int) -> int | None:
        """The process that has taken a byte."""
        with self._lock:
            if byte in self._held:
                return os.getpid()
            return _owner(self._descriptor, byte)

    def queue(self, byte: int) -> None:
        """Wait for a byte until no other *process* has it. Threads of one process do not queue here."""
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX, 1, byte)
        except OSError as error:
            if error.errno != errno.EDEADLK:
                raise
            # The kernel takes a process for one thread, and so sees a deadlock where two processes work in two stores.
            # A queue is for fairness only: this caller goes without.

    def leave(self, byte: int) -> None:
        """Let the next process in the queue have the byte."""
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, byte)

    def close(self) -> None:
        """Say that one user less needs the file; with the last one it is closed, and every lock on it given back."""
        with _opening:
            self.users -= 1
            if self.users == 0:
                for key in [key for key, file in _open.items() if file is self]:
                    del _open[key]
                os.close(self._descriptor)


def open_lock_file(path: Path) -> LockFile:
    """The lock file at a path, which is made if it is not there. Each call needs a `close`."""
    with _opening:
        try:
            file = _open.get(_key(os.stat(path)))
        except FileNotFoundError:
            file = None
        if file is None:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            file = _open[_key(os.fstat(descriptor))] = LockFile(descriptor)
        file.users += 1
        return file


def _key(found: os.stat_result) -> tuple[int, int, int]:
    return os.getpid(), found.st_dev, found.st_ino


def _owner(descriptor: int, byte: int) -> int | None:
    if sys.platform == "darwin":
        asked = struct.pack(_FLOCK, byte, 1, 0, fcntl.F_WRLCK, os.SEEK_SET)
        _, _, pid, kind, _ = struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
    else:
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0)
        kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
    return None if kind == fcntl.F_UNLCK else pid
