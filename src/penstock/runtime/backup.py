"""A copy of a store in a folder of its own, made while runs go on: it is a store itself."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from penstock.errors import PenstockError, RunNotFound, StoreError, ValueUnavailable
from penstock.results.base import ResultStore
from penstock.runtime.history import History
from penstock.runtime.pruner import named_values
from penstock.store.upkeep import FileUpkeep

_CHUNK = 1 << 20

Told = Callable[[str, int, int], None]
"""Is told of each step: what is copied, how much of it is done, and of how much."""


@dataclass(slots=True)
class Backup:
    """What was copied."""

    runs: int = 0
    values: int = 0
    """How many values lie outside the journals."""
    bytes: int = 0
    """How large these are together."""
    missing: int = 0
    """How many values are not there, or damaged, and so are missing in the copy as well."""


def back_up(
    history: History, folder: Path, upkeep: FileUpkeep, target: Path, open_store: Callable[[Path], History], told: Told
) -> Backup:
    """Copy the database of a store and, from `folder`, the values and logs of its runs into the new folder `target`,
    which `open_store` can open. What is under that name is complete; what is not lies beside it until it is removed.
    PenstockError if something is there already."""
    _refuse(target)
    with _beside(target) as new:
        upkeep.copy_to(new, lambda done, total: told("database", done, total))
        copy = open_store(new)
        try:
            found = _copy_runs(history, folder, copy, new, told)
        finally:
            copy.store.close()
        _sync(new)
        try:
            os.rename(new, target)
        except OSError as error:
            raise StoreError(f"{target} cannot take the copy: {error.strerror}") from error
    _sync(target.parent)
    return found


def _refuse(target: Path) -> None:
    if not target.parent.is_dir():
        raise PenstockError(f"there is no folder {target.parent} to put {target.name} into")
    if os.path.lexists(target) and (target.is_symlink() or not target.is_dir() or any(target.iterdir())):
        raise PenstockError(f"{target} is there already: a backup goes into a new folder")


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    try:
        new = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
    except OSError as error:
        raise StoreError(f"nothing can be written to {target.parent}: {error.strerror}") from error
    try:
        yield new
    finally:
        shutil.rmtree(new, ignore_errors=True)  # nothing is there any more if all went well


def _copy_runs(history: History, folder: Path, copy: History, new: Path, told: Told) -> Backup:
    found = Backup()
    rows = copy.store.runs()
    done: set[str] = set()
    for number, row in enumerate(rows):
        told("runs", number, len(rows))
        missing = 0
        for digest in sorted(named_values(copy, row.id) - done):
            size = _copy_value(history.results, copy.results, digest)
            if size is None:
                missing += 1
                continue
            done.add(digest)
            found.values += 1
            found.bytes += size
        if missing and not _is_on_record(history, row.id):  # it was forgotten meanwhile, and its values with it
            copy.store.delete_run(row.id)
            continue
        found.runs += 1
        found.missing += missing
        _copy_logs(folder / "logs" / row.id, new / "logs" / row.id)
    return found


def _copy_value(source: ResultStore, target: ResultStore, digest: str) -> int | None:
    """Copy a value: its size, or None if it is not there or damaged."""
    try:
        with source.open(digest) as file:
            writer = target.writer()
            try:
                shutil.copyfileobj(file, writer.file, _CHUNK)
                return writer.commit()[1]
            finally:
                writer.abort()
    except ValueUnavailable:
        return None
    except OSError as error:
        raise StoreError(f"a value cannot be copied: {error}") from error


def _copy_logs(source: Path, target: Path) -> None:
    """Copy what is there of a run's logs: first what the indexes say, then the text they speak of, which may grow."""
    try:
        found = [path for path in source.iterdir() if path.is_file() and not path.is_symlink()]
        files = sorted(found, key=lambda path: (path.suffix != ".idx", path.name))
        target.mkdir(0o700, parents=True)
        for file in files:
            with suppress(FileNotFoundError):
                shutil.copyfile(file, target / file.name)
                _sync(target / file.name)
        _sync(target)
        _sync(target.parent)
    except FileNotFoundError:
        return  # the run was silent
    except OSError as error:
        raise StoreError(f"the logs in {source} cannot be copied: {error}") from error


def _is_on_record(history: History, run_id: str) -> bool:
    try:
        return history.store.run(run_id).id == run_id
    except RunNotFound:
        return False


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
