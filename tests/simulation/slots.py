"""Slots that tasks of simulated worlds take while they run: drawn, and watched so that no more are used than there are.

A body counts as long as its driver has the run and has not come to its end with it, even if it was given up. Where
leases end by time, a driver that was stopped for long loses its slots to others and does not know it at once: what can
happen then is in the documentation, and not checked here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

from penstock.executor.base import Attempt
from tests.simulation.database import Kind, SimLease

if TYPE_CHECKING:
    from tests.simulation.host import Host
    from tests.simulation.scenario import Scenario
    from tests.simulation.work import Work

POOL = "db"
_LATE = {"pause", "cut", "stall", "disk", "blind", "wakes"}
"""Faults that keep a driver from renewing a lease which ends by time."""


def draw_slots(work: Work, random: Random) -> Work:
    """The same work, in some worlds with tasks that take slots."""
    if random.random() < 0.6:
        return work
    return draw_needs(work, random, random.choice((1, 1, 2, 3)))


def draw_needs(work: Work, random: Random, size: int) -> Work:
    """The same work, with tasks that take of so many slots, if there are any."""
    if not size:
        return work
    steps = {name: replace(step, options=step.options | _needs(random, size)) for name, step in work.steps.items()}
    return replace(work, steps=steps, slots=size)


def _needs(random: Random, size: int) -> dict[str, Any]:
    needs: dict[str, Any] = {}
    if random.random() < 0.6:
        needs |= {"pool": POOL, "pool_slots": random.randint(1, size)}
    if random.random() < 0.15:
        needs["concurrency"] = random.choice((1, 1, 2))
    if random.random() < 0.1:
        needs["priority_weight"] = random.choice((-1, 2, 5))
    return needs


class SlotWatch:
    """Counts what the bodies of all runs use."""

    def __init__(self, scenario: Scenario) -> None:
        self._steps = scenario.steps
        self._size = scenario.work.slots
        self.was_full = False
        """Whether all slots were used at some time."""
        self._counts = scenario.kind is Kind.LOCKS or not scenario.faults & _LATE

    def wrong(self, task: str, living: Iterable[tuple[Host, Attempt]]) -> Iterator[str]:
        """What is wrong now that a body of a task has begun, with all bodies that run, this one among them."""
        options = self._steps[task].options
        if not self._counts or not options.keys() & {"pool", "concurrency"}:
            return
        running = [self._steps[_task_of(attempt)].options for host, attempt in living if _is_driven(host, attempt)]
        used = sum(each.get("pool_slots", 1) for each in running if "pool" in each)
        self.was_full = self.was_full or used == self._size
        if "pool" in options and used > self._size:
            yield f"{used} slots are used, where there are {self._size}"
        alike = sum(1 for each in running if each is options)
        if alike > options.get("concurrency", alike):
            yield f"{alike} attempts of it run, where its concurrency is {options['concurrency']}"


def _task_of(attempt: Attempt) -> str:
    engine = attempt.context.engine  # type: ignore[attr-defined]
    name: str = engine.plan.names[engine.row(attempt.task)]
    return name


def _is_driven(host: Host, attempt: Attempt) -> bool:
    driver = host.driver_of(attempt)
    if driver._over:
        return False
    database = host.world.database
    record = database.records[attempt.context.run_id]
    lease = driver._lease
    assert isinstance(lease, SimLease)
    return database.counts(record, lease) and database.is_held(record)
