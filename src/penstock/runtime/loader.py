"""From a FILE to its workflow, without starting a run.

A file is executed as a script is, but for its `__name__`. The first `manager.run()` met ends the loading, and what it
would have run is the file's workflow; so a script that runs its workflow unguarded can still be checked, drawn and
resumed.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from penstock.definition.workflow import Workflow
from penstock.definition.workflow_function import WorkflowFunction
from penstock.errors import LoadError, PenstockError
from penstock.plan.naming import LOADED_FROM
from penstock.runtime.loading import LoadingEnded, loading

Flow: TypeAlias = Workflow | WorkflowFunction[Any, Any]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A workflow found in a file."""

    flow: Flow
    source: str
    """FILE, or FILE:NAME where the file has several; it loads the same workflow again."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Parameters that the file's own `run` gives."""


def load(target: str) -> Loaded:
    """The workflow in FILE or FILE:NAME, where FILE is a path or the name of a module. LoadError if there is none, or
    a choice."""
    found = load_all(target)
    if len(found) > 1:
        file, names = target, [loaded.source.rpartition(":")[2] for loaded in found]
        raise LoadError(f"{file} defines several workflows: choose one with {file}:NAME, NAME being {', '.join(names)}")
    return found[0]


def load_all(target: str) -> list[Loaded]:
    """All workflows in FILE, or the one in FILE:NAME. LoadError if there is none."""
    found = _load(target, as_script=True)
    if not found:
        raise LoadError(
            f"{target} defines no workflow: it needs a @workflow function, a Workflow or a WorkflowManager with tasks"
        )
    return found


def look_into(file: str) -> list[Loaded]:
    """All workflows that a file has once it is imported: those under `if __name__ == "__main__"` are for who runs it as
    a script."""
    return _load(file, as_script=False)


def _load(target: str, *, as_script: bool) -> list[Loaded]:
    file, name = split_target(target)
    with loading(file):
        try:
            module, ended = _execute(file)
            if as_script and ended is None and file.endswith(".py") and not _flows(module):
                # A script may make its workflow only where it runs it: under `if __name__ == "__main__"`.
                module, ended = _execute(file, as_main=True)
        except PenstockError:
            raise
        except (Exception, SystemExit) as error:
            raise LoadError(_failure(file, error)) from error
    flows = _flows(module)
    source = str(Path(file).absolute()) if file.endswith(".py") else file
    if name is not None:
        return [Loaded(_named(flows, name, file, ended), f"{source}:{name}")]
    if ended is not None:
        return [Loaded(ended.flow, source, ended.values)]
    if len(flows) == 1:
        return [Loaded(next(iter(flows.values())), source)]
    return [Loaded(flow, f"{source}:{variable}") for variable, flow in flows.items()]


def split_target(target: str) -> tuple[str, str | None]:
    """The parts of FILE or FILE:NAME; None for a name that is not there."""
    file, _, name = target.rpartition(":")
    return (file, name) if file and name.isidentifier() else (target, None)


def _execute(file: str, *, as_main: bool = False) -> tuple[ModuleType, LoadingEnded | None]:
    path = Path(file)
    if not file.endswith(".py"):
        if path.exists():
            raise LoadError(f"{file} is not a Python file: give a .py file or the name of a module")
        return _import(file)
    if not path.is_file():
        raise LoadError(f"there is no file {file}")
    path = path.absolute()
    free = path.stem not in sys.modules and path.stem.isidentifier()
    name = "__main__" if as_main else path.stem if free else f"penstock_loaded_{path.stem}"
    module = ModuleType(name)
    module.__file__ = str(path)
    setattr(module, LOADED_FROM, str(path))
    _put_first(path.parent)
    before, arguments = sys.modules.get(name), sys.argv
    sys.modules[name], sys.argv = module, [str(path)]
    try:
        # Not by an import, which keeps bytecode that an edit within one second does not outdate.
        exec(compile(path.read_bytes(), path, "exec", dont_inherit=True), module.__dict__)
    except LoadingEnded as ended:
        return module, ended
    except BaseException:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before
        raise
    finally:
        sys.argv = arguments
    return module, None


def _put_first(folder: Path) -> None:
    """Let a file import its neighbours, and not those of a file that was loaded from elsewhere before."""
    own, modules = str(folder), [*sys.modules.items()]
    origins = (getattr(module, "__dict__", {}).get(LOADED_FROM) for _, module in modules)
    others = {os.path.dirname(origin) for origin in origins if origin} - {own}
    for name, module in modules if others else ():
        file = getattr(module, "__file__", None)
        if file and os.path.dirname(file) in others and not hasattr(module, LOADED_FROM):
            del sys.modules[name]
    if own in sys.path:
        sys.path.remove(own)
    sys.path.insert(0, own)


def _import(name: str) -> tuple[ModuleType, LoadingEnded | None]:
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        found = None
    if found is None:
        raise LoadError(f"there is no file and no module '{name}'")
    try:
        return importlib.import_module(name), None
    except LoadingEnded as ended:
        module = importlib.util.module_from_spec(found)
        return module, ended


def _flows(module: ModuleType) -> dict[str, Flow]:
    """The workflows among a module's own names, each once."""
    flows: dict[str, Flow] = {}
    for name, value in vars(module).items():
        flow = getattr(value, "workflow", None) if type(value).__name__ == "WorkflowManager" else value
        if isinstance(flow, WorkflowFunction) or (isinstance(flow, Workflow) and flow.tasks):
            foreign = isinstance(flow, WorkflowFunction) and flow.func.__module__ != module.__name__
            if not foreign and not any(flow is other for other in flows.values()):
                flows[name] = flow
    return flows


def _named(flows: Mapping[str, Flow], name: str, file: str, ended: LoadingEnded | None) -> Flow:
    for variable, flow in flows.items():
        if name in (variable, flow.name):
            return flow
    if ended is not None and ended.flow.name == name:
        return ended.flow
    near = get_close_matches(name, flows, 1)
    hint = f"; did you mean '{near[0]}'?" if near else f"; it has {', '.join(flows)}" if flows else ""
    raise LoadError(f"{file} has no workflow '{name}'{hint}")


def _failure(file: str, error: BaseException) -> str:
    """What went wrong in a user's file, and on which of its lines."""
    if isinstance(error, SyntaxError):
        return f"{error.filename or file}:{error.lineno}: {type(error).__name__}: {error.msg}"
    place = file
    for frame in traceback.extract_tb(error.__traceback__):
        if Path(frame.filename).name == Path(file).name:
            place = f"{frame.filename}:{frame.lineno}"
    return f"{place}: {type(error).__name__}: {error}"
