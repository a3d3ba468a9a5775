"""A task: a named callable, what it waits for, and how its attempts are made."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, Union, Unpack

from penstock.definition.placeholder import Output, caller, task_of
from penstock.errors import DefinitionError
from penstock.policy import Callback

if TYPE_CHECKING:
    from penstock.definition.workflow import Workflow

Duration: TypeAlias = Union[float, timedelta]  # noqa: UP007  (read at run time on 3.11 by editors' hints)


class TaskOptions(TypedDict, total=False):
    """How the attempts of a task are made. What is left out comes from the workflow's `defaults`."""

    retries: int
    """How many times a failed attempt is followed by another. Default 0."""
    retry_delay: Duration
    """Pause before the first retry: seconds or timedelta. Default 0."""
    retry_backoff: float
    """Each further pause is this many times the one before. Default 1."""
    max_retry_delay: Duration | None
    """No pause is longer. Default: no bound."""
    retry_jitter: float
    """A pause is stretched by a factor between 1 and 1 + this, drawn anew for each attempt. Default 0."""
    retry_on: type[BaseException] | tuple[type[BaseException], ...]
    """Only these exceptions are retried. Default Exception."""
    timeout: Duration | None
    """How long one attempt may run. Default: no bound."""
    share: bool
    """Give the task's value to all its consumers as one object, whatever its type. Default False."""
    at_most_once: bool
    """Begin one attempt and no other by itself, even if it was lost or the run is resumed: only a rerun by hand tries
    again. Not with retries. Default False."""
    commit_first: bool
    """Begin an attempt only when its start is on disk, so that a power cut cannot make it forgotten. Default False."""
    on_success: Callback | None
    """Called with a Notice when the task has succeeded."""
    on_failure: Callback | None
    """Called with a Notice when the task has failed for good."""
    on_retry: Callback | None
    """Called with a Notice when an attempt has failed and will be followed by another."""


NO_OPTIONS: TaskOptions = {}

Order: TypeAlias = Any
"""A task, an output, a name, or a list of these: whatever can be put in order."""


class Task:
    """A step of a workflow.

    `func` is called with `args` and `kwargs`; a task or output among them, also inside lists, tuples and dictionaries,
    stands for its value. `dependencies` are tasks, outputs or names that must succeed first; they pass nothing.
    """

    __slots__ = (
        "_own_dependencies",
        "args",
        "dependencies",
        "file",
        "func",
        "kwargs",
        "line",
        "name",
        "numbered",
        "options",
        "workflow",
    )

    def __init__(
        self,
        name: str,
        func: Callable[..., Any],
        dependencies: Sequence[Task | Output | str] | None = None,
        *,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Unpack[TaskOptions],
    ) -> None:
        frame = sys._getframe(1)
        self.name = name
        self.func = func
        self.dependencies: Any = dependencies if dependencies is not None else []
        self.args = args
        self.kwargs = kwargs
        self.options = options or NO_OPTIONS
        self.file = frame.f_code.co_filename
        self.line = frame.f_lineno
        self.numbered = False
        self._own_dependencies = False
        self.workflow: Workflow | None = None

    @property
    def where(self) -> str:
        """ "file:line" at which the task was made."""
        return f"{self.file}:{self.line}"

    @property
    def output(self) -> Output:
        """What stands for this task's value."""
        return Output(self)

    def run_after(self, upstream: Task | Output | str) -> None:
        """Make this task wait for another."""
        if not self._own_dependencies:  # the list that was given may be another task's too
            self.dependencies = _as_list(self.dependencies)
            self._own_dependencies = True
        self.dependencies.append(upstream)

    def upstream_names(self) -> list[str]:
        """Names of the tasks that this one waits for, as written: nothing is checked."""
        found: list[str] = []
        _collect_names(self.dependencies, found, texts=True)
        _collect_names([self.args, self.kwargs], found)
        return list(dict.fromkeys(found))

    def __repr__(self) -> str:
        return f"<Task '{self.name}'>"

    def __rshift__(self, other: Order) -> Order:
        """`a >> b`: b runs after a; either side may be a list."""
        chain(self, other)
        return other

    def __lshift__(self, other: Order) -> Order:
        """`a << b`: a runs after b."""
        chain(other, self)
        return other

    def __rrshift__(self, other: Iterable[Order]) -> Task:
        """`[a, b] >> c`."""
        chain(other, self)
        return self

    def __rlshift__(self, other: Iterable[Order]) -> Task:
        """`[a, b] << c`."""
        chain(self, other)
        return self


def chain(*steps: Order) -> None:
    """Put tasks in order: `chain(a, [b, c], d)` runs b and c after a, and d after both. No values are passed."""
    groups = [_tasks(step) for step in steps]
    for upstreams, downstreams in pairwise(groups):
        for downstream in downstreams:
            for upstream in upstreams:
                downstream.run_after(upstream)


def _tasks(step: Order) -> list[Task]:
    if isinstance(step, Task):
        return [step]
    if isinstance(step, Output):
        return [task_of(step)]
    if isinstance(step, (list, tuple, set, frozenset)):
        return [task for part in step for task in _tasks(part)]
    raise DefinitionError(
        f"{step!r} is not a task and cannot be put in order: use tasks, outputs of tasks, or lists of them",
        where=caller(),
    )


def _collect_names(value: Any, found: list[str], *, texts: bool = False) -> None:
    if isinstance(value, Output):
        value = task_of(value)
    if isinstance(value, Task):
        found.append(str(value.name))
    elif texts and isinstance(value, str):
        found.append(value)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _collect_names(item, found, texts=texts)
    elif isinstance(value, dict):
        for item in value.values():
            _collect_names(item, found)


def _as_list(dependencies: Any) -> list[Any]:
    return [dependencies] if isinstance(dependencies, (str, Task, Output)) else list(dependencies)
