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

LOOK_EVERY = 5.0
"""Seconds between two looks at a process that others queue behind."""
_FLOCK = "qqihh" if sys.platform == "darwin" else "hhqqi4x"  # struct flock of <fcntl.h>

# What this process has open: (process, device, inode) -> file. The process is part of the key, since a forked child
# finds here what its parent had open, and holds none of its parent's locks.
_open: dict[tuple[int, int, int], LockFile] = {}
_opening = threading.Lock()


class Stopped(OSError):
    """A lock is held by a process that was stopped (Ctrl-Z, SIGSTOP), and so may never be given back."""

    def __init__(self, pid: int) -> None:
        text = f"process {pid} was stopped while it wrote: let it go on (fg, or kill -CONT {pid}) or end it"
        super().__init__(errno.EAGAIN, text)


class LockFile:
    """A file whose bytes are locks. Made by `open_lock_file`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._held: set[int] = set()
        self._lock = threading.Lock()
        self._left_waiting = False
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
        """Wait for a byte until no other *process* has it. Threads of one process do not queue here. `Stopped` if the
        process that has it does not run."""
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
            return
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise
        turn = _Turn(self._descriptor, byte)
        while not turn.came.wait(LOOK_EVERY):
            pid = _owner(self._descriptor, byte)
            if pid and _is_stopped(pid) and not turn.decline():
                self._left_waiting = True
                raise Stopped(pid)
        if turn.error is not None:
            raise turn.error

    def leave(self, byte: int) -> None:
        """Let the next process in the queue have the byte."""
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, byte)

    def close(self) -> None:
        """Say that one user less needs the file; with the last one it is closed, and every lock on it given back."""
        with _opening:
            self.users -= 1
            # A thread that waits in vain would give back the lock by a number that may be another file's by then.
            if self.users == 0 and not self._left_waiting:
                for key in [key for key, file in _open.items() if file is self]:
                    del _open[key]
                os.close(self._descriptor)


class _Turn:
    """A wait for a byte, in a thread of its own, since the system knows no end to such a wait but the lock."""

    def __init__(self, descriptor: int, byte: int) -> None:
        self.came = threading.Event()
        self.error: OSError | None = None
        self._declined = False
        self._lock = threading.Lock()
        threading.Thread(target=self._wait, args=(descriptor, byte), name="penstock-queue", daemon=True).start()

    def decline(self) -> bool:
        """Let the turn pass when it comes. True if it has come already."""
        with self._lock:
            self._declined = not self.came.is_set()
            return not self._declined

    def _wait(self, descriptor: int, byte: int) -> None:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX, 1, byte)
        except OSError as error:
            # The kernel takes a process for one thread, and so sees a deadlock where two processes work in two stores.
            # A queue is for fairness only: this caller goes without.
            self.error = None if error.errno == errno.EDEADLK else error
        with self._lock:
            self.came.set()
            if self._declined:
                fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, byte)


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


def _is_stopped(pid: int) -> bool:
    """Whether a process was stopped by a signal or a debugger; False where the system does not say."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0] in "Tt"
    except (OSError, IndexError):
        return False


def _owner(descriptor: int, byte: int) -> int | None:
    if sys.platform == "darwin":
        asked = struct.pack(_FLOCK, byte, 1, 0, fcntl.F_WRLCK, os.SEEK_SET)
        _, _, pid, kind, _ = struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
    else:
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0)
        kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
    return None if kind == fcntl.F_UNLCK else pid
