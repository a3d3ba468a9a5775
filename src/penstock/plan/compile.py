"""From a workflow to its plan: every check that can be made before anything runs, all problems found in one go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType, NoneType
from typing import Any, NamedTuple

from penstock.definition.placeholder import Output, Placeholder, task_of
from penstock.definition.task import Task, TaskOptions
from penstock.definition.workflow import Workflow
from penstock.errors import (
    ArgumentsError,
    CycleError,
    DefinitionError,
    DuplicateTaskError,
    InvalidWorkflowError,
    MissingDependencyError,
    NotCallableError,
    OptionError,
    ParameterError,
)
from penstock.plan.arguments import misfit
from penstock.plan.graph import cycles, topological_order
from penstock.plan.options import TASK_CALLBACKS, Options
from penstock.plan.plan import Plan
from penstock.plan.wiring import Wiring
from penstock.policy import Callback, TaskPolicy

Identify = Callable[[Callable[..., Any]], tuple[str, str]]
"""From a function to its "module:qualname" and the digest of its code."""


class Compiled(NamedTuple):
    """A plan, and the task behind each of its rows."""

    plan: Plan
    tasks: tuple[Task, ...]
    defaults: TaskOptions
    """The workflow's options for tasks that do not set them."""
    callbacks: Mapping[str, Callback] = MappingProxyType({})
    """Who is told of the end of a run, by what Plan.notices calls it."""

    def callback(self, task: int | None, kind: str) -> Callback | None:
        """Who is to be told a notice of this kind about a task or, for None, about the run; None if nobody is."""
        name = kind.rpartition("_")[2]
        if task is None:
            return self.callbacks.get(name)
        options: Mapping[str, Any] = {**self.defaults, **self.tasks[task].options}
        callback: Callback | None = options.get(TASK_CALLBACKS[name])
        return callback


def compile_workflow(workflow: Workflow, identify: Identify) -> Compiled:
    """The plan of a workflow. One problem is raised as itself, several as an InvalidWorkflowError with all of them."""
    return _Compiler(workflow, identify).compile()


class _Compiler:
    def __init__(self, workflow: Workflow, identify: Identify) -> None:
        self.workflow = workflow
        self.identify = identify
        self.problems: list[DefinitionError] = []
        self.tasks: list[Task] = []
        self.numbers: dict[str, int] = {}
        self.typos = 0
        self.options = Options(workflow, self._problem)

    def compile(self) -> Compiled:
        self._check_workflow()
        self._number_tasks()
        timeout, callbacks = self.options.timeout(), self.options.callbacks()
        rows = [self._row(task) for task in self.tasks]
        upstreams = tuple(row.upstreams for row in rows)
        self._find_cycles(upstreams)
        self._raise_problems()
        plan = Plan(
            workflow=self.workflow.name,
            names=tuple(self.numbers),
            upstreams=upstreams,
            inputs=tuple(row.inputs for row in rows),
            policies=tuple(row.policy for row in rows),
            functions=tuple(row.function for row in rows),
            digests=tuple(row.digest for row in rows),
            wiring=tuple(row.wiring for row in rows),
            numbered=frozenset(number for number, task in enumerate(self.tasks) if task.numbered),
            places=tuple(task.where for task in self.tasks),
            timeout=timeout,
            tags=self.workflow.tags,
            build=Wiring().text((), self.workflow.build_values),
            notices=tuple(callbacks),
        )
        return Compiled(plan, tuple(self.tasks), self.options.defaults, callbacks)

    def _check_workflow(self) -> None:
        """What is wrong with the workflow itself."""
        flow, where = self.workflow, self.workflow.where
        if not isinstance(flow.name, str) or not flow.name:
            self._problem(OptionError, f"a workflow's name is a text, not {flow.name!r}", where)
        if not all(isinstance(tag, str) for tag in flow.tags):
            self._problem(OptionError, f"tags={flow.tags!r} are not texts", where)

    def _number_tasks(self) -> None:
        first: dict[str, Task] = {}
        for task in self.workflow.tasks:
            if not isinstance(task, Task):
                self._problem(
                    NotCallableError, f"{task!r} was added as a task: add Task(name, function)", self.workflow.where
                )
            elif not isinstance(task.name, str) or not task.name or not task.name.isprintable():
                self._problem(OptionError, f"a task's name is a printable text, not {task.name!r}", task.where)
            elif task.name in first:
                message = (
                    f"task '{task.name}' is defined twice, first at {first[task.name].where}; give one another name"
                )
                self._problem(DuplicateTaskError, message, task.where)
            else:
                first[task.name] = task
                self.numbers[task.name] = len(self.tasks)
                self.tasks.append(task)

    def _row(self, task: Task) -> _Row:
        wiring, text = None, "()"
        if not isinstance(task.args, (tuple, list)) or not isinstance(task.kwargs, (dict, Mapping, NoneType)):
            message = f"task '{task.name}': args are {_shown(task.args)} and kwargs {_shown(task.kwargs)}; "
            self._problem(ArgumentsError, f"{message}give a list of values and a dict of names to values", task.where)
        elif task.args or task.kwargs:
            wiring = Wiring()
            try:
                text = wiring.text(task.args, task.kwargs)
            except RecursionError:
                self._problem(ArgumentsError, f"the arguments of task '{task.name}' contain themselves", task.where)
            for name in wiring.parameters:
                if name not in self.workflow.parameters:
                    message = f"task '{task.name}' takes parameter '{name}', which its workflow does not have"
                    self._problem(ParameterError, message, task.where)
            for place in wiring.stray:
                message = f"task '{task.name}' takes a value from within {place}, where none is filled in"
                self._problem(ArgumentsError, f"{message}; pass it in a list, a tuple or as a dict's value", task.where)
        function, digest = self._function(task)
        inputs = self._upstreams(task, wiring.tasks) if wiring is not None else ()
        upstreams = inputs
        if task.dependencies:
            upstreams = self._upstreams(task, self._dependencies(task))
            if inputs:
                upstreams = tuple(sorted({*inputs, *upstreams}))
        return _Row(upstreams, inputs, self.options.policy(task), function, digest, text)

    def _function(self, task: Task) -> tuple[str, str]:
        if isinstance(task.func, Placeholder) or not callable(task.func):
            message = f"task '{task.name}' was given {_shown(task.func)}, which cannot be called; give it a function"
            if isinstance(task.func, Placeholder):
                message = f"task '{task.name}' was given the output of a task as its function; pass the function itself"
            self._problem(NotCallableError, message, task.where)
            return "", ""
        if isinstance(task.args, (tuple, list)) and isinstance(task.kwargs, (dict, NoneType)):
            reason = misfit(task.func, task.args, task.kwargs)
            if reason is not None:
                self._problem(ArgumentsError, f"the arguments of task '{task.name}' do not fit {reason}", task.where)
        return self.identify(task.func)

    # --- Dependencies

    def _dependencies(self, task: Task) -> Sequence[Any]:
        if isinstance(task.dependencies, (list, tuple, set, frozenset)):
            return task.dependencies  # type: ignore[return-value]
        hint = f"[{task.dependencies!r}]" if isinstance(task.dependencies, str) else "a list of names or tasks"
        message = f"dependencies of task '{task.name}' are {_shown(task.dependencies)}; write dependencies={hint}"
        self._problem(OptionError, message, task.where)
        return ()

    def _upstreams(self, task: Task, dependencies: Sequence[Any]) -> tuple[int, ...]:
        names = self.numbers
        found = [
            names[dependency] if type(dependency) is str and dependency in names else self._find(task, dependency)
            for dependency in dependencies
        ]
        if len(found) == 1 and found[0] is not None:
            return (found[0],)
        return tuple(sorted({number for number in found if number is not None}))

    def _find(self, task: Task, dependency: Any) -> int | None:
        if isinstance(dependency, Output):
            dependency = task_of(dependency)
        if isinstance(dependency, str):
            number = self.numbers.get(dependency)
            if number is None:
                self.typos += 1
                near = get_close_matches(dependency, self.numbers, 1) if self.typos <= _MOST_HINTS else []
                hint = f"; did you mean '{near[0]}'?" if near else "; add it to the workflow, or remove the dependency"
                message = f"task '{task.name}' depends on '{dependency}', which does not exist{hint}"
                self._problem(MissingDependencyError, message, task.where)
            return number
        if not isinstance(dependency, Task):
            message = f"task '{task.name}' depends on {_shown(dependency)}; a dependency is a task, an output or a name"
            self._problem(MissingDependencyError, message, task.where)
            return None
        number = self.numbers.get(dependency.name)
        if number is None or self.tasks[number] is not dependency:
            message = f"task '{task.name}' depends on task '{dependency.name}' (made at {dependency.where}), "
            message += f"which was not added to workflow '{self.workflow.name}'; add it there"
            self._problem(MissingDependencyError, message, task.where)
            return None
        return number

    def _find_cycles(self, upstreams: Sequence[tuple[int, ...]]) -> None:
        if len(topological_order(upstreams)) == len(upstreams):
            return
        for cycle in cycles(upstreams):
            self.problems.append(CycleError([self.tasks[n].name for n in cycle], where=self.tasks[cycle[0]].where))

    # --- Problems

    def _problem(self, kind: type[DefinitionError], message: str, where: str) -> None:
        self.problems.append(kind(message, where=where))

    def _raise_problems(self) -> None:
        if len(self.problems) == 1:
            raise self.problems[0]
        if self.problems:
            raise InvalidWorkflowError(self.workflow.name, self.problems)


class _Row(NamedTuple):
    upstreams: tuple[int, ...]
    inputs: tuple[int, ...]
    policy: TaskPolicy
    function: str
    digest: str
    wiring: str


_MOST_HINTS = 20  # looking for the nearest name takes milliseconds


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
