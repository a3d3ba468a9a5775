"""The parts a manager joins, chosen by name: store, results, logs and executor."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.errors import PenstockError
from penstock.extensions import find

if TYPE_CHECKING:
    from penstock.executor.base import Executor
    from penstock.logs.base import Logs
    from penstock.observe.notifiers.options import Options
    from penstock.results.base import ResultStore
    from penstock.runtime.home import Settings
    from penstock.runtime.observer import Notifier
    from penstock.store.base import Store

DURABILITIES = ("full", "process")
SQLITE = "sqlite:///"
POSTGRES = ("postgresql", "postgres")
OWN_NOTIFIERS = {"webhook": "webhook:Webhook", "email": "mail:Mail", "apprise": "by_apprise:ByApprise"}
"""The types of notifiers that come with Penstock."""
DEFAULT_PER_MINUTE = 60
"""How many notices a minute these are told of, where the settings do not say."""
KNOWN = ("sqlite", "sqlite:///FOLDER", "postgresql://...", "memory")


@dataclass(frozen=True, slots=True)
class Parts:
    """Where runs are kept."""

    store: Store
    results: ResultStore
    logs: Logs
    folder: Path | None = None
    """The local folder with the values and the logs, where there is one: there, old runs are pruned once a day."""


def open_parts(name: str, home: Callable[[], Path], *, results: str | None = None, full: bool = True) -> Parts:
    """The store of a name, with the results and logs that go with it. `home` finds the folder where none is named;
    `results` is another folder for values and logs; `full` says that values are to survive a power cut."""
    files = Path(results).expanduser().absolute() if results else None
    if name == "memory":
        from penstock.logs.memory import MemoryLogs
        from penstock.results.memory import MemoryResults
        from penstock.store.memory import MemoryStore

        return Parts(MemoryStore(), MemoryResults(), MemoryLogs())
    if name == "sqlite":
        return _open_folder(home(), files, full)
    if name.startswith(SQLITE):
        path = Path(name.removeprefix(SQLITE)).expanduser()
        if not path.name:
            raise PenstockError(f"store='{name}' names no folder: write sqlite:///path/to/folder")
        return _open_folder(path.absolute(), files, full)
    scheme, colon, _ = name.partition("://")
    if scheme in POSTGRES and colon:
        return _open_postgres(name, files, home, full)
    return find("stores", scheme if colon else name, known=KNOWN)(name)  # type: ignore[no-any-return]


def _open_folder(folder: Path, files: Path | None, full: bool) -> Parts:
    from penstock.results.claim import claim, is_claimed, own_identity
    from penstock.store.sqlite.store import SQLiteStore

    if is_claimed(folder):
        raise PenstockError(f"{folder} holds the values of another store: choose another folder for this one")
    store = SQLiteStore(folder)
    if files is not None and files != folder:
        try:
            claim(files, own_identity(folder))
        except BaseException:
            store.close()
            raise
    return _with_files(store, files or folder, full)


def _open_postgres(url: str, files: Path | None, home: Callable[[], Path], full: bool) -> Parts:
    try:
        from penstock.store.postgres.store import PostgresStore
    except ImportError as error:
        message = f"a store in Postgres needs an extra ({error}): pip install 'penstock[postgres]'"
        raise PenstockError(message) from error
    from penstock.results.claim import claim

    store = PostgresStore(url)
    try:
        identity = store.identity
        folder = files or home() / "postgres" / identity.partition(" ")[2]
        claim(folder, identity)
    except BaseException:
        store.close()
        raise
    return _with_files(store, folder, full)


def _with_files(store: Store, folder: Path, full: bool) -> Parts:
    from penstock.logs.folder import FolderLogs
    from penstock.results.files import FileResults

    return Parts(store, FileResults(folder / "results", sync=full), FolderLogs(folder / "logs"), folder)


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


def create_notifiers(settings: Settings, environ: Mapping[str, str] | None = None) -> dict[str, Notifier]:
    """The notifiers that the settings name, made anew. PenstockError for one that is not there, or whose settings are
    wrong."""
    given = os.environ if environ is None else environ
    return {name: _create_notifier(name, settings, given) for name in settings.notifiers}


def wanted_notices(settings: Settings, workflow: str) -> dict[str, str]:
    """Who is told of the runs of a workflow, and of what: kinds of notices with spaces between, "" for the usual."""
    found = {}
    for name in settings.notifiers:
        table = settings.notifier_options.get(name, {})
        if workflow in table.get("workflows", (workflow,)):
            found[name] = " ".join(table.get("events", ()))
    return found


def _create_notifier(name: str, settings: Settings, environ: Mapping[str, str]) -> Notifier:
    from penstock.observe.notifiers.limit import Limited
    from penstock.observe.notifiers.options import Options
    from penstock.policy import NOTICE_KINDS

    options = Options(name, settings.notifier_options.get(name, {}), environ)
    kind = options.text("type", name)
    options.texts("events", NOTICE_KINDS)
    options.texts("workflows")
    per_minute = options.count("per_minute", DEFAULT_PER_MINUTE) if kind in OWN_NOTIFIERS else 0
    notifier = _own_notifier(kind, options) if kind in OWN_NOTIFIERS else _foreign_notifier(kind, options)
    return Limited(notifier, per_minute) if per_minute else notifier


def _own_notifier(kind: str, options: Options) -> Notifier:
    from importlib import import_module

    module, _, cls = OWN_NOTIFIERS[kind].partition(":")
    notifier: Notifier = getattr(import_module(f"penstock.observe.notifiers.{module}"), cls)(options)
    options.finish()
    return notifier


def _foreign_notifier(kind: str, options: Options) -> Notifier:
    """One that a package brings. What else its table says is given to it by name."""
    name = options.name
    factory = find("notifiers", kind, known=sorted(OWN_NOTIFIERS))
    try:
        notifier = factory(**options.rest())
    except Exception as error:
        raise PenstockError(f"notifier '{name}' cannot be made: {type(error).__name__}: {error}") from error
    if not callable(getattr(notifier, "notify", None)):
        raise PenstockError(f"notifier '{name}' is no notifier: {type(notifier).__qualname__} has no method notify()")
    return notifier  # type: ignore[no-any-return]
