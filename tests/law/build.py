"""A described workflow as users would write it, and the plan that the compiler makes of it."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Any

from penstock import Task as RealTask
from penstock import TaskGroup, Workflow, task_group
from penstock.plan.choices import choose
from penstock.plan.compile import compile_workflow
from penstock.plan.plan import Plan
from tests.law import description
from tests.law.description import Flow, Sources
from tests.law.direct import TIMEOUT, definition_order, direct_plan
from tests.law.graph import Graph


def body(
    a: object = None, b: object = None, others: object = None, x0: object = None, x1: object = None, x2: object = None
) -> None:
    """What every task calls; nobody ever does."""


def identify(func: object) -> tuple[str, str]:
    """The name of a function, and no digest of it."""
    return "module:body", ""


def compiled_plan(flow: Flow, graph: Graph, random: Random) -> Plan:
    """The plan that the compiler makes; AssertionError if it is not the one that follows from the description."""
    plan = compile_workflow(Builder(flow, random).workflow, identify).plan
    expected = direct_plan(flow, graph, definition_order(graph))
    for column in (
        "names",
        "upstreams",
        "inputs",
        "deciders",
        "guards",
        "waits",
        "setups",
        "maps",
        "fail_fast",
        "timeout",
        "run_state",
    ):
        mine, theirs = getattr(expected, column), getattr(plan, column)
        assert mine == theirs, f"the plan's {column} are {theirs}, and should be {mine}; names: {plan.names}"
    for name, mine, theirs in zip(plan.names, expected.policies, plan.policies, strict=True):
        assert mine == theirs, f"the policy of {name} is {theirs}, and should be {mine}"
    mine, theirs = _groups(expected), _groups(plan)
    assert mine == theirs, f"the plan's groups are {theirs}, and should be {mine}"
    assert all(group.parent < place for place, group in enumerate(plan.groups)), (
        "a group stands before the one around it"
    )
    for task in flow.tasks:
        if task.decides == "branch":
            _check_choices(plan, graph, task.name)
    return plan


def _check_choices(plan: Plan, graph: Graph, branch: str) -> None:
    """That what a branch can name stands for what follows from the description."""
    children = [child for child in graph.downstreams(branch) if not graph.is_teardown(child)]
    tasks = {child for child in children if child in graph.tasks}
    groups = {group for child in children for group in (*graph.groups_around(child), child) if group in graph.groups}
    for name in sorted(tasks | groups):
        mine = {row for row in graph.chosen(branch, (name,)) if row in children}
        theirs = {plan.names[row] for row in choose(plan, plan.numbers[branch], name)}
        assert mine == theirs, f"'{name}', chosen by {branch}, stands for {theirs}, and should for {mine}"


def _groups(plan: Plan) -> dict[str, tuple[Any, ...]]:
    """The groups of a plan by name, in whatever order they stand."""
    return {
        group.name: (
            plan.groups[group.parent].name if group.parent >= 0 else "",
            group.rows,
            group.expansion,
            _retries(group.policy),
        )
        for group in plan.groups
    }


def _retries(policy: Any) -> tuple[int, float] | None:
    return None if policy is None else (policy.retries, policy.retry_delay)


class Builder:
    """Writes a workflow down; where there are several ways to say a thing, by chance."""

    def __init__(self, flow: Flow, random: Random) -> None:
        self.flow = flow
        self.random = random
        self.groups = {group.name for group in flow.groups}
        self.made: dict[str, Any] = {}
        """The tasks and groups, by name."""
        self.later: list[tuple[str, Any]] = []
        """Edges that are drawn when everything is there."""
        run_state: Any = flow.run_state
        self.workflow = Workflow("flow", timeout=TIMEOUT, fail_fast=flow.fail_fast, run_state=run_state)
        with self.workflow:
            self._fill("")
        for upstream, downstream in self.later:
            self.made[upstream] >> downstream

    def _fill(self, inside: str) -> None:
        """Make everything that stands directly in a group, in order."""
        seen = set()
        for task in self.flow.tasks:
            child = self._child(task.group, inside)
            if task.group == inside:
                self._add_task(task)
            elif child and child not in seen:
                seen.add(child)
                self._add_group(child)
        for group in self.flow.groups:
            if group.parent == inside and group.name not in seen:
                self._add_group(group.name)

    def _child(self, group: str, inside: str) -> str:
        """The group directly in `inside` that a group is or is in; "" if it is not in there."""
        parents = {one.name: one.parent for one in self.flow.groups}
        while group and parents[group] != inside:
            group = parents[group]
        return group

    # --- Groups

    def _add_group(self, name: str) -> None:
        group = next(one for one in self.flow.groups if one.name == name)
        local = name.removeprefix(f"{group.parent}.")
        after = [self.made[other] for other in group.after if other in self.made and self.random.random() < 0.5]
        options: Any = {"retries": group.retries, "retry_delay": 7.0 if group.retries else 0, "after": after}
        if group.over is None:
            with TaskGroup(local, **options) as made:
                self.made[name] = made
                self._fill(name)
        else:
            sources = self._sources(group.over)
            self.made[name] = task_group(name=local, **options)(lambda **given: self._fill(name)).expand(**sources)
        self.later += [(other, self.made[name]) for other in group.after]

    def _sources(self, over: Sources) -> dict[str, Any]:
        return {
            f"x{number}": [*range(source)] if isinstance(source, int) else self.made[source].output
            for number, source in enumerate(over)
        }

    # --- Tasks

    def _add_task(self, task: description.Task) -> None:
        kwargs, options = self._arguments(task.takes), self._options(task)
        dependencies, later = self._edges(task.after)
        made = RealTask(task.name.removeprefix(f"{task.group}."), body, dependencies, kwargs=kwargs, **options)
        self.made[task.name] = self.workflow.add_task(made)
        self.later += [(upstream, made) for upstream in later]

    def _arguments(self, takes: Iterable[str]) -> dict[str, Any]:
        """The values that a task takes, each in an argument of its own or in a list."""
        outputs = [self.made[other].output for other in takes]
        if not outputs:
            return {}
        named = dict(zip(("a", "b"), outputs, strict=False)) if self.random.random() < 0.5 else {}
        return {**named, "others": outputs[len(named) :]} if outputs[len(named) :] else named

    def _edges(self, after: Iterable[str]) -> tuple[list[Any], list[str]]:
        """What a task comes after: what is said at once, and what is said later."""
        at_once: list[Any] = []
        later: list[str] = []
        for name in after:
            made = self.made.get(name)
            how = self.random.random()
            if how < 0.2 and name not in self.groups:
                at_once.append(name)
            elif how < 0.5 or made is None:
                later.append(name)
            elif how < 0.7 and isinstance(made, RealTask):
                at_once.append(made.output)
            else:
                at_once.append(made)
        return at_once, later

    def _options(self, task: description.Task) -> dict[str, Any]:
        """The options that are not as usual, and now and then one that is."""
        usual: dict[str, Any] = {
            "retries": 0,
            "trigger_rule": "all_success",
            "allow_failure": False,
            "setup": False,
            "teardown": False,
            "on_failure_fail_run": False,
            "branch": False,
            "short_circuit": False,
        }
        options = usual | {
            "retries": task.retries,
            "trigger_rule": task.rule,
            "allow_failure": task.allow_failure,
            "setup": task.setup,
            "teardown": task.teardown,
            "on_failure_fail_run": task.on_failure_fail_run,
            "branch": task.decides == "branch",
            "short_circuit": task.decides == "short_circuit",
        }
        options = {name: value for name, value in options.items() if value != usual[name]}
        if not task.far:
            options["ignore_downstream_trigger_rules"] = False
        if task.over is not None:
            options["expand"] = self._sources(task.over)
        return {**options, "retry_delay": 5.0}
