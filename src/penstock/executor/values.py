"""How values pass between the tasks of a run, so that no task can change what another reads.

Every value is stored before its task counts as done; what lies in the store cannot change. A value may pass as the very
object only where nobody else can notice: to its one consumer, on that one's first attempt, or to any number if its type
cannot be changed (or the user said `share=True`). Everybody else gets it decoded anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from penstock.engine.events import ValueRef
from penstock.engine.run import RunEngine
from penstock.errors import ValueUnavailable
from penstock.plan.plan import Plan
from penstock.results.base import ResultStore
from penstock.results.values import load_value, share, shareable, store_value


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

    def keep(self, task: int, value: Any) -> ValueRef | None:
        """Store what a task returned."""
        if value is None:
            return None
        ref = store_value(value, self._results)
        consumers = self._plan.consumers[task]
        if consumers and (consumers == 1 or _volatile(ref) or self._plan.policies[task].share or shareable(value)):
            self._live[task] = value
            self._remaining[task] = consumers
        elif _volatile(ref):
            self._live[task] = value  # nothing else has it, and it may be the run's result
        return ref

    def take(self, task: int) -> Any:
        """The value of a task, for one consumer's attempt. ValueUnavailable if it is gone."""
        ref = self._engine.values.get(task)
        if ref is None:
            return None
        policy = self._plan.policies[task]
        if task in self._live and (_volatile(ref) or policy.share or self._plan.consumers[task] > 1):
            value = self._live[task]
            return value if policy.share or _volatile(ref) else share(value)
        try:
            return self._live.pop(task)
        except KeyError:
            return self.load(task)

    def ref(self, task: int) -> ValueRef | None:
        """Where the value of a task is stored."""
        return self._engine.values.get(task)

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
            raise ValueUnavailable(f"the value of task '{self._plan.names[task]}': {error}") from error

    def consumed(self, consumer: int) -> None:
        """A task has ended for good: what only it still wanted can go."""
        if not self._live:
            return
        for task in self._plan.inputs[consumer]:
            remaining = self._remaining.get(task)
            if remaining is None:
                continue
            if remaining > 1:
                self._remaining[task] = remaining - 1
            else:
                del self._remaining[task]
                self._live.pop(task, None)


def parameter(params: Mapping[str, Any], name: str) -> Any:
    """A parameter's value for one task: its own copy, if its type can be changed."""
    value = params[name]
    return value if shareable(value) else deepcopy(value)


def _volatile(ref: ValueRef | None) -> bool:
    return ref is not None and ref.codec == "volatile"
