"""The shortest schedule that there is, proved by the CP-SAT solver of OR-tools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ortools.sat.python import cp_model

from bench.order.families import Graph


class Optimum(NamedTuple):
    """What was found out about the shortest schedule."""

    bound: int
    """No schedule is shorter: that is proved."""
    best: int
    """One of this length exists. If it is the bound, it is optimal."""


def trivial_bound(graph: Graph, durations: Sequence[int], workers: int) -> int:
    """No schedule is shorter than the longest path, nor than the work shared out evenly."""
    ends: list[int] = []
    for task, above in enumerate(graph):
        ends.append(durations[task] + max((ends[up] for up in above), default=0))
    return max(*ends, -(-sum(durations) // workers))


def optimum(graph: Graph, durations: Sequence[int], workers: int, known: int, seconds: float) -> Optimum:
    """The optimum, or what is proved of it in so many seconds. A schedule of length `known` exists."""
    bound = trivial_bound(graph, durations, workers)
    if bound == known:
        return Optimum(bound, known)
    model = cp_model.CpModel()
    starts = [model.new_int_var(0, known, "") for _ in graph]
    end = model.new_int_var(bound, known, "")
    tasks = [
        model.new_fixed_size_interval_var(start, duration, "")
        for start, duration in zip(starts, durations, strict=True)
    ]
    for task, above in enumerate(graph):
        model.add(starts[task] + durations[task] <= end)
        for up in above:
            model.add(starts[up] + durations[up] <= starts[task])
    model.add_cumulative(tasks, [1] * len(tasks), workers)
    model.minimize(end)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = 8
    solver.parameters.random_seed = 1
    status = solver.solve(model)
    found = status in (cp_model.OPTIMAL, cp_model.FEASIBLE)
    bound = max(bound, round(solver.best_objective_bound + 0.49999))
    return Optimum(min(bound, known), min(known, round(solver.objective_value)) if found else known)
