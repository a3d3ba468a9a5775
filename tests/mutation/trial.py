"""How one mutant is put to the test: in a fork of a process that has everything loaded, or from a fresh import."""

from __future__ import annotations

import ast
import gc
import importlib.abc
import importlib.util
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import HealthCheck, Phase, settings

from tests.mutation.mutants import Mutant

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "src" / "penstock"
FEW = 25
"""Examples of a property at first; a mutant that survives them is given as many as the test asks for."""
MOST_MEMORY = 3 << 30
"""Bytes: a mutant that collects without end is stopped."""
KILLED, SURVIVED, TIMED_OUT = "killed", "survived", "timed out"


def ask_for(items: Iterable[pytest.Item], most: int | None) -> None:
    """Have the properties among the tests try the same examples each time, `most` at most, and not look for the
    smallest one that fails."""
    for item in items:
        test: Any = getattr(item, "obj", None)
        test = getattr(test, "__func__", test)
        own = getattr(test, "_hypothesis_internal_use_settings", None)
        if own is not None:
            test._hypothesis_internal_use_settings = settings(
                own,
                max_examples=own.max_examples if most is None else min(most, own.max_examples),
                derandomize=True,
                database=None,
                deadline=None,
                phases=(Phase.explicit, Phase.generate),
                suppress_health_check=list(HealthCheck),
            )


def passes(items: Sequence[pytest.Item]) -> bool:
    """Whether all the tests pass; the first that fails is the last to run."""
    for item, following in zip(items, [*items[1:], None], strict=True):
        if any(report.failed for report in runtestprotocol(item, nextitem=following, log=False)):
            return False
    return True


def put_into_place(mutant: Mutant) -> None:
    """Give the function that a mutant changes, and that is loaded already, its changed code."""
    assert mutant.function is not None
    file = str(SOURCES / mutant.module)
    mutant.apply()
    changed = _find_code(compile(mutant.tree, file, "exec", dont_inherit=True), *mutant.function)
    found = [
        function
        for function in gc.get_objects()
        if isinstance(function, FunctionType)
        and function.__code__.co_filename == file
        and (function.__code__.co_qualname, function.__code__.co_firstlineno) == mutant.function
    ]
    if not found:
        raise LookupError(f"{mutant.name}: its function is not loaded")
    for function in found:
        function.__code__ = changed


def _find_code(code: CodeType, name: str, line: int) -> CodeType:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if (constant.co_qualname, constant.co_firstlineno) == (name, line):
                return constant
            try:
                return _find_code(constant, name, line)
            except LookupError:
                pass
    raise LookupError(f"there is no {name} on line {line}")


class ChangedModule(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Has a module imported as a mutant changes it."""

    def __init__(self, mutant: Mutant) -> None:
        self._name = "penstock." + mutant.module.removesuffix(".py").replace("/", ".")
        self._file = str(SOURCES / mutant.module)
        mutant.apply()
        self._tree: ast.Module = mutant.tree

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        """The changed module, for its name."""
        return (
            importlib.util.spec_from_file_location(fullname, self._file, loader=self)
            if fullname == self._name
            else None
        )

    def exec_module(self, module: ModuleType) -> None:
        """Run the changed source."""
        exec(compile(self._tree, self._file, "exec", dont_inherit=True), vars(module))

    def install(self) -> None:
        """From now on."""
        assert self._name not in sys.modules, f"{self._name} was imported before it could be changed"
        sys.meta_path.insert(0, self)


def in_fork(work: Callable[[], bool], seconds: float) -> int:
    """Start some work in a child, which ends after so many seconds of computing; the child's process id."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    try:
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, seconds)
        signal.setitimer(signal.ITIMER_REAL, 10 * seconds + 60)  # it may wait for what never comes
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        os._exit(0 if work() else 1)
    except BaseException:
        os._exit(1)


def verdict(status: int) -> str:
    """What the end of a child says of its mutant."""
    if os.WIFSIGNALED(status):
        return TIMED_OUT if os.WTERMSIG(status) in (signal.SIGPROF, signal.SIGALRM) else KILLED
    return SURVIVED if os.WEXITSTATUS(status) == 0 else KILLED
