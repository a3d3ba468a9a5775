"""The Python files of a folder, and whether they have changed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import TypeAlias

Stamp: TypeAlias = tuple[int, int, int]
"""Of a file: when it was changed, its size and its number. One that has the same is the same."""

_OTHERS = frozenset({"__pycache__", "node_modules", "site-packages"})
_WORD = b"penstock"


def scan(folder: str) -> dict[str, Stamp]:
    """The files, by their paths. Hidden folders are left out, and those of environments."""
    found: dict[str, Stamp] = {}
    folders = [folder]
    while folders:
        found_here, inner = _scan_one(folders.pop())
        found |= found_here
        folders += inner
    return found


def _scan_one(folder: str) -> tuple[dict[str, Stamp], list[str]]:
    found: dict[str, Stamp] = {}
    inner = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name
                if name == "pyvenv.cfg":
                    return {}, []
                if name[0] == "." or name in _OTHERS:
                    continue
                if name.endswith(".py"):
                    found |= _stamped(entry)
                elif entry.is_dir(follow_symlinks=False):
                    inner.append(entry.path)
    except OSError:
        pass  # it has gone, or is not to be read
    return found, inner


def _stamped(entry: os.DirEntry[str]) -> dict[str, Stamp]:
    try:
        stat = entry.stat()
    except OSError:
        return {}
    return {entry.path: (stat.st_mtime_ns, stat.st_size, stat.st_ino)}


def may_have_workflows(path: str) -> bool:
    """Whether a file is to be imported to see what it has: it names Penstock. Others are left alone, since importing a
    file executes it."""
    try:
        with open(path, "rb") as file:
            return _WORD in file.read()
    except OSError:
        return False


def version_of(paths: Iterable[str]) -> str:
    """A digest of what is in files."""
    digest = blake2b(digest_size=8)
    for path, content in _contents(sorted(paths)):
        digest.update(f"{len(path)} {path} {len(content)} ".encode("utf-8", "surrogateescape"))
        digest.update(content)
    return digest.hexdigest()


def _contents(paths: list[str]) -> Iterator[tuple[str, bytes]]:
    for path in paths:
        try:
            with open(path, "rb") as file:
                yield path, file.read()
        except OSError:
            yield path, b""
