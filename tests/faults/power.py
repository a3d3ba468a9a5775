"""What is left on a disk after a power cut, by the calls that were made on it before.

What was not synced is there or not, sector by sector and in any order: the cache of a disk writes when it likes. A file
that was made, renamed or deleted is so only when its folder was synced; until then either may be found. A sector of 512
bytes is written whole or not at all.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

SECTOR = 512
FOLDER = -1
Keep: TypeAlias = Callable[[], bool]
"""Whether the next thing that was not synced is found on the disk."""


@dataclass(frozen=True)
class Call:
    """A call that changes the disk, or makes changes safe."""

    kind: str
    path: str
    details: tuple[Any, ...]
    told: int
    """How many bytes of the ledger had been written before."""
    at: float
    """When, in seconds of the clock that never goes back."""


@dataclass
class Trace:
    """The calls of one process, and what was there before."""

    folder: str
    """Where all of it happened."""
    before: dict[str, bytes | None]
    """Content of each file, None for a folder, by their paths."""
    calls: list[Call] = field(default_factory=list)
    ledger: bytes = b""
    batches: list[str] = field(default_factory=list)
    """All batches of the run, in order, as its undisturbed end has them."""

    def told(self, cut: int) -> bytes:
        """What the ledger said when the power went, before the call numbered so was made."""
        return self.ledger[: self.calls[cut].told] if cut < len(self.calls) else self.ledger


class Recorder:
    """Observes a process, and keeps its calls."""

    KINDS = frozenset(("create", "write", "truncate", "sync", "sync_folder", "delete", "rename", "mkdir"))

    def __init__(self, ledger: Path) -> None:
        self._ledger = os.open(ledger, os.O_CREAT | os.O_RDONLY | os.O_CLOEXEC)
        self._guard = threading.Lock()
        self.calls: list[Call] = []

    def __call__(self, kind: str, path: str, *details: Any) -> None:
        if kind in self.KINDS:
            with self._guard:
                told = os.fstat(self._ledger).st_size
                self.calls.append(Call(kind, path, details, told, time.monotonic()))


class Disk:
    """Files as they are seen, and as they are on the disk for certain. Calls that cannot be, such as making a file in a
    folder which is not there, do nothing, as they did when they were recorded."""

    def __init__(self, folder: str, before: dict[str, bytes | None]) -> None:
        self._folder = folder
        self._content: dict[int, bytes] = {}
        self._pending: dict[int, list[tuple[int, bytes] | int]] = {}
        """What was written since a file was last synced: data at an offset, or a new size."""
        self._names: dict[str, int] = {}
        self._safe_names: dict[str, int] = {}
        self._moves: list[tuple[tuple[str, int | None], ...]] = []
        """Names given and taken since their folders were last synced; those of one tuple at once."""
        for path, content in before.items():
            self._name(path, FOLDER if content is None else self._new(content))
        self._safe_names = dict(self._names)
        self._moves.clear()

    def make(self, call: Call) -> None:
        """Make a call."""
        getattr(self, f"_{call.kind}")(call.path, *call.details)

    def image(self, keep: Keep) -> dict[str, bytes | None]:
        """What is found after a power cut."""
        names = dict(self._safe_names)
        for move in self._moves:
            if keep():
                _move(names, move)
        images = {file: self._image(file, keep) for file in sorted({*names.values()} - {FOLDER})}
        return {
            path: None if file == FOLDER else images[file]
            for path, file in sorted(names.items())
            if all(parent in names for parent in self._parents(path))
        }

    def _parents(self, path: str) -> Iterator[str]:
        """The folders that a file lies in, below the one of all files."""
        for parent in Path(path).parents:
            if str(parent) == self._folder:
                return
            yield str(parent)

    def _image(self, file: int, keep: Keep) -> bytes:
        image = bytearray(self._content[file])
        for change in self._pending[file]:
            if isinstance(change, int):
                if keep():
                    _resize(image, change)
                continue
            offset, data = change
            start = 0
            while start < len(data):
                end = min(len(data), start + SECTOR - (offset + start) % SECTOR)
                if keep():
                    _resize(image, max(len(image), offset + end))
                    image[offset + start : offset + end] = data[start:end]
                start = end
        return bytes(image)

    # --- Calls

    def _create(self, path: str) -> None:
        if self._has_place(path):
            self._name(path, self._new(b""))

    def _mkdir(self, path: str) -> None:
        if path not in self._names and self._has_place(path):
            self._name(path, FOLDER)

    def _write(self, path: str, data: bytes, offset: int) -> None:
        self._pending[self._names[path]].append((offset, data))

    def _truncate(self, path: str, size: int) -> None:
        self._pending[self._names[path]].append(size)

    def _sync(self, path: str, folder_too: bool) -> None:
        file = self._names[path]
        self._content[file] = self._image(file, lambda: True)
        self._pending[file].clear()
        if folder_too:
            self._sync_folder(str(Path(path).parent))

    def _sync_folder(self, path: str) -> None:
        rest = []
        for move in self._moves:
            if any(str(Path(name).parent) == path for name, _ in move):
                _move(self._safe_names, move)
            else:
                rest.append(move)
        self._moves = rest

    def _delete(self, path: str, synced: bool) -> None:
        self._change((path, None))
        if synced:
            self._sync_folder(str(Path(path).parent))

    def _rename(self, path: str, target: str) -> None:
        if self._has_place(target):
            self._change((path, None), (target, self._names[path]))

    # --- Names

    def _has_place(self, path: str) -> bool:
        parent = str(Path(path).parent)
        return parent == self._folder or self._names.get(parent) == FOLDER

    def _new(self, content: bytes) -> int:
        file = len(self._content)
        self._content[file] = content
        self._pending[file] = []
        return file

    def _name(self, path: str, file: int) -> None:
        self._change((path, file))

    def _change(self, *move: tuple[str, int | None]) -> None:
        _move(self._names, move)
        self._moves.append(move)


def _move(names: dict[str, int], move: tuple[tuple[str, int | None], ...]) -> None:
    for path, file in move:
        if file is None:
            names.pop(path, None)
        else:
            names[path] = file


def _resize(image: bytearray, size: int) -> None:
    del image[size:]
    image.extend(bytes(size - len(image)))


def after(trace: Trace, cut: int, keep: Keep) -> dict[str, bytes | None]:
    """What is found when the power went before the call numbered `cut` was made."""
    disk = Disk(trace.folder, trace.before)
    for call in trace.calls[:cut]:
        disk.make(call)
    return disk.image(keep)


def keeping(mode: str, chance: random.Random) -> Keep:
    """How a disk may treat what was not synced: "nothing", "everything", "some" of it, "late" things rather than early
    ones, or "early" ones."""
    if mode in ("nothing", "everything"):
        return lambda: mode == "everything"
    if mode == "some":
        likely = chance.choice((0.1, 0.5, 0.5, 0.9))
        return lambda: chance.random() < likely
    turn = chance.randrange(1, 40)
    seen = 0

    def keep() -> bool:
        nonlocal seen
        seen += 1
        return (seen <= turn) is (mode == "early")

    return keep


def read_files(folder: Path) -> dict[str, bytes | None]:
    """What lies in a folder, by path."""
    return {
        str(path): None if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_dir() or path.is_file()
    }


def restore(trace: Trace, files: dict[str, bytes | None], target: Path) -> None:
    """Put what a disk has kept into another folder."""
    target.mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        place = target / os.path.relpath(path, trace.folder)
        if content is None:
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
