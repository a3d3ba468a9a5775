"""A run in virtual time: the real queue and the real ranks, workers that take what comes first, and no waiting."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush

from bench.order.families import Graph
from penstock.plan.graph import invert
from penstock.plan.plan import Plan
from penstock.policy import TaskPolicy
from penstock.runtime.ready import ReadyQueue


def plan_of(graph: Graph) -> Plan:
    """A plan with these edges."""
    size = len(graph)
    names = tuple(f"t{task}" for task in range(size))
    texts = ("",) * size
    return Plan(
        *("bench", names, tuple(graph), tuple(graph), (TaskPolicy(),) * size, texts, texts, texts),
        *(frozenset(), texts),
    )


def makespan(graph: Graph, durations: Sequence[int], workers: int, ranks: Sequence[float]) -> int:
    """When the last task ends. As in the driver, outcomes come one at a time, and each is followed by taking what is
    ready then."""
    queue = ReadyQueue(lambda task: task, ranks)
    below = invert(graph)
    missing = [len(above) for above in graph]
    queue.add([task for task, count in enumerate(missing) if not count], 0)
    running: list[tuple[int, int, int]] = []
    now = started = 0
    while queue or running:
        while queue and len(running) < workers:
            task = queue.take()[0]
            started += 1
            heappush(running, (now + durations[task], started, task))
        now, _, task = heappop(running)
        for down in below[task]:
            missing[down] -= 1
            if not missing[down]:
                queue.add([down], 0)
    return now
