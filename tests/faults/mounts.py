"""Small file systems of a test's own, in a mount namespace that ends with its process."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

_CLONE_NEWNS = 0x20000
_MS_RDONLY, _MS_REMOUNT, _MS_REC, _MS_PRIVATE = 1, 32, 0x4000, 1 << 18


def enter_own_namespace() -> None:
    """Have what this process mounts from now on seen by itself and its children alone. OSError where that is not
    allowed."""
    if sys.platform != "linux":
        raise OSError("only Linux has mount namespaces")
    _call("unshare", _CLONE_NEWNS)
    _call("mount", b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)


def mount_tmpfs(place: Path, size: int) -> None:
    """A file system in memory that holds so many bytes, in pages of 4 KiB."""
    _call("mount", b"tmpfs", os.fsencode(place), b"tmpfs", 0, f"size={size},mode=0755".encode())


def resize(place: Path, size: int) -> None:
    """Give it another size."""
    _call("mount", b"tmpfs", os.fsencode(place), b"tmpfs", _MS_REMOUNT, f"size={size}".encode())


def make_read_only(place: Path) -> None:
    """Have it refuse every change, until it is resized."""
    _call("mount", b"tmpfs", os.fsencode(place), b"tmpfs", _MS_REMOUNT | _MS_RDONLY, None)


def _call(name: str, *args: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*args) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
