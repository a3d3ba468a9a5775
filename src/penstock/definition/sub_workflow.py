"""A workflow as a task of another: it is run as a run of its own."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, Unpack

from penstock.definition.task import Task
from penstock.definition.workflow import Workflow, building
from penstock.errors import DefinitionError, PenstockError

if TYPE_CHECKING:
    from penstock.definition.group import TaskGroup
    from penstock.definition.options import TaskOptions
    from penstock.definition.params import Parameter
    from penstock.definition.placeholder import Output
    from penstock.definition.workflow_function import WorkflowFunction

    AnyWorkflow: TypeAlias = Workflow | WorkflowFunction[..., Any]


class WorkflowCall:
    """What a task has in the place of a function that runs a workflow. It looks like the function that describes the
    workflow, and is not called: whoever drives the run begins another one."""

    def __init__(self, workflow: AnyWorkflow, *, wait: bool = True) -> None:
        self.workflow = workflow
        self.wait = wait
        """Whether the task waits for the end of that run, and gives its result."""
        self.__name__ = str(workflow.name)
        func = None if isinstance(workflow, Workflow) else workflow.func
        if func is not None:
            self.__module__, self.__qualname__ = func.__module__, func.__qualname__
            self.__wrapped__ = func
            self.__doc__ = func.__doc__
        else:
            self.__module__, self.__qualname__ = "workflow", self.__name__
            self.__signature__ = _signature(workflow.parameters)

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """What a run of the workflow is given."""
        return self.workflow.parameters

    def named(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments by the names of the parameters. Of more positional ones than there are parameters, the others
        are called by their places."""
        names = [*self.parameters, *(f"argument {place}" for place in range(len(self.parameters) + 1, len(args) + 1))]
        return {**dict(zip(names, args, strict=False)), **kwargs}

    def build(self, values: Mapping[str, Any]) -> Workflow:
        """The workflow for these values of its build parameters."""
        return self.workflow if isinstance(self.workflow, Workflow) else self.workflow.build(values)

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: it is begun by whoever drives the run that the task is of."""
        name = self.__name__
        raise PenstockError(
            f"workflow '{name}' was called like a function: run it with WorkflowManager().run(...), or call it inside "
            "another workflow"
        )

    def __repr__(self) -> str:
        return f"<call of workflow '{self.__name__}'>"


class SubWorkflow(Task):
    """A task that runs a workflow, as a run of its own; its value is what the workflow returns.

    `workflow` is a Workflow or a @workflow function, and `params` are its parameters: tasks, outputs and parameters of
    the workflow around stand for their values. With `wait=False` the run is only begun, and the task's value is its
    id. Inside a workflow that is being built, the task is added to it.
    """

    __slots__ = ()

    adds_itself = True

    def __init__(
        self,
        name: str,
        workflow: AnyWorkflow,
        dependencies: Sequence[Task | TaskGroup | Output | str] | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        wait: bool = True,
        expand: Mapping[str, Any] | None = None,
        expand_kwargs: Any = None,
        **options: Unpack[TaskOptions],
    ) -> None:
        frame = sys._getframe(1)
        where = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        if not isinstance(workflow, Workflow) and not hasattr(workflow, "build_names"):
            raise DefinitionError(
                f"task '{name}': {workflow!r:.60} is no workflow: give a Workflow or a @workflow function", where=where
            )
        call = WorkflowCall(workflow, wait=wait)
        super().__init__(name, call, dependencies, kwargs=params, expand=expand, expand_kwargs=expand_kwargs, **options)
        self.file, self.line = frame.f_code.co_filename, frame.f_lineno
        around = building()
        if around is not None:
            around.add_task(self)


def _signature(parameters: Mapping[str, Parameter]) -> Any:
    from inspect import Parameter as Argument
    from inspect import Signature

    return Signature(
        [
            Argument(one.name, Argument.KEYWORD_ONLY, default=Argument.empty if one.required else one.default)
            for one in parameters.values()
        ]
    )
