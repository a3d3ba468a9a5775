"""The parts a manager joins, chosen by name: store, results, logs and executor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.errors import PenstockError
from penstock.extensions import find

if TYPE_CHECKING:
    from penstock.executor.base import Executor
    from penstock.logs.base import Logs
    from penstock.results.base import ResultStore
    from penstock.runtime.observer import Observer
    from penstock.store.base import Store

DURABILITIES = ("full", "process")
SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class Parts:
    """Where runs are kept."""

    store: Store
    results: ResultStore
    logs: Logs
    folder: Path | None = None
    """The local folder in which all of it lies, where there is one: there, old runs are pruned once a day."""


def open_parts(name: str, home: Callable[[], Path], *, full: bool = True) -> Parts:
    """The store of a name, with the results and logs that go with it. `home` finds the folder where none is named;
    `full` says that values are to survive a power cut."""
    if name == "memory":
        from penstock.logs.memory import MemoryLogs
        from penstock.results.memory import MemoryResults
        from penstock.store.memory import MemoryStore

        return Parts(MemoryStore(), MemoryResults(), MemoryLogs())
    if name == "sqlite":
        return _open_folder(home(), full)
    if name.startswith(SQLITE):
        path = Path(name.removeprefix(SQLITE)).expanduser()
        if not path.name:
            raise PenstockError(f"store='{name}' names no folder: write sqlite:///path/to/folder")
        return _open_folder(path.absolute(), full)
    if "://" not in name:
        known = ("sqlite", "sqlite:///FOLDER", "memory")
        return find("stores", name, known=known)(name)  # type: ignore[no-any-return]
    return find("stores", name.partition("://")[0], known=("sqlite", "memory"))(name)  # type: ignore[no-any-return]


def _open_folder(folder: Path, full: bool) -> Parts:
    from penstock.logs.folder import FolderLogs
    from penstock.results.files import FileResults
    from penstock.store.sqlite.store import SQLiteStore

    return Parts(SQLiteStore(folder), FileResults(folder / "results", sync=full), FolderLogs(folder / "logs"), folder)


def create_executor(executor: Any, workers: int | None) -> Executor:
    """The executor of a name: "threads", "processes", "inline" or a package's; or one that is given as an object."""
    if workers is not None and (not isinstance(workers, int) or isinstance(workers, bool) or workers < 1):
        raise PenstockError(f"workers={workers!r} is not a whole number from 1 up")
    if not isinstance(executor, str):
        if hasattr(executor, "grow") and hasattr(executor, "open"):
            return executor  # type: ignore[no-any-return]
        raise PenstockError(f"executor={executor!r} is not an executor: use 'threads', 'processes' or 'inline'")
    if executor == "threads":
        from penstock.executor.threads import ThreadsExecutor

        return ThreadsExecutor(workers)
    if executor == "inline":
        from penstock.executor.inline import InlineExecutor

        return InlineExecutor()
    if executor == "processes":
        from penstock.executor.processes import ProcessesExecutor

        return ProcessesExecutor(workers)
    return find("executors", executor, known=("threads", "processes", "inline"))(workers)  # type: ignore[no-any-return]


def create_notifiers(names: Sequence[str]) -> list[Observer]:
    """The notifiers of these names, made anew. PenstockError for one that is not installed or cannot be made."""
    return [_create_notifier(name) for name in names]


def _create_notifier(name: str) -> Observer:
    factory = find("notifiers", name)
    try:
        return factory()  # type: ignore[no-any-return]
    except Exception as error:
        raise PenstockError(f"notifier '{name}' cannot be made: {type(error).__name__}: {error}") from error
