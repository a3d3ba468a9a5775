"""Which tasks of a run a user means."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TypeVar

from penstock.engine.run import RunEngine
from penstock.engine.states import TaskState
from penstock.errors import PenstockError
from penstock.plan.compile import Compiled
from penstock.plan.graph import reach, topological_order
from penstock.plan.plan import Plan

T = TypeVar("T")


def select_again(
    engine: RunEngine, plan: Plan, *, only: Sequence[str] = (), from_: Sequence[str] = (), failed: bool = False
) -> tuple[int, ...]:
    """The tasks of `plan` to run again, ascending: `only` these; these and all that follow; those that failed and what
    they held up. The plan may be a newer one than the run has followed so far.

    PenstockError for an unknown name, an empty choice, or a task that would have to run without its inputs."""
    if not only and not from_ and not failed:
        raise PenstockError("say what to run again: only certain tasks, from certain tasks on, or what failed")
    chosen = set(numbers(plan, only))
    chosen |= reach(numbers(plan, from_), plan.downstreams)
    if failed:
        chosen |= {task for task in range(len(plan)) if _state(engine, plan, task) in _FAILED}
    if not chosen:
        raise PenstockError(f"run {engine.run_id} has no failed task: there is nothing to run again")
    for task in sorted(chosen):
        for upstream in plan.upstreams[task]:
            state = _state(engine, plan, upstream)
            if upstream not in chosen and state is not TaskState.SUCCESS:
                raise PenstockError(
                    f"task '{plan.names[task]}' cannot run again alone: it depends on '{plan.names[upstream]}', "
                    f"which is {state.label}; run again from there"
                )
    return tuple(sorted(chosen))


def _state(engine: RunEngine, plan: Plan, task: int) -> TaskState:
    number = engine.plan.numbers.get(plan.names[task])
    return TaskState.PENDING if number is None else engine.task_state(number)


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


@dataclass(frozen=True, slots=True)
class Selection:
    """A part of a workflow: `only` these tasks; `from_` these on, with all that follows; `until` these, with all that
    they need. `from_` and `until` together are what lies between. `only` comes on top of either."""

    only: tuple[str, ...] = ()
    from_: tuple[str, ...] = ()
    until: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The selection as a plan keeps it; "" where everything is selected."""
        parts = {name: getattr(self, name) for name in ("only", "from_", "until") if getattr(self, name)}
        return json.dumps(parts) if parts else ""

    @classmethod
    def of(cls, plan: Plan) -> Selection:
        """What a plan is a part of its workflow by."""
        return cls(**{name: tuple(tasks) for name, tasks in json.loads(plan.selection or "{}").items()})

    def tasks(self, plan: Plan) -> list[int]:
        """The numbers of the selected tasks, ascending. PenstockError for an unknown name or an empty choice."""
        chosen = set(numbers(plan, self.only))
        if self.from_ or self.until or not self.only:
            everything = range(len(plan))
            after = reach(numbers(plan, self.from_), plan.downstreams) if self.from_ else everything
            before = reach(numbers(plan, self.until), plan.upstreams) if self.until else everything
            chosen |= {task for task in after if task in before}
        if not chosen and len(plan):
            raise PenstockError(f"nothing lies from {', '.join(self.from_)} until {', '.join(self.until)}")
        return sorted(chosen)


def select(compiled: Compiled, selection: Selection) -> Compiled:
    """The selected part of a workflow. What only waited for a task that is left out now waits for what that waited for.

    PenstockError where a selected task takes the value of one that is left out."""
    plan = compiled.plan
    if not selection.text:
        return compiled
    chosen = selection.tasks(plan)
    place = {task: number for number, task in enumerate(chosen)}
    _check_inputs(plan, chosen, place)
    above = _selected_upstreams(plan, place)

    def rows(column: Sequence[T]) -> tuple[T, ...]:
        return tuple(column[task] for task in chosen)

    part = replace(
        plan,
        names=rows(plan.names),
        upstreams=tuple(tuple(sorted(place[upstream] for upstream in above[task])) for task in chosen),
        inputs=tuple(tuple(place[upstream] for upstream in plan.inputs[task]) for task in chosen),
        policies=rows(plan.policies),
        functions=rows(plan.functions),
        digests=rows(plan.digests),
        wiring=rows(plan.wiring),
        numbered=frozenset(place[task] for task in plan.numbered if task in place),
        places=rows(plan.places),
        selection=selection.text,
    )
    return compiled._replace(plan=part, tasks=rows(compiled.tasks))


def _check_inputs(plan: Plan, chosen: Sequence[int], place: Mapping[int, int]) -> None:
    missing = {
        plan.names[task]: [plan.names[upstream] for upstream in plan.inputs[task] if upstream not in place]
        for task in chosen
    }
    for name, upstreams in missing.items():
        if upstreams:
            shown = ", ".join(f"'{upstream}'" for upstream in upstreams[:3]) + (" ..." if len(upstreams) > 3 else "")
            raise PenstockError(
                f"task '{name}' needs the value of {shown}, which is not selected; select it too, "
                f"or use penstock rerun RUN --from {name} to reuse recorded inputs"
            )


def _selected_upstreams(plan: Plan, place: Mapping[int, int]) -> list[set[int]]:
    """For each task, the selected tasks that it waits for, itself or through tasks that are left out."""
    above: list[set[int]] = [set() for _ in range(len(plan))]
    for task in topological_order(plan.upstreams):
        for upstream in plan.upstreams[task]:
            above[task] |= {upstream} if upstream in place else above[upstream]
    return above
