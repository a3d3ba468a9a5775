"""What a run would do, found by running its plan in virtual time: the real engine, the real order, and bodies that all
succeed after as long as they usually take.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from math import isnan
from types import MappingProxyType

from penstock.engine.commands import Command, DispatchTasks, ExpandMaps
from penstock.engine.events import AttemptStarted, AttemptSucceeded, MapExpanded, RunStarted
from penstock.engine.priorities import ranks
from penstock.engine.run import RunEngine
from penstock.engine.states import TaskState
from penstock.plan.plan import Plan
from penstock.runtime.limits import foreseen_queue


@dataclass(frozen=True, slots=True)
class Foreseen:
    """One task of a run that has not begun."""

    row: int
    starts: float | None
    """Seconds after the run, if all goes well; None if it runs only if something does not."""
    seconds: float
    """How long it usually takes, of a map one instance; NaN where nobody knows."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """A run that has not begun."""

    tasks: list[Foreseen]
    """In the order in which they would begin; those that would not are last."""
    seconds: float | None
    """How long the run should take; None if no task of it has run before."""
    unknown: int
    """How many tasks nobody knows the length of. They are taken for middling ones."""


def foresee(
    plan: Plan,
    durations: Sequence[float],
    workers: int,
    widths: Mapping[int, int],
    pools: Mapping[str, int] = MappingProxyType({}),
) -> Forecast:
    """A run of a plan by so many workers. `durations` are those that were learned, empty if none were; `widths` are
    known widths of maps, others count as one; `pools` are how many slots there are, all of which are free."""
    usual = [*durations] or [float("nan")] * len(plan)
    known = sorted(seconds for seconds in usual if not isnan(seconds))
    middling = known[len(known) // 2] if known else 1.0
    world = _World(plan, [middling if isnan(seconds) else seconds for seconds in usual], durations, widths, pools)
    world.run(workers)
    rows = [row for row in plan.order if row not in plan.expanded_by]
    rows.sort(key=lambda row: world.starts.get(row, (float("inf"), 0)))
    tasks = [Foreseen(row, world.starts[row][0] if row in world.starts else None, usual[row]) for row in rows]
    unknown = sum(isnan(task.seconds) for task in tasks if task.starts is not None)
    return Forecast(tasks if known else [_without_time(task) for task in tasks], world.now if known else None, unknown)


def _without_time(task: Foreseen) -> Foreseen:
    return task if task.starts is None else Foreseen(task.row, 0.0, task.seconds)


class _World:
    """A run in virtual time. As in the driver, outcomes come one at a time, and each is followed by taking what is
    ready then."""

    def __init__(
        self,
        plan: Plan,
        lengths: Sequence[float],
        durations: Sequence[float],
        widths: Mapping[int, int],
        pools: Mapping[str, int],
    ) -> None:
        self.now = 0.0
        self.starts: dict[int, tuple[float, int]] = {}
        """When each row begins first, and as which of all."""
        self._engine = RunEngine(plan)
        self._lengths = lengths
        self._widths = widths
        self._ready = foreseen_queue(plan, self._engine.row, ranks(plan, durations), pools)
        self._running: list[tuple[float, int, int]] = []
        self._begun = 0

    def run(self, workers: int) -> None:
        """Run it to its end."""
        self._obey(self._engine.handle(RunStarted(self.now)))
        while self._ready or self._running:
            while self._ready and len(self._running) < workers:
                self._begin(self._ready.take()[0])
            self.now, _, task = heappop(self._running)
            self._ready.ended(task)
            self._obey(self._engine.handle(AttemptSucceeded(task, 1, self.now)))

    def _begin(self, task: int) -> None:
        row = self._engine.row(task)
        self._begun += 1
        self.starts.setdefault(row, (self.now, self._begun))
        self._engine.handle(AttemptStarted(task, 1, self.now))
        heappush(self._running, (self.now + self._lengths[row], self._begun, task))

    def _obey(self, commands: Sequence[Command]) -> None:
        for command in commands:
            if isinstance(command, DispatchTasks):
                self._ready.add(command.tasks, 0)
            elif isinstance(command, ExpandMaps):
                for row in command.tasks:
                    if self._engine.states[row] == TaskState.READY:
                        self._obey(self._engine.handle(MapExpanded(row, self.now, self._widths.get(row, 1))))
