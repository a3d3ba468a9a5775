"""From the description of a workflow to one that runs in a simulated world: each body calls back with what it took."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock import Task as RealTask
from penstock import TaskGroup, Workflow, task_group
from tests.law.description import Flow, Group, Sources, Task
from tests.simulation.work import Work

Perform = Callable[[str, tuple[Any, ...], tuple[Any, ...]], Any]
"""Is given a task's name, the values that it takes, and the items of its instance."""


def weave(work: Work, perform: Perform, hear: Callable[..., Any], *, changed: bool, **options: Any) -> Workflow:
    """The workflow, before or after it has changed. Callbacks call `hear`."""
    return _Loom(work, work.graph(changed=changed).flow, perform, hear, options).workflow


class _Loom:
    def __init__(self, work: Work, flow: Flow, perform: Perform, hear: Callable[..., Any], options: Any) -> None:
        self._work = work
        self._flow = flow
        self._perform = perform
        self._hear = hear
        self._made: dict[str, Any] = {}
        """Tasks and groups, by name."""
        self._parents = {group.name: group.parent for group in flow.groups}
        run_state: Any = flow.run_state
        self.workflow = Workflow("flow", fail_fast=flow.fail_fast, run_state=run_state, **options)
        with self.workflow:
            self._fill("")
        things: list[Task | Group] = [*flow.tasks, *flow.groups]
        for thing in things:
            for upstream in thing.after:
                self._made[upstream] >> self._made[thing.name]

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
        kwargs = {f"i{number}": self._made[other].output for number, other in enumerate(task.takes)}
        local = task.name.removeprefix(f"{task.group}.")
        made = RealTask(local, _body(task, self._perform), kwargs=kwargs, **options)
        self._made[task.name] = self.workflow.add_task(made)

    def _named(self, task: Task) -> dict[str, Any]:
        """What a description calls otherwise than users do."""
        found: dict[str, Any] = {"rule": task.rule} if task.rule != "all_success" else {}
        if task.decides:
            found[task.decides] = True
        if not task.far:
            found["far"] = False
        return found


_SAID = ("retries", "allow_failure", "setup", "teardown", "on_failure_fail_run")
_CALLED = {
    "rule": "trigger_rule",
    "branch": "branch",
    "short_circuit": "short_circuit",
    "far": "ignore_downstream_trigger_rules",
}


def _body(task: Task, perform: Perform) -> Callable[..., Any]:
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
    ) -> Any:
        return perform(task.name, (i0, i1, i2, i3, i4, i5, i6, i7)[:taken], (x0, x1, x2)[:mapped])

    return body
