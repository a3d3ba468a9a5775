"""What a drawing says of a task or a group beside its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from penstock.engine.states import TaskState
from penstock.observe.words import count
from penstock.plan.plan import Plan
from penstock.policy import TriggerRule

_WORST_FIRST = (
    TaskState.FAILED,
    TaskState.UPSTREAM_FAILED,
    TaskState.CANCELLED,
    TaskState.RETRYING,
    TaskState.DEFERRED,
    TaskState.RUNNING,
    TaskState.EXPANDED,
    TaskState.READY,
    TaskState.PENDING,
    TaskState.SUCCESS,
    TaskState.SKIPPED,
    TaskState.REMOVED,
)


def worst(states: Sequence[TaskState]) -> TaskState:
    """What is to be seen of several tasks, if only one state can be shown."""
    return min(states, key=_WORST_FIRST.index, default=TaskState.SKIPPED)


def kind(plan: Plan, task: int) -> str:
    """What a task is for, if for more than its work: "setup", "teardown", "branch", "short circuit", or "workflow" if
    it runs one; else ""."""
    policy = plan.policies[task]
    if policy.setup or policy.teardown:
        return "setup" if policy.setup else "teardown"
    return policy.decides.replace("_", " ") or ("workflow" if policy.workflow is not None else "")


def remarks(plan: Plan, task: int, widths: Mapping[int, int]) -> list[str]:
    """What is uncommon about a task. `widths` has how many instances maps have, as far as that is known."""
    policy = plan.policies[task]
    said = [kind(plan, task), *(map_remarks(plan, task, widths) if plan.maps.get(task) == "task" else ())]
    if policy.workflow not in (None, plan.names[task]) and said[0] == "workflow":
        said[0] = f"workflow {policy.workflow}"
    if policy.trigger_rule is not TriggerRule.ALL_SUCCESS and not policy.teardown:
        said.append(str(policy.trigger_rule))
    if policy.allow_failure:
        said.append("may fail")
    return [*filter(None, said)]


def group_remarks(plan: Plan, group: int, widths: Mapping[int, int]) -> list[str]:
    """What is uncommon about a group."""
    expansion, policy = plan.groups[group].expansion, plan.groups[group].policy
    said = map_remarks(plan, expansion, widths) if expansion >= 0 else []
    if policy is not None:
        said.append(f"tried again {policy.retries:,} times" if policy.retries != 1 else "tried again once")
    return said


def map_remarks(plan: Plan, row: int, widths: Mapping[int, int]) -> list[str]:
    """How many instances a map has, or what it is over, as far as the plan knows."""
    if row in widths:
        return [count(widths[row], "instance")]
    sources = [plan.names[source] for source in plan.guards.get(row, ()) if source in plan.inputs[row]]
    if len(sources) > 2:
        return [f"over {count(len(sources), 'task')}"]
    return [f"over {', '.join(sources)}"] if sources else []


def mapped(name: str, is_mapped: bool) -> str:
    """A name, with the mark of a map."""
    return f"{name}[]" if is_mapped else name
