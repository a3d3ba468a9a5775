"""Workflows as tasks of others: what can be known to be wrong with them before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from penstock.definition.options import options_of
from penstock.definition.params import MISSING, Parameter, bind
from penstock.definition.placeholder import Output, ParameterPlaceholder, Placeholder, name_of, task_of
from penstock.definition.secret import Secret
from penstock.definition.sub_workflow import WorkflowCall
from penstock.definition.task import Task
from penstock.definition.workflow import Workflow
from penstock.errors import CycleError, DefinitionError, InvalidWorkflowError, ParameterError
from penstock.plan.wiring import Wiring, needs_values

if TYPE_CHECKING:
    from penstock.plan.compile import Compiled

MOST_LEVELS = 100
"""How deep workflows may be within each other."""

Key: TypeAlias = tuple[int, str]
"""A workflow by identity, and the values of its build parameters as text."""


class _Level(NamedTuple):
    """A workflow around another one."""

    key: Key
    name: str
    is_sure: bool
    """Whether the task in it that runs the next one runs in any case."""


@dataclass(frozen=True)
class Nesting:
    """The workflows around one that is being compiled. They do not hold it up: how far a workflow that calls itself
    under a condition goes is known when it runs."""

    levels: tuple[_Level, ...] = ()
    key: Key = (0, "")
    workflow: Workflow = field(default_factory=lambda: Workflow(""))
    """The innermost one."""
    known: dict[Key, Compiled] = field(default_factory=dict)
    """What has been compiled already."""

    def within(self, workflow: Workflow) -> Nesting:
        """The same, of the workflow that is compiled."""
        return Nesting(self.levels, _key(workflow, workflow.build_values), workflow, self.known)

    def enter(self, compiled: Compiled, row: int) -> Nesting | None:
        """One level further, into the workflow that a task runs. None where it is to be built from values that are not
        known yet, or is around already. CycleError if it would run itself without end."""
        task = compiled.tasks[row]
        call = task.func
        assert isinstance(call, WorkflowCall)
        build = _build_values(task, call)
        if build is None:
            return None
        levels = (*self.levels, _Level(self.key, self.workflow.name, _is_sure(compiled, row)))
        key = _key(call.workflow, build)
        names = [*(level.name for level in levels), call.workflow.name]
        outer = next((place for place, level in enumerate(levels) if level.key == key), None)
        if outer is not None:
            if all(level.is_sure for level in levels[outer:]):
                advice = "each of these workflows runs the next in any case, and so never ends; "
                raise CycleError(names[outer:], where=task.where, advice=f"{advice}let a task before it decide")
            return None
        if len(levels) >= MOST_LEVELS:
            raise DefinitionError(too_deep(names), where=task.where)
        return Nesting(levels, key, call.build(build), self.known)


def too_deep(names: list[str]) -> str:
    """That workflows are within each other without end."""
    shown = " -> ".join(names if len(names) <= 6 else [*names[:3], "...", *names[-2:]])
    return f"workflows are more than {MOST_LEVELS} deep within each other: {shown}"


def _key(workflow: Any, build: Mapping[str, Any]) -> Key:
    made_by = workflow.made_by if isinstance(workflow, Workflow) else workflow
    return id(made_by if made_by is not None else workflow), Wiring().text((), build)


def _build_values(task: Task, call: WorkflowCall) -> dict[str, Any] | None:
    """The values that shape the graph of the workflow; None if they are known only when it runs."""
    if isinstance(call.workflow, Workflow):
        return {}
    given = call.named(task.args, task.kwargs or {})
    mapped = task.expand is not None and (task.expand.sources is None or any(task.expand.sources))
    build: dict[str, Any] = {}
    for name in call.workflow.build_names:
        value = given.get(name, call.parameters[name].default)
        is_mapped = mapped and name not in given
        if is_mapped or value is MISSING or needs_values(value) or isinstance(value, Placeholder):
            return None
        build[name] = value
    return build


def _is_sure(compiled: Compiled, row: int) -> bool:
    """Whether nothing can keep a task from running: it comes after nothing and has no condition."""
    plan, options = compiled.plan, options_of(compiled.tasks[row], compiled.defaults)
    if plan.all_upstreams[row] or row in plan.mapped or row in plan.maps:
        return False
    return options.get("run_if") is None and options.get("skip_if") is None


# --- Parameters


def check_parameters(task: Task, call: WorkflowCall, around: Mapping[str, Parameter]) -> Iterator[DefinitionError]:
    """What is wrong with the parameters that a task gives to its workflow, as far as it can be known now. `around` are
    those of the workflow that the task is in."""
    given = call.named(task.args, task.kwargs or {})
    known = {name: value for name, value in given.items() if not needs_values(value)}
    open_ones = {name for name in call.parameters if name in given and name not in known}
    for name in (*given, *((task.expand.sources or ()) if task.expand is not None else ())):
        value = given.get(name)
        if name in call.parameters and call.parameters[name].is_secret and name in known and value is not None:
            if not (isinstance(value, Secret) and not value.is_read):
                message = _about(task, call, name, "it is a secret, and the graph is kept and shown: ")
                message += "give it a secret parameter of the workflow around, or Secret.from_env('NAME')"
                yield ParameterError(message, where=task.where)
                known.pop(name)
                open_ones.add(name)
        elif isinstance(value, ParameterPlaceholder) and name in call.parameters:
            outer = around.get(name_of(value))
            if outer is not None and outer.is_secret and not call.parameters[name].is_secret:
                message = _about(task, call, name, f"it is given the secret '{outer.name}': annotate it as a Secret")
                yield ParameterError(message, where=task.where)
    if task.expand is not None:  # whether the names fit is told with the map
        wanted = {name: one for name, one in call.parameters.items() if name in known}
    else:
        wanted = {name: one for name, one in call.parameters.items() if name not in open_ones}
    values = {name: value for name, value in given.items() if name in known or name not in call.parameters}
    try:
        bind(call.workflow.name, wanted, {n: v for n, v in values.items() if task.expand is None or n in wanted})
    except InvalidWorkflowError as error:
        yield from (_told_of(task, problem) for problem in error.problems)
    except DefinitionError as problem:
        yield _told_of(task, problem)


def _told_of(task: Task, problem: DefinitionError) -> DefinitionError:
    return type(problem)(f"task '{task.name}': {problem.message}", where=task.where)


def _about(task: Task, call: WorkflowCall, name: str, what: str) -> str:
    return f"task '{task.name}': workflow '{call.workflow.name}', parameter '{name}': {what}"


# --- What it gives


def check_result(workflow: Workflow, task: Task) -> None:
    """DefinitionError if what a workflow returns cannot be the value of a task that runs it."""
    wrong = _stranger(workflow.result, workflow)
    if wrong is not None:
        raise DefinitionError(
            f"task '{task.name}' runs workflow '{workflow.name}', which returns {wrong}: let it return outputs of its "
            "tasks, alone or in a list, tuple or dict",
            where=workflow.where,
        )


def _stranger(value: Any, workflow: Workflow) -> str | None:
    """What is no value, nor stands for one of a workflow's own."""
    from penstock.definition.group import TaskGroup

    if isinstance(value, (list, tuple, dict)):
        items = value.values() if isinstance(value, dict) else value
        return next(filter(None, (_stranger(item, workflow) for item in items)), None)
    if isinstance(value, (Task, Output)):
        task = task_of(value) if isinstance(value, Output) else value
        return None if task.workflow is workflow else f"the output of '{task.name}', which is no task of it"
    if isinstance(value, ParameterPlaceholder):
        return (
            None if name_of(value) in workflow.parameters else f"parameter '{name_of(value)}', which it does not have"
        )
    if isinstance(value, (Placeholder, TaskGroup)):
        return f"{value!r}, which has no value"
    return None
