"""From the description of a workflow to one that runs in a simulated world: each body calls back with what it took."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from penstock import SubWorkflow, TaskGroup, Workflow, task_group, workflow
from penstock import Task as RealTask
from penstock.definition.workflow import building
from tests.law.description import Flow, Group, Sources, Task
from tests.simulation.work import Work

Perform = Callable[[str, tuple[Any, ...], tuple[Any, ...]], Any]
"""Is given a task's name, the values that it takes, and the items of its instance; or, where the first tasks of a
workflow begin that another runs, what that was given."""
MAIN = "flow"
GIVEN = ("given", "x0", "x1", "x2")
"""The parameters of workflows that others run: what the task takes, as a list, and the items of its instance."""


def weave(
    works: Mapping[str, Work], perform: Perform, hear: Callable[..., Any], *, changed: bool, **options: Any
) -> Workflow:
    """The main workflow, before or after it has changed, with those that its tasks run. Callbacks call `hear`."""
    flow = works[MAIN].graph(changed=changed).flow
    run_state: Any = flow.run_state
    made = Workflow(MAIN, fail_fast=flow.fail_fast, run_state=run_state, **options)
    with made:
        _Loom(works, MAIN, perform, hear, changed, {}).fill()
    return made


class _Loom:
    def __init__(
        self,
        works: Mapping[str, Work],
        name: str,
        perform: Perform,
        hear: Callable[..., Any],
        changed: bool,
        given: Mapping[str, Any],
    ) -> None:
        self._works = works
        self._work = works[name]
        self._flow: Flow = self._work.graph(changed=changed).flow
        self._perform = perform
        self._hear = hear
        self._changed = changed
        self._given = given
        """What the workflow itself is given, if a task runs it."""
        self._made: dict[str, Any] = {}
        """Tasks and groups, by name."""
        self._parents = {group.name: group.parent for group in self._flow.groups}

    def fill(self) -> Any:
        """Make everything in the workflow that is being built. What it gives."""
        self._fill("")
        things: list[Task | Group] = [*self._flow.tasks, *self._flow.groups]
        for thing in things:
            for upstream in thing.after:
                self._made[upstream] >> self._made[thing.name]
        gives = [self._made[name].output for name in self._work.gives]
        return gives if len(gives) > 1 else gives[0] if gives else None

    def _fill(self, inside: str) -> None:
        """Make everything that stands directly in a group, in order."""
        for task in self._flow.tasks:
            child = self._child(task.group, inside)
            if task.group == inside:
                self._add_task(task)
            elif child and child not in self._made:
                self._add_group(child)
        for group in self._flow.groups:
            if group.parent == inside and group.name not in self._made:
                self._add_group(group.name)

    def _child(self, group: str, inside: str) -> str:
        """The group directly in `inside` that a group is or is in; "" if it is not in there."""
        while group and self._parents[group] != inside:
            group = self._parents[group]
        return group

    def _add_group(self, name: str) -> None:
        group = next(one for one in self._flow.groups if one.name == name)
        local = name.removeprefix(f"{group.parent}.")
        options: Any = {"retries": group.retries, "retry_delay": self._work.round_pause if group.retries else 0}
        if group.over is None:
            with TaskGroup(local, **options) as made:
                self._made[name] = made
                self._fill(name)
        else:
            self._made[name] = None  # it is being filled
            function: Any = task_group(name=local, **options)(lambda **given: self._fill(name))
            self._made[name] = function.expand(**self._sources(group.over))

    def _sources(self, over: Sources) -> dict[str, Any]:
        return {
            f"x{number}": [*range(source)] if isinstance(source, int) else self._made[source].output
            for number, source in enumerate(over)
        }

    def _add_task(self, task: Task) -> None:
        usual = Task(task.name)
        options = {name: getattr(task, name) for name in _SAID if getattr(task, name) != getattr(usual, name)}
        options |= {_CALLED[name]: value for name, value in self._named(task).items()}
        given = self._work.steps[task.name].options
        options |= {name: self._hear if name.startswith("on_") else value for name, value in given.items()}
        if task.over is not None:
            options["expand"] = self._sources(task.over)
        outputs = [self._made[other].output for other in task.takes]
        local = task.name.removeprefix(f"{task.group}.")
        if task.name in self._work.calls:
            call = self._work.calls[task.name]
            inner = self._as_function(call.workflow)
            params = {"given": outputs}
            self._made[task.name] = SubWorkflow(local, inner, params=params, wait=call.waits, **options)
            return
        kwargs = {f"i{number}": output for number, output in enumerate(outputs)}
        is_first = not task.takes and task.over is None
        body = _body(task, self._perform, of_workflow=bool(self._given) and is_first)
        more = self._given if is_first else {}
        around = building()
        assert around is not None
        self._made[task.name] = around.add_task(RealTask(local, body, kwargs={**kwargs, **more}, **options))

    def _named(self, task: Task) -> dict[str, Any]:
        """What a description calls otherwise than users do."""
        found: dict[str, Any] = {"rule": task.rule} if task.rule != "all_success" else {}
        if task.decides:
            found[task.decides] = True
        if not task.far:
            found["far"] = False
        return found

    def _as_function(self, name: str) -> Any:
        """A workflow that a task runs."""

        def build(given: Any = None, x0: Any = None, x1: Any = None, x2: Any = None) -> Any:
            taken = dict(zip(GIVEN, (given, x0, x1, x2), strict=True))
            return _Loom(self._works, name, self._perform, self._hear, self._changed, taken).fill()

        return workflow(name=name)(build)


_SAID = ("retries", "allow_failure", "setup", "teardown", "on_failure_fail_run")
_CALLED = {
    "rule": "trigger_rule",
    "branch": "branch",
    "short_circuit": "short_circuit",
    "far": "ignore_downstream_trigger_rules",
}


def _body(task: Task, perform: Perform, *, of_workflow: bool) -> Callable[..., Any]:
    taken, mapped = len(task.takes), len(task.over or ())

    def body(
        i0: Any = None,
        i1: Any = None,
        i2: Any = None,
        i3: Any = None,
        i4: Any = None,
        i5: Any = None,
        i6: Any = None,
        i7: Any = None,
        x0: Any = None,
        x1: Any = None,
        x2: Any = None,
        given: Any = None,
    ) -> Any:
        items = (given, x0, x1, x2) if of_workflow else (x0, x1, x2)[:mapped]
        return perform(task.name, (i0, i1, i2, i3, i4, i5, i6, i7)[:taken], items)

    return body
