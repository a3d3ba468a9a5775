"""What a rerun would do: which tasks would run again and why, and which would stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote
from typing import Any

from penstock.engine.run import RunEngine
from penstock.engine.states import TaskState
from penstock.observe.words import instance
from penstock.plan.plan import Plan
from penstock.runtime.choosing import WHOLE, Choice, Place, choose_again, places_of

_FAILED = {
    TaskState.FAILED: "it failed",
    TaskState.UPSTREAM_FAILED: "it was held up by a failure",
    TaskState.CANCELLED: "it was cancelled",
}
_KEPT = {
    TaskState.SUCCESS: "it succeeded, and is kept",
    TaskState.SKIPPED: "it was skipped",
    TaskState.FAILED: "it failed, and is not chosen",
}


def preview_of(engine: RunEngine, plan: Plan, choice: Choice, *, current: bool) -> dict[str, Any]:
    """What would become of each task. PenstockError for a choice that cannot be."""
    again = frozenset(choose_again(engine, plan, choice))
    places = places_of(engine, plan)
    whole = {row for row, index in places.values() if index != WHOLE}
    reasons = _Reasons(engine, plan, choice)
    tasks: list[dict[str, Any]] = []
    kept: list[dict[str, Any]] = []
    for slot, place in sorted(places.items(), key=lambda one: (plan.ranks[one[1][0]], one[1][1])):
        if place[1] == WHOLE and (place[0] in whole or plan.maps.get(place[0]) == "group"):
            continue  # its instances stand for it
        state = _state(engine, plan, place)
        because = reasons.why(place, state) if slot in again else _KEPT.get(state, f"it is {state.label}")
        told = {"id": plan.names[place[0]], "map_index": None if place[1] == WHOLE else place[1], "state": state.label}
        (tasks if slot in again else kept).append(told | {"because": because})
    return {
        "id": engine.run_id,
        "workflow": plan.workflow,
        "current": current,
        "tasks": tasks,
        "kept": kept,
        "command": command_of(engine.run_id, choice),
    }


def command_of(run_id: str, choice: Choice) -> str:
    """A rerun on the command line."""
    parts = [f"--from {quote(name)}" for name in choice.from_]
    parts += [f"--only {quote(name)}" for name in choice.only]
    parts += ["--failed"] if choice.failed else []
    parts += [f"--where {quote(state)}" for state in choice.where]
    return " ".join(["penstock rerun", run_id, *parts])


class _Reasons:
    """Why tasks would run again."""

    def __init__(self, engine: RunEngine, plan: Plan, choice: Choice) -> None:
        self._engine = engine
        self._plan = plan
        self._choice = choice
        self._named = {*choice.only, *choice.from_}
        self._after = self._below()

    def why(self, place: Place, state: TaskState) -> str:
        row, index = place
        name = self._plan.names[row]
        groups = [group.name for group in self._plan.groups if row in group.rows]
        if self._named & {name, instance(name, index), *groups}:
            return "it is named"
        if self._choice.failed and state in _FAILED:
            return _FAILED[state]
        if state.label in self._choice.where:
            return f"it is {state.label}"
        if row in self._after:
            return f"it comes after '{self._after[row]}'"
        kind = "setup" if self._plan.policies[row].setup else "teardown"
        return f"it is a {kind} of what runs again"

    def _below(self) -> Mapping[int, str]:
        """What comes after the tasks from which on all runs again, each with the name of one of these."""
        plan, found = self._plan, dict[int, str]()
        for name in self._choice.from_:
            base = name.rpartition("[")[0] if name.endswith("]") and name not in plan.numbers else name
            rows = [plan.numbers[base]] if base in plan.numbers else []
            rows += [row for group in plan.groups if group.name == name for row in group.rows]
            for row in rows:
                for down in (*plan.downstreams[row], *plan.followers.get(row, ())):
                    if down not in found:
                        found[down] = name
                        rows.append(down)
        return found


def _state(engine: RunEngine, plan: Plan, place: Place) -> TaskState:
    """Where a task stands in the run so far."""
    row = engine.plan.numbers.get(plan.names[place[0]])
    if row is None or place[1] >= engine.widths.get(row, 0):
        return TaskState.PENDING
    return engine.task_state(engine.slot(row, place[1]))
