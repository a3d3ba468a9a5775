"""A disk that fails: SQLite's files go through it, and a test says when what happens.

It is the default VFS of SQLite while it is in use, so that the store under test is the real one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

SECTOR = 512


class Disk(apsw.VFS):
    """Counts what is done to the files, fails when told to, and knows what would be left after a power cut."""

    def __init__(self) -> None:
        self.fail: Callable[[str, str], type[apsw.Error] | None] = lambda operation, name: None
        self.operations = 0
        self.synced: dict[str, bytes] = {}
        self.unsynced: dict[str, list[tuple[int, bytes] | int]] = {}
        self.base = apsw.vfs_names()[0]
        super().__init__("failing disk", self.base, makedefault=True)

    def does(self, operation: str, name: str) -> None:
        self.operations += 1
        error = self.fail(operation, Path(name).name)
        if error is not None:
            raise error(f"the {operation} fails because the test wants it so")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return DiskFile(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        self.synced.pop(filename, None)
        self.unsynced.pop(filename, None)
        super().xDelete(filename, syncdir)

    def after_power_cut(self, folder: Path, chance: random.Random | None = None) -> None:
        """Write the files as they would be found: without what was not synced, or with any sectors of it."""
        for name in {*self.synced, *self.unsynced}:
            image = bytearray(self.synced.get(name, b""))
            for change in self.unsynced.get(name, []):
                if isinstance(change, int):
                    if chance and chance.random() < 0.5:
                        del image[change:]
                    continue
                offset, data = change
                for start in range(0, len(data), SECTOR):
                    if chance and chance.random() < 0.5:
                        sector = data[start : start + SECTOR]
                        at = offset + start
                        image.extend(bytes(max(0, at - len(image))))
                        image[at : at + len(sector)] = sector
            (folder / Path(name).name).write_bytes(image)


class DiskFile(apsw.VFSFile):
    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        self.disk = disk
        self.name = name.filename() if isinstance(name, apsw.URIFilename) else name
        super().__init__(disk.base, name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self.disk.does("write", self.name)
        super().xWrite(data, offset)
        self.disk.unsynced.setdefault(self.name, []).append((offset, bytes(data)))

    def xTruncate(self, size: int) -> None:  # noqa: N802
        self.disk.does("truncate", self.name)
        super().xTruncate(size)
        self.disk.unsynced.setdefault(self.name, []).append(size)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self.disk.does("sync", self.name)  # and no more: whether this reached a real disk does not matter
        self.disk.synced[self.name] = self.xRead(self.xFileSize(), 0) if self.xFileSize() else b""
        self.disk.unsynced.pop(self.name, None)


@contextmanager
def failing_disk() -> Iterator[Disk]:
    """Have all SQLite files that are opened meanwhile on such a disk."""
    disk = Disk()
    try:
        yield disk
    finally:
        disk.unregister()
        apsw.set_default_vfs(disk.base)
