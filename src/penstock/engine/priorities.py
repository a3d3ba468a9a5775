"""Which of the tasks that are ready goes first, where not all can run at once.

A task's rank is a number that is known before the run begins: it depends on the plan and on how long its tasks took in
earlier runs, and on nothing that happens in this one. The lowest goes first, and of equals who came first. It moves
starts, never verdicts, and no journal needs it to be replayed.

By itself a rank is the length of the longest path from the task to the end of the run: what is farthest from the end
goes first. (List scheduling by critical path: Hu, "Parallel Sequencing and Assembly Line Problems", 1961; Kohler, "A
Preliminary Evaluation of the Critical Path Method for Scheduling Tasks on Multiprocessor Systems", 1975.) Weights that
users give come before that: what is heavier goes first, and of equals what is farther from the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

from penstock.plan.graph import invert, is_in_order, topological_order
from penstock.plan.plan import Plan

STEP = 0.1
"""Seconds in which durations are counted, at least one of them: what is shorter by less is no reason to go later, and
the order of quick tasks stays the same from run to run."""
DEFAULT_WEIGHT = 1
"""What a task weighs that is given no priority_weight, where others are."""
DEFAULT_RULE = "downstream"


def ranks(plan: Plan, durations: Sequence[float] = ()) -> list[float]:
    """The rank of each row. `durations` says in seconds how long each task takes, NaN where that is not known: such a
    task is taken for one of middling length; without any, all are taken for equally long."""
    paths = longest_paths(plan.all_upstreams, _lengths(plan, durations))
    weights = priority_weights(plan)
    if weights is None:
        return [-path for path in paths]
    keys = [(-weight, -path) for weight, path in zip(weights, paths, strict=True)]
    places = {key: float(place) for place, key in enumerate(sorted(set(keys)))}
    return [places[key] for key in keys]


def longest_paths(upstreams: Sequence[Sequence[int]], lengths: Sequence[float]) -> list[float]:
    """How long the longest path from each row to the end is, the row's own length included. In linear time."""
    order: Sequence[int] = range(len(upstreams))
    if not is_in_order(upstreams):
        order = topological_order(upstreams)
    paths = [0.0] * len(upstreams)  # of what is below, until the row's own turn
    for row in reversed(order):
        path = paths[row] = paths[row] + lengths[row]
        for upstream in upstreams[row]:
            if path > paths[upstream]:
                paths[upstream] = path
    return paths


def _lengths(plan: Plan, durations: Sequence[float]) -> Sequence[float]:
    """How long each row is taken to be, in steps: whole numbers, so that sums are exact. Rows that only expand a group
    run nothing."""
    known = sorted(filter(isfinite, durations))
    lengths = [1] * len(plan)
    if known:
        middle = known[len(known) // 2]
        lengths = [int((seconds if isfinite(seconds) else middle) / STEP + 0.5) or 1 for seconds in durations]
    for row in plan.expanded_by:
        lengths[row] = 0
    return lengths


# --- Weights that users give, as Airflow reads them


def priority_weights(plan: Plan) -> list[int] | None:
    """What each row weighs by the weights and rules that its tasks are given; None if none is given any.

    As in Airflow: by "absolute" a task weighs its own weight, by "downstream" that and those of all tasks below it, by
    "upstream" of all above it, each counted once. This takes time in proportion to how many tasks are below others, at
    worst to the square of their number.
    """
    policies = plan.policies
    if not any(policy.priority_weight is not None or policy.weight_rule is not None for policy in policies):
        return None
    own = [DEFAULT_WEIGHT if policy.priority_weight is None else policy.priority_weight for policy in policies]
    for row in plan.expanded_by:
        own[row] = 0
    rules = [policy.weight_rule or DEFAULT_RULE for policy in policies]
    upstreams = _with_expansions(plan)
    totals: Mapping[str, Sequence[int]] = {
        "absolute": own,
        "downstream": _totals(invert(upstreams), own) if "downstream" in rules else (),
        "upstream": _totals(upstreams, own) if "upstream" in rules else (),
    }
    return [totals[rule][row] for row, rule in enumerate(rules)]


def _with_expansions(plan: Plan) -> Sequence[Sequence[int]]:
    """The upstreams of each row. What is above a mapped group is above the tasks in it."""
    if not plan.expanded_by:
        return plan.upstreams
    upstreams = [*map(list, plan.upstreams)]
    for expansion, inside in plan.expanded_by.items():
        for row in inside:
            upstreams[row].append(expansion)
    return upstreams


def _totals(above: Sequence[Sequence[int]], own: Sequence[int]) -> list[int]:
    """The weight of each row with that of all that is reached from it, step by step, through `above`.

    Sets of rows are the bits of numbers, by their place in an order in which what is reached comes first.
    """
    order = topological_order(above)
    waiting = [len(rows) for rows in invert(above)]
    """How many have yet to take over each row's set: after the last, it may go."""
    masks = _masks([own[row] for row in order])
    sets: dict[int, int] = {}
    totals = [0] * len(own)
    for place, row in enumerate(order):
        reached = 1 << place
        for other in above[row]:
            reached |= sets[other]
            waiting[other] -= 1
            if not waiting[other]:
                del sets[other]
        if waiting[row]:
            sets[row] = reached
        totals[row] = sum(weight * (reached & mask).bit_count() for weight, mask in masks.items())
    return totals


def _masks(weights: Sequence[int]) -> dict[int, int]:
    """Weight -> the places that have it, as bits; but for those that weigh nothing."""
    masks = {}
    for weight in sorted(set(weights) - {0}):
        digits = ["1" if other == weight else "0" for other in reversed(weights)]
        masks[weight] = int("".join(digits), 2)
    return masks
