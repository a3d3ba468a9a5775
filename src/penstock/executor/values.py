"""How values pass between the tasks of a run, so that no task can change what another reads.

Every value is stored before its task counts as done; what lies in the store cannot change. A value may pass as the very
object only where nobody else can notice: to its one consumer, on that one's first attempt, or to any number if its type
cannot be changed (or the user said `share=True`). Everybody else gets it decoded anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from penstock.engine.events import ValueRef
from penstock.engine.run import RunEngine
from penstock.engine.states import TaskState
from penstock.errors import ValueUnavailable
from penstock.plan.plan import Plan
from penstock.results.base import ResultStore
from penstock.results.values import load_value, share, shareable, store_value


class _Gap:
    def __repr__(self) -> str:
        return "no value"


GAP = _Gap()
"""In the place of a value, if the task that was to give it did not succeed."""


class RunValues:
    """The values of one run: references to all of them, and the objects that may still be handed on as they are.

    The references are the engine's own. Used by many workers at once; each operation is one step under the
    interpreter's lock, or works on a task that only one worker has.
    """

    def __init__(self, plan: Plan, engine: RunEngine, results: ResultStore) -> None:
        self._plan = plan
        self._engine = engine
        self._results = results
        self._live: dict[int, Any] = {}
        self._remaining: dict[int, int] = {}
        self._wanted_often = {
            upstream
            for row, expansion in plan.mapped.items()
            for upstream in plan.inputs[row]
            if plan.mapped.get(upstream) != expansion or expansion == row
        }
        """Rows whose values go to many instances each."""

    def keep(self, task: int, value: Any) -> ValueRef | None:
        """Store what a task returned."""
        self._live.pop(task, None)  # what it returned in an earlier round of its group
        if value is None:
            return None
        ref = store_value(value, self._results)
        row = self._engine.row(task)
        consumers = self._plan.consumers[row]
        alone = consumers == 1 and row not in self._wanted_often
        if consumers and (alone or _volatile(ref) or self._plan.policies[row].share or shareable(value)):
            self._live[task] = value
            self._remaining[task] = consumers
        elif _volatile(ref):
            self._live[task] = value  # nothing else has it, and it may be the run's result
        return ref

    def take(self, row: int, consumer: int) -> Any:
        """The value of a row for one attempt of a consumer: of a map that which concerns the consumer, or the list of
        all, with None where an instance gave none. GAP if the task did not succeed; ValueUnavailable if its value is
        gone."""
        engine = self._engine
        task = engine.slot_beside(consumer, row)
        state = engine.states[task]
        if task in engine.widths:
            states = engine.states
            return [self._take(one) if states[one] == TaskState.SUCCESS else None for one in engine.slots(row)]
        if state == TaskState.SUCCESS:
            return self._take(task)
        return [] if state == TaskState.SKIPPED and engine.is_head(task) else GAP

    def refs(self, row: int, consumer: int) -> list[ValueRef | None] | ValueRef | _Gap | None:
        """Where that value is stored."""
        engine = self._engine
        task = engine.slot_beside(consumer, row)
        state = engine.states[task]
        if task in engine.widths:
            return [engine.values.get(slot) for slot in engine.slots(row)]
        if state == TaskState.SUCCESS:
            return engine.values.get(task)
        return [] if state == TaskState.SKIPPED and engine.is_head(task) else GAP

    def _take(self, task: int) -> Any:
        ref = self._engine.values.get(task)
        if ref is None:
            return None
        row = self._engine.row(task)
        policy = self._plan.policies[row]
        often = self._plan.consumers[row] > 1 or row in self._wanted_often
        if task in self._live and (_volatile(ref) or policy.share or often):
            value = self._live[task]
            return value if policy.share or _volatile(ref) else share(value)
        try:
            return self._live.pop(task)
        except KeyError:
            return self.load(task)

    def load(self, task: int) -> Any:
        """The value of a task as stored, decoded anew."""
        ref = self._engine.values.get(task)
        if ref is None:
            return None
        if _volatile(ref) and task in self._live:
            return self._live[task]
        try:
            return load_value(ref, self._results)
        except ValueUnavailable as error:
            raise ValueUnavailable(f"the value of task '{self._engine.name(task)}': {error}") from error

    def consumed(self, consumer: int) -> None:
        """A task has ended: what only it still wanted can go, unless its group may yet be tried again."""
        if not self._live:
            return
        row = self._engine.row(consumer)
        if row in self._plan.units or (consumer != row and self._plan.mapped[row] == row):
            return  # what one instance of a map takes, all others do
        for task in self._given_to(consumer, row):
            remaining = self._remaining.get(task)
            if remaining is None:
                continue
            if remaining > 1:
                self._remaining[task] = remaining - 1
            else:
                del self._remaining[task]
                self._live.pop(task, None)

    def _given_to(self, consumer: int, row: int) -> Iterable[int]:
        """What a task took and does not need any more: what all instances of a map took, once the map has ended."""
        engine = self._engine
        for upstream in self._plan.inputs[row]:
            task = engine.slot_beside(consumer, upstream)
            if consumer == row:
                if not (consumer in engine.widths and engine.plan.are_together(row, upstream)):
                    yield from engine.slots(upstream)
            elif task != upstream:
                yield task


SCALARS = frozenset({int, float, bool, str, bytes, type(None)})
"""Types of which no value can be changed, or has others in it."""


def own(value: Any) -> Any:
    """A value for one task alone: a copy, if its type can be changed."""
    return value if type(value) in SCALARS or shareable(value) else deepcopy(value)


def parameter(params: Mapping[str, Any], name: str) -> Any:
    """A parameter's value for one task."""
    return own(params[name])


def _volatile(ref: ValueRef | None) -> bool:
    return ref is not None and ref.codec == "volatile"
