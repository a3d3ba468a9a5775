"""What a store does to its disk, seen and disturbed: SQLite's files through a VFS, all other files through Python's own
calls.

An observer is asked before each call, and may refuse it with an OSError. The real files lie below, so that the store
under test is the real one. This is for whole runs, in child processes; `disk` is for a store by itself.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
from collections.abc import Callable
from typing import Any, Protocol

import apsw

SHORT = object()
"""What an observer answers for a read that is to give less than was asked for."""
_NEW_JOURNAL = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL
_OF_ERRNO = {errno.ENOSPC: apsw.FullError, errno.EROFS: apsw.ReadOnlyError}


class Observer(Protocol):
    """Is told of each call before it is made."""

    def __call__(self, kind: str, path: str, *details: Any) -> Any:
        """`kind` is open, create, read, write, truncate, size, sync, close, delete, rename, mkdir, sync_folder, stat,
        access or lock. An OSError refuses the call; SHORT is an answer to read only."""


def watch(folder: str, observer: Observer) -> None:
    """Have an observer asked about every call on files below `folder`, from now on. This is for a child process of its
    own: the calls of the whole process are changed, for good."""
    _KEPT.append(_Disk(observer))
    _Calls(folder, observer).take_over()


# --- SQLite's files


def _asked(observer: Observer, kind: str, path: str, *details: Any) -> Any:
    try:
        return observer(kind, path, *details)
    except OSError as error:
        raise _OF_ERRNO.get(error.errno or 0, apsw.IOError)(f"{kind} fails: {error.strerror}") from None


class _Disk(apsw.VFS):
    """The default VFS of this process, over the one that was."""

    def __init__(self, observer: Observer) -> None:
        self.base = apsw.vfs_names()[0]
        self.ask = observer
        super().__init__("observed", self.base, makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return _DiskFile(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        _asked(self.ask, "delete", filename, syncdir)
        super().xDelete(filename, syncdir)

    def xAccess(self, pathname: str, flags: int) -> bool:  # noqa: N802
        _asked(self.ask, "access", pathname)
        return super().xAccess(pathname, flags)


_KEPT: list[_Disk] = []
"""A VFS lives as long as its Python object."""


class _DiskFile(apsw.VFSFile):
    def __init__(self, disk: _Disk, name: Any, flags: list[int]) -> None:
        self.ask = disk.ask
        self.name = name.filename() if isinstance(name, apsw.URIFilename) else name
        is_new = bool(flags[0] & apsw.SQLITE_OPEN_CREATE) and not os.path.exists(self.name)
        _asked(self.ask, "create" if is_new else "open", self.name)
        self._syncs_folder = is_new and bool(flags[0] & _NEW_JOURNAL)  # with its first sync, as SQLite does
        super().__init__(disk.base, name, flags)

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        answer = _asked(self.ask, "read", self.name)
        data = super().xRead(amount, offset)
        return data[: len(data) // 2] if answer is SHORT else data

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        _asked(self.ask, "write", self.name, bytes(data), offset)
        super().xWrite(data, offset)

    def xTruncate(self, size: int) -> None:  # noqa: N802
        _asked(self.ask, "truncate", self.name, size)
        super().xTruncate(size)

    def xFileSize(self) -> int:  # noqa: N802
        _asked(self.ask, "size", self.name)
        return super().xFileSize()

    def xLock(self, level: int) -> None:  # noqa: N802
        _asked(self.ask, "lock", self.name)
        super().xLock(level)

    def xSync(self, flags: int) -> None:  # noqa: N802
        _asked(self.ask, "sync", self.name, self._syncs_folder)
        self._syncs_folder = (
            False  # the files of this process need no real sync: whether they reach a disk is simulated
        )


# --- All other files


class _Calls:
    """Python's calls on files below a folder, and on the folder."""

    def __init__(self, folder: str, observer: Observer) -> None:
        self._folder = folder.rstrip("/")
        self.ask = observer
        self._folders: set[int] = set()
        """Descriptors that are folders."""
        self._io_open = io.open
        self._open, self._close, self._fsync, self._replace = os.open, os.close, os.fsync, os.replace

    def take_over(self) -> None:
        """Stand between this process and the system."""
        builtins.open = io.open = self.open_file
        os.open, os.close, os.fsync = self.open, self.close, self.fsync  # type: ignore[assignment]
        os.replace = self.replace  # type: ignore[assignment]
        for name, kind in (("mkdir", "mkdir"), ("unlink", "delete"), ("stat", "stat")):
            setattr(os, name, self.about(getattr(os, name), kind))

    def open_file(self, file: Any, mode: str = "r", buffering: int = -1, *args: Any, **how: Any) -> Any:
        """open()"""
        path = self._path(file)
        if path is None or "b" not in mode:
            return self._io_open(file, mode, buffering, *args, **how)
        raw = _ObservedFile(self.ask, path, mode, how.get("opener"))
        if buffering == 0:
            return raw
        kind = io.BufferedRandom if "+" in mode else io.BufferedReader if "r" in mode else io.BufferedWriter
        return kind(raw)

    def open(self, path: Any, flags: int, *args: Any, **how: Any) -> int:
        """os.open()"""
        found = self._path(path)
        if found is not None and not flags & os.O_DIRECTORY:
            is_new = bool(flags & os.O_CREAT) and not os.path.lexists(path)
            self.ask("create" if is_new else "open", found)
        descriptor = self._open(path, flags, *args, **how)
        if found is not None and flags & os.O_DIRECTORY:
            self._folders.add(descriptor)
        return descriptor

    def close(self, descriptor: int) -> None:
        """os.close()"""
        self._folders.discard(descriptor)
        self._close(descriptor)

    def fsync(self, descriptor: int) -> None:
        """os.fsync(), but for the sync: whether anything reaches the disk below does not matter."""
        path = self._path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if path is None:
            self._fsync(descriptor)
        elif descriptor in self._folders:
            self.ask("sync_folder", path)
        else:
            self.ask("sync", path, False)

    def replace(self, source: Any, target: Any) -> None:
        """os.replace()"""
        if self._path(target) is not None:
            self.ask("rename", os.fspath(source), os.fspath(target))
        self._replace(source, target)

    def about(self, real: Callable[..., Any], kind: str) -> Callable[..., Any]:
        """Another call that takes a path first."""

        def call(path: Any, *args: Any, **how: Any) -> Any:
            found = self._path(path)
            if found is not None and kind == "delete":
                self.ask(kind, found, False)
            elif found is not None:
                self.ask(kind, found)
            return real(path, *args, **how)

        return call

    def _path(self, path: Any) -> str | None:
        """The path, if it is the folder or below it."""
        if isinstance(path, int):
            return None
        found = os.fsdecode(os.fspath(path))
        return found if found == self._folder or found.startswith(self._folder + "/") else None


class _ObservedFile(io.FileIO):
    """A file that Python opens."""

    def __init__(self, ask: Observer, path: str, mode: str, opener: Any) -> None:
        self.ask = ask
        self.path = path
        if not opener:  # else it opens the file by os.open
            ask("create" if "x" in mode or ("w" in mode and not os.path.lexists(path)) else "open", path)
        super().__init__(path, mode.replace("b", ""), opener=opener)

    def write(self, data: Any, /) -> int:
        self.ask("write", self.path, bytes(data), self.tell())
        return super().write(data)

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        if self.ask("read", self.path) is SHORT:
            view = view[: len(view) // 2 + 1]
        return super().readinto(view)

    def truncate(self, size: int | None = None, /) -> int:
        self.ask("truncate", self.path, self.tell() if size is None else size)
        return super().truncate(size)
