"""Whether what a plan asks for can be had: checks that need the finished graph."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.definition.placeholder import Output, task_of
from penstock.definition.returns import returned_literals
from penstock.definition.task import Task
from penstock.errors import ArgumentsError, DefinitionError, OptionError
from penstock.plan.arguments import indispensable
from penstock.plan.choices import ChoiceError, choices
from penstock.plan.graph import cycles, invert, reach
from penstock.plan.plan import Group, Plan
from penstock.policy import TriggerRule


def check(plan: Plan, tasks: Sequence[Task]) -> list[DefinitionError]:
    """What is wrong with a plan, of which these are the tasks."""
    problems: list[DefinitionError] = []
    plain = TriggerRule.ALL_SUCCESS
    kinds = {id(policy): policy for policy in plan.policies}  # most tasks share one
    special = {kind for kind, policy in kinds.items() if policy.trigger_rule is not plain or policy.decides == "branch"}
    for row, policy in enumerate(plan.policies) if special else ():
        if id(policy) in special and policy.trigger_rule is not plain and plan.inputs[row]:
            problems += _missing_defaults(plan, row, tasks[row])
        if id(policy) in special and policy.decides == "branch":
            problems += _unknown_choices(plan, row, tasks[row])
    retried = [group for group in plan.groups if group.policy is not None]
    below = invert(plan.all_upstreams) if retried else []
    for group in retried:
        problems += _begun_once(plan, group, tasks)
        problems += _ways_back(plan, group, tasks, below)
    return problems or (_units_in_circles(plan, tasks) if len(retried) > 1 else [])


def circles_of_units(plan: Plan) -> list[list[int]]:
    """Circles in which tasks and groups that are tried again wait for each other, since what is outside of such a group
    waits for all of it. Rows of the plan, and after them its groups; the first is repeated at the end."""
    size = len(plan)
    above = [*map(list, plan.all_upstreams), *([*group.rows] for group in plan.groups)]
    for downs in plan.barriers.values():
        for down, group in downs.items():
            above[down].append(size + group)
    return cycles(above)


def _missing_defaults(plan: Plan, row: int, task: Task) -> list[DefinitionError]:
    """Parameters that are given a value which may not be there, and have nothing in its place."""
    sure = {*plan.guards.get(row, ())}
    if len(plan.setups.get(row, ())) == 1:  # a teardown runs only if one of its setups has succeeded
        sure |= {*plan.setups[row]}
    given: list[tuple[int | str, object]] = [*enumerate(task.args), *(task.kwargs or {}).items()]
    doubtful: dict[int | str, str] = {}
    for place, value in given:
        upstream = task_of(value) if isinstance(value, Output) else value
        if isinstance(upstream, Task) and plan.numbers[upstream.name] not in sure:
            doubtful[place] = upstream.name
    problems: list[DefinitionError] = []
    for place, name in doubtful.items():
        for parameter in indispensable(task.func, [place]):
            problems.append(
                ArgumentsError(
                    f"task '{task.name}' may run without a value of '{name}', since its trigger rule is "
                    f"'{plan.policies[row].trigger_rule}': give its parameter '{parameter}' a default",
                    where=task.where,
                )
            )
    return problems


def _unknown_choices(plan: Plan, row: int, task: Task) -> list[DefinitionError]:
    """What a branch says that it returns, and cannot be followed."""
    problems: list[DefinitionError] = []
    offered = choices(plan, row)
    for name in returned_literals(task.func):
        try:
            offered.follow(name)
        except ChoiceError as error:
            problems.append(OptionError(f"{error}".replace(" chose ", " may choose ", 1), where=task.where))
    return problems


def _begun_once(plan: Plan, group: Group, tasks: Sequence[Task]) -> list[DefinitionError]:
    """Tasks that must not begin again, in a group that does."""
    return [
        OptionError(
            f"task '{plan.names[row]}' has at_most_once=True, and task group '{group.name}' is tried again as a unit: "
            "put the task outside of the group, or set retries=0 on the group",
            where=tasks[row].where,
        )
        for row in group.rows
        if plan.policies[row].at_most_once
    ]


def _ways_back(
    plan: Plan, group: Group, tasks: Sequence[Task], below: Sequence[Sequence[int]]
) -> list[DefinitionError]:
    """Ways that lead out of a group which is tried again and back into it. What is outside waits until the group is
    settled, so it would wait for ever."""
    inside = {*group.rows}
    outside = reach(inside, below) - inside
    for row in group.rows:
        between = next((above for above in plan.all_upstreams[row] if above in outside), None)
        if between is not None:
            message = f"task '{plan.names[row]}' of task group '{group.name}' waits for '{plan.names[between]}', "
            message += "which is outside and waits for the group, and the group is tried again as a unit: "
            return [DefinitionError(f"{message}put '{plan.names[between]}' into the group", where=tasks[row].where)]
    return []


def _units_in_circles(plan: Plan, tasks: Sequence[Task]) -> list[DefinitionError]:
    """Groups that are tried again, of which each has tasks that wait for another one."""
    problems: list[DefinitionError] = []
    for circle in circles_of_units(plan):
        names = [
            f"'{plan.names[node]}'" if node < len(plan) else f"group '{plan.groups[node - len(plan)].name}'"
            for node in circle
        ]
        first = next(node for node in circle if node < len(plan))
        message = f"groups that are tried again as units wait for each other: {' -> '.join(names)}; "
        message += "put their tasks into one group, or set retries=0 on one of them"
        problems.append(DefinitionError(message, where=tasks[first].where))
    return problems
