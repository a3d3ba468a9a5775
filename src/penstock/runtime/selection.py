"""Which tasks of a run a user means."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from penstock.engine.run import RunEngine
from penstock.engine.states import TaskState
from penstock.errors import PenstockError
from penstock.plan.graph import reach
from penstock.plan.plan import Plan


def select_again(
    engine: RunEngine, *, only: Sequence[str] = (), from_: Sequence[str] = (), failed: bool = False
) -> tuple[int, ...]:
    """The tasks to run again, ascending: `only` these; these and all that follow; those that failed and what they held
    up. PenstockError for an unknown name or an empty choice."""
    if not only and not from_ and not failed:
        raise PenstockError("say what to run again: only certain tasks, from certain tasks on, or what failed")
    plan = engine.plan
    chosen = set(numbers(plan, only))
    chosen |= reach(numbers(plan, from_), plan.downstreams)
    if failed:
        chosen |= {task for task in range(len(plan)) if engine.task_state(task) in _FAILED}
    if not chosen:
        raise PenstockError(f"run {engine.run_id} has no failed task: there is nothing to run again")
    return tuple(sorted(chosen))


_FAILED = (TaskState.FAILED, TaskState.UPSTREAM_FAILED, TaskState.CANCELLED)


def numbers(plan: Plan, names: Sequence[str]) -> list[int]:
    """The numbers of tasks. PenstockError, with the nearest name, for one that does not exist."""
    found = []
    for name in names:
        if name not in plan.numbers:
            near = get_close_matches(name, plan.names, 1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise PenstockError(f"workflow '{plan.workflow}' has no task '{name}'{hint}")
        found.append(plan.numbers[name])
    return found
